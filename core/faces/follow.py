"""What follows for faces from a new grouping and from what people have decided. Pure.

A decision, on a face named with its cluster, assigned or split off, is never changed here. Every other
face takes the cluster of the nearest decided face in its group, and its name too if that face lies within
the threshold: farther off, a person is asked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from storage.faces import Standing

Place = tuple[int | None, int | None]
"""A cluster's number and a subject's id."""

_BLOCK = 1 << 22  # distances worked out at a time


def settle(
    labels: NDArray[np.int64],
    now: Sequence[Standing],
    vectors: NDArray[np.float32],
    within: float,
    *,
    first_new: int | None = None,
) -> dict[int, Place]:
    """Cluster and subject of each face by id, given its new group, what held before, and its vector.

    Pure. Decided faces keep their cluster and subject; groups without one take the cluster number that
    most of their members had, each number once; groups of one have none. New numbers begin at `first_new`;
    None: behind all that these faces have.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for row, label in enumerate(labels):
        members[int(label)].append(row)
    highest = max((face.cluster for face in now if face.cluster is not None), default=0)
    fresh = count(highest + 1 if first_new is None else first_new)
    held = {face.cluster for face in now if face.by_person}
    free = {label: rows for label, rows in members.items() if len(rows) > 1 and not any(now[r].by_person for r in rows)}
    numbers = _numbers(free, now, held)
    settled: dict[int, Place] = {}
    for label, rows in members.items():
        decided = [row for row in rows if now[row].by_person]
        if not decided:
            number = (numbers.get(label) or next(fresh)) if len(rows) > 1 else None
            settled.update((now[row].face_id, (number, None)) for row in rows)
            continue
        if len(rows) == 1:
            settled[now[rows[0]].face_id] = (now[rows[0]].cluster, now[rows[0]].subject_id)
            continue
        places = _placed(decided, now, fresh)
        settled.update((now[row].face_id, (places[row], now[row].subject_id)) for row in decided)
        others = [row for row in rows if not now[row].by_person]
        for row, (nearest, distance) in zip(others, _nearest(vectors, others, decided), strict=True):
            subject = now[nearest].subject_id if distance <= within else None
            settled[now[row].face_id] = (places[nearest], subject)
    return settled


def _numbers(free: dict[int, list[int]], now: Sequence[Standing], held: set[int | None]) -> dict[int, int]:
    """Which group keeps which cluster number: the largest overlaps first."""
    shared = Counter(
        (label, now[row].cluster) for label, rows in free.items() for row in rows if now[row].cluster not in held
    )
    numbers: dict[int, int] = {}
    taken: set[int] = set()
    for (label, number), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0][1] or 0, item[0][0])):
        if number is not None and label not in numbers and number not in taken:
            numbers[label] = number
            taken.add(number)
    return numbers


def _placed(decided: Sequence[int], now: Sequence[Standing], fresh: Iterator[int]) -> dict[int, int]:
    """The cluster of each decided face of one group; those without one share a new one with their subject's."""
    of_subject: dict[int | None, int] = {}
    for row in decided:
        number = now[row].cluster
        if number is not None:
            of_subject.setdefault(now[row].subject_id, number)
    places = {}
    for row in decided:
        number = now[row].cluster
        if number is None:
            number = of_subject.get(now[row].subject_id) or next(fresh)
            of_subject[now[row].subject_id] = number
        places[row] = number
    return places


def _nearest(vectors: NDArray[np.float32], rows: Sequence[int], others: Sequence[int]) -> Iterator[tuple[int, float]]:
    """For each row the nearest of the others, and its distance."""
    targets = vectors[others]
    norms = np.einsum("ij,ij->i", targets, targets)
    step = max(1, _BLOCK // len(others))
    for start in range(0, len(rows), step):
        block = vectors[rows[start : start + step]]
        squared = np.einsum("ij,ij->i", block, block)[:, None] + norms - 2 * block @ targets.T
        for at, value in zip(squared.argmin(1), squared.min(1), strict=True):
            yield others[int(at)], float(max(value, 0.0)) ** 0.5
