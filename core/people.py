"""Whose faces these are: clustering that a person corrects, and never undoes a correction.

A face on which a person has decided (named with its cluster, assigned, or split off) stays as decided.
The others follow: each takes the name and cluster of the nearest decided face that it was grouped with,
if that lies within the threshold; so a person's new photographs find their name by themselves.

Where a correction moves a face that has trained, what was trained on it is taken out of use with the correction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from core import consent
from core.counted import counted
from core.decisions import noting
from core.errors import BadValue, NoSuchRecord, Refused
from core.faces import nearest as nearest_faces
from core.faces.follow import settle
from core.faces.join import join
from core.faces.linkage import average_linkage, usual_threshold
from core.progress import Report, silent
from core.taking_out import TakenOut, take_out_faces
from core.withdrawal import NOTHING, Settled, foreseen, settle_taken
from storage import artifacts, face_groups, faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.face_groups import Group
from storage.face_matrix import matrix
from storage.faces import Clustering
from storage.records import EventKind, Face, FaceMark, Purpose, Status, Subject


@dataclass(frozen=True, slots=True)
class Near:
    """A face that is like another: how far it lies, where it is, and whose it is known to be."""

    face: int
    distance: float
    photo: int
    path: str
    subject: str | None
    cluster: int | None


FEW = 5_000  # faces that are grouped anew at once each time
GROWN = 1.25  # times the faces of the last clustering: from there on all are grouped anew


@dataclass(frozen=True, slots=True)
class ClusterResult:
    """Clusters, the faces in them, and the faces that are like no other.

    `looked_at`: how many faces this run dealt with, all of them or those that had come since the last.
    """

    clusters: int
    faces: int
    unclustered: int
    threshold: float | None
    looked_at: int = 0


@dataclass(frozen=True, slots=True)
class Belongs:
    """A subject's name and how many faces, unmarked ones, are theirs now.

    `settled` is what became of models that were trained on a face as on somebody's whose it is not; what would
    become of them, where it was not `done` yet.
    """

    subject: str
    faces: int
    settled: Settled = NOTHING
    done: bool = True

    def lines(self) -> list[str]:
        """For a person to read."""
        return [f"{self.subject}: {counted(self.faces, 'face')}", *self.settled.lines()]


@dataclass(frozen=True, slots=True)
class Marked:
    """A face as it is marked now, and what became of models that were trained on it."""

    face: Face
    settled: Settled = NOTHING

    def lines(self) -> list[str]:
        """For a person to read."""
        return [f"face {self.face.id}: {self.face.mark or 'none'}", *self.settled.lines()]


def cluster(
    catalog: Catalog, threshold: float | None = None, *, whole: bool | None = None, report: Report = silent
) -> ClusterResult:
    """Group the catalog's faces, of its largest embedding space, by likeness.

    `threshold` is the root mean square distance up to which groups merge; None: read off the catalog's own
    distances. With `whole` all faces are grouped anew, without it those that no clustering has seen are dealt to
    the clusters there are; None: the second where it saves time. Clusters keep their numbers either way.
    Raises BadValue.
    """
    if threshold is not None and not 0 < threshold < 10:
        raise BadValue(
            f"--threshold {threshold} is no distance between faces", "0.4 is usual for dlib, 0.9 for FaceNet"
        )
    space = next(iter(faces.spaces(catalog)), None)
    if space is None:
        return ClusterResult(0, 0, 0, threshold)
    held = matrix(catalog, space)
    known = {now.face_id: now for now in faces.standing(catalog, space) if not now.marked}
    rows = np.flatnonzero(np.isin(held.ids, np.fromiter(known, np.int64, len(known))))
    now = [known[face_id] for face_id in held.ids[rows].tolist()]
    vectors = held.vectors if len(rows) == len(held.ids) else held.vectors[rows]
    last = faces.last_clustering(catalog, space)
    if last is not None and _only_new(last, len(now), threshold, whole):
        within = last.threshold
        settled = join(now, vectors, within, first_new=faces.next_cluster(catalog), report=report)
        faces.settle(catalog, settled)
    else:
        within = usual_threshold(space, vectors) if threshold is None else threshold
        settled = settle(average_linkage(vectors, within, report), now, vectors, within)
        with catalog.transaction():
            faces.settle(catalog, settled)
            faces.set_clustering(catalog, space, Clustering(within, len(now)))
    places = (settled[face.face_id][0] if face.face_id in settled else face.cluster for face in now)
    sizes = Counter(place for place in places if place is not None)
    kept = sum(sizes.values())
    return ClusterResult(len(sizes), kept, len(now) - kept, round(within, 4), len(settled))


def _only_new(last: Clustering, number: int, threshold: float | None, whole: bool | None) -> bool:
    """Whether dealing the new faces to the clusters there are will do."""
    if whole or (threshold is not None and round(threshold, 4) != round(last.threshold, 4)):
        return False
    return whole is False or (number > FEW and number <= GROWN * last.faces)


def listing(catalog: Catalog, *, unnamed: bool = False) -> list[Group]:
    """Clusters and named people, the largest first; `unnamed`: only clusters that wait for a name."""
    return face_groups.groups(catalog, unnamed=unnamed)


def nearest(catalog: Catalog, face_id: int, limit: int = 20, report: Report = silent) -> list[Near]:
    """The faces of the archive most like a face, the nearest first; marked ones are left out.

    Raises NoSuchRecord, BadValue for a marked face or a limit that is none.
    """
    if limit < 1:
        raise BadValue(f"--limit {limit} asks for nothing", "give 1 or more")
    asked = faces.get(catalog, face_id)
    if asked.mark is not None:
        raise BadValue(f"face {face_id} is marked: {asked.mark}", "count it again with --mark none first")
    search = nearest_faces.nearest(catalog, asked.space, report)
    vector = faces.vectors(catalog, [face_id])[face_id]
    wanted = limit + 1  # itself
    while True:
        ids, distances = search.search(vector, wanted)
        found = {face.id: face for face in faces.get_many(catalog, ids.tolist()) if face.mark is None}
        near = [(found[at], far) for at, far in zip(ids.tolist(), distances.tolist(), strict=True) if at in found]
        near = [(face, far) for face, far in near if face.id != face_id][:limit]
        if len(near) == limit or wanted >= len(search.matrix.ids):
            break
        wanted *= 4
    names = {person.id: person.name for person in subjects.list_all(catalog)}
    where = {
        photo.id: photo.path_text for photo in photos.get_many(catalog, sorted({face.photo_id for face, _ in near}))
    }
    return [
        Near(face.id, round(far, 4), face.photo_id, where[face.photo_id], names.get(face.subject_id or 0), face.cluster)
        for face, far in near
    ]


@dataclass(slots=True)
class _Correction:
    """What a correction takes out of use, and whether it was made."""

    taken: TakenOut = field(default_factory=TakenOut)
    done: bool = True


@contextmanager
def _correcting(catalog: Catalog, sure: bool) -> Iterator[_Correction]:
    """A correction in one transaction, within which `taken` is put down.

    Unless one is `sure`, it is not made, only foreseen, where it would take models out of use: that stays for good.
    """
    correction = _Correction()
    with catalog.transaction() as db:
        db.execute("SAVEPOINT correction")
        yield correction
        correction.done = sure or not correction.taken.models
        db.execute("RELEASE correction" if correction.done else "ROLLBACK TO correction")


def name(catalog: Catalog, cluster: int, name: str, *, sure: bool = True) -> Belongs:
    """Say who a cluster is; a name that is no subject's yet makes one, who has granted nothing.

    Faces in it that a person gave to somebody by hand stay theirs, unless all were: then all are renamed.
    Unless `sure`, here and below, what would take models out of use is only foreseen. Raises NoSuchRecord, BadValue.
    """
    with _correcting(catalog, sure) as correction:
        members = [face for face in faces.of_cluster(catalog, cluster) if face.mark is None]
        if not members:
            raise NoSuchRecord(f"there is no cluster {cluster}", "see: kyodaku people list --unnamed")
        try:
            subject = subjects.get(catalog, name)
        except NoSuchRecord:
            subject = subjects.add(catalog, name)
        meant = [face for face in members if not (face.assigned_by_person and face.subject_id is not None)]
        ids = [face.id for face in meant or members]
        with noting.noted_faces(catalog, ids, f"cluster {cluster} is {subject.name}"):
            faces.assign(catalog, ids, subject.id, by_person=True)
        correction.taken = take_out_faces(catalog, ids)
    return _belongs(catalog, subject, correction)


def assign(catalog: Catalog, face_id: int, subject: int | str, *, sure: bool = True) -> Belongs:
    """This face is that subject's. Raises NoSuchRecord."""
    with _correcting(catalog, sure) as correction:
        owner = subjects.get(catalog, subject)
        face = faces.get(catalog, face_id)
        refuse_erased([face])
        place = faces.main_cluster(catalog, owner.id) or faces.next_cluster(catalog)
        with noting.noted_faces(catalog, [face.id], f"face {face.id} is {owner.name}'s"):
            faces.assign(catalog, [face.id], owner.id, by_person=True)
            faces.place(catalog, [face.id], place)
        correction.taken = take_out_faces(catalog, [face.id])
    return _belongs(catalog, owner, correction)


def split(catalog: Catalog, subject: int | str, face_ids: Iterable[int], *, sure: bool = True) -> Belongs:
    """These faces are not that subject's: they become a cluster of their own that waits for a name.

    No clustering puts them back. Raises NoSuchRecord, BadValue for a face that is not the subject's.
    """
    with _correcting(catalog, sure) as correction:
        owner = subjects.get(catalog, subject)
        chosen = [faces.get(catalog, face_id) for face_id in dict.fromkeys(face_ids)]
        strangers = [str(face.id) for face in chosen if face.subject_id != owner.id]
        if strangers or not chosen:
            told = f"face {', '.join(strangers)} is not {owner.name}'s" if chosen else "no face is named"
            raise BadValue(told, "nothing was changed")
        ids = [face.id for face in chosen]
        with noting.noted_faces(catalog, ids, f"{counted(len(ids), 'face')} not {owner.name}'s"):
            faces.assign(catalog, ids, None, by_person=True)
            faces.deny(catalog, ids, owner.id)
            faces.place(catalog, ids, faces.next_cluster(catalog))
        correction.taken = take_out_faces(catalog, ids)
    return _belongs(catalog, owner, correction)


def merge(catalog: Catalog, kept: int | str, folded: int | str, *, sure: bool = True) -> Belongs:
    """Two subjects are one person: the faces of `folded` become `kept`'s; its record stays, without faces.

    Refused where that would allow what the folded one's own record does not, or would take pictures that
    models or cohorts hold out of reach of a withdrawal. Raises NoSuchRecord, BadValue, Refused.
    """
    with _correcting(catalog, sure) as correction:
        stays, goes = subjects.get(catalog, kept), subjects.get(catalog, folded)
        if stays.id == goes.id:
            raise BadValue(f"{stays.name} can't be merged with itself", "name two subjects")
        refuse_unsafe_merge(catalog, stays, goes)
        theirs = [face.id for face in faces.of_subject(catalog, goes.id)]
        with noting.noted_faces(catalog, theirs, f"{goes.name} is {stays.name}", merged=(stays.id, goes.id)):
            faces.assign(catalog, theirs, stays.id, by_person=True)
        subjects.fold(catalog, goes.id, stays.id)
        correction.taken = take_out_faces(catalog, theirs)
    return _belongs(catalog, stays, correction)


def refuse_unsafe_merge(catalog: Catalog, stays: Subject, goes: Subject) -> None:
    """Raises Refused where joining two people would widen what is allowed, or lose whom a withdrawal reaches."""
    held = artifacts.cohorts_of_subject(catalog, goes.id)
    if held:
        names = ", ".join(cohort.name for cohort in held)
        raise Refused(
            f"frozen cohorts hold pictures of {goes.name}, which {stays.name}'s withdrawal would not reach: {names}",
            f"merge the other way round, or withdraw {goes.name} first",
        )
    if (goes.minor, goes.born) != (stays.minor, stays.born) and (goes.minor or goes.born):
        raise Refused(
            f"what is on record about age differs between {stays.name} and {goes.name}",
            "settle it with kyodaku subject edit first",
        )
    at = ledger.instant(catalog)
    events = ledger.events_of_many(catalog, [stays.uid, goes.uid])
    if not any(event.purposes for event in events[goes.uid]):
        return
    wider = [
        purpose
        for purpose in Purpose
        if consent.person_ruling(stays, events[stays.uid], purpose, at).status is Status.GRANTED
        and consent.person_ruling(goes, events[goes.uid], purpose, at).status is not Status.GRANTED
    ]
    if wider:
        raise Refused(
            f"{stays.name} grants {', '.join(wider)}, which {goes.name}'s own record does not",
            f"merge the other way round, or record what {goes.name} said for {stays.name} first",
        )


def ignore(catalog: Catalog, face_id: int, mark: FaceMark | None, why: str, by: str) -> Marked:
    """Take a face out of the rules, or back in with None, with who says so and why on the ledger.

    What was trained on it is taken out of use: a face that is marked is nobody's to train on. One that is back in may
    show in pictures that trained as other people's.
    Raises NoSuchRecord, BadValue without a reason or a name.
    """
    if not why.strip() or not by.strip():
        raise BadValue("a mark needs who says so and why", "give --by and --why")
    with catalog.transaction():
        before = faces.get(catalog, face_id)
        refuse_erased([before])
        if mark is FaceMark.ERASED:
            raise BadValue("a face is erased with its person", "kyodaku subject erase")
        taken = set_mark(catalog, face_id, mark, why.strip(), by.strip())
        noting.note_mark(catalog, before, mark, why.strip(), by.strip())
    return Marked(faces.get(catalog, face_id), settle_taken(catalog, taken, remake=False))


def refuse_erased(found: Iterable[Face]) -> None:
    """Raises Refused, naming it, for a face of somebody who was erased: it is never anybody's again."""
    for face in found:
        if face.mark is FaceMark.ERASED:
            raise Refused(f"face {face.id} is of a person who was erased", "it stays as it is")


def set_mark(catalog: Catalog, face_id: int, mark: FaceMark | None, why: str, by: str) -> TakenOut:
    """Mark a face, or take its mark off, with its line in the ledger, in the caller's transaction.

    Gives what was trained on it, or shows it again, which is taken out of use.
    """
    with catalog.transaction():
        face = faces.get(catalog, face_id)
        photo = photos.get(catalog, face.photo_id)
        faces.set_mark(catalog, [face.id], mark)
        details = {
            "box": list(face.box),
            "face": face.id,
            "mark": mark,
            "photo": photo.id,
            "content_hash": photo.content_hash,
        }
        ledger.append(catalog, kind=EventKind.FACE_MARK, subject_uid=None, by=by, note=why, details=details)
        return take_out_faces(catalog, [face.id], mark)


def _belongs(catalog: Catalog, subject: Subject, correction: _Correction) -> Belongs:
    """Files of models out of use are erased now; merges wait for `models remake`, which loads torch."""
    taken, done = correction.taken, correction.done
    settled = settle_taken(catalog, taken, remake=False) if done else foreseen(taken)
    held = faces.count(catalog, "f.subject_id = ? AND f.mark IS NULL", (subject.id,))
    return Belongs(subject.name, held, settled, done)
