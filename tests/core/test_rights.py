"""Whose photographs are: what goes into the ledger, and what follows from it."""

from __future__ import annotations

import pytest

from core import rights, statuses, tagging
from core.decisions import undo as undoing
from core.errors import BadValue
from storage import ledger, photos
from storage.catalog import Catalog
from storage.records import EventKind, Purpose, Rights, Status
from tests import world


def test_an_event_names_each_photograph_and_its_status_follows(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "IN_ONE_EVENT", 2)
    ids = [world.photograph(catalog, []) for _ in range(3)]
    tagging.set_rights(catalog, ids[:1], Rights.MINE, "Chan")
    assert statuses.of_photos(catalog, ids)[ids[0]][Purpose.PRINT] is Status.GRANTED
    told = tagging.set_rights(catalog, ids, Rights.LICENSED, " Noy ", "contract 7")
    assert (told.photos, told.changed) == (3, 3)
    events = [event for event in ledger.all(catalog) if event.kind is EventKind.RIGHTS]
    assert [(one.by, one.note, one.details["rights"], len(one.details["photos"])) for one in events] == [
        ("Chan", None, "mine", 1),
        ("Noy", "contract 7", "licensed", 2),
        ("Noy", "contract 7", "licensed", 1),
    ]
    named = {int(photo): content for event in events[1:] for photo, content in event.details["photos"].items()}
    assert named == {photo.id: photo.content_hash for photo in photos.get_many(catalog, ids)}
    undoing.undo(catalog)
    undone = list(ledger.all(catalog))[3:]
    assert sorted((one.note, one.details["rights"], tuple(one.details["photos"])) for one in undone) == [
        ("undone", "mine", (str(ids[0]),)),
        ("undone", "unknown", tuple(map(str, ids[1:]))),
    ]
    assert [statuses.of_photos(catalog, ids)[one][Purpose.PRINT] for one in ids] == [
        Status.GRANTED, Status.UNKNOWN, Status.UNKNOWN,
    ]  # fmt: skip
    assert ledger.verify(catalog).ok


def test_somebody_must_say_so(catalog: Catalog) -> None:
    photo = world.photograph(catalog, [])
    with pytest.raises(BadValue, match="who says so"):
        tagging.set_rights(catalog, [photo], Rights.MINE, "  ")
    assert photos.get(catalog, photo).rights is Rights.UNKNOWN
