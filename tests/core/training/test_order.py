"""Which picture comes when."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from core.training.order import epoch_steps, permutation, pick, seed_of

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@given(SIZES, st.text(max_size=8), st.integers(1, 40))
def test_people_are_seen_equally_often(sizes: list[int], key: str, rounds: int) -> None:
    seen = Counter(pick(sizes, key, slot)[0] for slot in range(rounds * len(sizes)))
    assert seen == dict.fromkeys(range(len(sizes)), rounds)


@given(SIZES, st.text(max_size=8))
def test_every_picture_of_a_person_is_seen_before_one_is_seen_again(sizes: list[int], key: str) -> None:
    shown = [pick(sizes, key, slot) for slot in range(len(sizes) * max(sizes) * 2)]
    for group, size in enumerate(sizes):
        own = [picture for person, picture in shown if person == group]
        for start in range(0, len(own) - size + 1, size):
            assert sorted(own[start : start + size]) == list(range(size))


@given(st.integers(1, 50), st.text(max_size=8))
def test_permutations(size: int, key: str) -> None:
    assert sorted(permutation(size, key)) == list(range(size))


def test_seeds_are_fixed_forever() -> None:
    assert seed_of("person", 3, "noise", 7) == 687933805300073070


@given(SIZES, st.integers(1, 8))
def test_an_epoch_shows_everyone_everything(sizes: list[int], batch: int) -> None:
    shown = {pick(sizes, "k", slot) for slot in range(epoch_steps(sizes, batch) * batch)}
    assert len(shown) == sum(sizes)
