"""init, index, find, show: the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from core import claims, listing, looks, query, scan, statuses
from core import controller as controllers
from core.counted import counted
from core.errors import BadValue
from storage import catalog as catalogs
from storage import faces, photos, similar, subjects
from storage.catalog import Catalog
from storage.records import Companion, Face, Photo, Subject
from storage.safe_text import display
from tui.output import AsJson, Progress, emit, table
from tui.place import catalog_folder, opened

MOST_DIGITS = 19  # of an id that fits SQLite's integers
FIND_HELP = f"""Photographs that match.

Terms are joined by a blank (and), `or`, `not` or `-`, with parentheses; quotes hold blanks together; a bare word is
looked for in paths and captions. Fields: {", ".join(sorted(query.FIELDS))}. They take a value, `>=value`, or `a..b`.

For example: 'subject:Noy taken:2019..2021 -train-composite:refused'

With --facets: how many of them there are by year, camera and so on, which is what a search can be narrowed by.
"""
MOST_VALUES = 20  # of a facet, as text


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command()(init)
    app.command()(index)
    app.command(help=FIND_HELP)(find)
    app.command()(show)


def init(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="Where; default: the catalog that -C names.")] = None,
    controller: Annotated[str | None, typer.Option(help="Who is responsible, as receipts shall name them.")] = None,
    contact: Annotated[str | None, typer.Option(help="Where people write to withdraw, for receipts.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a catalog: a private folder for the tables, the ledger and the models. The archive stays where it is."""
    with catalogs.create(folder or catalog_folder(context.find_root().params["catalog"])) as catalog:
        where = catalog.folder.resolve()
        controllers.state(catalog, name=controller, contact=contact)
    emit({"catalog": where}, f"catalog made in {where}", as_json=as_json)


def index(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Folders or files of the archive.")],
    jobs: Annotated[int | None, typer.Option(help="Processes that read; default: one a core.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be new, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read what is new or changed under the folders into the catalog. Nothing in them is written to.

    A JPEG with its RAW and XMP sidecars is one photograph. A second run costs a stat a file. Moved files keep their
    faces and consent; broken ones are kept with the reason.
    """
    with opened(context) as catalog, Progress() as progress:
        result = scan.index(catalog, paths, jobs=jobs, dry_run=dry_run, report=progress)
        if not dry_run:
            query.prepare(catalog, report=progress)
    counts = ", ".join(
        f"{name} {getattr(result, name):,}" for name in ("new", "changed", "moved", "gone", "unchanged", "errors")
    )
    emit(result, f"{counted(result.seen, 'photograph')} seen in {result.seconds:.1f} s: {counts}", as_json=as_json)


def find(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="QUERY", help="e.g. 'subject:Noy taken:2019..2021 -status:refused'")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    sort: Annotated[str, typer.Option(help=", ".join(query.SORTS) + "; a trailing - turns it round.")] = "taken",
    count: Annotated[bool, typer.Option("--count", help="Only how many.")] = False,
    by: Annotated[
        str | None,
        typer.Option("--facets", metavar="NAME,…", help=f"Only how many by each of: {', '.join(query.FACETS)}."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Photographs that match."""
    with opened(context) as catalog:
        if by is not None:
            total, facets = query.count_by(catalog, text, by.split(","))
            emit({"count": total, "facets": facets}, _facet_lines(total, facets), as_json=as_json)
            return
        if count:
            found = query.count(catalog, text)
            emit({"count": found}, f"{found:,}", as_json=as_json)
            return
        page = query.find(catalog, text, limit=limit, sort=sort)
        rows = _rows(catalog, [photo.id for photo in page])
    lines = table(
        [
            (row["id"], row["taken_at"], row["faces"], ", ".join(row["subjects"]), row["path"], row["error"])
            for row in rows
        ],
        ("id", "taken", "faces", "subjects", "path", "error" if any(row["error"] for row in rows) else ""),
    )
    emit(rows, lines, as_json=as_json)


def _facet_lines(total: int, by_name: Mapping[str, Sequence[query.Facet]]) -> list[str]:
    lines = [counted(total, "photograph")]
    for name, facets in by_name.items():
        shown = facets[:MOST_VALUES]
        lines += ["", *table([(f.value if f.value is not None else "—", f"{f.count:,}") for f in shown], (name, ""))]
        if len(facets) > len(shown):
            lines.append(f"and {len(facets) - len(shown):,} more (--json lists all)")
    return lines


def show(
    context: typer.Context,
    photo: Annotated[str, typer.Argument(help="Its id or its path.")],
    as_json: AsJson = False,
) -> None:
    """One photograph: its facts, every face, and why each status is what it is."""
    with opened(context) as catalog:
        record = photo_of(catalog, photo)
        [row] = _rows(catalog, [record.id])
        reasons = statuses.explain(catalog, record.id)
        seen = faces.of_photo(catalog, record.id)
        people = subjects.get_many(catalog, {face.subject_id for face in seen if face.subject_id is not None})
        alike = similar.group_of(catalog, record.id)
        claimed = list(claims.of_photos(catalog, [record.id]))
    names = ("format", "lens", "exposure_s", "f_number", "iso", "focal_mm", "place", "country", "rating", "caption")
    facts = {name: getattr(record, name) for name in (*names, "taken_source")}
    document = row | facts | {"rights": record.rights, "why": reasons}
    document["faces"] = [_face(face, _whose(face, people), record) for face in seen]
    document["similar"] = alike
    document["claims"] = claimed
    shown = ("path", "taken_at", "camera", *facts, "error")
    lines = [f"{name}: {document[name]}" for name in shown if document[name]]
    lines += [f"tags: {', '.join(row['tags'])}"] if row["tags"] else []
    lines += [f"{each['kind']}: {each['path']}" for each in row["companions"]]
    if alike is not None:
        others = ", ".join(str(one.photo) for one in alike.members if one.photo != record.id)
        lines.append(f"looks like {others} (group {alike.id}, {alike.kind})")
    lines += [f"claimed: {claims.told(claim)}" for claim in claimed]
    lines += [f"{purpose}: {ruling.status} — {ruling.why}" for purpose, ruling in reasons.items()]
    for face in seen:
        age = display(looks.told(face, _whose(face, people), record))
        lines.append(f"face {face.id}: {face.box}, subject {face.subject_id or '?'}; {age}")
    emit(document, lines, as_json=as_json)


def photo_of(catalog: Catalog, given: str) -> Photo:
    """The photograph that a command's argument means, an id or a path. Raises BadValue, NoSuchRecord."""
    if given.isascii() and given.isdigit() and len(given) < MOST_DIGITS:
        return photos.get(catalog, int(given))
    record = photos.by_path(catalog, bytes(Path(given).resolve()))
    if record is None:
        raise BadValue(f"{given} is not in the catalog", "give an id from `kyodaku find`, or index its folder first")
    return record


def _face(face: Face, subject: Subject | None, photo: Photo) -> dict[str, Any]:
    names = ("id", "box", "probability", "sharpness", "pose", "age_estimate", "cluster", "subject_id", "mark")
    ages = {"age_then": looks.years_then(subject, photo), "age": looks.told(face, subject, photo)}
    return {name: getattr(face, name) for name in names} | ages


def _whose(face: Face, people: Mapping[int, Subject]) -> Subject | None:
    return None if face.subject_id is None else people[face.subject_id]


def _companion(photo: Photo, companion: Companion) -> dict[str, Any]:
    path = display(photos.join(photos.split(photo.path)[0], companion.name))
    return {"path": path, "kind": companion.kind, "size": companion.size, "hash": companion.content_hash}


def _rows(catalog: Catalog, photo_ids: Sequence[int]) -> list[dict[str, Any]]:
    """The command line's row for each photograph, in the order given."""
    statuses.refresh(catalog)
    return [
        {
            "id": row.photo.id,
            "path": row.photo.path_text,
            "taken_at": _taken(row.photo),
            "width": row.photo.width,
            "height": row.photo.height,
            "camera": row.photo.camera,
            "lat": row.photo.lat,
            "lon": row.photo.lon,
            "faces": row.faces,
            "subjects": row.subjects,
            "status": row.status,
            "error": row.photo.error,
            "tags": row.tags,
            "companions": [_companion(row.photo, each) for each in row.companions],
        }
        for row in listing.rows(catalog, photo_ids)
    ]


def _taken(photo: Photo) -> str | None:
    """Local time with its offset where one is known."""
    if photo.taken_at is None:
        return None
    if photo.taken_offset is None:
        return photo.taken_at.isoformat(timespec="seconds")
    sign, minutes = ("-" if photo.taken_offset < 0 else "+"), abs(photo.taken_offset)
    return f"{photo.taken_at.isoformat(timespec='seconds')}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
