"""The faces of the audit: those a model draws, and those the catalog knows, in one embedding space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from core.audit_copies import Look, look_of
from core.audit_stats import Floats, Grouped, Labels, grouped
from core.base_model import Base
from core.errors import BadValue
from core.faces.detect import Detector
from core.faces.detection import Detection
from core.faces.embed import Embedder, Several
from core.faces.quality import sharpness
from core.generate import draw
from core.generated_checks import Checker, enlarged, faces_in
from core.progress import Report, Step
from storage import face_matrix
from storage import faces as rows
from storage.catalog import Catalog

SAMPLER_STEPS = 25
NOBODY = -1  # label of faces without a subject


@dataclass(frozen=True, slots=True)
class Known:
    """The catalog's faces, those marked as none left out, in one space.

    Of each of n faces: `ids`, `vectors` [n, d], `photos`, `people` (subject ids or `NOBODY`) and `clusters`. Everybody
    has a number from 0, in `groups` [n]: named people, unnamed clusters, and each face that is in neither.
    """

    space: str
    ids: Labels
    vectors: Floats
    photos: Labels
    people: Labels
    clusters: Labels
    groups: Labels

    @property
    def named(self) -> Labels:
        """Which of the faces are named people's."""
        found: Labels = self.people != NOBODY
        return found

    @property
    def subjects(self) -> list[int]:
        """Ids of the people who have a face here, ascending."""
        return [int(person) for person in np.unique(self.people[self.named])]

    @property
    def everybody(self) -> Grouped:
        """All faces by whose they are, in the order of their numbers."""
        return grouped(self.vectors, self.groups, self.photos)

    @property
    def by_subject(self) -> Grouped:
        """The named faces by subject, in the order of `subjects`."""
        return self.of_people(self.subjects)

    def of_people(self, order: Sequence[int]) -> Grouped:
        """The faces of some subjects, in this order."""
        place = {int(person): at for at, person in enumerate(order)}
        groups = np.array([place.get(int(person), NOBODY) for person in self.people])
        own = groups != NOBODY
        return grouped(self.vectors[own], groups[own], self.photos[own])

    @property
    def number(self) -> int:
        """How many people there are, each unnamed face that is in no cluster counted as one."""
        return int(self.groups.max(initial=-1)) + 1

    def labels(self, names: Mapping[int, str]) -> list[str]:
        """What everybody is called, in the order of their numbers."""
        told = [""] * self.number
        for at, group in enumerate(self.groups):
            person, cluster = int(self.people[at]), int(self.clusters[at])
            unnamed = f"unnamed face {self.ids[at]}" if cluster == NOBODY else f"unnamed, cluster {cluster}"
            told[group] = unnamed if person == NOBODY else names[person]
        return told


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """A face found in picture number `picture`, cut out with some margin.

    `width` of its box is in pixels of the picture as drawn; `sharp` is `quality.sharpness` there.
    """

    picture: int
    crop: Image.Image
    vector: Floats
    width: float = 0.0
    sharp: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """All faces of a model's pictures, how many pictures had none, and how many the output checks withhold.

    `looks` is what each picture is compared with training pictures by.
    """

    pictures: int
    faces: list[DrawnFace]
    faceless: int
    withheld: frozenset[int]
    looks: tuple[Look, ...] = ()

    @property
    def vectors(self) -> Floats:
        """Embeddings [faces, d]."""
        return np.stack([face.vector for face in self.faces]) if self.faces else np.empty((0, 1), dtype=np.float32)

    def parted(self, embedders: Several) -> list[Drawn]:
        """The same pictures as each of these embedders saw them, which saw them together."""
        told = [embedders.parted(face.vector) for face in self.faces]
        return [
            replace(self, faces=[replace(face, vector=own[at]) for face, own in zip(self.faces, told, strict=True)])
            for at in range(len(embedders.embedders))
        ]


def known_faces(catalog: Catalog, space: str | None = None) -> Known:
    """The faces of the catalog in a space: the one that holds most, if none is named. Raises BadValue without any."""
    spaces = rows.spaces(catalog)
    space = space or next(iter(spaces), "")
    if space not in spaces:
        of_it = f" in the space of {space}" if space else ""
        raise BadValue(f"the catalog knows no faces to compare with{of_it}", "look for them: kyodaku faces --embedder")
    held = face_matrix.matrix(catalog, space)
    standing = [one for one in rows.standing(catalog, space) if not one.marked]
    ids = np.array([one.face_id for one in standing], dtype=np.int64)
    kept = np.isin(ids, held.ids)  # a face that came since is left to the next audit
    standing = [one for one, there in zip(standing, kept, strict=True) if there]
    ids = ids[kept]
    if not len(ids):
        raise BadValue("the catalog knows no faces to compare with", "look for them: kyodaku faces")
    people = np.array([NOBODY if one.subject_id is None else one.subject_id for one in standing])
    clusters = np.array([NOBODY if one.cluster is None else one.cluster for one in standing])
    kinds = np.where(people != NOBODY, 0, np.where(clusters != NOBODY, 1, 2))
    keys = np.stack([kinds, np.choose(kinds, [people, clusters, ids])], axis=1)
    groups = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    vectors = np.asarray(held.vectors[np.searchsorted(held.ids, ids)])
    return Known(space, ids, vectors, rows.photos_of(catalog, ids), people, clusters, groups)


def draw_faces(
    base: Base,
    texts: Sequence[str],
    seed: int,
    embed: Embedder | Several,
    checker: Checker,
    report: Report,
    what: str,
    before_step: Callable[[], None] = lambda: None,
) -> Drawn:
    """Draw one picture for each prompt and find, cut out and embed every face; `before_step` is as in `draw`."""
    detector = Detector(str(base.device))
    faces: list[DrawnFace] = []
    looks: list[Look] = []
    with_face: set[int] = set()
    withheld: set[int] = set()
    done = 0
    report(Step(what, 0, len(texts)))
    for batch in draw(base, texts, seed=seed, steps=SAMPLER_STEPS, before_step=before_step):
        withheld |= {done + at for at, seen in enumerate(checker.look(batch)) if seen.withheld}
        looks += [look_of(picture) for picture in batch]
        large = [enlarged(picture) for picture in batch]
        for at, (picture, detected) in enumerate(zip(large, detector.detect(large), strict=True)):
            sure = faces_in(detected)
            scale = batch[at].width / picture.width
            for face, vector in zip(sure, embed.embed(picture, sure), strict=True):
                faces.append(_drawn_face(done + at, picture, batch[at], face, vector, scale))
                with_face.add(done + at)
        done += len(batch)
        report(Step(what, done, len(texts)))
    return Drawn(len(texts), faces, len(texts) - len(with_face), frozenset(withheld), tuple(looks))


def _drawn_face(
    number: int, picture: Image.Image, as_drawn: Image.Image, face: Detection, vector: Floats, scale: float
) -> DrawnFace:
    small = face.moved(0, 0, scale)
    width = small.box[2] - small.box[0]
    return DrawnFace(number, _cut_out(picture, face), vector, width, sharpness(as_drawn, small.box))


def _cut_out(picture: Image.Image, face: Detection) -> Image.Image:
    x0, y0, x1, y1 = face.box
    margin = 0.35 * max(x1 - x0, y1 - y0)
    box = (max(0, x0 - margin), max(0, y0 - margin), min(picture.width, x1 + margin), min(picture.height, y1 + margin))
    return picture.crop((int(box[0]), int(box[1]), round(box[2]), round(box[3])))
