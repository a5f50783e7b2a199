"""What each picture of a frozen cohort is called: by the recipe's template, or by a file that people edit.

The file has a line a picture, its columns apart by tabs: the picture, its caption, and where the photograph lies, which
is for people and not read. A picture is named `PHOTO.SUBJECT` by their ids, so the file outlives a new freeze.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core import prompts
from core.errors import BadRecipe
from core.training.recipe import ATTRIBUTES, TRIGGER, Recipe, check_caption
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Box, CohortItem, Photo

HEADING = "# picture\tcaption\tphotograph"
_FRAMINGS = ((0.45, "close-up"), (0.25, "head and shoulders"), (0.12, "half length"))  # least share of the height


def of_items(catalog: Catalog, items: Sequence[CohortItem], recipe: Recipe) -> list[str]:
    """The caption of each item, its word still standing as `{trigger}`.

    From the recipe's file where it names the picture, else from the recipe's template. Raises BadRecipe, PromptRefused.
    """
    own = {} if recipe.captions is None else read(Path(recipe.captions))
    known = {photo.id: photo for photo in photos.get_many(catalog, sorted({item.photo_id for item in items}))}
    boxes = {face.id: face.box for face in faces.get_many(catalog, {item.face_id for item in items})}
    return [
        filled(own.get(name_of(item), recipe.caption), known[item.photo_id], item, boxes.get(item.face_id))
        for item in items
    ]


def name_of(item: CohortItem) -> str:
    """How a captions file names a picture."""
    return f"{item.photo_id}.{item.subject_id}"


def filled(template: str, photo: Photo, item: CohortItem, face: Box | None) -> str:
    """The template with what the catalog knows of the picture in it."""
    known = {
        "place": photo.place,
        "year": None if photo.taken_at is None else str(photo.taken_at.year),
        "framing": None if face is None else _framing(face, item.crop),
    }
    return fill(template, known)


def fill(template: str, known: Mapping[str, str | None]) -> str:
    """The template with what is known in it; what stands between commas goes where something isn't.

    A place whose name no prompt may hold is one that isn't known.
    """
    parts = []
    for part in template.split(","):
        asked = [name for name in ATTRIBUTES if f"{{{name}}}" in part]
        text = part
        for name in asked:
            text = text.replace(f"{{{name}}}", known.get(name) or "")
        if all(known.get(name) for name in asked) and not (asked and prompts.find(text.replace(TRIGGER, ""))):
            parts.append(text.strip())
    caption = ", ".join(parts)
    return caption if TRIGGER in caption else f"{TRIGGER}, {caption}" if caption else TRIGGER


def read(path: Path) -> dict[str, str]:
    """Captions by picture. Raises BadRecipe naming the line, PromptRefused for one that no prompt may be."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadRecipe(f"{path} can't be read: {error.strerror}", "check the recipe's captions") from error
    except UnicodeDecodeError as error:
        raise BadRecipe(f"{path} is not UTF-8", "save it as UTF-8 text") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        picture, *rest = line.split("\t")
        if not re.fullmatch(r"\d+\.\d+", picture) or not rest or not rest[0].strip():
            raise BadRecipe(f"{where}: no picture and caption apart by a tab", "see: kyodaku recipe captions -h")
        if picture in found:
            raise BadRecipe(f"{where}: picture {picture} stands there twice", "leave one of them")
        try:
            check_caption(rest[0], where)
        except ValueError as error:
            raise BadRecipe(f"{where}: {error}", "mend it") from error
        found[picture] = rest[0].strip()
    return found


def lines_of(catalog: Catalog, items: Sequence[CohortItem], recipe: Recipe) -> Iterator[str]:
    """A captions file for these items, as the recipe would call them now."""
    known = {photo.id: photo for photo in photos.get_many(catalog, sorted({item.photo_id for item in items}))}
    yield HEADING
    for item, caption in zip(items, of_items(catalog, items, recipe), strict=True):
        yield "\t".join((name_of(item), caption, known[item.photo_id].path_text))


def frequencies(captions: Sequence[str]) -> Mapping[str, int]:
    """How many captions hold each part between commas, the most frequent first."""
    counts = Counter(part for caption in captions for part in {part.strip() for part in caption.split(",")} if part)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _framing(face: Box, crop: Box) -> str:
    share = (face[3] - face[1]) / max(1, crop[3] - crop[1])
    return next((name for least, name in _FRAMINGS if share >= least), "full length")
