"""What a person has said stands through any sequence of what can happen."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core import people
from storage import catalog as catalogs
from storage import faces, subjects
from storage.face_matrix import forget
from storage.faces import NewFace
from storage.records import Face, FaceMark

NAMES = ("Anna", "Bo", "Chit")
SPACE = "somewhere"


class Corrections(RuleBasedStateMachine):
    """A catalog to which photographs are added and things are said, and all that was said about single faces."""

    @initialize()
    def begin(self) -> None:
        self.room = tempfile.TemporaryDirectory()
        self.catalog = catalogs.create(Path(self.room.name) / "catalog")
        self.said: dict[int, str | None] = {}  # face: whose it is; None: split off
        self.apart: dict[int, set[str]] = {}  # face: whose it was said not to be
        self.draws = np.random.default_rng(7)
        for name in NAMES:
            subjects.add(self.catalog, name)

    def teardown(self) -> None:
        self.catalog.close()
        self.room.cleanup()

    def all(self) -> list[Face]:
        return faces.page(self.catalog)

    def named(self, face: Face) -> str | None:
        return None if face.subject_id is None else subjects.get(self.catalog, face.subject_id).name

    @rule(places=st.lists(st.integers(0, 12), min_size=1, max_size=4))
    def add(self, places: list[int]) -> None:
        with self.catalog.transaction() as db:
            db.execute("INSERT OR IGNORE INTO folders(id, path) VALUES (1, ?)", (b"/a",))
            photo_id = db.execute(
                "INSERT INTO photos(folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)"
                " VALUES (1, randomblob(8), 'x', 1, 1, 1, 1)"
            ).lastrowid
        assert photo_id
        vectors = [np.array([place / 3 + self.draws.normal() / 50, 0], "f4") for place in places]
        found = [NewFace((20 * at, 0, 20 * at + 9, 9), 0.9, vector) for at, vector in enumerate(vectors)]
        faces.replace_faces(self.catalog, photo_id, found, SPACE)

    @rule(whole=st.booleans(), forgetting=st.booleans())
    def cluster(self, whole: bool, forgetting: bool) -> None:
        if forgetting:
            forget(self.catalog)
        before = {face.id: face for face in self.all()}
        waiting = {now.face_id for now in faces.standing(self.catalog, SPACE) if now.waiting}
        first = faces.last_clustering(self.catalog, SPACE) is None
        people.cluster(self.catalog, 0.5, whole=whole)
        assert faces.waiting(self.catalog, SPACE) == 0
        for face in self.all():
            was = before[face.id]
            if face.mark is not None:
                assert (face.cluster, face.subject_id) == (was.cluster, was.subject_id)
            elif was.assigned_by_person:
                assert face.subject_id == was.subject_id
                assert was.cluster in (None, face.cluster)
            elif not whole and not first and was.cluster is not None and face.id not in waiting:
                assert (face.cluster, face.subject_id) == (was.cluster, was.subject_id)
        again = [(face.id, face.cluster, face.subject_id) for face in self.all()]
        people.cluster(self.catalog, 0.5, whole=False)
        assert [(face.id, face.cluster, face.subject_id) for face in self.all()] == again

    @precondition(lambda self: faces.count(self.catalog))
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def assign(self, data: st.DataObject, name: str) -> None:
        face = data.draw(st.sampled_from(self.all()))
        people.assign(self.catalog, face.id, name)
        self.said[face.id] = name
        self.apart.get(face.id, set()).discard(name)

    @precondition(lambda self: people.listing(self.catalog, unnamed=True))
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def name(self, data: st.DataObject, name: str) -> None:
        group = data.draw(st.sampled_from(people.listing(self.catalog, unnamed=True)))
        assert group.cluster is not None
        people.name(self.catalog, group.cluster, name)
        for face in faces.of_cluster(self.catalog, group.cluster):
            if face.assigned_by_person and face.mark is None:
                self.said[face.id] = self.named(face)
                self.apart.get(face.id, set()).discard(name)

    @precondition(lambda self: faces.count(self.catalog, "f.subject_id IS NOT NULL"))
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        face = data.draw(st.sampled_from(faces.page(self.catalog, "f.subject_id IS NOT NULL")))
        name = self.named(face)
        assert name is not None
        people.split(self.catalog, name, [face.id])
        self.said[face.id] = None
        self.apart.setdefault(face.id, set()).add(name)

    @rule(kept=st.sampled_from(NAMES), folded=st.sampled_from(NAMES))
    def merge(self, kept: str, folded: str) -> None:
        if kept == folded:
            return
        theirs = faces.of_subject(self.catalog, subjects.get(self.catalog, folded).id)
        people.merge(self.catalog, kept, folded)
        for face in theirs:
            self.said[face.id] = kept
            self.apart.get(face.id, set()).discard(kept)

    @precondition(lambda self: faces.count(self.catalog))
    @rule(data=st.data(), mark=st.sampled_from([FaceMark.NOT_A_FACE, None]))
    def ignore(self, data: st.DataObject, mark: FaceMark | None) -> None:
        face = data.draw(st.sampled_from(self.all()))
        people.ignore(self.catalog, face.id, mark, "because", "me")

    @invariant()
    def what_was_said_stands(self) -> None:
        by_id = {face.id: face for face in self.all()}
        assert {face: self.named(by_id[face]) for face in self.said} == self.said
        assert all(by_id[face].assigned_by_person for face in self.said)
        assert all(not face.assigned_by_person for face in by_id.values() if face.id not in self.said)

    @invariant()
    def what_it_is_not_stays_known(self) -> None:
        ids = {name: subjects.get(self.catalog, name).id for name in NAMES}
        told = {face: {ids[name] for name in names} for face, names in self.apart.items() if names}
        assert faces.denied(self.catalog) == told


TestCorrections = Corrections.TestCase
TestCorrections.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
