"""Any history: after each step the stored statuses are what a slow reading of the rules makes of the record,
and only rows of photographs that the step reaches were written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from core import consent_actions, people, statuses, withdrawal
from core.errors import KyodakuError
from storage import catalog as catalogs
from storage import faces, ledger, photos, subjects
from storage import statuses as stored
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.photos import ScanBatch
from storage.records import FaceMark, Photo, Purpose, Rights
from storage.rights import put as put_rights
from tests.core import consent_oracle as oracle

PHOTOS, PEOPLE = 7, 4
SPACE = "dlib-resnet-v1"
EMBEDDINGS = [np.eye(4, dtype=np.float32)[place] for place in range(3)]
BOXES = [(place * 100, 0, place * 100 + 90, 90) for place in range(3)]
BIRTHS = [None, date(1980, 2, 29), date(2002, 6, 1), date(2008, 2, 29), date(2090, 1, 1)]
TAKEN = [None, datetime(1979, 1, 1), datetime(2019, 12, 31, 23), datetime(2020, 6, 1, 0, 30), datetime(2026, 3, 1, 12)]
OFFSETS = [None, -720, 0, 840, 5000]
ENDS = [None, *(datetime(2090, 1, 1, tzinfo=UTC) + timedelta(days=365 * years) for years in range(3))]
BEGINS = [None, datetime(2000, 1, 1, tzinfo=UTC), datetime(2089, 1, 1, tzinfo=UTC), datetime(2090, 6, 1, tzinfo=UTC)]
LATER = [datetime(2089, 1, 1, tzinfo=UTC) + timedelta(days=days) for days in (-1, 0, 300, 365, 366, 600, 900, 7000)]

people_ = st.integers(1, PEOPLE)
pictures = st.integers(1, PHOTOS)
purposes = st.lists(st.sampled_from(list(Purpose)), min_size=1, max_size=6, unique=True)


def photo(number: int, taken_at: datetime | None, offset: int | None, error: str | None) -> Photo:
    path = f"/archive/{number}.jpg"
    return Photo(
        id=number,
        path=path.encode(),
        path_text=path,
        size=1,
        mtime_ns=1,
        ctime_ns=1,
        inode=number,
        content_hash=f"{number:064x}",
        taken_at=taken_at,
        taken_offset=offset,
        error=error,
    )


class Histories(RuleBasedStateMachine):
    """A catalog to which anything happens, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="kyodaku-statuses-"))
        self.catalog: Catalog = catalogs.create(self.folder / "catalog")
        self.catalog.connection.execute("PRAGMA synchronous = OFF")
        self.at: datetime | None = None  # where a read has moved the statuses to; None: a commit's own instant
        self.moved = False  # by the last step, which then rewrites what time reaches too
        self.before = self.facts()

    def teardown(self) -> None:
        self.catalog.close()
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        for number in range(1, PEOPLE + 1):
            subjects.add(self.catalog, f"Person {number}", born=BIRTHS[number - 1])
        rows = [photo(number, TAKEN[number % len(TAKEN)], None, None) for number in range(1, PHOTOS + 1)]
        photos.apply_scan(self.catalog, ScanBatch(new=rows))
        for number in range(2, PHOTOS + 1):  # the first was not looked at; of the others each shows one to three people
            self.look(number, range(1 + number % 3), 0)
            for face in faces.of_photo(self.catalog, number):
                whose = 1 + (number + face.id) % (PEOPLE + 1)
                if whose <= PEOPLE:
                    faces.assign(self.catalog, [face.id], whose, by_person=True)
        db = self.catalog.connection
        db.execute("CREATE TEMP TABLE seen(photo_id INTEGER)")
        for verb, row in (("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")):
            db.execute(
                f"CREATE TEMP TRIGGER saw_{verb} AFTER {verb} ON main.photo_standing"
                f" BEGIN INSERT INTO seen VALUES ({row}.photo_id); END"
            )

    def act(self, change: Callable[[], object]) -> None:
        """Do it; a rule may refuse it. If statuses rest on what it wrote, its commit brings them to its instant."""
        clock = stored.clock(self.catalog)
        try:
            change()
        except KyodakuError as error:
            note(f"refused: {error}")
        self.moved = self.at is not None
        if stored.clock(self.catalog) != clock:
            self.at = None

    # What people say

    @rule(who=people_, what=purposes, begins=st.sampled_from(BEGINS), ends=st.sampled_from(ENDS), own=st.booleans())
    def grant(self, who: int, what: list[Purpose], begins: datetime | None, ends: datetime | None, own: bool) -> None:
        by = "me" if own else "a parent"
        self.act(lambda: consent_actions.grant(self.catalog, [who], what, by=by, valid_from=begins, valid_until=ends))

    @rule(who=people_, what=purposes)
    def refuse(self, who: int, what: list[Purpose]) -> None:
        self.act(lambda: consent_actions.refuse(self.catalog, [who], what, by="me"))

    @rule(who=people_, what=purposes)
    def withdraw(self, who: int, what: list[Purpose]) -> None:
        self.act(lambda: withdrawal.withdraw(self.catalog, who, what, by="me"))

    @rule(who=people_, born=st.sampled_from(BIRTHS), attested=st.booleans(), minor=st.booleans(), kept=st.booleans())
    def age(self, who: int, born: date | None, attested: bool, minor: bool, kept: bool) -> None:
        word = ("a witness", "a passport") if attested else (None, None)
        facts = {"born": born, "minor": minor and not attested, "guardian": "a parent" if kept else None}
        edited = replace(
            subjects.get(self.catalog, who), adult_attested_by=word[0], adult_attested_how=word[1], **facts
        )  # fmt: skip
        self.act(lambda: withdrawal.edit_subject(self.catalog, edited))

    # Faces

    def some_face(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from([face.id for face in faces.page(self.catalog)] or [1]))

    @rule(number=pictures, places=st.lists(st.integers(0, 2), min_size=1, unique=True), likes=st.integers(0, 2))
    def seek(self, number: int, places: list[int], likes: int) -> None:
        self.act(lambda: self.look(number, places, likes))

    def look(self, number: int, places: Iterable[int], likes: int) -> None:
        found = [NewFace(BOXES[place], 0.9, EMBEDDINGS[(place + likes) % 3]) for place in places]
        faces.replace_faces(self.catalog, number, found, SPACE)

    @rule(data=st.data(), who=people_)
    def assign(self, data: st.DataObject, who: int) -> None:
        face = self.some_face(data)
        self.act(lambda: people.assign(self.catalog, face, who))

    @rule(data=st.data(), mark=st.sampled_from([None, *FaceMark]))
    def mark(self, data: st.DataObject, mark: FaceMark | None) -> None:
        face = self.some_face(data)
        self.act(lambda: people.ignore(self.catalog, face, mark, "seen", "me"))

    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        face = next(iter(faces.get_many(self.catalog, [self.some_face(data)])), None)
        if face is not None and face.subject_id is not None:
            whose = face.subject_id
            self.act(lambda: people.split(self.catalog, whose, [face.id]))

    @rule(kept=people_, folded=people_)
    def merge(self, kept: int, folded: int) -> None:
        self.act(lambda: people.merge(self.catalog, kept, folded))

    @rule()
    def cluster(self) -> None:
        self.act(lambda: people.cluster(self.catalog, threshold=0.5))

    @rule(data=st.data(), who=people_)
    def name_cluster(self, data: st.DataObject, who: int) -> None:
        groups = [group.cluster for group in people.listing(self.catalog) if group.cluster is not None]
        if groups:
            place = data.draw(st.sampled_from(groups))
            self.act(lambda: people.name(self.catalog, place, f"Person {who}"))

    # Photographs

    @rule(
        number=pictures,
        taken_at=st.sampled_from(TAKEN),
        offset=st.sampled_from(OFFSETS),
        error=st.sampled_from([None, None, "cut off"]),
        other=st.booleans(),
    )
    def scan(self, number: int, taken_at: datetime | None, offset: int | None, error: str | None, other: bool) -> None:
        row = photo(number, taken_at, offset, error)
        batch = ScanBatch(changed=[row]) if other else ScanBatch(same=[row])
        self.act(lambda: photos.apply_scan(self.catalog, batch))

    @rule(numbers=st.lists(pictures, unique=True), gone=st.booleans())
    def gone_or_back(self, numbers: list[int], gone: bool) -> None:
        batch = ScanBatch(gone=numbers) if gone else ScanBatch(back=numbers)
        self.act(lambda: photos.apply_scan(self.catalog, batch))

    @rule(numbers=st.lists(pictures, unique=True), rights=st.sampled_from(Rights))
    def rights(self, numbers: list[int], rights: Rights) -> None:
        self.act(lambda: put_rights(self.catalog, numbers, rights))

    @rule(number=pictures)
    def error(self, number: int) -> None:
        self.act(lambda: photos.set_errors(self.catalog, {number: "no picture"}))

    # Time, and several at once

    @rule(at=st.sampled_from(LATER))
    def read(self, at: datetime) -> None:
        """A search at another time, before or after the one before."""
        statuses.refresh(self.catalog, at)
        self.at, self.moved = at, True

    @rule(who=people_, number=pictures, what=purposes)
    def several_at_once_then_none(self, who: int, number: int, what: list[Purpose]) -> None:
        """A transaction of several changes that comes to nothing."""

        def undone() -> None:
            with self.catalog.transaction():
                consent_actions.grant(self.catalog, [who], what, by="me")
                put_rights(self.catalog, [number], Rights.MINE)
                raise ZeroDivisionError

        try:
            undone()
        except (ZeroDivisionError, KyodakuError):
            self.moved = False

    # What must hold

    def facts(self) -> dict[int, tuple[object, ...]]:
        """By photograph all that its statuses may rest on, time apart."""
        everyone = {person.id: person for person in subjects.list_all(self.catalog)}
        said = ledger.events_of_many(self.catalog, [person.uid for person in everyone.values()])
        gathered = {}
        for record in photos.page(self.catalog, limit=PHOTOS + 1):
            seen = faces.of_photo(self.catalog, record.id)
            shown = {face.subject_id for face in seen if face.subject_id is not None}
            gathered[record.id] = (
                (record.taken_at, record.taken_offset, record.rights, record.error is None, record.faces_space is None),
                [(face.subject_id, face.assigned_by_person, face.mark) for face in seen],
                [(everyone[number], [event.hash for event in said[everyone[number].uid]]) for number in sorted(shown)],
            )
        return gathered

    @invariant()
    def stored_is_what_the_oracle_says(self) -> None:
        at = ledger.instant(self.catalog, self.at)
        everyone = subjects.list_all(self.catalog)
        said = list(ledger.all(self.catalog))
        there = statuses.of_photos(self.catalog, range(1, PHOTOS + 1))
        for record in photos.page(self.catalog, limit=PHOTOS + 1):
            plain = record
            if record.taken_offset is not None and not -720 <= record.taken_offset <= 840:
                plain = replace(record, taken_offset=None)  # no zone has it
            seen = faces.of_photo(self.catalog, record.id)
            wanted = {p: oracle.photo_status(plain, seen, everyone, said, p, at) for p in Purpose}
            assert there[record.id] == wanted, f"photograph {record.id} at {at}"

    @invariant()
    def doctor_agrees(self) -> None:
        if self.at is None:
            found = statuses.differing(self.catalog)
            assert (found.differ, found.waiting) == (0, 0)

    @invariant()
    def only_what_is_reached_was_written(self) -> None:
        now = self.facts()
        reached = {number for number, facts in now.items() if facts != self.before.get(number)}
        self.before = now
        db = self.catalog.connection
        if not db.execute("SELECT 1 FROM temp.sqlite_master WHERE name = 'seen'").fetchone():
            return
        written = [row[0] for row in db.execute("SELECT photo_id FROM seen")]
        db.execute("DELETE FROM seen")
        assert len(written) == len(set(written)), "a row was written twice"
        if not self.moved:
            assert set(written) <= reached


def check(steps: int, examples: int) -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_history() -> None:
    check(steps=40, examples=25)


@pytest.mark.slow
def test_many_histories() -> None:
    check(steps=60, examples=500)
