"""Processes that train one LoRA together, each with a device of its own: the passes of every step are shared out.

They were started by the run itself (`core.training.workers`) or by a launcher (`core.training.launched`).
A step's gradient is the sum of its passes' in their order, whoever went through which. So the LoRA is the same, to the
bit, by one process and by several with as many threads each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor

from core.training.task import Seat

PATIENCE = timedelta(days=1)  # for one that draws or writes while the others wait

T = TypeVar("T")


class Team:
    """This process and those it trains with; without a seat it is alone.

    They meet by accelerate's PartialState, as `accelerate launch` has processes meet: NCCL on GPUs, Gloo on the CPU.
    """

    def __init__(self, seat: Seat | None = None, device: str = "cpu") -> None:
        """Waits until all are there."""
        self.rank, self.count, self.device = (0, 1, device) if seat is None else (seat.rank, seat.count, device)
        self._state: Any = None
        if seat is None:
            return
        from accelerate import PartialState

        cpu = device == "cpu"
        place: dict[str, Any] = {}
        if seat.meeting is not None:
            own = {"RANK": seat.rank, "LOCAL_RANK": seat.rank, "WORLD_SIZE": seat.count, "LOCAL_WORLD_SIZE": seat.count}
            os.environ.update({name: str(value) for name, value in own.items()})
            place = {"init_method": f"file://{seat.meeting}", "rank": seat.rank, "world_size": seat.count}
        os.environ["ACCELERATE_TORCH_DEVICE"] = device
        if not cpu:
            torch.cuda.set_device(device)
        self._state = PartialState(cpu=cpu, timeout=PATIENCE, **place)

    @property
    def leads(self) -> bool:
        """Whether this one tells, draws and writes for all."""
        return self.rank == 0

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Within the block the leader is alone; the others come after, and find what it kept."""
        if self._state is None:
            yield
        else:
            with self._state.main_process_first():
                yield

    def from_each(self, values: list[T]) -> list[T]:
        """Everyone's values, in the order of their ranks."""
        if self._state is None:
            return values
        from accelerate.utils import gather_object

        gathered: list[T] = gather_object(values)
        return gathered

    def tensor_of_each(self, own: Tensor) -> Tensor:
        """Everyone's tensors [n], which are of one size, as [processes, n]."""
        if self._state is None:
            return own[None]
        from accelerate.utils import gather

        return torch.as_tensor(gather(own[None]))

    def agreed(self, value: T | None = None) -> T | None:
        """What the one that leads says; the others wait for it."""
        from accelerate.utils import broadcast_object_list

        said: list[T | None] = broadcast_object_list([value])
        return said[0]

    def close(self) -> None:
        """Part from the others."""
        if self._state is not None:
            self._state.destroy_process_group()


def left_alone(error: RuntimeError) -> bool:
    """Whether an error says that another process of the team is gone, which told its reason itself."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
