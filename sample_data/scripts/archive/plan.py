"""The plan of the archive: every photograph with its people, place, moment and camera, drawn from fixed seeds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.random import Generator

from .cast import Person, people
from .jobs import CAMERAS, JOBS, Camera, Job

SINGLE_SIZES = (
    (640, 800),
    (600, 800),
    (576, 768),
    (512, 768),
    (640, 800),
    (720, 720),
    (640, 640),
    (900, 600),
    (768, 576),
)
GROUP_SIZES = ((1024, 683), (960, 640), (1024, 640), (1024, 576))
EMPTY = (
    ("alps", 18),
    ("alps", 23),
    ("sea", 13),
    ("sea", 17),
    ("river", 0),
    ("river", 11),
    ("karst", 2),
    ("karst", 8),
    ("shoji", 12),
    ("window", 19),
    ("books", 16),
    ("still", 11),
    ("still", 4),
    ("still", 14),
    ("still", 24),
    ("still", 20),
)

WORDS = {
    "plaster": "plaster wall",
    "boards": "wooden boards",
    "bricks": "brick wall",
    "studio": "studio",
    "window": "by the window",
    "books": "in front of books",
    "cafe": "in the cafe",
    "shoji": "paper screens",
    "atelier": "workshop",
    "garden": "garden",
    "bamboo": "bamboo",
    "street": "street",
    "evening": "evening lights",
    "market": "market",
    "temple": "temple",
    "alps": "lake and mountains",
    "sea": "by the sea",
    "river": "river at dusk",
    "karst": "rice fields",
    "still": "still life",
}


@dataclass(frozen=True)
class Shot:
    """One photograph to take: everything about it but its pixels."""

    path: str
    job: Job
    scene: str
    members: tuple[Person, ...]
    size: tuple[int, int]
    taken: datetime
    camera: Camera
    seed: int
    exif: bool = True
    gps: bool = True
    orientation: int = 1
    rating: int = 0
    caption: str = ""
    keywords: tuple[str, ...] = field(default=())


@dataclass
class _Draft:
    """A shot before it has a file name."""

    scene: str
    members: tuple[Person, ...]
    size: tuple[int, int]
    seed: int


def _jobs_of(region: str) -> list[int]:
    """Return the numbers of a region's jobs."""
    return [number for number, job in enumerate(JOBS) if job.region == region]


def _sittings() -> dict[int, list[tuple[Person, int]]]:
    """Share the single portraits out: for each job, who sat and how many pictures of them were kept."""
    sittings: dict[int, list[tuple[Person, int]]] = defaultdict(list)
    by_region: dict[str, int] = defaultdict(int)
    for person in people():
        place = by_region[person.region]
        by_region[person.region] += 1
        jobs = _jobs_of(person.region)
        if person.minor:  # all of them at the one job that falls into the year when the record is 16
            sittings[next(n for n in jobs if "2023-05" in JOBS[n].folder)].append((person, 7))
            continue
        count = len(jobs)
        step = 2 if count % 2 else 1
        chosen = [jobs[(place + shift) % count] for shift in (0, step, 2 * step + 1)]
        for job, kept in zip(chosen, (3, 2, 2 + (place % 4 == 0)), strict=True):
            sittings[job].append((person, kept))
    return sittings


def _drafts(number: int, sitters: list[tuple[Person, int]]) -> list[_Draft]:
    """Draw the pictures of one job: portraits first, then groups, then the view without people."""
    r = np.random.default_rng(52_000 + number)
    job = JOBS[number]
    drafts = []
    turn = int(r.integers(len(job.scenes)))
    for person, kept in sitters:
        for _ in range(kept):
            turn += 1
            size = SINGLE_SIZES[int(r.integers(len(SINGLE_SIZES)))]
            drafts.append(_Draft(job.scenes[turn % len(job.scenes)], (person,), size, int(r.integers(1 << 31))))
    cast = [person for person, _ in sitters]
    for size in _group_sizes(r, len(cast)):
        members = tuple(cast[i] for i in r.permutation(len(cast))[:size])
        frame = GROUP_SIZES[int(r.integers(len(GROUP_SIZES) - (size == 2)))]
        scene = job.scenes[int(r.integers(len(job.scenes)))]
        drafts.append(_Draft(scene, members, frame, int(r.integers(1 << 31))))
    drafts += [_Draft(scene, (), (1024, 683), int(r.integers(1 << 31))) for scene, where in EMPTY if where == number]
    return drafts


def _group_sizes(r: Generator, available: int) -> list[int]:
    """Return how many people stand in each group picture of a job."""
    sizes = [2, 3, int(r.choice([3, 4]))]
    return [min(size, available) for size in sizes if available >= 2]


def _name(job: Job, camera: Camera, draft: _Draft, index: int, groups: int) -> str:
    """Return a file name: the camera's own, or one that the photographer gave."""
    if job.group_name and len(draft.members) > 1:
        return job.group_name.format(groups)
    return camera.pattern.format((job.first + index) % 10_000)


def _caption(job: Job, draft: _Draft) -> str:
    """Return a caption as a photographer would type it: what, where, against what."""
    what = ("View", "Portrait", "Two people", "Three people", "Four people")[len(draft.members)]
    return f"{what}, {WORDS[draft.scene]}, {job.town}"


def _shots_of(number: int, drafts: list[_Draft]) -> list[Shot]:
    """Give the pictures of one job their moments, cameras and file names."""
    r = np.random.default_rng(61_000 + number)
    job = JOBS[number]
    taken = datetime.fromisoformat(job.start)
    shots, index, groups = [], 0, 0
    for draft in drafts:
        taken += timedelta(seconds=int(r.integers(20, 420)), milliseconds=int(r.integers(1000)))
        index += int(r.integers(1, 6))
        groups += len(draft.members) > 1
        camera = CAMERAS[job.cameras[len(draft.members) != 1]]
        bare = r.random()
        tall = draft.size[1] > draft.size[0]
        shots.append(
            Shot(
                path=f"{job.folder}/{_name(job, camera, draft, index, groups)}",
                job=job,
                scene=draft.scene,
                members=draft.members,
                size=draft.size,
                taken=taken,
                camera=camera,
                seed=draft.seed,
                exif=bare > 0.025,
                gps=job.gps and r.random() > 0.06,
                orientation=int(r.choice([6, 8])) if tall and r.random() < 0.10 else 1,
                rating=int(r.choice([0, 0, 0, 3, 4, 5])),
                caption=_caption(job, draft) if r.random() < 0.4 else "",
                keywords=(draft.scene, "portrait" if len(draft.members) == 1 else "group" if draft.members else "view"),
            )
        )
    return shots


def plan() -> list[Shot]:
    """Return every photograph of the archive, in the order of the jobs."""
    sittings = _sittings()
    return [shot for number in range(len(JOBS)) for shot in _shots_of(number, _drafts(number, sittings[number]))]
