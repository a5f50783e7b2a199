"""Who somebody could be: ranked guesses with a confidence, which a person confirms or not.

A guess assigns nothing and permits nothing. What a person has said a face is not, it is not suggested to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BadValue, NoSuchRecord
from core.faces.confidence import Floats, Ints, Likeness, Looks, calibrate, looks
from core.progress import Report, Step, silent
from storage import faces, subjects
from storage.catalog import Catalog
from storage.face_matrix import Matrix, matrix
from storage.faces import Standing

LEAST_SURE = 0.01  # a guess below it is none
_AT_A_TIME = 1024


@dataclass(frozen=True, slots=True)
class Guess:
    """A cluster without a name, or a lone face (`cluster` None), and a person it could be.

    `confidence` is 0..1 (what it means: `core.faces.confidence`); None where the catalog holds too few people to
    tell. `distance` is the root mean square one to the person's nearest look, `example` a face to show.
    """

    cluster: int | None
    subject: str
    confidence: float | None
    distance: float
    faces: int
    example: int


@dataclass(frozen=True, slots=True)
class _Unnamed:
    """A cluster without a name, or a lone face: its rows of the matrix, and who a person said it isn't."""

    cluster: int | None
    rows: Ints
    denied: frozenset[int]


@dataclass(frozen=True, slots=True)
class _People:
    """The named people of a space, their looks, and what distances to them mean."""

    held: Matrix
    subjects: Sequence[int]
    looks: Looks
    whose: Ints  # of each look, the place in `subjects`
    likeness: Likeness | None

    def distances(self, unnamed: Sequence[_Unnamed]) -> Floats:
        """Of each of the unnamed to the nearest look of each person, [unnamed, people]; where denied, infinite."""
        apart = looks(self.held.vectors, [one.rows for one in unnamed]).distances(self.looks)
        nearest = np.full((len(self.subjects), len(unnamed)), np.inf)
        np.minimum.at(nearest, self.whose, apart.T)
        place = {subject: at for at, subject in enumerate(self.subjects)}
        for row, one in enumerate(unnamed):
            nearest[[place[who] for who in one.denied if who in place], row] = np.inf
        return nearest.T


def who_is(catalog: Catalog, cluster: int, limit: int = 10, report: Report = silent) -> list[Guess]:
    """Whom of the named people a cluster without a name could be, the surest first. Raises NoSuchRecord."""
    known, unnamed = _load(catalog)
    chosen = [one for one in unnamed if one.cluster == cluster]
    if not chosen:
        raise NoSuchRecord(f"there is no cluster {cluster} without a name", "see: kyodaku people list --unnamed")
    return _guesses(catalog, known, chosen, None, report)[:limit]


def who_could_be(catalog: Catalog, subject: int | str, limit: int = 10, report: Report = silent) -> list[Guess]:
    """The clusters without a name, and lone faces, that could be a person, the surest first.

    Raises NoSuchRecord, BadValue for a person without a face that was compared.
    """
    person = subjects.get(catalog, subject)
    known, unnamed = _load(catalog)
    if person.id not in known.subjects:
        raise BadValue(f"no face is {person.name}'s yet", "name a cluster, or give a face: kyodaku people assign")
    return _guesses(catalog, known, unnamed, person.id, report)[:limit]


def _guesses(
    catalog: Catalog, known: _People, unnamed: Sequence[_Unnamed], subject: int | None, report: Report
) -> list[Guess]:
    """All guesses worth one, about one subject or about any, the surest first, then the nearest."""
    if not known.subjects:
        return []
    names = {person.id: person.name for person in subjects.list_all(catalog)}
    columns = range(len(known.subjects)) if subject is None else [known.subjects.index(subject)]
    found = []
    for start in range(0, len(unnamed), _AT_A_TIME):
        report(Step("compare", start, len(unnamed)))
        some = unnamed[start : start + _AT_A_TIME]
        apart = known.distances(some)
        sure = None if known.likeness is None else known.likeness.confidence(apart)
        found += [
            Guess(
                cluster=one.cluster,
                subject=names[known.subjects[column]],
                confidence=None if sure is None else round(float(sure[row, column]), 4),
                distance=round(float(apart[row, column]), 4),
                faces=len(one.rows),
                example=int(known.held.ids[one.rows[0]]),
            )
            for row, one in enumerate(some)
            for column in columns
            if np.isfinite(apart[row, column]) and (sure is None or sure[row, column] >= LEAST_SURE)
        ]
    return sorted(found, key=lambda guess: (-(guess.confidence or 0), guess.distance, guess.example))


def _load(catalog: Catalog) -> tuple[_People, list[_Unnamed]]:
    """The named people of the catalog's largest space, and what has no name there; marked faces are left out."""
    space = next(iter(faces.spaces(catalog)), "")
    held = matrix(catalog, space)
    now = [face for face in faces.standing(catalog, space) if not face.marked]
    rows = np.searchsorted(held.ids, np.array([face.face_id for face in now], dtype=np.int64))
    said = faces.denied(catalog)
    named, clusters, lone = _sorted_out(now, rows, said)
    keys = sorted(named, key=lambda key: (key[0], key[1] or 0))
    people = sorted({subject for subject, _ in keys})
    place = {subject: at for at, subject in enumerate(people)}
    chosen = [_array(named[key]) for key in keys]
    likeness = calibrate(held.vectors, *_to_learn_from(keys, chosen, clusters))
    known = _People(held, people, looks(held.vectors, chosen), _array(place[subject] for subject, _ in keys), likeness)
    return known, [*clusters, *lone]


def _sorted_out(
    now: Sequence[Standing], rows: Ints, said: dict[int, set[int]]
) -> tuple[dict[tuple[int, int | None], list[int]], list[_Unnamed], list[_Unnamed]]:
    """Rows by look of the named, clusters without a name, and lone faces."""
    named: dict[tuple[int, int | None], list[int]] = defaultdict(list)
    clusters: dict[int, list[int]] = defaultdict(list)
    denied: dict[int, set[int]] = defaultdict(set)
    lone = []
    for face, row in zip(now, rows.tolist(), strict=True):
        if face.subject_id is not None:
            named[face.subject_id, face.cluster].append(row)
        elif face.cluster is not None:
            clusters[face.cluster].append(row)
            denied[face.cluster] |= said.get(face.face_id, set())
        else:
            lone.append(_Unnamed(None, _array([row]), frozenset(said.get(face.face_id, ()))))
    grouped = [_Unnamed(number, _array(held), frozenset(denied[number])) for number, held in clusters.items()]
    return named, grouped, lone


def _to_learn_from(
    keys: Sequence[tuple[int, int | None]], chosen: Sequence[Ints], clusters: Sequence[_Unnamed]
) -> tuple[list[Ints], list[int]]:
    """Looks to calibrate on, and whose they are: the named ones, and clusters as if each were somebody else.

    Where one of these is a named person after all, likeness is believed less than it could be, not more.
    """
    people = [subject for subject, _ in keys] + [-1 - at for at in range(len(clusters))]
    return [*chosen, *(one.rows for one in clusters)], people


def _array(numbers: Iterable[int] | NDArray[np.int64]) -> Ints:
    return np.fromiter(numbers, np.int64)
