"""Which picture comes when, and every other chance of a run, as functions of a key and a place in the run.

Nothing is drawn from a state that goes on: step 700 is the same whether the run was stopped at 699 or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from blake3 import blake3

WINDOW = 16  # passes that share out their slots among themselves


def seed_of(*place: object) -> int:
    """A seed in 0..2**63-1 for this place in a run, by blake3."""
    digest = blake3("/".join(map(str, place)).encode()).digest(length=8)
    return int.from_bytes(digest, "little") >> 1


@lru_cache(maxsize=4096)
def permutation(size: int, *place: object) -> tuple[int, ...]:
    """The numbers below `size`, shuffled as the place says; the same on every machine and version."""
    return tuple(sorted(range(size), key=lambda number: seed_of(*place, number)))


def pick(sizes: Sequence[int], key: str, slot: int) -> tuple[int, int]:
    """(group, picture within it) shown at a slot, counted from 0 over the whole run.

    In each round every group, that is every person, is seen once, in shuffled order; within a group all
    pictures are seen before one is seen again. So people weigh the same however many pictures they gave.
    """
    rounds, place = divmod(slot, len(sizes))
    group = permutation(len(sizes), key, "round", rounds)[place]
    passes, number = divmod(rounds, sizes[group])
    return group, permutation(sizes[group], key, "pictures", group, passes)[number]


def epoch_steps(sizes: Sequence[int], pictures_a_step: int) -> int:
    """Steps after which the group with the most pictures has been seen through once; at least 1."""
    return max(1, -(-max(sizes) * len(sizes) // pictures_a_step))


@dataclass(frozen=True)
class Plan:
    """Which slots make which pass. `shapes` gives the latent's shape of each group's pictures."""

    sizes: tuple[int, ...]
    shapes: tuple[tuple[tuple[int, ...], ...], ...]
    key: str
    batch: int

    def picked(self, slot: int) -> tuple[int, int]:
        """(group, picture within it) shown at a slot."""
        return pick(self.sizes, self.key, slot)

    def slots(self, number: int) -> tuple[int, ...]:
        """The slots of pass `number`: in their order where all pictures have one shape.

        Else those of each window of passes are sorted by shape, so that most passes are of one, and the passes
        shuffled. A person is still seen as often as every other in each window.
        """
        first = number * self.batch
        if len({shape for group in self.shapes for shape in group}) == 1:
            return tuple(range(first, first + self.batch))
        window, place = divmod(number, WINDOW)
        return _window(self, window)[place]


@lru_cache(maxsize=64)
def _window(plan: Plan, window: int) -> tuple[tuple[int, ...], ...]:
    def shape(slot: int) -> tuple[int, ...]:
        group, picture = plan.picked(slot)
        return plan.shapes[group][picture]

    first = window * WINDOW * plan.batch
    slots = sorted(range(first, first + WINDOW * plan.batch), key=lambda slot: (shape(slot), slot))
    passes = [tuple(slots[at : at + plan.batch]) for at in range(0, len(slots), plan.batch)]
    return tuple(passes[at] for at in permutation(WINDOW, plan.key, "window", window))
