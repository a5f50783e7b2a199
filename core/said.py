"""What photographs' metadata says now: statements of many, ruled from the ledger at one instant."""

from __future__ import annotations

from collections.abc import Sequence

from core import statuses
from core.interchange import statement
from core.interchange.statement import Statement
from storage import faces, ledger, subjects
from storage.catalog import Catalog
from storage.records import Photo, Purpose


def statements(catalog: Catalog, some: Sequence[Photo], *, names: bool = True) -> dict[int, Statement]:
    """The statement of each photograph, by id: a few queries, however many."""
    ids = [photo.id for photo in some]
    rulings = statuses.rulings(catalog, ids, list(Purpose), ledger.instant(catalog))
    seen = faces.of_photos(catalog, ids)
    people = subjects.get_many(
        catalog, {face.subject_id for own in seen.values() for face in own if face.subject_id is not None}
    )
    named = {
        ruling.event_hash
        for own in rulings.values()
        for whole in own.values()
        for ruling in whole.per_face.values()
        if ruling is not None and ruling.event_hash is not None
    }
    events = ledger.by_hash(catalog, named)
    return {
        photo.id: statement.of(photo, seen[photo.id], people, rulings[photo.id], events, names=names) for photo in some
    }
