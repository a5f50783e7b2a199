"""Training of a frozen cohort: a model a person, or one for all; consent is looked at again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from core.base_model import Base, devices_of
from core.base_model import load as load_base
from core.cohort import recheck
from core.errors import BadValue, ConsentLost, NameTaken, NoSuchRecord, Refused, Tainted
from core.generate import permit_base
from core.generated_checks import Checker
from core.progress import Report, Step, silent
from core.training import captions, checkpoint, latent_cache, preview
from core.training.fit import loaded_as
from core.training.needs import require_disk
from core.training.one import train_one
from core.training.recipe import SHARED_TRIGGER, Recipe, require_optimiser, trigger_of
from core.training.recipe import load as load_recipe
from core.training.task import Seat, Settings, Task
from core.training.team import Team
from core.training.watching import Watch
from core.training.workers import Message, Split, Workers, share_out, share_steps
from storage import artifacts, jobs, whole_files
from storage import catalog as catalogs
from storage.catalog import Catalog
from storage.records import Cohort, Job, Model, ModelKind, Purpose

MODES = ("per-subject", "pooled")


def run_job(catalog: Catalog, job: Job, report: Report, team: Team | None = None) -> Mapping[str, Any]:
    """Run a `train` job: args `cohort`, `base`, `name`, `mode`, `recipe` (TOML file or null), `overrides`, `device`.

    As `train`, which a `team` that was launched is handed on to.
    """
    args = job.args
    made = train(
        catalog,
        args["cohort"],
        Path(args["base"]),
        args["name"],
        mode=args.get("mode", "per-subject"),
        recipe=recipe_of(args),
        device=args.get("device", "auto"),
        report=report,
        job=job.id,
        team=team,
    )
    return {"models": made}


def recipe_of(args: Mapping[str, Any]) -> Recipe:
    """The recipe that a `train` job's arguments name, with what they give otherwise. Raises as `recipe.load`."""
    return load_recipe(None if args.get("recipe") is None else Path(args["recipe"]), args.get("overrides"))


def train(
    catalog: Catalog,
    cohort_name: str,
    base: Path,
    name: str,
    *,
    mode: str = "per-subject",
    recipe: Recipe | None = None,
    device: str = "auto",
    report: Report = silent,
    job: int | None = None,
    processes: int | None = None,
    team: Team | None = None,
) -> list[str]:
    """Train a frozen cohort's models and register them; the models' names, by pseudonym.

    With a job they leave checkpoints in its folder, and what is finished is found again on resume. A model depends on
    the recipe, the base and its own people's pictures alone. `device` may list several, apart by commas; they and
    `processes` (on a CPU; default: one a core, on a small base) change the speed and no byte. A base that is a model of
    the catalog must be one that may be drawn with. A `team` that was launched, which this process leads, takes the
    place of devices and processes. Raises ConsentLost, Refused, Tainted, BadBase, BadImage, BadValue, NameTaken.
    """
    recipe = recipe or Recipe()
    if team is not None and mode != "pooled":
        raise BadValue(
            "processes that were launched train one model together", "give --pooled, or train without a launcher"
        )
    cohort, tasks, left = ask(catalog, cohort_name, name, mode, recipe, job)
    if left:
        devices = devices_of(device) if team is None else (team.device,) * team.count
        chosen = team is not None or device != "auto"
        split = split_of(base, devices, recipe, mode, len(left), processes, chosen=chosen)
        if recipe.learns == "full":
            require_disk(catalog, base, recipe, len(left), 1 if mode == "pooled" else len(split.devices))
        folder = None if job is None else jobs.folder_of(catalog, job)
        said = captions.for_run(catalog, [item for task in left for item in task.items], recipe, folder)
        left = [replace(task, captions=tuple(said[captions.key_of(item)] for item in task.items)) for task in left]
        settings = Settings(catalog.folder, cohort, base, recipe, split.devices[0], split.threads, folder)
        _run(catalog, settings, left, split, len(tasks), report, job, team)
    return [task.name for task in tasks]


def ask(
    catalog: Catalog, cohort_name: str, name: str, mode: str, recipe: Recipe, job: int | None = None
) -> tuple[Cohort, list[Task], list[Task]]:
    """The frozen cohort, the models it would be trained to, and those of them that the job has not made yet.

    Raises BadValue, MissingDependency, NoSuchRecord, Tainted, ConsentLost, Refused, NameTaken.
    """
    if mode not in MODES:
        raise BadValue(f"there is no way of training {mode!r}", f"one of: {', '.join(MODES)}")
    require_optimiser(recipe)
    cohort = _cohort(catalog, cohort_name)
    recheck(catalog, cohort)
    tasks = _tasks(catalog, cohort, name, mode, recipe)
    return cohort, tasks, [task for task in tasks if not _is_made(catalog, task, cohort, job)]


def serve(settings: Settings, tasks: Iterator[Task], team: Team | None = None) -> Iterator[Message]:
    """Train tasks one after another with one loaded base, telling each step; the work of one process.

    A `team` that is there already is left as it is.
    """
    import torch

    torch.set_num_threads(settings.threads)
    base = _loaded(settings)
    checker = Checker(str(base.device), base.path) if settings.recipe.previews else None
    with (
        closing(catalogs.open_catalog(settings.catalog, readonly=True)) as catalog,
        ExitStack() as met,
        ExitStack() as unregistered,
    ):
        team = team or met.enter_context(closing(Team(settings.seat, settings.device)))
        require_base(catalog, base.unet_hash, whole=settings.recipe.learns == "full")
        for number, task in enumerate(tasks):  # one is asked for when the one before is registered
            unregistered.close()
            if number and settings.recipe.learns == "full":  # the run before changed it
                del base
                base = _loaded(settings)
            look = partial(_look_at_all, catalog, settings.cohort, base.unet_hash, task)
            yield from train_one(catalog, settings, base, checker, task, team, look, unregistered)


def _loaded(settings: Settings) -> Base:
    return load_base(settings.base, settings.device, loaded_as(settings.recipe))


def _run(
    catalog: Catalog,
    settings: Settings,
    tasks: Sequence[Task],
    split: Split,
    total: int,
    report: Report,
    job: int | None,
    team: Team | None,
) -> None:
    steps = settings.recipe.steps
    ready = total - len(tasks)
    at = {task.name: 0 for task in tasks}
    named = {task.name: task for task in tasks}
    # It is watched from here, where all processes' steps come together: one file, in the order of time.
    with ExitStack() as open_:
        open_.callback(whole_files.sweep_parts, catalog.models)  # of processes that were ended
        watch = open_.enter_context(closing(Watch(settings.folder, board=settings.recipe.board)))
        if team is None:
            together = len(split.devices) > 1 and not tasks[0].personal
            meeting = Path(open_.enter_context(TemporaryDirectory())) / "meeting"
            each = [
                replace(settings, device=device, seat=Seat(rank, len(split.devices), meeting) if together else None)
                for rank, device in enumerate(split.devices)
            ]
            workers = open_.enter_context(closing(Workers(serve, each, tasks, together=together)))
        else:
            team.agreed((settings, tuple(tasks)))
            workers = open_.enter_context(closing(Workers(partial(serve, team=team), [settings], tasks)))
        smooth = 0.0
        for message in open_.enter_context(closing(workers.messages())):
            at[message.task] = message.step
            if message.done:
                ready += 1
                _register(catalog, settings, named[message.task], message, job)
            else:
                smooth = watch.saw(message.task, message.step, message.figures)
            note = f"{ready} of {total} ready, loss {smooth:.4f}{_said(message.figures, settings.recipe)}"
            done = (total - len(tasks)) * steps + sum(at.values())
            report(Step("training", done, total * steps, note))


def split_of(
    base: Path,
    devices: Sequence[str],
    recipe: Recipe,
    mode: str,
    tasks: int,
    processes: int | None = None,
    *,
    chosen: bool,
) -> Split:
    """Which device does what. Raises BadValue where devices were chosen that a step can't be shared out among."""
    if mode != "pooled":
        return share_out(base, devices, tasks, processes)
    split = share_steps(base, devices, recipe.accumulate, processes)
    if chosen and len(split.devices) < len(devices):
        raise BadValue(
            f"accumulate = {recipe.accumulate}: so many passes can't be shared out among {len(devices)} devices",
            f"set accumulate in the recipe to a multiple of {len(devices)}, or name fewer devices",
        )
    return split


def _said(figures: Mapping[str, Any], recipe: Recipe) -> str:
    """A step's other numbers, for the line that people read."""
    if "rate" not in figures:
        return ""
    parts = [f"rate {figures['rate']:.2e}", f"{figures['seconds']:.2f} s/step", f"{figures['memory']:.0f} MB"]
    parts += [f"{name} {figures[name]:.4f}" for name in ("validation", "likeness") if name in figures]
    if figures["micro"] < recipe.batch:
        at_once = f"{figures['micro']} of {recipe.batch} pictures go through at once"
        parts.append(f"memory ran out: {at_once}, slower, in the same steps")
    return ", " + ", ".join(parts)


def _cohort(catalog: Catalog, name: str) -> Cohort:
    cohort = artifacts.get_cohort(catalog, name)
    if cohort.merkle_root is None:
        raise BadValue(f"cohort {name!r} is not frozen", f"freeze it: kyodaku cohort freeze {name}")
    if cohort.tainted:
        raise Tainted(f"a withdrawal reached cohort {name!r}", f"freeze it again: kyodaku cohort freeze {name}")
    return cohort


def _tasks(catalog: Catalog, cohort: Cohort, name: str, mode: str, recipe: Recipe) -> list[Task]:
    items = list(artifacts.cohort_items(catalog, cohort.id))
    if not items:
        raise BadValue(f"cohort {cohort.name!r} holds no pictures", f"see: kyodaku cohort explain {cohort.name}")
    whole = ModelKind.FULL if recipe.learns == "full" else None
    if mode == "pooled":
        if cohort.rules.purpose is not Purpose.TRAIN_COMPOSITE and len({item.subject_id for item in items}) > 1:
            raise Refused(
                f"cohort {cohort.name!r} is for {cohort.rules.purpose}, and one model of several people is a composite",
                "train it --per-subject, or freeze a cohort for train-composite",
            )
        key = f"pooled/{cohort.merkle_root}"
        return [Task(name, whole or ModelKind.POOLED, key, SHARED_TRIGGER, None, tuple(items))]
    tasks = []
    for uid, own in groupby(items, key=lambda item: item.subject_uid):
        pictures = tuple(own)
        model = f"{name}.{uid[:8]}"
        first = pictures[0].subject_id
        tasks.append(Task(model, whole or ModelKind.LORA, uid, trigger_of(uid), first, pictures))
    return tasks


def _is_made(catalog: Catalog, task: Task, cohort: Cohort, job: int | None) -> bool:
    """Whether this very job has made the model already. Raises NameTaken if something else has its name."""
    try:
        model = artifacts.get_model(catalog, task.name)
    except NoSuchRecord:
        return False
    if job is not None and model.recipe.get("job") == job and model.cohort_id == cohort.id:
        return True
    raise NameTaken(f"there is a model {task.name!r} already", "train under another --name, or delete it")


def require_base(catalog: Catalog, base_hash: str, *, whole: bool) -> None:
    """Raises as `generate.permit_base`, and Refused where a base that holds the catalog's people is to learn `whole`.

    Its people would be in the new weights with no share: neither a withdrawal nor `permit` would find them.
    """
    permit_base(catalog, base_hash)
    own = artifacts.with_content(catalog, base_hash)
    if whole and own is not None:
        raise Refused(
            f"the base is model {own.name!r}, and whoever is in it would be in what is trained from it, unrecorded",
            "train a LoRA on it and bake that in, or train whole from a base that nobody of the catalog is in",
        )


def _look_at_all(catalog: Catalog, cohort: Cohort, base_hash: str, task: Task) -> None:
    """`_look_at_consent` and `require_base`."""
    _look_at_consent(catalog, cohort, task)
    require_base(catalog, base_hash, whole=task.kind is ModelKind.FULL)


def _look_at_consent(catalog: Catalog, cohort: Cohort, task: Task) -> None:
    """Raises ConsentLost unless all that the task trains on is still permitted, and still what was frozen."""
    if artifacts.get_cohort(catalog, cohort.id).merkle_root != cohort.merkle_root:
        raise ConsentLost(f"cohort {cohort.name!r} was frozen anew", "train it again")
    left = {item.leaf for item in artifacts.cohort_items(catalog, cohort.id, task.subject_id)}
    if not left.issuperset(item.leaf for item in task.items):
        raise ConsentLost(f"somebody in cohort {cohort.name!r} was erased", "freeze it again, and train that")
    recheck(catalog, cohort, task.subject_id)


def _register(catalog: Catalog, settings: Settings, task: Task, message: Message, job: int | None) -> None:
    """Put what was made in its place and on record, or neither."""
    made = cast(Path, message.weights)
    path = catalog.models / settings.weights(task)
    placed: list[Path] = []
    count = len(task.people)
    try:
        with catalog.transaction():
            # Under the write lock: a withdrawal comes before this, and is seen here, or after, and finds the model.
            _look_at_all(catalog, settings.cohort, message.base_hash, task)
            artifacts.add_model(
                catalog,
                Model(
                    id=0,
                    name=task.name,
                    kind=task.kind,
                    path=path.name,
                    content_hash=whole_files.file_hash(whole_files.weights_file(made)),
                    base=str(settings.base),
                    base_hash=message.base_hash,
                    trigger=task.trigger,
                    cohort_id=settings.cohort.id,
                    recipe={**settings.recipe.model_dump(), "job": job},
                    created_at=datetime.now(UTC),
                ),
                shares={subject_id: 1 / count for subject_id, _ in task.people},
            )
            for part, place in ((made, path), (message.preview, preview.path_of(catalog, task.name))):
                if part is not None:
                    placed.append(place)
                    whole_files.put_in_place(part, place)
    except BaseException:
        for place in placed:
            whole_files.erase(place)
        raise
    if (kept := settings.checkpoint(task)) is not None:
        checkpoint.erase_all(kept)


__all__ = ["latent_cache", "run_job", "serve", "train"]
