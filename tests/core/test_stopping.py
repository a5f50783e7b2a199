"""Work that uses a model, or trains on a person, stops within one step of the withdrawal that reaches it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core import erasure, left_over, models, withdrawal
from core import jobs as work
from core.errors import ConsentLost, Tainted
from core.generate import generate
from core.merging.catalogued import merge_average, merge_bake
from core.progress import Step, silent
from core.training import latent_cache, retrain
from core.training.loop import train
from core.training.recipe import Recipe
from core.verification import verify
from core.watch import Watch
from storage import artifacts, generated, jobs, unfinished, whole_files
from storage import catalog as catalogs
from storage.catalog import Catalog
from storage.generated import GeneratedState
from storage.records import CohortRules, JobState, ModelKind, ModelState, Purpose
from tests import composites, small_archive
from tests.composites import Composite
from tests.small_archive import SmallArchive
from tests.tiny_base import write_tiny_base

COMPOSITE = [Purpose.TRAIN_COMPOSITE]
RECIPE = Recipe(rank=1, steps=50, batch=1, warmup=0, previews=0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    return small_archive.build(catalog, tmp_path / "archive", people=2, pictures=12)


@pytest.fixture
def six(catalog: Catalog, base: Path) -> Composite:
    names = ["Ann", "Ben", "Kim", "Lou", "Mae", "Noy"]
    return composites.build(catalog, base, names, CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=3))


class Leaving:
    """A report in which somebody withdraws, in a process' own connection, when so many steps are done."""

    def __init__(self, catalog: Catalog, who: int | str, after: int) -> None:
        self.catalog, self.who, self.after = catalog, who, after
        self.seen: list[Step] = []

    def __call__(self, step: Step, /) -> None:
        self.seen.append(step)
        if len(self.seen) == self.after:
            with catalogs.open_catalog(self.catalog.folder) as own:
                withdrawal.withdraw(own, self.who, sorted(Purpose), by="me", remake=False)


def test_training_stops_within_a_step_though_the_epoch_is_long(archive: SmallArchive, base: Path) -> None:
    archive.freeze("one", of=1)
    person = archive.people[0]
    report = Leaving(archive.catalog, person.id, 3)
    with pytest.raises(ConsentLost, match="withdr"):
        train(archive.catalog, "one", base, "v", recipe=RECIPE, processes=1, report=report)
    assert len(report.seen) == 3
    assert not latent_cache.folder_of(archive.catalog, person.uid).exists()
    assert artifacts.all_models(archive.catalog) == []


def test_training_of_somebody_erased_stops(archive: SmallArchive, base: Path) -> None:
    archive.freeze("one", of=1)
    seen: list[Step] = []

    def leaves(step: Step, /) -> None:
        seen.append(step)
        if len(seen) == 2:
            with catalogs.open_catalog(archive.catalog.folder) as own:
                erasure.erase(own, archive.people[0].id, by="the photographer")

    with pytest.raises(ConsentLost, match="erased"):
        train(archive.catalog, "one", base, "v", recipe=RECIPE, processes=1, report=leaves)
    assert len(seen) == 2
    assert artifacts.all_models(archive.catalog) == []


def test_training_of_one_goes_on_when_another_leaves(archive: SmallArchive, base: Path) -> None:
    archive.freeze("one", of=1)
    report = Leaving(archive.catalog, archive.people[1].id, 2)
    made = train(
        archive.catalog, "one", base, "v", recipe=RECIPE.model_copy(update={"steps": 4}), processes=1, report=report
    )
    assert artifacts.get_model(archive.catalog, made[0]).state is ModelState.OK


def test_training_on_top_of_a_model_stops_with_it(catalog: Catalog, six: Composite, archive: SmallArchive) -> None:
    merge_average(catalog, six.loras, "mean")
    merge_bake(catalog, "mean", six.base, "baked")
    archive.freeze("one", of=1)
    report = Leaving(catalog, "Ann", 3)
    with pytest.raises(Tainted, match="baked"):
        train(catalog, "one", catalog.models / "baked", "v", recipe=RECIPE, processes=1, report=report)
    assert len(report.seen) == 3


def test_averaging_stops_within_a_step(catalog: Catalog, six: Composite) -> None:
    report = Leaving(catalog, "Ann", 2)
    with pytest.raises(Tainted, match="Ann withdrew"):
        merge_average(catalog, six.loras, "mean", report=report)
    assert len(report.seen) == 2
    merge_average(catalog, six.loras[1:], "five")
    report = Leaving(catalog, "Ben", 2)
    with pytest.raises(Tainted, match="Ben withdrew"):
        merge_bake(catalog, "five", six.base, "baked", report=report)
    assert len(report.seen) == 2
    assert not list(catalog.models.glob("*baked*"))


def test_drawing_stops_within_a_step_and_what_was_drawn_is_withdrawn(
    archive: SmallArchive, base: Path, tmp_path: Path
) -> None:
    catalog = archive.catalog
    archive.freeze("one", of=1)
    (name,) = train(catalog, "one", base, "v", recipe=RECIPE.model_copy(update={"steps": 1}), processes=1)
    whole = generate(catalog, name, "a {trigger}", out=tmp_path / "out", n=2, steps=2)
    model = artifacts.get_model(catalog, name)
    files = [*whole.images, *([whole.sheet] if whole.sheet else [])]
    assert [one.path for one in generated.of_models(catalog, [model.id])] == files
    assert withdrawal.reach(catalog, archive.people[0].id, list(Purpose)).generated == [str(path) for path in files]
    steps: list[int] = []

    def leaves(step: Step, /) -> None:
        steps.append(step.done)
        withdrawal.withdraw(catalog, archive.people[0].id, sorted(Purpose), by="me")

    with pytest.raises(Tainted, match="withdrew"):
        generate(catalog, name, "a {trigger}", out=tmp_path / "late", n=20, steps=2, report=leaves)
    assert steps == [0]
    assert not list((tmp_path / "late").iterdir())
    assert generated.of_models(catalog, [model.id]) == []
    marked = generated.of_models(catalog, [model.id], None)
    assert {one.state for one in marked} == {GeneratedState.WITHDRAWN}
    assert [one.content_hash for one in marked] == [whole_files.file_hash(path) for path in files]


def test_a_picture_drawn_over_another_has_one_row(catalog: Catalog, six: Composite, tmp_path: Path) -> None:
    ids = [artifacts.get_model(catalog, name).id for name in six.loras[:2]]
    when = artifacts.get_model(catalog, six.loras[0]).created_at
    for number in ids:
        generated.add(catalog, number, [(tmp_path / "000000.png", f"hash {number}")], when)
    assert [len(generated.of_models(catalog, [number])) for number in ids] == [0, 1]


def test_a_watch_asks_only_when_something_was_taken_out(catalog: Catalog, six: Composite) -> None:
    asked: list[int] = []
    watch = Watch(catalog, lambda: asked.append(1))
    watch()
    artifacts.set_state(catalog, [artifacts.get_model(catalog, six.loras[0]).id], ModelState.OK)
    watch()
    assert not asked
    withdrawal.withdraw(catalog, "Ann", [Purpose.PRINT], by="me")
    watch()
    watch()
    assert asked == [1]


@pytest.mark.parametrize("state", [ModelState.TAINTED, ModelState.QUARANTINED, ModelState.DELETED])
def test_one_gate_refuses_what_is_out_of_use(catalog: Catalog, six: Composite, state: ModelState) -> None:
    model = artifacts.get_model(catalog, six.loras[0])
    models.require_in_use(model)
    artifacts.set_state(catalog, [model.id], state, "Ann withdrew")
    with pytest.raises(Tainted, match=f"is {state}: Ann withdrew") as refused:
        models.require_in_use(artifacts.get_model(catalog, model.id))
    assert refused.value.exit_status == 1
    attempts: list[Callable[[], object]] = [
        lambda: merge_average(catalog, six.loras, "m"),
        lambda: merge_bake(catalog, model.name, six.base, "b"),
        lambda: generate(catalog, model.name, "a face", out=catalog.folder / "out"),
        lambda: verify(catalog, model.name),
    ]
    for attempt in attempts:
        with pytest.raises(Tainted, match="Ann withdrew"):
            attempt()


def test_a_pooled_model_waits_to_be_trained_again_without_the_person(archive: SmallArchive, base: Path) -> None:
    catalog = archive.catalog
    archive.freeze("all")
    recipe = RECIPE.model_copy(update={"steps": 2})
    train(catalog, "all", base, "pool", mode="pooled", recipe=recipe, processes=1)
    leaving, staying = archive.people
    assert withdrawal.reach(catalog, leaving.id, COMPOSITE).retrained == ["pool"]
    done = withdrawal.withdraw(catalog, leaving.id, COMPOSITE, by="me")
    [number] = done.retraining
    assert jobs.get(catalog, number).state is JobState.WAITING
    assert any(f"jobs resume {number}" in line for line in done.lines())
    assert withdrawal.settle(catalog).retraining == ()  # it is put down once
    made = retrain.run_job(catalog, jobs.get(catalog, number), silent)["models"]
    model = artifacts.get_model(catalog, made[0])
    assert (model.kind, model.state, set(artifacts.shares_of(catalog, model.id))) == (
        ModelKind.POOLED,
        ModelState.OK,
        {staying.id},
    )
    assert {**model.recipe, "job": None} == {**recipe.model_dump(), "job": None}
    assert retrain.run_job(catalog, jobs.get(catalog, number), silent)["models"] == made
    assert work.cancel(catalog, number).state is JobState.CANCELLED


def test_the_next_start_finishes_a_withdrawal_that_was_cut_short(
    catalog: Catalog, six: Composite, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge_average(catalog, six.loras, "mean")
    merge_average(catalog, six.loras[1:], "never")

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(models, "erase_files", cut)
        with pytest.raises(KeyboardInterrupt):
            withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me")
    assert (catalog.models / f"{six.loras[0]}.safetensors").exists()
    with unfinished.at_work(catalog):
        assert left_over.finish(catalog) is None
    assert unfinished.any_left(catalog)
    job = left_over.finish(catalog)
    assert not (catalog.models / f"{six.loras[0]}.safetensors").exists()
    assert not unfinished.any_left(catalog)
    assert job is not None
    assert work.follow(catalog, job.id).state is JobState.DONE
    assert composites.content(catalog, "mean") == composites.content(catalog, "never")
    assert left_over.finish(catalog) is None


def test_weights_without_a_row_are_swept_and_a_strangers_file_stays(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean")
    merge_bake(catalog, "mean", six.base, "baked")
    kept = sorted(path.name for path in catalog.models.iterdir())
    for name in ("lost", "mine"):
        (catalog.models / f"{name}.safetensors").write_bytes(b"nobody's")
    source = next(catalog.models.glob("baked/unet/*.safetensors"))
    (catalog.models / "lost.safetensors").write_bytes(source.read_bytes())
    (catalog.models / "lost.preview.png").write_bytes(b"a picture")
    assert not left_over.clean_up(catalog)
    assert sorted(path.name for path in catalog.models.iterdir()) == sorted([*kept, "mine.safetensors"])
