"""Find faces: MTCNN on batches of decoded pictures, from Pillow's images to `Detection`s."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image

from core.errors import BadImage, BadValue
from core.faces.cascade import Cascade
from core.faces.detection import Detection

MIN_FACE = 24  # pixels of the picture given, for pictures of some 1,024 pixels
# Of the three networks, the library's own. On the sample 0.9 in the last spared six detections that are no face and
# missed four that are: a face too many is looked at by a person, a missed one by nobody.
THRESHOLDS = (0.6, 0.7, 0.7)
CPU_BATCH = 4  # measured: bound by memory bandwidth, larger batches are slower
CUDA_BATCH = 32


def pick_device(name: str) -> str:
    """`auto` becomes cuda where there is one, else cpu. Raises BadValue for a device that isn't there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise BadValue(f"device {name!r} can't be used: {error}", "use --device auto or cpu") from error
    return name


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let torch use so many threads in the block: more than the cores left to it only get in each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Detector:
    """MTCNN with its packaged weights, ready on a device. `min_face` is in pixels of the pictures given."""

    def __init__(self, device: str = "cpu", min_face: int = MIN_FACE, batch: int | None = None) -> None:
        self.device = pick_device(device)
        self.min_face = min_face
        self.batch = batch or (CUDA_BATCH if self.device.startswith("cuda") else CPU_BATCH)
        self._cascade = Cascade(self.device, min_face, THRESHOLDS)

    def detect(self, images: Sequence[Image.Image]) -> list[list[Detection]]:
        """Faces of each RGB picture, from left to right. Pictures of one size are searched together.

        What is found does not depend on what shares the batch (boxes agree to 0.001 pixel).
        Raises BadImage when a single picture defeats the detector.
        """
        found: list[list[Detection]] = [[] for _ in images]
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            if min(image.size) >= self.min_face:  # less leaves the pyramid without a level
                by_size[image.size].append(index)
        for indices in by_size.values():
            for start in range(0, len(indices), self.batch):
                part = indices[start : start + self.batch]
                for index, faces in zip(part, self._search([images[i] for i in part]), strict=True):
                    found[index] = faces
        return found

    def _search(self, images: Sequence[Image.Image]) -> list[list[Detection]]:
        stack = torch.from_numpy(np.stack([np.asarray(image, dtype=np.uint8) for image in images]))
        if self.device.startswith("cuda"):
            stack = stack.pin_memory()
        try:
            windows, points = self._cascade.search(stack)
        except (IndexError, RuntimeError, ValueError) as error:
            if len(images) > 1:  # one picture's trouble is its own
                return [self._search([image])[0] for image in images]
            raise BadImage(f"the face detector failed on a picture: {error}", "leave the picture out") from error
        found: list[list[Detection]] = [[] for _ in images]
        columns = (windows.picture.tolist(), windows.boxes.tolist(), windows.scores.tolist(), points.cpu().numpy())
        for index, (x0, y0, x1, y1), score, landmarks in zip(*columns, strict=True):
            found[index].append(Detection((x0, y0, x1, y1), score, landmarks))
        return [sorted(faces, key=lambda face: face.box) for faces in found]
