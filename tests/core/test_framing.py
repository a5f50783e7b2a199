"""No crop holds any of another face; a crop holds all of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core import framing
from storage.records import Box

WIDTH, HEIGHT = 200, 150
faces = st.builds(
    lambda x, y, w, h: (x, y, min(x + w, WIDTH), min(y + h, HEIGHT)),
    st.integers(0, WIDTH - 4),
    st.integers(0, HEIGHT - 4),
    st.integers(4, 60),
    st.integers(4, 60),
)


def inside(box: Box, other: Box) -> bool:
    return other[0] <= box[0] and other[1] <= box[1] and box[2] <= other[2] and box[3] <= other[3]


@given(faces, st.lists(faces, max_size=4))
def test_a_crop_is_a_square_in_the_picture_with_one_face(face: Box, others: list[Box]) -> None:
    crop = framing.crop_alone(face, others, WIDTH, HEIGHT)
    if crop is None:
        return
    assert crop[2] - crop[0] == crop[3] - crop[1] > 0
    assert inside(crop, (0, 0, WIDTH, HEIGHT))
    assert inside(face, crop)
    assert not any(framing.common_area(crop, framing.around(other)) for other in others)


@given(faces)
def test_alone_in_the_picture_it_is_the_square_around_the_face(face: Box) -> None:
    longest = max(face[2] - face[0], face[3] - face[1])
    crop = framing.crop_alone(face, [], WIDTH, HEIGHT)
    assert crop == framing.whole_crop(face, WIDTH, HEIGHT)
    assert crop is not None
    assert crop[2] - crop[0] == min(round(framing.FACTOR * longest), HEIGHT)


def test_it_is_the_largest_and_the_nearest_to_the_middle() -> None:
    face = (80, 60, 100, 80)
    assert framing.crop_alone(face, [], WIDTH, HEIGHT) == (75, 55, 105, 85)
    beside = framing.crop_alone(face, [(110, 60, 130, 80)], WIDTH, HEIGHT)
    assert beside == (73, 55, 103, 85)  # the other's head begins at 103: moved, as large as it was
    between = framing.crop_alone(face, [(110, 60, 130, 80), (50, 60, 70, 80)], WIDTH, HEIGHT)
    assert between is not None
    assert (between[0] >= 77, between[2] <= 103, between[2] - between[0]) == (True, True, 26)


def test_heads_that_touch_give_no_crop() -> None:
    assert framing.crop_alone((80, 60, 100, 80), [(104, 60, 124, 80)], WIDTH, HEIGHT) is None


@given(faces, st.lists(faces, max_size=4))
def test_masks_cover_every_other_head_in_the_crop_and_little_of_the_face(face: Box, others: list[Box]) -> None:
    crop = framing.whole_crop(face, WIDTH, HEIGHT)
    masks = framing.masks(face, others, crop)
    if masks is None:
        assert any(framing.common_area(framing.around(other), face) for other in others)
        return
    for other in others:
        shown = framing.clipped(framing.around(other), WIDTH, HEIGHT)
        part = (
            max(shown[0], crop[0]),
            max(shown[1], crop[1]),
            min(shown[2], crop[2]),
            min(shown[3], crop[3]),
        )
        if framing.common_area(shown, crop):
            assert any(inside(part, mask) for mask in masks)
    assert all(inside(mask, crop) for mask in masks)


@given(faces, st.permutations([(0, 0, 30, 30), (90, 90, 130, 130), (150, 10, 180, 40)]))
def test_the_order_of_the_others_does_not_matter(face: Box, others: list[Box]) -> None:
    crop = framing.whole_crop(face, WIDTH, HEIGHT)
    assert framing.crop_alone(face, others, WIDTH, HEIGHT) == framing.crop_alone(face, sorted(others), WIDTH, HEIGHT)
    assert framing.masks(face, others, crop) == framing.masks(face, sorted(others), crop)
