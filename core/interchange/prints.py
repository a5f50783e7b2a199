"""A person's pictures on sheets of paper, for giving to them: photographs of them, and pictures drawn of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

from PIL import Image

from core import decoding, generated_marks, image, outside, printable, query, recorded_file
from core.errors import BadImage, BadValue, ConsentLost, Refused, UnreadablePath
from core.interchange.prints_pdf import Placed, Sheets
from core.interchange.wording import Language, words
from core.printable import Source
from core.progress import Report, Step, silent
from storage import faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.generated import Generated
from storage.records import Photo, Subject
from storage.whole_files import new_file

MOST = 600  # pictures in one file: a hundred sheets, and as many megabytes of memory


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A picture that is not on the sheets, and why; `refused`: by a rule."""

    source: Source
    reason: str
    refused: bool


@dataclass(slots=True)
class Printed:
    """What was laid out, or would be, and where; `file` is None where nothing was written."""

    subject: str
    file: Path | None = None
    pages: int = 0
    prints: list[tuple[Source, Placed]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def prints(
    catalog: Catalog,
    subject: int | str,
    out: Path,
    *,
    paper: str = "a4",
    across: int | None = None,
    only: str = "",
    language: Language = Language.ENGLISH,
    dry_run: bool = False,
    report: Report = silent,
) -> Printed:
    """Lay out what may be printed of a person as PDF: their photographs that `only` finds, then what was drawn of them.

    `across` pictures lie side by side, as the paper has it unless told. The ledger is asked as each is read, and again,
    of all, before the file is written, which never replaces one. Nothing is written where nothing may be printed.
    Raises NoSuchRecord, BadQuery, BadValue, JobFailed, UnreadablePath, and ConsentLost where a word was taken back
    meanwhile.
    """
    person = subjects.get(catalog, subject)
    _require_new(catalog, out)
    say = words(language)
    sheets = Sheets(paper, across, say["for_person"].format(name=person.name), language, ledger.instant(catalog))
    done = Printed(person.name)
    found = [Source(photo) for photo in _photographs(catalog, person, only)]
    found += [Source(drawn) for drawn in printable.drawn_of(catalog, person.id)]
    if len(found) > MOST:
        raise BadValue(f"{len(found):,} pictures are more than {MOST} for one file", "narrow them by --query")
    contents: set[str | None] = set()
    for count, source in enumerate(found, 1):
        try:
            ready = _read(catalog, source, sheets.longest)
            if source.of.content_hash in contents:
                raise BadImage("it is a copy of another")
        except (Refused, BadImage) as error:
            done.left_out.append(LeftOut(source, error.message, refused=isinstance(error, Refused)))
        else:
            contents.add(source.of.content_hash)
            placed = sheets.put(ready.picture, ready.size, _caption(source, say["print_drawn"]))
            done.prints.append((ready.source, placed))
        report(Step("prints", count, len(found)))
    done.pages = sheets.pages
    if done.prints and not dry_run:
        _write(catalog, out, sheets, [source for source, _ in done.prints])
        done.file = out
    return done


def _require_new(catalog: Catalog, out: Path) -> None:
    outside.require(catalog, out.parent)
    if out.suffix.lower() != ".pdf":
        raise BadValue(f"{out.name}: prints are a .pdf", "name the file so")
    if out.exists():
        raise BadValue(f"{out} is there already", "name a new file")


def _photographs(catalog: Catalog, person: Subject, only: str) -> list[Photo]:
    """Those that show the person and that the search finds, the oldest first."""
    ids = faces.photos_of_subject(catalog, person.id)
    if only:
        found = set(query.ids(catalog, only))
        ids = [id for id in ids if id in found]
    return sorted(photos.get_many(catalog, ids), key=lambda photo: (photo.taken_at or datetime.max, photo.id))


@dataclass(frozen=True, slots=True)
class _Ready:
    """A picture to put: `size` is what its file has, in pixels."""

    source: Source
    picture: Image.Image
    size: tuple[int, int]


def _read(catalog: Catalog, source: Source, longest: int) -> _Ready:
    """The picture, its longer side at most `longest`, if it may be printed.

    Raises Refused, BadImage, JobFailed, UnreadablePath.
    """
    printable.require_printable(catalog, source)
    if isinstance(source.of, Photo):
        # a PDF's colours are taken for sRGB: those of a photograph with a wider profile would come out pale
        asked = decoding.ask(source.of, longest, content_hash=source.of.content_hash, srgb=True)
        return _Ready(source, decoding.picture(asked), (source.of.width or 1, source.of.height or 1))
    data = recorded_file.read(source.of.path, source.of.content_hash, "drawn")
    source = replace(source, beginning=_beginning(data))
    printable.require_printable(catalog, source)
    return _Ready(source, image.load(BytesIO(data), 1, longest=longest), _size(data))


def _size(data: bytes) -> tuple[int, int]:
    facts = image.probe(BytesIO(data))
    return facts.width, facts.height


def _beginning(data: bytes) -> str | None:
    """The hash of the picture that a drawn one began as. Raises BadImage for several, Refused where nothing says."""
    marks = generated_marks.read(data)
    if marks.several:
        raise BadImage("it is a contact sheet")
    if marks.from_picture and marks.start is None:
        raise Refused("it began as a picture of which nothing is on record", "draw it again")
    return marks.start


def _caption(source: Source, drawn: str) -> str:
    if isinstance(source.of, Generated):
        return drawn
    return "" if source.of.taken_at is None else f"{source.of.taken_at:%Y-%m-%d}"


def _write(catalog: Catalog, out: Path, sheets: Sheets, printed: Sequence[Source]) -> None:
    """Write the file if all of it may be printed still."""
    data = sheets.bytes()
    with catalog.transaction():
        # A withdrawal comes before this and is seen here, or after.
        for source in printed:
            try:
                printable.require_printable(catalog, source)
            except Refused as error:
                raise ConsentLost(f"meanwhile {error.message}", "run it again: it is left out then") from error
        try:
            with new_file(out) as file:
                file.write(data)
        except FileExistsError as error:
            raise BadValue(f"{out} is there already", "name a new file") from error
        except OSError as error:
            raise UnreadablePath(f"{out} can't be written: {error.strerror}", "name another place") from error
