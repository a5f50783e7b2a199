"""The trainer, measured: `python -m benchmarks.trainer [--base FOLDER | --full] [--steps N] [--resolution N]`.

Trains one LoRA on the same few pictures, each time in a process of its own with the same settings and threads: with
nothing cached; again with what that left in the cache; and with the loop of diffusers' own script (`trainer_peer`, with
the installed version of diffusers). Prints steps a second from the base being loaded to the last step, and the
processor's seconds, which say the same on a machine that others use meanwhile; what comes before the first step
(imports included, and without them); the peak of resident memory; and what of a step goes into watching (the figures
and their line in the metrics), looking whether consent was taken back, and the job's progress.

The base is the sample's; `--full` writes one of SD 1.5's full size with made-up weights instead (2 GB in the
temporary folder), where `--steps 6 --people 2 --batch 1 --resolution 256` is what a machine without a GPU bears: six
pictures, each of them encoded once by either, where nothing is cached.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

from benchmarks.made_base import write_base
from benchmarks.table import Row, show
from benchmarks.unlearning import archive
from core.jobs.worker import ProgressWriter
from core.progress import Step
from storage import jobs
from storage.catalog import create, open_catalog

BASE = Path(__file__).parent.parent / "sample_data" / "base"


class Stopwatch:
    """Seconds spent within some functions, by the monotonic clock; what they call is counted once."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted."""

        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            before = time.monotonic()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.monotonic() - before

        return timed


def ours(settings: dict[str, Any]) -> dict[str, Any]:
    """Train as the `train` job does, in this process; when all was loaded and when each step ended."""
    from core.training import loop, one, watching
    from core.training.recipe import Recipe
    from core.training.workers import Split

    names = ("rank", "lr", "batch", "steps", "resolution")
    recipe = Recipe(**{name: settings[name] for name in names}, previews=0)
    times: dict[str, Any] = {"imported": time.monotonic(), "loaded": 0.0, "spent": 0.0, "ended": []}
    watch, look, progress = Stopwatch(), Stopwatch(), Stopwatch()
    plain_load = loop.load_base

    def load(*arguments: Any) -> Any:
        base = plain_load(*arguments)
        times["loaded"], times["spent"] = time.monotonic(), -time.process_time()
        return base

    loop.load_base = load
    one.figures_of = watch.around(one.figures_of)
    watching.Watch.saw = watch.around(watching.Watch.saw)
    one.Watch.__call__ = look.around(one.Watch.__call__)
    loop.share_steps = lambda *_: Split(("cpu",), settings["threads"])
    with open_catalog(Path(settings["catalog"])) as catalog:
        job = jobs.add(catalog, "train", {}, datetime.now(UTC))
        told = ProgressWriter(catalog, job.id)

        def report(step: Step) -> None:
            told(step)
            times["ended"].append(time.monotonic())
            if len(times["ended"]) == recipe.steps:
                times["spent"] += time.process_time()

        loop.train(
            catalog,
            "all",
            Path(settings["base"]),
            settings["name"],
            mode="pooled",
            recipe=recipe,
            device="cpu",
            report=progress.around(report),
            job=job.id,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        **times,
        "ended": times["ended"][: recipe.steps],
        "peak": peak,
        "watching": watch.seconds,
        "looking": look.seconds,
        "reporting": progress.seconds,
    }


def measured(module: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Run one case in a process of its own. `before` is the seconds from its start to its first step's end."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", json.dumps(settings)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    steps, ended = len(told["ended"]), told["ended"]
    told["rate"] = steps / (ended[-1] - told["loaded"])
    told["before"] = ended[0] - started
    return told


def rows(cold: dict[str, Any], warm: dict[str, Any], peer: dict[str, Any]) -> Iterator[Row]:
    """The figures of one run, ours held against the peer's."""
    for name, told, goal in (("nothing cached", cold, 1.0), ("cached", warm, 1.5)):
        ratio = told["rate"] / peer["rate"]
        beside = f"{peer['rate']:.3g} by diffusers' loop"
        yield Row(f"steps a second, {name}", told["rate"], "/s", beside, ratio, f">= {goal} times", ratio >= goal)
    for name, told in (("nothing cached", cold), ("cached", warm)):
        beside = f"{peer['spent'] / len(peer['ended']):.3g} s by diffusers' loop"
        spent = told["spent"] / len(told["ended"])
        yield Row(f"processor's seconds a step, {name}", spent, "s", beside, told["spent"] / peer["spent"])
    for name, told in (("nothing cached", cold), ("cached", warm)):
        beside = f"{peer['before']:.3g} s by diffusers' loop"
        ratio = told["before"] / peer["before"]
        yield Row(f"start to the first step's end, {name}", told["before"], "s", beside, ratio)
        own = told["ended"][0] - told["imported"]
        yield Row(f"of which after imports, {name}", own, "s", goal="<= 3 s on the sample's base", kept=own <= 3)
    for name, told in (("nothing cached", cold), ("cached", warm)):
        ratio = told["peak"] / peer["peak"]
        beside = f"{peer['peak'] / 1e6:,.0f} MB by diffusers' loop"
        yield Row(f"peak memory, {name}", told["peak"] / 1e6, "MB", beside, ratio, "no higher", ratio <= 1)
    for what in ("watching", "looking", "reporting"):
        share = warm[what] / (warm["ended"][-1] - warm["loaded"])
        yield Row(f"{what}, of a step", 100 * share, "%", goal="< 1 %", kept=share < 0.01)


def main() -> None:
    """Make the archive and the base, run the three cases, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--base", type=Path, default=BASE, help="a folder in diffusers' layout")
    chosen.add_argument("--full", action="store_true", help="made-up weights of SD 1.5's full size")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--people", type=int, default=4, help="of three pictures each")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--resolution", type=int, default=64, help="pixels a side")
    parser.add_argument("--threads", type=int, default=1, help="of each case")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "out").mkdir()
        catalog = create(folder / "catalog")
        archive(catalog, folder / "archive", given.people)
        catalog.close()
        settings = {
            "base": str(write_base(folder / "base") if given.full else given.base.resolve()),
            "catalog": str(folder / "catalog"),
            "pictures": str(folder / "archive"),
            "out": str(folder / "out"),
            "lr": 1e-4,
            **{key: getattr(given, key) for key in ("steps", "batch", "rank", "resolution", "threads")},
        }
        cold = measured("trainer", {**settings, "name": "cold"})
        warm = measured("trainer", {**settings, "name": "warm"})
        peer = measured("trainer_peer", settings)
    what = "full-size SD 1.5" if given.full else given.base.name
    asked = f"batch {given.batch}, {given.resolution} px, rank {given.rank}, {given.threads} threads"
    show(f"training on {what}: {given.steps} steps, {asked}", rows(cold, warm, peer))


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        print(json.dumps(ours(json.loads(sys.argv[1]))))
    else:
        main()
