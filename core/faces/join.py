"""Deal new faces to the clusters there are: what adding photographs costs, not what the archive does.

Each new face is compared with the clusters, with the faces that stand alone and with the other new ones, and groups
merge as in `core.faces.linkage`, but never two of the clusters there were. So their numbers stay, and all that
moves are new faces, and lone ones that they are like.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.faces.follow import Place, settle
from core.faces.linkage import Groups, Ints, Vectors, merge_along, nearest_groups
from core.progress import Report, silent
from storage.faces import Standing

NEIGHBOURS = 24
_BLOCK = 1 << 14


def join(
    now: Sequence[Standing], vectors: Vectors, within: float, *, first_new: int, report: Report = silent
) -> dict[int, Place]:
    """Cluster and subject, by face id, of the waiting faces and of the lone ones that joined them.

    Pure. `vectors` [n, d] are those of `now`, which holds all unmarked faces of a space. Decided faces keep what they
    have. New clusters are numbered from `first_new`.
    """
    new = np.array([face.waiting and not (face.by_person and face.cluster is not None) for face in now], dtype=bool)
    held = np.array([0 if fresh else face.cluster or 0 for face, fresh in zip(now, new, strict=True)])
    groups, node = _groups(held, vectors)
    anchored = np.zeros(len(groups.into), dtype=bool)
    anchored[node[held > 0]] = True
    _merge(groups, np.unique(node[new]), anchored, within, report)
    labels = groups.numbers()[node]
    of_new = np.isin(labels, labels[new])
    moved = of_new & (held == 0)
    rows = np.flatnonzero(moved | (of_new & _stand_for(now, held)))
    chosen = [now[row] if held[row] or now[row].by_person else now[row]._replace(cluster=None) for row in rows.tolist()]
    settled = settle(labels[rows], chosen, vectors[rows], within, first_new=first_new)
    kept = {now[row].face_id: settled[now[row].face_id] for row in np.flatnonzero(moved).tolist()}
    waited = (row for row, face in enumerate(now) if face.waiting and not new[row])
    return kept | {now[row].face_id: (now[row].cluster, now[row].subject_id) for row in waited}


def _groups(held: Ints, vectors: Vectors) -> tuple[Groups, Ints]:
    """The clusters, and each face without one, as groups; and the group of each face."""
    from scipy.sparse import csr_matrix

    keys = np.where(held > 0, held, -1 - np.arange(len(held)))
    names, node = np.unique(keys, return_inverse=True)
    rows = np.arange(len(held))
    weights = np.bincount(node, minlength=len(names)).astype(float)
    share = csr_matrix(((1 / weights[node]).astype(np.float32), (node, rows)), shape=(len(names), len(held)))
    norms = np.empty(len(held), dtype=np.float32)
    for start in range(0, len(held), _BLOCK):
        block = vectors[start : start + _BLOCK]
        norms[start : start + _BLOCK] = np.einsum("ij,ij->i", block, block)
    centroids = np.ascontiguousarray(share @ vectors, dtype=np.float32)
    return Groups(centroids, (share @ norms).astype(np.float32), weights, np.arange(len(names))), node


def _merge(groups: Groups, new: Ints, anchored: NDArray[np.bool_], within: float, report: Report) -> None:
    """Merge the new groups with what is near, until nothing within the threshold is left to them."""
    fixed = anchored.copy()
    while True:
        alive = np.flatnonzero(groups.into == np.arange(len(groups.into)))
        while not np.array_equal(groups.into, groups.into[groups.into]):
            groups.into = groups.into[groups.into]
        fixed[groups.into[anchored]] = True
        asked = np.unique(groups.into[new])
        asked = asked[~fixed[asked]]
        if not len(asked) or len(alive) < 2:
            return
        pairs = [
            (np.repeat(rows, found.shape[1]), found.ravel())
            for _, rows, found in nearest_groups(groups, asked, alive, NEIGHBOURS)
        ]
        first, second = (np.concatenate(part) for part in zip(*pairs, strict=True))
        if not (groups.squared(first, second) <= within**2).any():
            return
        merge_along(groups, first, second, within, anchored=fixed, report=report)


def _stand_for(now: Sequence[Standing], held: Ints) -> NDArray[np.bool_]:
    """The faces that say what a cluster is: those on which a person decided, or else its first."""
    decided = np.array([face.by_person for face in now], dtype=bool) & (held > 0)
    undecided = (held > 0) & ~np.isin(held, held[decided])
    firsts = np.zeros(len(held), dtype=bool)
    at = np.flatnonzero(undecided)
    firsts[at[np.unique(held[at], return_index=True)[1]]] = True
    return decided | firsts
