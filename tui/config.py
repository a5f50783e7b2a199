"""The app's settings file: keys, theme, and who records. TOML at `$KYODAKU_CONFIG`, else in the user's config folder.

    by = "Chan"                # who records decisions; asked once where it is not said
    theme = "light"            # dark, light or high contrast
    preview = "sixel"          # auto, off, halfblock, sixel or kitty; $KYODAKU_PREVIEW goes before it
    picture_kb = 40            # bytes of a picture, in thousands; unsaid: no bound, on a slow line 64

    [keys]                     # by room and action, as the help shows them; a text or several
    "archive.mine" = "M"
    "everywhere.undo" = ["u", "ctrl+z"]

Keys are named as Textual names them: `M`, `ctrl+z`, `f8`, `space`, `full_stop`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from core.errors import BadValue
from tui.terminal import PREVIEWS

THEMES = ("dark", "light", "high contrast")


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says; its defaults where there is none. `keys` are by `room.action`."""

    by: str = ""
    theme: str = "dark"
    preview: str = "auto"
    picture_kb: int | None = None
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def path() -> Path:
    """Where the file is sought."""
    named = os.environ.get("KYODAKU_CONFIG")
    return Path(named) if named else Path(platformdirs.user_config_dir("kyodaku")) / "config.toml"


def read(file: Path) -> Config:
    """What the file says. Raises BadValue, naming the file and the field."""
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError) as error:
        raise BadValue(f"{file} can't be read: {error}", "mend it, or move it away") from error
    if unknown := told.keys() - {"by", "theme", "preview", "picture_kb", "keys"}:
        raise BadValue(
            f"{file}: there is no setting {sorted(unknown)[0]!r}", "by, theme, preview, picture_kb and [keys]"
        )
    by, theme, keys = told.get("by", ""), told.get("theme", "dark"), told.get("keys", {})
    preview, picture_kb = told.get("preview", "auto"), told.get("picture_kb")
    if not isinstance(by, str):
        raise BadValue(f"{file}: by is a name", 'by = "Chan"')
    if theme not in THEMES:
        raise BadValue(f"{file}: theme {theme!r} is none", f"one of {', '.join(THEMES)}")
    if preview not in PREVIEWS:
        raise BadValue(f"{file}: preview {preview!r} is none", f"one of {', '.join(PREVIEWS)}")
    if picture_kb is not None and (type(picture_kb) is not int or picture_kb < 1):
        raise BadValue(f"{file}: picture_kb is a whole number of one or more", "picture_kb = 64")
    if not isinstance(keys, dict):
        raise BadValue(f"{file}: keys are a table", '[keys], and below it "archive.mine" = "M"')
    return Config(
        by.strip(), theme, preview, picture_kb, {name: _keys(file, name, value) for name, value in keys.items()}
    )


def _keys(file: Path, name: str, value: Any) -> tuple[str, ...]:
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list) or not several or not all(isinstance(key, str) and key for key in several):
        raise BadValue(f"{file}: keys.{name} is a key or a list of keys", f'"{name}" = "M"')
    return tuple(several)
