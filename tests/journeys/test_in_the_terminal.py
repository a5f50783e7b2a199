"""The work of the app by keys, in a real terminal: each step as it is drawn, and as the catalog holds it then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import jobs as work
from core.merging.catalogued import merge_average
from storage import artifacts, jobs, ledger, subjects
from storage import catalog as catalogs
from storage.catalog import Catalog, open_catalog
from storage.records import CohortRules, EventKind, Job, JobState, ModelState, Purpose
from tests import composites, small_archive
from tests.composites import Composite, content
from tests.journeys.driver import SAMPLE, Kyodaku
from tests.journeys.test_main_job import PORTRAITS_EACH, people_file, photographs_by_people, willing
from tests.tiny_base import write_tiny_base
from tests.tui.terminal_driver import Terminal

NAMED = ("Noy", "Ana", "Hana", "Somchai", "Keo")
WITHDRAWING = ("Ann Example", "Ben Example", "Kim Example", "Lou Example", "Mia Example")
TAB, ENTER, SPACE, ESCAPE, ERASE, DO_IT = "\t", "\r", " ", "\x1b", "\x7f", "\x13"  # ^s does what a form asks for
CONSENT, TRAINING, MODELS = "3", "5", "6"
# F2 to F5: in Archive digits are a count
PEOPLE_FROM_ARCHIVE, CONSENT_FROM_ARCHIVE, COHORTS_FROM_ARCHIVE, TRAINING_FROM_ARCHIVE = (
    "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[15~",
)  # fmt: skip


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Portraits of five people."""
    folder = tmp_path_factory.mktemp("archive")
    seen = photographs_by_people()
    chosen = [name for name, row in people_file().items() if willing(row) and len(seen[name,]) >= PORTRAITS_EACH]
    for name in chosen[: len(NAMED)]:
        for path in seen[name,][:PORTRAITS_EACH]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SAMPLE / path, folder / path)
    return folder


@pytest.fixture
def pen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings file that says who records."""
    (tmp_path / "config.toml").write_text('by = "Chan"', encoding="utf-8")
    monkeypatch.setenv("KYODAKU_CONFIG", str(tmp_path / "config.toml"))


def in_catalog(folder: Path, ask: Callable[[Catalog], Any]) -> Any:
    """What the catalog holds now."""
    with open_catalog(folder, readonly=True) as catalog:
        return ask(catalog)


def newest_job(folder: Path) -> Job:
    """The newest job, whatever its state."""
    job: Job = in_catalog(folder, jobs.newest)[0]
    return job


def ended(folder: Path) -> Job:
    """The newest job once it has ended well."""
    with open_catalog(folder) as catalog:
        job = work.follow(catalog, jobs.newest(catalog)[0].id, every=0.05)
        work.result_of(job)
        return job


def test_a_first_run(kyodaku: Kyodaku, archive: Path) -> None:
    """An empty catalog says what to do; what the command line then brings in comes by itself."""
    with Terminal(kyodaku.catalog) as terminal:
        terminal.wait_for("The catalog is empty. Fill it from a shell: kyodaku index FOLDER")
        terminal.type(PEOPLE_FROM_ARCHIVE)
        terminal.wait_for("No faces yet. From a shell: kyodaku faces")
        terminal.type(MODELS)
        terminal.wait_for("No model yet.")
        terminal.type("a")
        terminal.wait_for("there is no model under the cursor")
        terminal.type("1")
        terminal.settle()
        counts = kyodaku.json("index", archive)
        terminal.wait_for(f"{counts['new']} photographs")
        terminal.type("?")
        terminal.wait_for("every photograph, searched and looked at")
        terminal.type(ESCAPE)
        terminal.settle()
        terminal.type("Q")
        assert terminal.wait_end() == 0
    assert counts["new"] == len(NAMED) * PORTRAITS_EACH


@pytest.mark.slow
def test_five_people_are_named_and_allow(kyodaku: Kyodaku, archive: Path) -> None:
    for arguments in (("index", archive), ("faces",), ("people", "cluster")):
        kyodaku.json(*arguments)
    folder = kyodaku.catalog
    with Terminal(folder) as terminal:
        terminal.wait_for("photographs")
        terminal.type(PEOPLE_FROM_ARCHIVE)
        terminal.wait_for("5 entries")
        for number, name in enumerate(NAMED):
            terminal.type(f"n{name}{ENTER}")
            terminal.wait_for(f"{name}, a new person: {PORTRAITS_EACH} faces")
            assert len(in_catalog(folder, subjects.list_all)) == number + 1
        assert not in_catalog(folder, lambda catalog: list(ledger.all(catalog))), "a name is no consent"
        terminal.type(CONSENT)
        terminal.wait_for("5 people on record")
        terminal.settle()
        terminal.type("Y")
        terminal.wait_for("allow?")
        terminal.type(DO_IT)
        terminal.wait_for("tick at least one purpose")
        # train-individual and train-composite; then past release to the line that says who records
        terminal.type(TAB * 3 + SPACE + TAB + SPACE + TAB * 2 + "Chan" + DO_IT)
        terminal.wait_for("allows train-individual, train-composite")
        for _ in NAMED[1:]:
            terminal.type("j")
            terminal.settle()
            terminal.type("Y")
            terminal.wait_for("allow?")
            terminal.type(TAB * 4 + SPACE + DO_IT)
            terminal.wait_for("allows train-composite")
        terminal.type("Q")
        assert terminal.wait_end() == 0
    events = in_catalog(folder, lambda catalog: list(ledger.all(catalog)))
    assert [event.kind for event in events] == [EventKind.GRANT] * len(NAMED)
    assert {event.by for event in events} == {"Chan"}
    assert len({event.subject_uid for event in events}) == len(NAMED)
    assert all(Purpose.TRAIN_COMPOSITE in event.purposes for event in events)


def start_training(terminal: Terminal, base: Path, steps: int) -> None:
    """Fill in the training room's form for the one frozen cohort there is."""
    terminal.type("t")
    terminal.wait_for("Consent is looked at when it starts")
    terminal.type(f"{TAB}{base}{TAB}kin{TAB}{TAB}{TAB}{TAB}2{TAB}{steps}{DO_IT}")
    terminal.wait_for("it goes on when this terminal closes")


def build_cohort(terminal: Terminal, folder: Path) -> None:
    """A cohort of all nine pictures, frozen."""
    terminal.type(COHORTS_FROM_ARCHIVE)
    terminal.wait_for("No cohort yet.")
    terminal.type("c")
    terminal.wait_for("A new cohort")
    terminal.type(f"kin{TAB}faces:>=1{TAB}train-composite{TAB}crop{TAB}{TAB}3{DO_IT}")
    terminal.wait_for("now 9 pictures of 3 people")
    terminal.type("f")
    terminal.wait_for("Freeze kin?")
    assert in_catalog(folder, lambda catalog: artifacts.get_cohort(catalog, "kin").merkle_root) is None
    terminal.type("y")
    terminal.wait_for("kin: 9 photographs of 3 people under")
    assert in_catalog(folder, lambda catalog: artifacts.get_cohort(catalog, "kin").merkle_root)


def average(terminal: Terminal, folder: Path) -> None:
    """The average of the three LoRAs."""
    terminal.type("%")
    terminal.wait_for("3 marked")
    terminal.type("m")
    terminal.wait_for("as it stands: 3 people, each 33.3%")
    terminal.type(f"mean{DO_IT}")
    terminal.wait_for("job 2, merge")
    assert ended(folder).kind == "merge"
    terminal.wait_for("mean is made")
    mean = in_catalog(folder, lambda catalog: artifacts.get_model(catalog, "mean"))
    assert (mean.kind, mean.state) == ("average", ModelState.OK)


def audit(terminal: Terminal, folder: Path) -> None:
    """An audit of four pictures of the model under the cursor."""
    terminal.type("a")
    terminal.wait_for("Audit mean")
    terminal.type(f"{ERASE * 2}4{DO_IT}")
    terminal.wait_for("job 3, audit")
    told = ended(folder).result or {}
    assert (told["verdict"], told["images"]) == ("not enough evidence", 4), "a base of random weights draws no face"
    terminal.wait_for("mean: not enough evidence")
    terminal.settle()
    assert b"verdict: not enough evidence" in terminal.seen
    assert b"picture 1 of 1: from the audit" in terminal.seen
    assert (folder / "models" / "mean.audit" / "sheet.png").is_file()


@pytest.mark.slow
def test_a_cohort_is_built_trained_detached_from_averaged_and_audited(tmp_path: Path, tiny_base: Path) -> None:
    folder = tmp_path / "catalog"
    with catalogs.create(folder) as catalog:
        small_archive.build(catalog, tmp_path / "archive")
    with Terminal(folder) as terminal:
        terminal.wait_for("9 photographs")
        build_cohort(terminal, folder)
        terminal.type(TRAINING)
        terminal.wait_for("No training yet.")
        start_training(terminal, tiny_base, 12)
        terminal.hang_up()
    assert newest_job(folder).state in jobs.UNDER_WAY, "it trains on after the line has gone"
    with Terminal(folder) as terminal:
        terminal.wait_for("9 photographs")
        terminal.type(TRAINING_FROM_ARCHIVE)
        terminal.wait_for("kin on kin")
        made = ended(folder).result
        assert made is not None
        assert len(made["models"]) == 3
        terminal.wait_for("100%")
        terminal.type(MODELS)
        terminal.wait_for("catalog: 3 models")  # Training says "3 models ready" too
        terminal.settle()
        average(terminal, folder)
        terminal.settle()
        audit(terminal, folder)
        terminal.type("Q")
        assert terminal.wait_end() == 0


def test_a_line_that_hangs_up_leaves_the_training_at_its_work(tmp_path: Path, tiny_base: Path) -> None:
    folder = tmp_path / "catalog"
    with catalogs.create(folder) as catalog:
        small_archive.build(catalog, tmp_path / "archive", people=1, pictures=1).freeze("kin")
    with Terminal(folder) as terminal:
        terminal.wait_for("1 photograph ")
        terminal.type(TRAINING_FROM_ARCHIVE)
        terminal.wait_for("No training yet.")
        start_training(terminal, tiny_base, 1_000_000)
        terminal.hang_up()
    with open_catalog(folder) as catalog:
        (job,) = jobs.newest(catalog)
        wait_for_another_step(catalog, job)
        assert jobs.get(catalog, job.id).state is JobState.RUNNING
        work.cancel(catalog, job.id)
        assert work.follow(catalog, job.id, every=0.05).state is JobState.CANCELLED


def wait_for_another_step(catalog: Catalog, job: Job) -> None:
    """Return once the job has put down a step that it had not when this was asked."""

    class Enough(Exception):
        """A step was put down."""

    metrics = jobs.folder_of(catalog, job.id) / "metrics.jsonl"
    before = metrics.stat().st_size if metrics.exists() else 0

    def look(_: object) -> None:
        if metrics.exists() and metrics.stat().st_size > before:
            raise Enough

    with pytest.raises(Enough):
        work.follow(catalog, job.id, look, every=0.05)


def withdraw_by_keys(terminal: Terminal, name: str) -> None:
    """Search the person in Consent and take all that they allow back."""
    terminal.type(CONSENT)
    terminal.settle()
    terminal.type(f"/{name}{ENTER}")
    terminal.wait_for("1 person")
    terminal.settle()
    terminal.type("x")
    terminal.wait_for(f"What does {name} take back?")
    terminal.type(DO_IT)
    terminal.wait_for("made anew without them: mean")
    terminal.type("y")
    terminal.wait_for("makes the averages again without")
    terminal.type(ESCAPE)
    terminal.wait_for(f"{name} has withdrawn")


@pytest.mark.slow
@pytest.mark.usefixtures("pen")
def test_a_person_withdraws_and_the_average_is_made_again(tmp_path: Path, tiny_base: Path) -> None:
    folder = tmp_path / "catalog"
    rules = CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=3)
    with catalogs.create(folder) as catalog:
        five: Composite = composites.build(catalog, tiny_base, WITHDRAWING, rules)
        merge_average(catalog, five.loras, "mean")
        merge_average(catalog, five.loras[1:], "never")
        merge_average(catalog, five.loras[2:], "never either")
        without = [content(catalog, name) for name in ("never", "never either")]
    program = Kyodaku(folder)
    with Terminal(folder) as terminal:
        terminal.wait_for("10 photographs")
        terminal.type(CONSENT_FROM_ARCHIVE)
        terminal.wait_for("5 people on record")
        withdraw_by_keys(terminal, WITHDRAWING[0])
        assert ended(folder).kind == "remake"
        assert in_catalog(folder, lambda catalog: content(catalog, "mean")) == without[0]
        terminal.type(MODELS)
        terminal.wait_for("quarantined")
        terminal.settle()
        terminal.type("r")
        terminal.wait_for("no model is tainted")
        terminal.settle()  # the line may be drawn again, and says "tainted"
        program.json("consent", "withdraw", WITHDRAWING[1], "--by", "Chan", "--no-remake")
        terminal.wait_for("tainted")
        terminal.settle()
        terminal.type("r")
        terminal.wait_for("job 2, remake")
        assert ended(folder).kind == "remake"
        terminal.wait_for("made again: mean")
        terminal.type("Q")
        assert terminal.wait_end() == 0
    assert in_catalog(folder, lambda catalog: content(catalog, "mean")) == without[1]
    states = {name: in_catalog(folder, lambda c, name=name: artifacts.get_model(c, name).state) for name in five.loras}
    assert list(states.values()) == [ModelState.QUARANTINED] * 2 + [ModelState.OK] * 3
