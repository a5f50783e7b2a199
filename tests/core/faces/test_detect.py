"""MTCNN on batches: what it finds, and that company in a batch changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.errors import BadValue
from core.faces.detect import Detector, pick_device
from core.faces.detection import Detection, FloatBox
from storage import faces


def whole(box: FloatBox) -> tuple[int, int, int, int]:
    return round(box[0]), round(box[1]), round(box[2]), round(box[3])


def test_every_known_face_is_found(detector: Detector, portraits: list, company: object) -> None:
    chosen = [*portraits, company]
    for shot, found in zip(chosen, detector.detect([shot.picture for shot in chosen]), strict=True):
        for box in shot.boxes:
            assert any(faces.overlap(box, whole(face.box)) > 0.3 for face in found), shot.path
        assert len(found) == len(shot.boxes)


def same(one: list[Detection], other: list[Detection]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.box == pytest.approx(b.box, abs=1e-3)
        assert a.probability == pytest.approx(b.probability, abs=1e-5)
        assert np.allclose(a.landmarks, b.landmarks, atol=1e-3)


def test_a_batch_finds_what_single_pictures_find(portraits: list, company: object) -> None:
    pictures = [shot.picture.resize((480, 400)) for shot in [*portraits, company]]
    batched = Detector("cpu", batch=len(pictures)).detect(pictures)
    assert sum(len(found) for found in batched) >= len(portraits)
    alone = Detector("cpu", batch=1)
    for picture, found in zip(pictures, batched, strict=True):
        same(alone.detect([picture])[0], found)


def test_pictures_of_several_sizes_keep_their_order(detector: Detector, portraits: list) -> None:
    first = portraits[0].picture
    pictures = [first.resize(size) for size in [(400, 300), (300, 400), (400, 300)]]
    pictures.insert(1, Image.new("RGB", (400, 300)))
    found = detector.detect(pictures)
    assert found[1] == []
    same(found[0], found[3])
    same(found[2], detector.detect([pictures[2]])[0])


@pytest.mark.parametrize("size", [(1, 1), (23, 500), (24, 24), (2000, 25)])
def test_pictures_too_small_for_a_face_have_none(detector: Detector, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    assert detector.detect([Image.fromarray(noise)]) == [[]]


def test_no_pictures_no_faces(detector: Detector) -> None:
    assert detector.detect([]) == []


def test_a_device_that_is_not_there_is_said_so() -> None:
    assert pick_device("cpu") == "cpu"
    with pytest.raises(BadValue, match="abacus"):
        pick_device("abacus")
