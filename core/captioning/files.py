"""Captions by file: one file with a line a picture, or a text file for each as trainers and tag editors have them.

Of those, `PICTURE.txt` beside `PICTURE.jpg` holds the caption in its first line (kohya's sd-scripts,
library/train_util.py, read_caption). They know no `{trigger}`: a word stands there.
"""

from __future__ import annotations

import errno
import os
import re
import stat as stats
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core import outside
from core.errors import BadValue
from core.training.captions import Called, lines_of, name_of, read
from core.training.recipe import TRIGGER, trigger_of
from storage.captions import PictureKey
from storage.catalog import Catalog
from storage.photos import join, split
from storage.safe_text import display
from storage.whole_files import new_file

SIDECAR = ".txt"
MOST_BYTES = 64 << 10  # of a sidecar


@dataclass(frozen=True, slots=True)
class Found:
    """Captions that files hold, by picture; how many pictures have none there, and what was no picture's."""

    captions: Mapping[PictureKey, str]
    without: int
    strange: Sequence[str]


def write_file(catalog: Catalog, called: Sequence[Called], path: Path) -> None:
    """Write a file of captions that `read_file` reads. Raises BadValue where something is in its place."""
    _write(catalog, {path: "\n".join(lines_of(called)) + "\n"})


def write_sidecars(catalog: Catalog, called: Sequence[Called], folder: Path, word: str | None = None) -> list[Path]:
    """Write a text file for each picture, named after its photograph; `word` (default: the person's own) for {trigger}.

    Where several would have one name, the picture's number is added. Raises BadValue where something is in their place.
    """
    names = sidecar_names(called)
    texts = {
        folder / f"{names[one.key]}{SIDECAR}": one.caption.replace(TRIGGER, word or trigger_of(one.item.subject_uid))
        for one in called
    }
    _write(catalog, texts)
    return list(texts)


def read_file(called: Sequence[Called], path: Path) -> Found:
    """What a file of captions says of these pictures. Raises BadRecipe naming the line, PromptRefused."""
    told = read(path)
    own = {one.key: told[one.key] for one in called if told.get(one.key, one.caption) != one.caption}
    known = {one.key for one in called}
    return Found(own, len(known - told.keys()), [name_of(key) for key in told if key not in known])


def read_sidecars(called: Sequence[Called], folder: Path | None, word: str | None = None) -> Found:
    """What text files in a folder, or with None beside the photographs, say of these pictures.

    `word` stands there for {trigger}, as the person's own does; where neither does, it is put in front. Raises BadValue
    for a file that can't be read.
    """
    names = sidecar_names(called)
    found: dict[PictureKey, str] = {}
    used: set[bytes] = set()
    without = 0
    for one in called:
        within, stem = split(one.photo.path)[0], stem_of(one)
        if folder is None:
            places = [join(within, stem + SIDECAR.encode())]
        else:
            places = [os.fsencode(folder / f"{name}{SIDECAR}") for name in (names[one.key], name_of(one.key))]
        text = next((text for place in places if (text := _first_line(place, used)) is not None), None)
        if text is None:
            without += 1
        elif (caption := _with_trigger(text, one, word)) != one.caption:
            found[one.key] = caption
    there = [] if folder is None else sorted(folder.glob(f"*{SIDECAR}"))
    return Found(found, without, [display(path.name) for path in there if os.fsencode(path) not in used])


def sidecar_names(called: Iterable[Called]) -> dict[PictureKey, str]:
    """What each picture's text file is called, without its suffix."""
    stems = {one.key: os.fsdecode(stem_of(one)) for one in called}
    often = Counter(stems.values())
    return {key: stem if often[stem] == 1 else f"{stem}-{name_of(key)}" for key, stem in stems.items()}


def stem_of(one: Called) -> bytes:
    """The name of a picture's photograph, without its suffix."""
    return os.path.splitext(split(one.photo.path)[1])[0]  # noqa: PTH122 - the path is bytes


def _with_trigger(text: str, one: Called, word: str | None) -> str:
    for known in filter(None, (word, trigger_of(one.item.subject_uid))):
        text = re.sub(rf"(?<!\w){re.escape(known)}(?!\w)", lambda _: TRIGGER, text)
    return text if TRIGGER in text else f"{TRIGGER}, {text}"


def _first_line(path: bytes, used: set[bytes]) -> str | None:
    """The first line of a text file that says something; None where there is no file, or none that is one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link, which may lead anywhere
            return None
        raise BadValue(f"{display(path)} can't be read: {error.strerror}", "leave it out") from error
    try:
        if not stats.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = os.read(descriptor, MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    used.add(path)
    if len(data) > MOST_BYTES:
        raise BadValue(f"{display(path)} is larger than a caption", "leave it out")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadValue(f"{display(path)} is not UTF-8", "save it as UTF-8 text") from error
    return next((" ".join(line.split()) for line in lines if line.strip()), None)


def _write(catalog: Catalog, texts: Mapping[Path, str]) -> None:
    for path in texts:
        outside.require(catalog, path.parent)
        if os.path.lexists(path):
            raise BadValue(f"{display(str(path))} is there already", "name another place, or remove it")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
