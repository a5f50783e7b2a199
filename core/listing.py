"""What a list of photographs shows of each: its facts, its people and where it stands."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import query, statuses
from storage import columns, companions, faces, photos, subjects
from storage.catalog import Catalog
from storage.records import Companion, Photo, Purpose, Status


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """A photograph with the number of its faces, how many of them nobody has named, who they are, its statuses.

    `tags` are its keywords, `companions` the files that belong to it.
    """

    photo: Photo
    faces: int
    unnamed: int
    subjects: tuple[str, ...]
    status: Mapping[Purpose, Status]
    tags: tuple[str, ...] = ()
    companions: tuple[Companion, ...] = ()


def ids(catalog: Catalog, text: str, *, sort: str = "taken-", limit: int | None = None) -> array[int]:
    """Ids of the photographs that a search finds, in the order `sort` names, as they are at this moment.

    The result stays what it is while the catalog changes: what is done to it is done to what was seen.
    Raises BadQuery. Terms about status read the cached statuses: call `statuses.refresh` before.
    """
    found = query.ordered_ids(catalog, text, sort=sort, limit=limit, fresh=False)
    columns.give_back()
    return found


def first_ids(catalog: Catalog, text: str, *, sort: str = "taken-", least: int) -> tuple[array[int], int]:
    """How `ids` begins, and how many there are: all of them, or the first `least` where all take a while."""
    return query.first_ids(catalog, text, sort=sort, least=least, fresh=False)


def rows(catalog: Catalog, photo_ids: Sequence[int]) -> list[PhotoRow]:
    """The rows of these photographs, in their order: six queries, however many. Raises NoSuchRecord."""
    records = photos.get_many(catalog, photo_ids)
    seen = faces.of_photos(catalog, photo_ids)
    standing = statuses.of_photos(catalog, photo_ids)
    known = {face.subject_id for several in seen.values() for face in several if face.subject_id is not None}
    names = {number: subject.name for number, subject in subjects.get_many(catalog, known).items()}
    tags = companions.tags_of(catalog, photo_ids)
    beside = companions.of_photos(catalog, photo_ids)
    made = []
    for record in records:
        unmarked = [face for face in seen[record.id] if face.mark is None]
        people = sorted({names[face.subject_id] for face in unmarked if face.subject_id is not None})
        made.append(
            PhotoRow(
                photo=record,
                faces=len(unmarked),
                unnamed=sum(face.subject_id is None for face in unmarked),
                subjects=tuple(people),
                status=standing.get(record.id, {}),
                tags=tuple(tags[record.id]),
                companions=tuple(beside[record.id]),
            )
        )
    return made
