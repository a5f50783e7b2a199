"""What is compared of photographs, as arrays: 140 bytes a photograph. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.similar.hashing import DETAIL, KEY
from storage.similar import Seen

Ints = NDArray[np.int64]
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Photographs [n] in some order. `known` of them, which come first, were compared before.

    `hashed` is False where there is nothing to compare by: `keys` and `details` [n, 8] mean nothing there. `cameras`
    are codes, -1 for none; `taken` is local time in seconds, NaN for none; `groups` 0 for none.
    """

    known: int
    ids: Ints
    contents: NDArray[Any]  # 32 bytes each, as one opaque value
    hashed: NDArray[np.bool_]
    keys: NDArray[np.uint64]
    details: NDArray[np.uint64]
    cameras: NDArray[np.int32]
    taken: NDArray[np.float64]
    groups: Ints
    anchors: NDArray[np.bool_]


def gather(known: Iterable[Seen], new: Iterable[Seen]) -> Pictures:
    """The arrays of these photographs."""
    ids, groups, taken, cameras = array("q"), array("q"), array("d"), array("i")
    contents, hashes, hashed, anchors = bytearray(), bytearray(), bytearray(), bytearray()
    codes: dict[str, int] = {}
    blank = bytes(KEY + DETAIL)
    count = 0
    for number, rows in enumerate((known, new)):
        for row in rows:
            ids.append(row.photo)
            contents += bytes.fromhex(row.content_hash)
            hashed.append(row.hash is not None)
            hashes += row.hash or blank
            cameras.append(-1 if row.camera is None else codes.setdefault(row.camera, len(codes)))
            taken.append(_seconds(row.taken))
            groups.append(row.group or 0)
            anchors.append(bool(row.anchor))
        count = len(ids) if number == 0 else count
    both = np.frombuffer(hashes, np.uint64).reshape(-1, (KEY + DETAIL) // 8)
    return Pictures(
        known=count,
        ids=np.frombuffer(ids, np.int64),
        contents=np.frombuffer(contents, "V32"),
        hashed=np.frombuffer(hashed, np.bool_),
        keys=both[:, 0].copy(),
        details=both[:, 1:],
        cameras=np.frombuffer(cameras, np.int32),
        taken=np.frombuffer(taken, np.float64),
        groups=np.frombuffer(groups, np.int64),
        anchors=np.frombuffer(anchors, np.bool_),
    )


def _seconds(taken: str | None) -> float:
    return float("nan") if taken is None else (datetime.fromisoformat(taken) - _EPOCH).total_seconds()
