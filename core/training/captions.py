"""What each picture of a cohort is called when it trains.

That is, in this order: what the recipe's file of captions says, what people wrote for the picture in the catalog, what
the recipe's template makes of it. A run says it once, when it begins, and keeps it.

A file of captions has a line a picture, its columns apart by tabs: the picture, its caption, and where the photograph
lies, which is for people and not read. A picture is named `PHOTO.SUBJECT` by their ids.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core import prompts
from core.errors import BadRecipe
from core.training.recipe import ATTRIBUTES, TRIGGER, Recipe, check_caption
from storage import captions, faces, photos
from storage.captions import PictureKey
from storage.catalog import Catalog
from storage.forgetting import Names
from storage.records import Box, CohortItem, Photo
from storage.whole_files import whole_file

HEADING = "# picture\tcaption\tphotograph"
KEPT = "captions.tsv"  # in a job's folder, what its run calls each picture
_FRAMINGS = ((0.45, "close-up"), (0.25, "head and shoulders"), (0.12, "half length"))  # least share of the height


@dataclass(frozen=True, slots=True)
class Called:
    """What a picture is called: `text` as somebody wrote it, `caption` with what is known in it.

    The person's word stands as `{trigger}` in both. `own`: the text is this picture's, not the recipe's template.
    """

    item: CohortItem
    photo: Photo
    text: str
    caption: str
    own: bool

    @property
    def key(self) -> PictureKey:
        """The picture, as its caption is stored."""
        return key_of(self.item)


def key_of(item: CohortItem) -> PictureKey:
    """A picture, as its caption is stored."""
    return item.photo_id, item.subject_id


def name_of(key: PictureKey) -> str:
    """How files and people name a picture: `PHOTO.SUBJECT`."""
    return "{}.{}".format(*key)


def of_items(catalog: Catalog, items: Sequence[CohortItem], recipe: Recipe) -> list[Called]:
    """What each item is called, in their order. Raises BadRecipe and PromptRefused for the recipe's file."""
    own = captions.of_pictures(catalog, map(key_of, items))
    if recipe.captions is not None:
        own |= read(Path(recipe.captions))
    known = {photo.id: photo for photo in photos.get_many(catalog, sorted({item.photo_id for item in items}))}
    boxes = {face.id: face.box for face in faces.get_many(catalog, {item.face_id for item in items})}
    found = []
    for item in items:
        text, photo = own.get(key_of(item), recipe.caption), known[item.photo_id]
        caption = filled(text, photo, item, boxes.get(item.face_id))
        found.append(Called(item, photo, text, caption, key_of(item) in own))
    return found


def for_run(
    catalog: Catalog, items: Sequence[CohortItem], recipe: Recipe, folder: Path | None
) -> dict[PictureKey, str]:
    """What a run calls each item: what it kept in its job's `folder` when it began, so that it goes on to the same.

    Raises BadRecipe, PromptRefused.
    """
    kept = None if folder is None else folder / KEPT
    found = read(kept) if kept is not None and kept.exists() else {}
    new = of_items(catalog, [item for item in items if key_of(item) not in found], recipe)
    for text in dict.fromkeys(called.caption for called in new):
        check_caption(text, "a caption")  # the last look at words before they train, whoever wrote them
    found |= {called.key: called.caption for called in new}
    if kept is not None and new:
        _keep(kept, found)
    return found


def forget(kept: Path, subject_id: int, names: Names) -> None:
    """Take a person out of what a run kept: the lines of their pictures go, and their names from those of others."""
    found = read(kept)
    _keep(kept, {key: names.without(text) for key, text in found.items() if key[1] != subject_id})


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


def read(path: Path) -> dict[PictureKey, str]:
    """Captions by picture. Raises BadRecipe naming the line, PromptRefused for one that no prompt may be."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadRecipe(f"{path} can't be read: {error.strerror}", "check the file of captions") from error
    except UnicodeDecodeError as error:
        raise BadRecipe(f"{path} is not UTF-8", "save it as UTF-8 text") from error
    found: dict[PictureKey, str] = {}
    fine: set[str] = set()  # a rule of prompts is asked once about captions that many pictures have
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        picture, *rest = line.split("\t")
        named = re.fullmatch(r"(\d{1,18})\.(\d{1,18})", picture, re.ASCII)
        if named is None or not rest or not rest[0].strip():
            raise BadRecipe(f"{where}: no picture and caption apart by a tab", "see: kyodaku captions export -h")
        key = int(named[1]), int(named[2])
        if key in found:
            raise BadRecipe(f"{where}: picture {picture} stands there twice", "leave one of them")
        if rest[0] not in fine:
            try:
                check_caption(rest[0], where)
            except ValueError as error:
                raise BadRecipe(f"{where}: {error}", "mend it") from error
            fine.add(rest[0])
        found[key] = rest[0].strip()
    return found


def lines_of(called: Iterable[Called]) -> Iterator[str]:
    """A file of captions of these pictures, for people to edit."""
    yield HEADING
    for one in called:
        yield "\t".join((name_of(one.key), one.caption, one.photo.path_text))


def frequencies(captions: Sequence[str]) -> Mapping[str, int]:
    """How many captions hold each part between commas, the most frequent first."""
    counts = Counter(part for caption in captions for part in {part.strip() for part in caption.split(",")} if part)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _keep(path: Path, found: Mapping[PictureKey, str]) -> None:
    with whole_file(path) as file:
        file.writelines(f"{name_of(key)}\t{text}\n".encode() for key, text in sorted(found.items()))


def _framing(face: Box, crop: Box) -> str:
    share = (face[3] - face[1]) / max(1, crop[3] - crop[1])
    return next((name for least, name in _FRAMINGS if share >= least), "full length")
