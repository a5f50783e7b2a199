"""train: models of a frozen cohort, as a job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from core import jobs
from core.counted import counted
from core.errors import BadValue
from storage import jobs as table_of_jobs
from storage.catalog import Catalog
from tui import launched
from tui.commands.jobs import watch
from tui.output import AsJson, emit
from tui.place import opened


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command()(train)


def train(
    context: typer.Context,
    cohort: Annotated[str, typer.Argument(help="A frozen cohort.")],
    base: Annotated[
        Path, typer.Option(help="The base (SD 1.x, 2.x, SDXL): a diffusers folder or a .safetensors file.")
    ],
    name: Annotated[str, typer.Option(help="What the models are called.")],
    per_subject: Annotated[bool, typer.Option("--per-subject", help="One model a person (the default).")] = False,
    pooled: Annotated[bool, typer.Option("--pooled", help="One model on everybody's pictures.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Train the UNet's own weights, not a LoRA: whole checkpoints come of it.")
    ] = False,
    recipe: Annotated[Path | None, typer.Option(help="A recipe, TOML: see kyodaku recipe new.")] = None,
    rank: Annotated[int | None, typer.Option(min=1)] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps a LoRA.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    keys: Annotated[
        str | None, typer.Option("--format", help="Keys of the file: kohya (all programs read it) or diffusers.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto (all GPUs, or the CPU), cpu, cuda:1, cuda:0,cuda:1, …")] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say whether it may be, and what memory and disk it takes; train nothing.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once; `kyodaku jobs follow` watches.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train in a process that outlives this terminal. Consent is checked at the start, at every epoch and on resume.

    A LoRA a person is what averages are made of. With --full, one checkpoint a person can be averaged too (merge soup);
    nobody can be taken out of one on everybody's pictures (--full --pooled), which must be trained again.
    As in: kyodaku train weddings --base sd15 --name v1 --full --dry-run

    Ctrl-C stops the watching, not the training: `kyodaku jobs cancel` stops that.

    A pooled LoRA trains in several processes by --device a,b, or by a launcher, to the same bytes:
    accelerate launch --num_processes 2 -m kyodaku train COHORT --pooled …
    """
    if per_subject and pooled:
        raise BadValue("--per-subject and --pooled exclude each other")
    if full and rank is not None:
        raise BadValue("--full trains the weights themselves, which have no --rank")
    overrides = {"learns": "full" if full else None, "rank": rank, "steps": steps, "seed": seed, "format": keys}
    arguments = {
        "cohort": cohort,
        "base": str(base.resolve()),
        "name": name,
        "mode": "pooled" if pooled else "per-subject",
        "recipe": None if recipe is None else str(recipe.resolve()),
        "overrides": {field: value for field, value in overrides.items() if value is not None},
        "device": device,
    }
    place = launched.seat()
    if place is not None and (detach or dry_run):
        raise BadValue("what a launcher started trains, and is waited for", "leave --detach and --dry-run out")
    if place is not None and place.rank > 0:
        launched.follow(place, device)
        return
    with opened(context) as catalog:
        if dry_run:
            from core.training.rehearsal import rehearse  # torch is loaded only where it is used

            told = rehearse(catalog, arguments)
            emit(told, told.lines(), as_json=as_json)
        else:
            _trained(catalog, arguments, led=place is not None, detach=detach, as_json=as_json)


def _trained(catalog: Catalog, arguments: Mapping[str, Any], *, led: bool, detach: bool, as_json: bool) -> None:
    """Train as a job, by this process where a launcher has it lead, and say what came of it."""
    if led:
        job = table_of_jobs.add(catalog, "train", arguments, datetime.now(UTC))
        ended = launched.lead(catalog, job.id)
    else:
        job = jobs.submit(catalog, "train", arguments)
        if detach:
            told = {"job": job.id, "models": []}
            emit(told, f"job {job.id} runs; kyodaku jobs follow {job.id}", as_json=as_json)
            return
        ended = watch(catalog, job.id)
    made = list((ended.result or {}).get("models", []))
    emit(
        {"job": ended.id, "models": made},
        f"job {ended.id} made {counted(len(made), 'model')}: {', '.join(made)}",
        as_json=as_json,
    )
