"""The MTCNN cascade (Zhang et al., "Joint Face Detection and Alignment", 2016) over a batch of pictures.

The three networks and their weights are facenet-pytorch's. What that library does around them is done here
otherwise: the pyramid is shrunk from bytes, the first network runs over pieces that stay in the processor's
cache, and the crops for the other two are resampled together instead of one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.ops import batched_nms, roi_align

FACTOR = 0.709  # from one level of the pyramid to the next: half the area, as the paper has it
_CELL, _STRIDE = 12, 2  # pixels of a level that the first network sees at once; from one such window to the next
_CPU_SIDE = 256  # of the pieces the first network gets on a processor: measured 3x faster than a whole level
_CROPS = 1024  # given to a network at once, so that a picture full of texture can't exhaust the memory


@dataclass(frozen=True, slots=True)
class Windows:
    """What may hold a face: boxes float32 [n, 4] in pixels of the picture, scores [n], the picture of each int64 [n].

    `moves`, float32 [n, 4], is where a network wants the corners, in shares of the box's width and height.
    """

    boxes: Tensor
    scores: Tensor
    picture: Tensor
    moves: Tensor

    def __len__(self) -> int:
        return len(self.boxes)

    def pick(self, which: Tensor) -> Windows:
        """Those at the indices, or under the mask, given."""
        return Windows(self.boxes[which], self.scores[which], self.picture[which], self.moves[which])

    def apart(self, overlap: float) -> Windows:
        """Without those that overlap a better one of the same picture by more, as intersection over union."""
        return self.pick(batched_nms(self.boxes, self.scores, self.picture, overlap))

    def moved(self) -> Windows:
        """With the corners where the network wants them."""
        size = (self.boxes[:, 2:] - self.boxes[:, :2] + 1).repeat(1, 2)
        return replace(self, boxes=self.boxes + self.moves * size)

    def squared(self) -> Windows:
        """With each box grown about its middle to a square of its longer side."""
        middle = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        half = (self.boxes[:, 2:] - self.boxes[:, :2]).amax(1, keepdim=True) / 2
        return replace(self, boxes=torch.cat([middle - half, middle + half], 1))


class Cascade:
    """The three networks on a device. A window needs the score of `thresholds` in each to go on."""

    def __init__(self, device: str, min_face: int, thresholds: Sequence[float]) -> None:
        self.device = torch.device(device)
        self._min_face = min_face
        self._thresholds = tuple(thresholds)
        # The library reads its own weight files by torch.load, weights_only since torch 2.6.
        self._first, self._second, self._third = (self._ready(network) for network in (PNet, RNet, ONet))

    def _ready(self, network: Any) -> Any:
        return network().eval().to(self.device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def search(self, pictures: Tensor) -> tuple[Windows, Tensor]:
        """Faces in pictures uint8 [n, h, w, 3] of one size, and their landmarks float32 [faces, 5, 2].

        The smaller side of the pictures must be at least `min_face`.
        """
        halves = list(_halves(pictures.to(self.device, non_blocking=True).permute(0, 3, 1, 2)))
        found = self._propose(halves)
        moves, scores = self._look(self._second, halves, found, 24)
        found = self._passed(found, moves, scores, 1).apart(0.7).moved().squared()
        moves, points, scores = self._look(self._third, halves, found, 48)
        size = found.boxes[:, 2:] - found.boxes[:, :2] + 1
        points = points.view(-1, 2, 5).transpose(1, 2) * size[:, None] + found.boxes[:, None, :2] - 1
        points = points[scores[:, 1] > self._thresholds[2]]
        found = self._passed(found, moves, scores, 2).moved()
        which = _none_inside_another(found)
        return found.pick(which), points[which]

    def _propose(self, halves: Sequence[Tensor]) -> Windows:
        """The first network's windows at every level of the pyramid, as squares."""
        height, width = halves[0].shape[2:]
        levels = []
        scale = _CELL / self._min_face
        while min(height, width) * scale >= _CELL:
            size = int(height * scale + 1), int(width * scale + 1)
            source = next((half for half in reversed(halves) if half.shape[2] >= size[0]), halves[0])
            levels.append(self._windows(_resized(source, size), scale).apart(0.5))
            scale *= FACTOR
        return _joined(levels).apart(0.7).moved().squared()

    def _windows(self, level: Tensor, scale: float) -> Windows:
        """Windows of one level uint8 [n, 3, h, w]; the level is the picture at `scale`."""
        found = []
        for first, top, left, piece in self._pieces(level):
            moves, chances = self._first(_normal(piece))
            scores = chances[:, 1]
            picture, row, column = (scores >= self._thresholds[0]).nonzero(as_tuple=True)
            corner = torch.stack([column * _STRIDE + left, row * _STRIDE + top], 1)
            boxes = torch.cat([corner + 1, corner + _CELL], 1).div(scale).floor()
            found.append(Windows(boxes, scores[picture, row, column], picture + first, moves[picture, :, row, column]))
        return _joined(found)

    def _pieces(self, level: Tensor) -> Iterator[tuple[int, int, int, Tensor]]:
        """The level in pieces for the first network: the first picture's index, top, left, and the pixels.

        Neighbours overlap by what makes their windows those of the whole level. An accelerator gets it whole.
        """
        number, _, height, width = level.shape
        if self.device.type != "cpu":
            yield 0, 0, 0, level
            return
        for top, bottom in _spans(height):
            for left, right in _spans(width):
                pixels = (bottom - top) * (right - left)
                step = max(1, torch.get_num_threads() * _CPU_SIDE**2 // pixels)
                for first in range(0, number, step):
                    yield first, top, left, level[first : first + step, :, top:bottom, left:right]

    def _look(self, network: Any, halves: Sequence[Tensor], found: Windows, side: int) -> tuple[Tensor, ...]:
        """What the second or third network says of the windows, cut out at `side` x `side` pixels."""
        crops = _crops(halves, found, side)
        said = [network(crops[start : start + _CROPS]) for start in range(0, len(crops), _CROPS)]
        if not said:
            widths = (4, 2) if network is self._second else (4, 10, 2)
            return tuple(torch.empty(0, width, device=self.device) for width in widths)
        return tuple(torch.cat(part) for part in zip(*said, strict=True))

    def _passed(self, found: Windows, moves: Tensor, scores: Tensor, stage: int) -> Windows:
        """The windows that the network of this stage lets pass, with its scores and moves."""
        told = Windows(found.boxes, scores[:, 1], found.picture, moves)
        return told.pick(scores[:, 1] > self._thresholds[stage])


def _joined(parts: Sequence[Windows]) -> Windows:
    return Windows(
        torch.cat([part.boxes for part in parts]),
        torch.cat([part.scores for part in parts]),
        torch.cat([part.picture for part in parts]),
        torch.cat([part.moves for part in parts]),
    )


def _spans(pixels: int) -> list[tuple[int, int]]:
    """How a side of a level is cut into pieces of at most about _CPU_SIDE pixels."""
    reach = _CELL - _STRIDE  # of the last window of a piece beyond the first of the next
    number = max(1, ceil((pixels - reach) / (_CPU_SIDE - reach)))
    step = _STRIDE * ceil((pixels - reach) / (number * _STRIDE))
    return [(at, min(pixels, at + step + reach)) for at in range(0, pixels - reach, step)]


def _resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures uint8 [n, 3, h, w] shrunk with their detail averaged. In bytes on a processor: 15x faster there."""
    if pictures.device.type == "cpu":
        return interpolate(pictures, size=size, mode="bilinear", antialias=True)
    shrunk = interpolate(pictures.float(), size=size, mode="bilinear", antialias=True)
    return shrunk.round_().clamp_(0, 255).to(torch.uint8)


def _halves(pictures: Tensor) -> Iterator[Tensor]:
    """The pictures at full, half, quarter … scale, down to where the third network's crop is a whole picture."""
    yield pictures
    while min(pictures.shape[2:]) >= 96:
        pictures = _resized(pictures, (pictures.shape[2] // 2, pictures.shape[3] // 2))
        yield pictures


def _normal(pixels: Tensor) -> Tensor:
    """Bytes as the networks want them, float32 -1..1."""
    return pixels.to(torch.float32, memory_format=torch.channels_last).sub_(127.5).mul_(0.0078125)


def _crops(halves: Sequence[Tensor], found: Windows, side: int) -> Tensor:
    """The windows float32 [n, 3, side, side], each taken where it is from one to two times as large."""
    height, width = halves[0].shape[2:]
    limit = torch.tensor([width, height] * 2, device=found.boxes.device)
    boxes = found.boxes.trunc()
    # A window counts its first and last pixel from one; the networks were trained on what lies in the picture
    boxes = torch.minimum((boxes - torch.tensor([1.0, 1, 0, 0], device=boxes.device)).clamp_(min=0), limit)
    sides = (boxes[:, 2:] - boxes[:, :2]).amin(1).clamp(min=1)
    level = (sides / side).log2().floor().clamp_(0, len(halves) - 1).long()
    crops = boxes.new_empty(len(boxes), 3, side, side).to(memory_format=torch.channels_last)
    for index, half in enumerate(halves):
        which = (level == index).nonzero(as_tuple=True)[0]
        if len(which):
            shrink = torch.tensor([half.shape[3] / width, half.shape[2] / height] * 2, device=boxes.device)
            regions = torch.cat([found.picture[which, None].to(boxes.dtype), boxes[which] * shrink], 1)
            crops[which] = roi_align(half.float().contiguous(), regions, side, sampling_ratio=2, aligned=True)
    return crops.sub_(127.5).mul_(0.0078125)


def _none_inside_another(found: Windows, share: float = 0.7) -> Tensor:
    """Indices of the windows, the best first, without those of whose smaller box a better one covers the share."""
    order = found.scores.argsort(descending=True)
    boxes, picture = found.boxes[order], found.picture[order]
    corner = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    both = (torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - corner + 1).clamp_(min=0).prod(2)
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)
    covers = (both > share * torch.minimum(area[:, None], area[None])) & (picture[:, None] == picture[None])
    kept: list[int] = []
    for index, row in enumerate(covers.cpu().tolist()):
        if not any(row[better] for better in kept):
            kept.append(index)
    return order[torch.tensor(kept, dtype=torch.long, device=order.device)]
