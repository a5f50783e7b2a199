"""The entries that faces make, clusters and named people, kept while they are looked at and corrected.

To count them all takes a third of a second where there are 300,000 photographs. So they are counted anew only when
faces changed, and after one's own correction only those that it moved faces between: its decision says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from storage import columns, decisions, face_groups, faces, subjects
from storage.catalog import Catalog
from storage.face_groups import Group, Tally
from storage.records import DecisionKind

Key = tuple[int | None, int | None]
"""An entry's cluster and subject, by id."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries by key, in no order, and the names of all people on record by id.

    `counted` tells the faces that they were counted from: the versions of the columns of faces.
    """

    groups: Mapping[Key, Group]
    people: Mapping[int, str]
    counted: frozenset[tuple[str, int, int]]

    def ordered(self, *, unnamed: bool = False) -> dict[Key, Group]:
        """The entries, the largest first; `unnamed`: only clusters that wait for a name."""
        groups = (group for group in self.groups.values() if not (unnamed and group.subject_id is not None))
        # as `face_groups.groups` has them: in SQLite NULL comes first
        ordered = sorted(groups, key=lambda group: (-group.faces, group.cluster or 0, group.subject_id or 0))
        return {(group.cluster, group.subject_id): group for group in ordered}


def read(catalog: Catalog, before: Entries | None = None) -> Entries:
    """The entries as they are now: `before` itself where nothing that it says has changed."""
    with catalog.snapshot():
        people, counted = _people(catalog), columns.versions(catalog, "faces")
        if before is None or before.counted != counted:
            return Entries(dict(_groups(face_groups.tallies(catalog), people)), people, counted)
    return before if before.people == people else Entries(_named(before, people), people, counted)


def follow(catalog: Catalog, before: Entries, act: Callable[[Catalog], T]) -> tuple[T, Entries]:
    """Do `act`, which makes a decision or turns one, and give what it gives, with the entries as they are after it.

    Where another connection has written since `before` was read, that is given as it is, for `read` to find out.
    """
    version = catalog.data_version
    is_now = before.counted == columns.versions(catalog, "faces")
    done = act(catalog)
    with catalog.snapshot():
        people, counted = _people(catalog), columns.versions(catalog, "faces")
        moved = _moved(catalog)
        tallies = list(face_groups.tallies(catalog, moved))
    if not is_now or catalog.data_version != version:
        return done, before
    groups = _named(before, people)
    for key in moved:
        groups.pop(key, None)
    groups.update(_groups(tallies, people))
    return done, Entries(groups, people, counted)


def _people(catalog: Catalog) -> dict[int, str]:
    return {person.id: person.name for person in subjects.list_all(catalog)}


def _groups(tallies: Iterable[Tally], people: Mapping[int, str]) -> Iterator[tuple[Key, Group]]:
    for one in tallies:
        name = None if one.subject_id is None else people.get(one.subject_id)
        yield (one.cluster, one.subject_id), Group(one.cluster, one.subject_id, name, one.faces, one.photos)


def _named(entries: Entries, people: Mapping[int, str]) -> dict[Key, Group]:
    """The entries under the names that people have now."""
    if all(people.get(id) == name for id, name in entries.people.items()):
        return dict(entries.groups)
    counts = entries.groups.values()
    return dict(_groups((Tally(one.cluster, one.subject_id, one.faces, one.photos) for one in counts), people))


def _moved(catalog: Catalog) -> set[Key]:
    """The entries that the decision which was just made, undone or done again takes faces from or gives them to."""
    moved: set[Key] = set()
    for decision in (decisions.last(catalog), decisions.next_undone(catalog)):  # it is one of the two
        if decision is None:
            continue
        if decision.kind is DecisionKind.MARK:
            moved |= {(face.cluster, face.subject_id) for face in faces.get_many(catalog, [decision.body["face"]])}
        elif decision.kind is DecisionKind.FACES:
            states = [*decision.body["before"], *decision.body["after"]]
            clusters = {cluster for _, _, _, cluster, _ in states}
            clusters |= face_groups.clusters_of(catalog, {face_id for face_id, *_ in states})
            moved |= set(product(clusters, {subject_id for _, subject_id, *_ in states}))
    return moved
