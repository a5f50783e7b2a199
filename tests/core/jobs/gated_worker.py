"""A worker whose only job waits at a pipe: lets a test decide when work goes on. Run as a script."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import ConsentLost
from core.jobs import worker
from core.progress import Report, Step
from storage.catalog import Catalog
from storage.records import Job


def run_gated(_: Catalog, job: Job, report: Report) -> Mapping[str, Any]:
    """Append to a file what is read from the pipe, a line a step, until `end`; `lost` and `crash` fail."""
    done = Path(job.args["done"])
    report(Step("waiting", 0, 10, "at the gate"))
    with Path(job.args["gate"]).open() as gate:
        for number, line in enumerate(gate, 1):
            if line == "lost\n":
                raise ConsentLost("Mali Srisai withdrew", "freeze the cohort again")
            if line == "crash\n":
                raise ZeroDivisionError("a fault of ours")
            if line == "end\n":
                break
            report(Step("working", number, 10, line.strip()))
            with done.open("a") as out:
                out.write(line)
    return {"lines": done.read_text().splitlines() if done.exists() else []}


if __name__ == "__main__":
    sys.exit(worker.main(sys.argv[1:], {"gated": f"{__name__}:run_gated"}))
