"""The faces of the audit: those a model draws, and those the catalog knows, in one embedding space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from core import audit_stats
from core.audit_stats import Floats, Labels
from core.base_model import Base
from core.errors import BadValue
from core.faces.detect import Detector
from core.faces.detection import Detection
from core.faces.embed import embedder
from core.generate import draw
from core.generated_checks import Checker, enlarged, faces_in
from core.progress import Report, Step
from storage import faces as rows
from storage.catalog import Catalog
from storage.records import Face

SAMPLER_STEPS = 25
NOBODY = -1  # label of faces without a subject


@dataclass(frozen=True, slots=True)
class Known:
    """The catalog's faces, those marked as none left out: `vectors` [n, d], `people` [n] subject ids or `NOBODY`."""

    space: str
    ids: Labels
    vectors: Floats
    people: Labels
    clusters: Labels

    @property
    def subjects(self) -> list[int]:
        """Ids of the people who have a face here."""
        return sorted({int(person) for person in self.people} - {NOBODY})


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """A face found in picture number `picture`, cut out with some margin."""

    picture: int
    crop: Image.Image
    vector: Floats


@dataclass(frozen=True, slots=True)
class DrawnFaces:
    """All faces of a model's pictures, how many pictures had none, and how many the output checks withhold."""

    pictures: int
    faces: list[DrawnFace]
    faceless: int
    withheld: frozenset[int]

    @property
    def vectors(self) -> Floats:
        """Embeddings [faces, d]."""
        return np.stack([face.vector for face in self.faces]) if self.faces else np.empty((0, 1), dtype=np.float32)


def known_faces(catalog: Catalog) -> Known:
    """The faces of the catalog in the space that holds most of them. Raises BadValue when there are none."""
    spaces = rows.spaces(catalog)
    if not spaces:
        raise BadValue("the catalog knows no faces to compare with", "look for them: kyodaku faces")
    space = next(iter(spaces))
    found: list[Face] = rows.page(catalog, "f.space = ? AND f.mark IS NULL", (space,))
    vectors = rows.vectors(catalog, (face.id for face in found))
    return Known(
        space,
        np.array([face.id for face in found]),
        np.stack([vectors[face.id] for face in found]),
        np.array([NOBODY if face.subject_id is None else face.subject_id for face in found]),
        np.array([NOBODY if face.cluster is None else face.cluster for face in found]),
    )


def threshold_of(known: Known, fmr: float) -> audit_stats.Threshold:
    """The distance that gives the false match rate on pairs of faces of different named people in the catalog."""
    named = known.people != NOBODY
    smallest, total = audit_stats.impostor_distances(known.vectors[named], known.people[named], fmr)
    return audit_stats.threshold_at(smallest, fmr, total)


def strangers_matched(known: Known, threshold: float) -> float:
    """Share of the named faces that lie within the threshold of some face of another named person.

    It says how often a search of the whole catalog takes a real stranger for somebody; NaN without two people.
    """
    named = known.people != NOBODY
    vectors, people = known.vectors[named], known.people[named]
    if len(set(people.tolist())) < 2:
        return float("nan")
    matched = 0
    for start in range(0, len(vectors), audit_stats.BLOCK):
        part = slice(start, start + audit_stats.BLOCK)
        found = audit_stats.distances(vectors[part], vectors)
        found[people[part][:, None] == people[None]] = np.inf
        matched += int(np.count_nonzero(found.min(axis=1) <= threshold))
    return matched / len(vectors)


def draw_faces(
    base: Base,
    texts: Sequence[str],
    seed: int,
    space: str,
    report: Report,
    what: str,
    safety: Path | None = None,
    before_step: Callable[[], None] = lambda: None,
) -> DrawnFaces:
    """Draw one picture for each prompt and find, cut out and embed every face; `before_step` is as in `draw`."""
    detector, checker = Detector(str(base.device)), Checker(str(base.device), base.path, safety)
    embed = embedder(space)
    faces: list[DrawnFace] = []
    with_face: set[int] = set()
    withheld: set[int] = set()
    done = 0
    report(Step(what, 0, len(texts)))
    for batch in draw(base, texts, seed=seed, steps=SAMPLER_STEPS, before_step=before_step):
        withheld |= {done + at for at, seen in enumerate(checker.look(batch)) if seen.withheld}
        large = [enlarged(picture) for picture in batch]
        for at, (picture, detected) in enumerate(zip(large, detector.detect(large), strict=True)):
            sure = faces_in(detected)
            for face, vector in zip(sure, embed.embed(picture, sure), strict=True):
                faces.append(DrawnFace(done + at, _cut_out(picture, face), vector))
                with_face.add(done + at)
        done += len(batch)
        report(Step(what, done, len(texts)))
    return DrawnFaces(len(texts), faces, len(texts) - len(with_face), frozenset(withheld))


def _cut_out(picture: Image.Image, face: Detection) -> Image.Image:
    x0, y0, x1, y1 = face.box
    margin = 0.35 * max(x1 - x0, y1 - y0)
    box = (max(0, x0 - margin), max(0, y0 - margin), min(picture.width, x1 + margin), min(picture.height, y1 + margin))
    return picture.crop((int(box[0]), int(box[1]), round(box[2]), round(box[3])))
