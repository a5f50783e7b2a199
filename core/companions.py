"""Which files of a folder are one photograph: a camera's JPEG with its RAW, and the XMP sidecars of either.

By name: the same name up to the suffix, byte for byte, in the same folder. A RAW joins the one JPEG or HEIF of its
name, which is then the picture that is shown; where there are two (`a.jpg` and `a.JPG`) nobody knows which, and it
stays alone. Further RAWs of the name, such as a DNG made from it, belong too. Any other picture of the name is a
photograph of its own. A sidecar is `DSC_1.NEF.xmp` for that one file, or `DSC_1.xmp` for the photograph with the RAW,
else for the first by name. By time: where both say when they were taken and don't agree, they are two photographs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from core import raw
from core.image import CAMERA_SUFFIXES, named_like_a_picture
from storage.records import Companion, CompanionKind

SIDECAR = b".xmp"
_JOINING = frozenset({SIDECAR, *(b"." + suffix for suffix in raw.SUFFIXES)})  # without these every file is alone
SAME_INSTANT = timedelta(seconds=1)  # some files leave out the fraction


class Group(NamedTuple):
    """Names in a folder that are one photograph's, `main` the file that is shown. The most telling sidecar is first.

    A tuple, because a scan makes one for every photograph.
    """

    main: bytes
    raws: tuple[bytes, ...] = ()
    sidecars: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Shot:
    """A photograph's files to be read: `path`, and beside it those whose hash is None where they must be read."""

    path: bytes
    beside: tuple[Companion, ...] = ()


def is_sidecar(name: bytes) -> bool:
    """Whether the file's suffix is that of an XMP sidecar."""
    return name[-4:].lower() == SIDECAR


def named_like_a_part(name: bytes) -> bool:
    """Whether the file's suffix is that of a picture or of a sidecar."""
    return named_like_a_picture(name) or is_sidecar(name)


def grouped(names: Sequence[bytes]) -> list[Group]:
    """The photographs among the names of a folder's pictures and sidecars, in the order of their main file's name."""
    if not any(name[-4:].lower() in _JOINING for name in names):
        return [Group(name) for name in sorted(names)]
    pictures = [name for name in names if not is_sidecar(name)]
    stems: dict[bytes, list[bytes]] = {}
    for name in sorted(pictures):
        stems.setdefault(_stem(name), []).append(name)
    groups = {group.main: group for named in stems.values() for group in _of_one_stem(named)}
    whose = {name: group.main for group in groups.values() for name in (group.main, *group.raws)}
    for sidecar in _by_closeness(set(names) - set(pictures), whose):
        main = _main_of(sidecar, stems, groups, whose)
        if main is not None:
            groups[main] = groups[main]._replace(sidecars=(*groups[main].sidecars, sidecar))
    return [groups[main] for main in sorted(groups)]


def apart(group: Group, alone: bytes) -> tuple[Group, Group]:
    """The group without one of its RAWs, and that RAW with the sidecars that are then its own."""
    raws = tuple(name for name in group.raws if name != alone)
    own = {name for name in group.sidecars if name[: -len(SIDECAR)] == alone}
    if not raws and _suffix(group.main) not in raw.SUFFIXES:
        own |= {name for name in group.sidecars if name[: -len(SIDECAR)] == _stem(alone)}
    return (
        Group(group.main, raws, tuple(name for name in group.sidecars if name not in own)),
        Group(alone, (), tuple(name for name in group.sidecars if name in own)),
    )


def same_exposure(one: datetime | None, other: datetime | None) -> bool | None:
    """Whether two files' local times say that they are one exposure; None where one has no time."""
    if one is None or other is None:
        return None
    return abs(one - other) < SAME_INSTANT


def kind_of(name: bytes) -> CompanionKind:
    """What a companion of this name is."""
    return CompanionKind.XMP if is_sidecar(name) else CompanionKind.RAW


def _suffix(name: bytes) -> bytes:
    return name.rpartition(b".")[2].lower()


def _stem(name: bytes) -> bytes:
    return name.rpartition(b".")[0]


def _of_one_stem(names: list[bytes]) -> list[Group]:
    raws = [name for name in names if _suffix(name) in raw.SUFFIXES]
    others = [name for name in names if name not in raws]
    cameras = [name for name in others if _suffix(name) in CAMERA_SUFFIXES]
    if raws and len(cameras) == 1:
        paired = [Group(cameras[0], tuple(raws))]
    else:
        paired = [Group(raws[0], tuple(raws[1:]))] if raws else []
    return [*paired, *(Group(name) for name in others if not paired or name != paired[0].main)]


def _by_closeness(sidecars: Iterable[bytes], whose: dict[bytes, bytes]) -> list[bytes]:
    """Those of a main file, those of a RAW beside one, those of a stem; each by name."""

    def key(sidecar: bytes) -> tuple[int, bytes]:
        base = sidecar[: -len(SIDECAR)]
        return (2 if base not in whose else int(whose[base] != base)), sidecar

    return sorted(sidecars, key=key)


def _main_of(
    sidecar: bytes, stems: dict[bytes, list[bytes]], groups: dict[bytes, Group], whose: dict[bytes, bytes]
) -> bytes | None:
    base = sidecar[: -len(SIDECAR)]
    if base in whose:
        return whose[base]
    mains = [name for name in stems.get(base, ()) if name in groups]
    return next((name for name in mains if _suffix(name) in raw.SUFFIXES or groups[name].raws), next(iter(mains), None))
