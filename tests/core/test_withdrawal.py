"""What is left after a withdrawal is, byte for byte, what would have been made without the person."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from core import consent_actions, people, withdrawal
from core.errors import BadValue, NoSuchRecord, Refused, Tainted
from core.merging.catalogued import merge_average, merge_bake, merge_soup
from core.merging.methods import Method
from core.progress import Step
from core.verification import verify
from storage import artifacts, decisions, faces, ledger, subjects
from storage import catalog as catalogs
from storage.catalog import Catalog
from storage.records import CohortRules, ModelState, Purpose, Status
from tests import composites
from tests.composites import Composite, content
from tests.one_file import write_checkpoint
from tests.tiny_base import write_tiny_base
from tests.world import FACE, GRANTED, adult, photograph

COMPOSITE = [Purpose.TRAIN_COMPOSITE]
NAMES = ["Ann", "Ben", "Kim", "Lou", "Mae", "Noy"]
WEIGHTS = [1.0, 2.0, 0.3, 0.7, 5.0, 1.5]
RULES = CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=3)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def six(catalog: Catalog, base: Path) -> Composite:
    return composites.build(catalog, base, NAMES, RULES)


def merges(catalog: Catalog, made: Composite, without: int | None, prefix: str = "") -> list[str]:
    """Every kind of merge, to the third generation, of all six people or all but one; gives their names."""
    left = [n for n in range(len(NAMES)) if n != without]
    loras = [made.loras[n] for n in left]
    merge_average(catalog, loras, f"{prefix}mean")
    merge_average(catalog, loras[::-1], f"{prefix}small", rank=3)
    merge_average(catalog, loras, f"{prefix}weighted", weights=[WEIGHTS[n] for n in left], dtype="fp16")
    merge_average(catalog, [made.loras[n] for n in left if n < 4], f"{prefix}inner", rank=5)
    rest = [n for n in left if n >= 4]
    outer = [f"{prefix}inner", *(made.loras[n] for n in rest)]
    merge_average(catalog, outer, f"{prefix}outer", weights=[4.0, *(WEIGHTS[n] for n in rest)])
    merge_bake(catalog, f"{prefix}mean", made.base, f"{prefix}baked", weight=0.8)
    merge_bake(catalog, f"{prefix}outer", made.base, f"{prefix}half", dtype="fp16")
    merge_bake(catalog, f"{prefix}small", catalog.models / f"{prefix}baked", f"{prefix}twice")
    merge_soup(catalog, [f"{prefix}baked", f"{prefix}half"], f"{prefix}soup", weights=[1, 3])
    merge_average(catalog, loras, f"{prefix}median", method=Method("geometric-median"), rank=4)
    merge_average(catalog, loras, f"{prefix}trimmed", method=Method("trimmed-mean", trim=0.2), rank=4)
    merge_average(catalog, loras, f"{prefix}dare", method=Method("dare-ties", seed=3), rank=4)
    return [
        "mean",
        "small",
        "weighted",
        "inner",
        "outer",
        "baked",
        "half",
        "twice",
        "soup",
        "median",
        "trimmed",
        "dare",
    ]


@pytest.mark.parametrize("leaving", range(len(NAMES)), ids=NAMES)
def test_the_remade_models_are_those_that_never_held_the_person(catalog: Catalog, six: Composite, leaving: int) -> None:
    made = merges(catalog, six, None)
    merges(catalog, six, leaving, "never-")
    before = {name: content(catalog, name) for name in made}
    person = six.people[leaving]
    planned = withdrawal.reach(catalog, person.name, COMPOSITE)
    done = withdrawal.withdraw(catalog, person.name, COMPOSITE, by="me")

    touched = [name for name in made if name != "inner"] if leaving >= 4 else made
    assert sorted(done.remade) == sorted(touched)
    assert (done.quarantined, done.waiting) == ([six.loras[leaving]], {})
    assert (len(done.photos), done.cohorts) == (2, ["c"])
    assert (planned.models, planned.quarantined) == (done.models, done.quarantined)
    assert sorted(planned.remade) == sorted(done.remade)
    for name in made:
        assert content(catalog, name) == content(catalog, f"never-{name}"), name
        one, never = (artifacts.get_model(catalog, prefix + name) for prefix in ("", "never-"))
        assert (content(catalog, name) == before[name]) == (name not in touched)
        assert one.state is ModelState.OK
        assert (one.content_hash, one.energy_kept, one.base_hash, one.trigger) == (
            never.content_hash, never.energy_kept, never.base_hash, never.trigger
        )  # fmt: skip
        shares = [artifacts.shares_of(catalog, which.id) for which in (one, never)]
        assert shares[0] == pytest.approx(shares[1])
        assert person.id not in shares[0]
        assert verify(catalog, name).ok


@pytest.mark.slow
@pytest.mark.parametrize("leaving", range(30))
def test_any_of_thirty_leaves_a_composite_that_never_held_them(catalog: Catalog, base: Path, leaving: int) -> None:
    """Through a bake and a merge of the second generation, and its bake."""
    names = [f"Person {number:02}" for number in range(31)]
    made = composites.build(catalog, base, names, replace(RULES, min_subjects=20))

    def merge(prefix: str, thirty: list[str]) -> None:
        merge_average(catalog, thirty, f"{prefix}mean", rank=8)
        merge_bake(catalog, f"{prefix}mean", base, f"{prefix}baked")
        merge_average(catalog, [f"{prefix}mean", made.loras[30]], f"{prefix}outer", weights=[30, 1])
        merge_bake(catalog, f"{prefix}outer", base, f"{prefix}again", dtype="fp16")

    merge("", list(made.loras[:30]))
    merge("never-", [name for name in made.loras[:30] if name != made.loras[leaving]])
    done = withdrawal.withdraw(catalog, names[leaving], COMPOSITE, by="me")
    assert sorted(done.remade) == ["again", "baked", "mean", "outer"]
    for name in done.remade:
        assert content(catalog, name) == content(catalog, f"never-{name}"), name
        shares = artifacts.shares_of(catalog, artifacts.get_model(catalog, name).id)
        assert made.people[leaving].id not in shares
        assert len(shares) == (30 if name in ("outer", "again") else 29)


def test_it_holds_of_a_base_in_one_file(catalog: Catalog, tmp_path: Path) -> None:
    base = tmp_path / "base.safetensors"
    write_checkpoint(base, 1)
    made = composites.build(catalog, base, NAMES, RULES)

    def merge(prefix: str, loras: Sequence[str]) -> None:
        merge_average(catalog, loras, f"{prefix}mean")
        merge_bake(catalog, f"{prefix}mean", base, f"{prefix}baked", weight=0.8)
        merge_bake(catalog, f"{prefix}mean", catalog.models / f"{prefix}baked.safetensors", f"{prefix}twice")
        merge_soup(catalog, [f"{prefix}baked", f"{prefix}twice"], f"{prefix}soup", weights=[1, 3])

    merge("", made.loras)
    assert artifacts.get_model(catalog, "soup").path == "soup.safetensors"
    merge("never-", made.loras[1:])
    before = content(catalog, "soup")
    done = withdrawal.withdraw(catalog, NAMES[0], COMPOSITE, by="me")
    assert sorted(done.remade) == ["baked", "mean", "soup", "twice"]
    for name in done.remade:
        assert content(catalog, name) == content(catalog, f"never-{name}"), name
        assert verify(catalog, name).ok
    assert content(catalog, "soup") != before


def test_two_leave_one_after_the_other(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean", weights=WEIGHTS, rank=4)
    merge_average(catalog, six.loras[:4], "never", weights=WEIGHTS[:4], rank=4)
    for person in six.people[4:]:
        withdrawal.withdraw(catalog, person.id, list(Purpose), by="me")
    assert content(catalog, "mean") == content(catalog, "never")


def test_nothing_of_the_person_is_left_on_disk(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean")
    person, lora = six.people[2], six.loras[2]
    kept = [
        catalog.models / f"{lora}.preview.png",
        catalog.models / f"{lora}.audit" / "sheet.png",
        catalog.models / "mean.audit" / "sheet.png",
        catalog.cache / "latents" / person.uid / "a.safetensors",
        catalog.jobs / "1" / "previews" / f"{lora}-000050.png",
    ]
    others = [catalog.models / f"{six.loras[1]}.preview.png", catalog.cache / "latents" / six.people[1].uid / "a"]
    others.append(catalog.jobs / "1" / "previews" / f"{six.loras[1]}-000050.png")
    for path in (*kept, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture")
    weights = (catalog.models / f"{lora}.safetensors").read_bytes()
    withdrawal.withdraw(catalog, person.id, COMPOSITE, by="me")
    model = artifacts.get_model(catalog, lora)
    assert (model.state, "Kim withdrew" in (model.why or "")) == (ModelState.QUARANTINED, True)
    assert not any(path.exists() for path in kept)
    assert all(path.exists() for path in others)
    files = [path.read_bytes() for path in catalog.models.rglob("*") if path.is_file()]
    assert weights not in files
    assert artifacts.get_cohort(catalog, "c").tainted


def test_a_dry_run_changes_nothing(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean")
    head, before = ledger.head(catalog), artifacts.all_models(catalog)
    assert withdrawal.reach(catalog, "Ann", list(Purpose)).remade == ["mean"]
    assert (ledger.head(catalog), artifacts.all_models(catalog)) == (head, before)


def test_only_what_the_purposes_are_about_is_reached(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean")
    for purpose in (Purpose.PRINT, Purpose.TRAIN_INDIVIDUAL):
        done = withdrawal.withdraw(catalog, "Ann", [purpose], by="me")
        assert (done.models, done.cohorts) == ([], [])
        assert done.status[purpose] is Status.WITHDRAWN
    assert done.status[Purpose.TRAIN_COMPOSITE] is Status.GRANTED
    assert artifacts.all_models(catalog, [ModelState.OK]) == artifacts.all_models(catalog)


def test_a_personal_lora_outlives_the_composite_it_was_lent_to(catalog: Catalog, base: Path) -> None:
    """Trained for the person, averaged with nine others, and withdrawn from the composite alone."""
    names = [f"Person {n:02}" for n in range(12)]
    made = composites.build(catalog, base, names, CohortRules(Purpose.TRAIN_INDIVIDUAL))
    merge_average(catalog, made.loras, "mean")
    merge_average(catalog, made.loras[1:], "never")
    done = withdrawal.withdraw(catalog, names[0], COMPOSITE, by="me")
    assert (done.remade, done.quarantined, done.cohorts) == (["mean"], [], [])
    assert content(catalog, "mean") == content(catalog, "never")
    assert artifacts.get_model(catalog, made.loras[0]).state is ModelState.OK
    done = withdrawal.withdraw(catalog, names[1], [Purpose.TRAIN_INDIVIDUAL], by="me")
    assert sorted(done.remade) == ["mean", "never"]  # its ingredient is gone
    assert done.quarantined == [made.loras[1]]


@pytest.mark.parametrize("at_step", [0, 1, 2])
def test_killed_between_taint_and_remake_it_goes_on(catalog: Catalog, six: Composite, at_step: int) -> None:
    merge_average(catalog, six.loras, "mean")
    merge_bake(catalog, "mean", six.base, "baked")
    merge_average(catalog, six.loras[1:], "never")
    merge_bake(catalog, "never", six.base, "never-baked")

    def killed(step: Step, /) -> None:
        if step.done == at_step:
            os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        with catalogs.open_catalog(catalog.folder) as own:
            withdrawal.withdraw(own, "Ann", COMPOSITE, by="me", report=killed)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    tainted = [model.name for model in artifacts.all_models(catalog, [ModelState.TAINTED])]
    assert tainted == ["mean", "baked"][at_step:]
    if tainted:
        with pytest.raises(Tainted, match="Ann withdrew"):
            merge_bake(catalog, tainted[0], six.base, "other")
    assert ledger.verify(catalog).ok
    assert list(withdrawal.settle(catalog).remade) == tainted
    assert content(catalog, "mean") == content(catalog, "never")
    assert content(catalog, "baked") == content(catalog, "never-baked")
    assert withdrawal.settle(catalog) == withdrawal.Settled([], [], {})
    assert not list(catalog.models.glob(".*"))


def test_a_crash_before_the_commit_changes_nothing(
    catalog: Catalog, six: Composite, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge_average(catalog, six.loras, "mean")
    before = artifacts.all_models(catalog)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(artifacts, "set_state", fail)
    with pytest.raises(KeyboardInterrupt):
        withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me")
    assert artifacts.all_models(catalog) == before
    assert content(catalog, six.loras[0])
    assert all(event.kind != "withdrawal" for event in ledger.all(catalog))


def test_not_remade_until_asked(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean")
    merge_average(catalog, six.loras[1:], "never")
    done = withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me", remake=False)
    assert (done.remade, list(done.waiting)) == ([], ["mean"])
    assert not (catalog.models / "mean.safetensors").exists()
    with pytest.raises(Tainted):
        merge_bake(catalog, "mean", six.base, "b")
    assert withdrawal.settle(catalog).remade == ["mean"]
    assert content(catalog, "mean") == content(catalog, "never")


def test_a_base_that_is_away_is_waited_for(catalog: Catalog, six: Composite, tmp_path: Path) -> None:
    base = tmp_path / "lent"
    shutil.copytree(six.base, base)
    merge_average(catalog, six.loras, "mean")
    merge_bake(catalog, "mean", base, "baked")
    base.rename(tmp_path / "away")
    done = withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me")
    assert done.remade == ["mean"]
    assert "lent" in done.waiting["baked"]
    (tmp_path / "away").rename(base)
    assert withdrawal.settle(catalog).remade == ["baked"]


def test_what_is_made_of_a_waiting_merge_waits_with_it(catalog: Catalog, six: Composite, tmp_path: Path) -> None:
    base = tmp_path / "lent"
    shutil.copytree(six.base, base)
    for prefix, loras in (("", six.loras), ("never-", six.loras[1:])):
        merge_average(catalog, loras, f"{prefix}mean")
        merge_bake(catalog, f"{prefix}mean", base, f"{prefix}baked")
        merge_bake(catalog, f"{prefix}mean", base, f"{prefix}half", weight=0.5)
        merge_soup(catalog, [f"{prefix}baked", f"{prefix}half"], f"{prefix}soup")
    base.rename(tmp_path / "away")
    done = withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me")
    assert (done.quarantined, sorted(done.waiting)) == ([six.loras[0]], ["baked", "half", "soup"])
    assert artifacts.get_model(catalog, "soup").state is ModelState.TAINTED
    (tmp_path / "away").rename(base)
    assert withdrawal.settle(catalog) == withdrawal.Settled(["baked", "half", "soup"], [], {})
    assert content(catalog, "soup") == content(catalog, "never-soup")


def test_too_few_are_left(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras[:3], "three")
    merge_bake(catalog, "three", six.base, "baked")
    merge_average(catalog, ["three", *six.loras[3:]], "outer")
    done = withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me")
    assert (done.remade, sorted(done.quarantined)) == ([], sorted([six.loras[0], "three", "baked", "outer"]))
    three = artifacts.get_model(catalog, "three")
    assert three.state is ModelState.QUARANTINED
    assert "of 2 people where 3 are needed" in (three.why or "")
    assert not (catalog.models / "three.safetensors").exists()
    assert not (catalog.models / "baked").exists()


def test_a_share_that_would_grow_too_large(catalog: Catalog, base: Path) -> None:
    made = composites.build(catalog, base, NAMES, replace(RULES, max_share=0.4))
    merge_average(catalog, made.loras[:4], "four", weights=[1.5, 1, 1, 1])
    done = withdrawal.withdraw(catalog, "Ben", COMPOSITE, by="me")
    assert "four" in done.quarantined
    assert "Ann would be 42.9%" in (artifacts.get_model(catalog, "four").why or "")


def test_pooled_models_must_be_trained_again(catalog: Catalog, six: Composite) -> None:
    composites.lora(catalog, six.cohort, six.base, six.people, "pool")
    merge_bake(catalog, "pool", six.base, "baked")
    assert withdrawal.reach(catalog, "Ann", COMPOSITE).remade == []
    done = withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me")
    assert sorted(done.quarantined) == sorted([six.loras[0], "pool", "baked"])
    assert not (catalog.models / "pool.safetensors").exists()


def test_a_lora_trained_on_a_composite_goes_with_it(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean")
    merge_bake(catalog, "mean", six.base, "baked")
    later = composites.lora(catalog, six.cohort, catalog.models / "baked", [six.people[5]], "later")
    done = withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me")
    assert later in done.quarantined
    assert six.loras[5] not in done.quarantined
    assert "baked" in done.remade


def test_a_grant_that_has_merely_ended_keeps_its_part(catalog: Catalog, six: Composite) -> None:
    """Expiry ends new uses; what was made while the grant ran is not undone by somebody else's withdrawal."""
    merge_average(catalog, six.loras, "mean")
    merge_average(catalog, six.loras[1:], "never")
    consent_actions.grant(
        catalog, [six.people[1]], COMPOSITE, by="me", at=GRANTED + timedelta(days=1),
        valid_until=datetime.now(UTC) - timedelta(days=1),
    )  # fmt: skip
    withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me")
    assert content(catalog, "mean") == content(catalog, "never")
    with pytest.raises(Refused, match="Ben"):
        merge_average(catalog, six.loras[1:], "new")


def test_a_person_who_comes_back_is_not_put_back(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean")
    merge_average(catalog, six.loras[1:], "never")
    withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me", remake=False)
    consent_actions.grant(catalog, ["Ann"], COMPOSITE, by="me")
    withdrawal.settle(catalog)
    assert content(catalog, "mean") == content(catalog, "never")
    assert artifacts.get_model(catalog, six.loras[0]).state is ModelState.QUARANTINED


def test_a_withdrawal_while_merging_is_seen(catalog: Catalog, six: Composite) -> None:
    def withdraws(step: Step, /) -> None:
        if step.done == 1:
            with catalogs.open_catalog(catalog.folder) as own:
                withdrawal.withdraw(own, "Ann", COMPOSITE, by="me", remake=False)

    with pytest.raises(Tainted, match="Ann withdrew"):
        merge_average(catalog, six.loras, "mean", report=withdraws)
    with pytest.raises(NoSuchRecord):
        artifacts.get_model(catalog, "mean")
    assert not (catalog.models / "mean.safetensors").exists()
    assert not list(catalog.models.glob(".*"))


@pytest.mark.parametrize(
    "found", [{"minor": True}, {"born": date(2015, 5, 5)}, {"born": None}, {"born": date(2004, 1, 1)}], ids=str
)
def test_who_turns_out_a_minor_is_in_no_model(catalog: Catalog, six: Composite, found: dict[str, object]) -> None:
    """Today, or (the last) in the pictures of 2020 alone."""
    merge_average(catalog, six.loras, "mean")
    merge_average(catalog, six.loras[1:], "never")
    kept = catalog.cache / "latents" / six.people[0].uid / "a.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"encoded")
    done = withdrawal.edit_subject(catalog, replace(six.people[0], **found), by="me")  # type: ignore[arg-type]
    assert done.settled == withdrawal.Settled(["mean"], [six.loras[0]], {})
    assert content(catalog, "mean") == content(catalog, "never")
    assert artifacts.get_model(catalog, six.loras[0]).state is ModelState.QUARANTINED
    assert not (catalog.models / f"{six.loras[0]}.safetensors").exists()
    assert not kept.exists()
    assert artifacts.get_cohort(catalog, "c").tainted


def test_an_age_that_stays_settled_takes_nothing_out(catalog: Catalog, six: Composite) -> None:
    done = withdrawal.edit_subject(catalog, replace(six.people[0], name="Anna", born=date(1981, 1, 1)), by="me")
    assert (done.subject.name, done.settled) == ("Anna", withdrawal.Settled([], [], {}))
    assert not artifacts.get_cohort(catalog, "c").tainted


def test_who_refuses_after_a_grant_is_in_no_model(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean")
    merge_average(catalog, six.loras[1:], "never")
    [other] = consent_actions.refuse(catalog, ["Ann"], [Purpose.PRINT], by="me")
    assert other.settled == withdrawal.NOTHING
    [done] = consent_actions.refuse(catalog, ["Ann"], COMPOSITE, by="me", remake=False)
    assert (done.settled.quarantined, list(done.settled.waiting)) == ([six.loras[0]], ["mean"])
    assert not (catalog.models / f"{six.loras[0]}.safetensors").exists()
    assert withdrawal.settle(catalog).remade == ["mean"]
    assert content(catalog, "mean") == content(catalog, "never")


@pytest.mark.parametrize("how", ["assign", "split", "name"])
def test_a_face_put_right_takes_out_what_it_trained(catalog: Catalog, six: Composite, how: str) -> None:
    """A picture of Bea's trained as Ann's: it must not be in Ann's LoRA, where Bea's withdrawal would not reach."""
    merge_average(catalog, six.loras, "mean")
    merge_average(catalog, six.loras[1:], "never")
    face = faces.of_subject(catalog, six.people[0].id)[0]
    adult(catalog, "Bea")
    faces.place(catalog, [face.id], 9)
    correct = {
        "assign": partial(people.assign, catalog, face.id, "Bea"),
        "split": partial(people.split, catalog, "Ann", [face.id]),
        "name": partial(people.name, catalog, 9, "Bea"),
    }[how]
    before, decided = faces.get(catalog, face.id), decisions.mark(catalog)
    foreseen = correct(sure=False)
    assert (foreseen.done, foreseen.settled.quarantined, foreseen.settled.remade) == (False, [six.loras[0]], ["mean"])
    assert (faces.get(catalog, face.id), decisions.mark(catalog)) == (before, decided), "nothing was done yet"
    assert artifacts.get_model(catalog, six.loras[0]).state is ModelState.OK
    done = correct()
    assert (done.settled.quarantined, list(done.settled.waiting)) == ([six.loras[0]], ["mean"])
    assert "not Ann's" in (artifacts.get_model(catalog, six.loras[0]).why or "")
    assert not (catalog.models / f"{six.loras[0]}.safetensors").exists()
    assert artifacts.get_cohort(catalog, "c").tainted
    assert withdrawal.settle(catalog).remade == ["mean"]
    assert content(catalog, "mean") == content(catalog, "never")
    assert people.assign(catalog, face.id, "Bea").settled == withdrawal.NOTHING or how != "assign"


def test_a_face_that_clustering_moved_is_reached_by_its_owner(catalog: Catalog, six: Composite) -> None:
    """No person said so, so nothing is taken out until its owner withdraws; then it is."""
    face = faces.of_subject(catalog, six.people[0].id)[0]
    bea = adult(catalog, "Bea")
    faces.assign(catalog, [face.id], bea.id, by_person=True)
    done = withdrawal.withdraw(catalog, "Bea", COMPOSITE, by="me")
    assert (done.cohorts, done.quarantined) == (["c"], [six.loras[0]])


def test_a_face_that_never_trained_takes_nothing_out(catalog: Catalog, six: Composite) -> None:
    photograph(catalog, [(six.people[0], FACE)])
    face = faces.of_subject(catalog, six.people[0].id)[-1]
    assert people.split(catalog, "Ann", [face.id], sure=False) == people.Belongs("Ann", 2, withdrawal.NOTHING)
    assert artifacts.get_model(catalog, six.loras[0]).state is ModelState.OK


def test_who_may_not_be_drawn_alone_is_not_shown_alone(catalog: Catalog, six: Composite) -> None:
    """The LoRA stays, for the composite; what shows the one person goes."""
    merge_average(catalog, six.loras, "mean")
    gone = [catalog.models / f"{six.loras[0]}.preview.png", catalog.models / f"{six.loras[0]}.audit" / "sheet.png"]
    kept = [catalog.models / f"{six.loras[1]}.preview.png", catalog.models / "mean.audit" / "sheet.png"]
    for path in (*gone, *kept):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a picture")
    withdrawal.withdraw(catalog, "Ann", [Purpose.TRAIN_INDIVIDUAL], by="me")
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    assert verify(catalog, six.loras[0]).ok


def test_half_written_checkpoints_are_swept(catalog: Catalog) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    folder = catalog.jobs / "7"
    folder.mkdir(parents=True)
    left = folder / f".p.checkpoint.{pid}.0a1b2c3d.part"
    at_work = folder / f".p.checkpoint.{os.getpid()}.0a1b2c3d.part"
    for path in (left, at_work):
        path.write_bytes(b"somebody's weights")
    withdrawal.settle(catalog)
    assert (left.exists(), at_work.exists()) == (False, True)


def test_what_cannot_be_withdrawn(catalog: Catalog, six: Composite) -> None:
    with pytest.raises(NoSuchRecord):
        withdrawal.withdraw(catalog, "Nobody", COMPOSITE, by="me")
    with pytest.raises(BadValue, match="purpose"):
        withdrawal.withdraw(catalog, "Ann", [], by="me")
    with pytest.raises(BadValue, match="who records"):
        withdrawal.withdraw(catalog, "Ann", COMPOSITE, by=" ")
    assert subjects.get(catalog, "Ann") == six.people[0]


def test_it_reads_as_lines(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras, "mean")
    assert "made anew without them: mean" in withdrawal.reach(catalog, "Ann", COMPOSITE).lines()
    lines = withdrawal.withdraw(catalog, "Ann", COMPOSITE, by="me", note="by letter").lines()
    assert any(six.loras[0] in line for line in lines)
