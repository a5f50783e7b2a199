"""What leaves the catalog: a composite, by everyone's word, after an audit of its exact bytes; and its card."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import consent_actions, controller, erasure, models, releases, withdrawal
from core.errors import BadValue, ConsentLost, NoSuchRecord, Refused, Tainted
from core.merging.catalogued import merge_average, merge_bake
from core.release import CARD, export_model
from storage import artifacts, audits, subjects, whole_files
from storage.audits import Audit
from storage.catalog import Catalog
from storage.records import CohortRules, ModelState, Purpose
from tests import composites
from tests.composites import Composite
from tests.tiny_base import write_tiny_base
from tests.world import GRANTED

NAMES = ["Noy", "Keo", "Dao", "Somchai"]
TELLS = {"licence": "CC BY 4.0", "intended_use": "Posters of a fair. No <b>portraits</b>."}
RULES = CohortRules(purpose=Purpose.TRAIN_COMPOSITE, min_subjects=2, max_share=1.0)


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def people(catalog: Catalog, tiny_base: Path) -> Composite:
    made = composites.build(catalog, tiny_base, NAMES, RULES)
    consent_actions.grant(catalog, list(made.people), [Purpose.RELEASE], by="me", at=GRANTED)
    merge_average(catalog, made.loras, "mean")
    return made


def audited(catalog: Catalog, name: str = "mean", **changes: object) -> None:
    """Put down an audit of the model as it is now that found nobody, changed in some respect."""
    model = artifacts.get_model(catalog, name)
    digest = whole_files.tree_hash(catalog.models / model.path)
    passed = Audit(
        model.id, digest, datetime(2026, 11, 1, tzinfo=UTC), "nobody", 64, 62, 3, 0.0, 0.047, 0.02, "ab" * 32
    )
    audits.add(catalog, replace(passed, **changes))  # type: ignore[arg-type]


def test_it_leaves_with_its_card(catalog: Catalog, people: Composite, tmp_path: Path) -> None:
    controller.state(catalog, name="Studio", contact="studio@example.com")
    audited(catalog)
    out = tmp_path / "out"
    could = export_model(catalog, "mean", out, dry_run=True, **TELLS)
    assert (could.people, could.dry_run, out.exists()) == (4, True, False)
    assert audits.releases(catalog, artifacts.get_model(catalog, "mean").id) == []
    done = export_model(catalog, "mean", out, **TELLS)
    assert sorted(path.name for path in out.iterdir()) == sorted(done.files) == [CARD, "mean.safetensors"]
    assert whole_files.file_hash(out / "mean.safetensors") == done.bytes_hash
    card = (out / CARD).read_text(encoding="utf-8")
    told_of = ("**4 adults**", "25.0%", done.bytes_hash, people.cohort.merkle_root or "", "**nobody**", "4.7%")
    more = ("one stranger in 50", "CC BY 4.0", "studio@example.com", "release, train-composite", "3 were withheld")
    for told in told_of + more:
        assert told in card
    assert "\\<b\\>" in card
    assert not any(name in card for name in NAMES)
    assert str(tmp_path) not in card
    [left] = audits.releases(catalog, artifacts.get_model(catalog, "mean").id)
    assert (left.bytes_hash, left.people) == (done.bytes_hash, {person.id for person in people.people})


def test_nothing_leaves_of_whom_release_was_taken_back_while_it_was_copied(
    catalog: Catalog, people: Composite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited(catalog)

    def copied_slowly(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())
        withdrawal.withdraw(catalog, people.people[0].id, [Purpose.RELEASE], by="her")

    monkeypatch.setattr("core.release.shutil.copyfile", copied_slowly)
    with pytest.raises(ConsentLost, match="release is not granted by"):
        export_model(catalog, "mean", tmp_path / "out", **TELLS)
    assert list(tmp_path.glob("*out*")) == []
    assert audits.releases(catalog) == []


def test_a_checkpoint_leaves_as_a_folder(catalog: Catalog, people: Composite, tmp_path: Path) -> None:
    merge_bake(catalog, "mean", people.base, "baked")
    audited(catalog, "baked")
    done = export_model(catalog, "baked", tmp_path / "out", **TELLS)
    assert "baked/unet/diffusion_pytorch_model.safetensors" in done.files
    assert whole_files.tree_hash(tmp_path / "out" / "baked") == done.bytes_hash
    (catalog.models / "baked" / "vae" / "config.json").write_text("{}")  # no weights, but not what was audited
    with pytest.raises(Refused, match="not, byte for byte, what was audited"):
        export_model(catalog, "baked", tmp_path / "again", **TELLS)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (None, "was never audited"),
        ({"bytes_hash": "0" * 64}, "not, byte for byte, what was audited"),
        ({"verdict": "resembles"}, "did not pass its audit: resembles"),
        ({"verdict": "not enough evidence"}, "did not pass its audit: not enough evidence"),
        ({"checker": None}, "no safety checker saw what mean draws"),
    ],
)
@pytest.mark.usefixtures("people")
def test_without_a_passed_audit_it_stays(
    catalog: Catalog, tmp_path: Path, changes: dict[str, object] | None, why: str
) -> None:
    if changes is not None:
        audited(catalog)
        audited(catalog, **changes)  # the newest counts
    with pytest.raises(Refused, match=why):
        export_model(catalog, "mean", tmp_path / "out", **TELLS)
    assert not (tmp_path / "out").exists()


def test_everyone_must_have_granted_release(catalog: Catalog, people: Composite, tmp_path: Path) -> None:
    audited(catalog)
    now = GRANTED + timedelta(days=1)
    consent_actions.refuse(catalog, [people.people[2]], [Purpose.RELEASE], by="Dao", at=now)
    with pytest.raises(ConsentLost, match=r"release is not granted by Dao \(refused\)"):
        export_model(catalog, "mean", tmp_path / "out", **TELLS)


def test_everyone_in_the_lineage_counts(catalog: Catalog, people: Composite, tmp_path: Path) -> None:
    """Whoever is in the base of an ingredient is in the model, whatever share the row names."""
    more = composites.build(catalog, people.base, ["Lan", "Ubon", "Mali", "Kham"], RULES, "more")
    merge_average(catalog, more.loras, "others")
    merge_average(catalog, ["mean", "others"], "both")
    audited(catalog, "both")
    with pytest.raises(ConsentLost, match=r"Kham \(unknown\), Lan"):
        export_model(catalog, "both", tmp_path / "out", **TELLS)


def test_what_is_one_persons_stays(catalog: Catalog, people: Composite, tmp_path: Path) -> None:
    audited(catalog, people.loras[0])
    with pytest.raises(Refused, match="is no composite"):
        export_model(catalog, people.loras[0], tmp_path / "out", **TELLS)
    merge_average(catalog, people.loras[:2], "pair")
    audited(catalog, "pair")
    with pytest.raises(Refused, match="is no composite"):  # half of it is one person's
        export_model(catalog, "pair", tmp_path / "out", **TELLS)


@pytest.mark.usefixtures("people")
def test_what_was_changed_or_is_tainted_stays(catalog: Catalog, tmp_path: Path) -> None:
    audited(catalog)
    model = artifacts.get_model(catalog, "mean")
    path = catalog.models / model.path
    path.write_bytes(path.read_bytes() + b" ")
    audited(catalog)  # even an audit of the changed bytes does not help
    with pytest.raises(Refused, match="changed since it was recorded"):
        export_model(catalog, "mean", tmp_path / "out", **TELLS)
    artifacts.set_state(catalog, [model.id], ModelState.QUARANTINED, "Noy withdrew")
    with pytest.raises(Tainted, match="Noy withdrew"):
        export_model(catalog, "mean", tmp_path / "out", **TELLS)


@pytest.mark.usefixtures("people")
def test_bad_input(catalog: Catalog, tmp_path: Path) -> None:
    audited(catalog)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("")
    with pytest.raises(BadValue, match="is there already"):
        export_model(catalog, "mean", tmp_path / "full", **TELLS)
    with pytest.raises(BadValue, match="--licence says nothing"):
        export_model(catalog, "mean", tmp_path / "out", licence=" ", intended_use="posters")
    with pytest.raises(NoSuchRecord):
        export_model(catalog, "none", tmp_path / "out", **TELLS)
    (tmp_path / "empty").mkdir()
    assert export_model(catalog, "mean", tmp_path / "empty", **TELLS).people == 4


@pytest.mark.parametrize("purpose", [Purpose.RELEASE, Purpose.TRAIN_COMPOSITE, Purpose.PRINT])
def test_after_a_withdrawal_it_is_told_what_copies_are_out(
    catalog: Catalog, people: Composite, tmp_path: Path, purpose: Purpose
) -> None:
    audited(catalog)
    done = export_model(catalog, "mean", tmp_path / "out", **TELLS)
    [before] = models.show(catalog, "mean").released
    assert (before.bytes_hash, before.people, before.lost) == (done.bytes_hash, 4, [])
    noy = people.people[0]
    planned = withdrawal.reach(catalog, noy.id, [purpose])
    result = withdrawal.withdraw(catalog, noy.id, [purpose], by="Noy")
    assert planned.released == result.released
    [after] = releases.outside(catalog)
    if purpose is Purpose.PRINT:
        assert (result.released, after.lost) == ([], [])
        return
    [line] = result.released
    assert line in result.lines()
    assert line.startswith("copies of mean are out, left on ")
    assert done.bytes_hash in line
    assert len(after.lost) == 1
    assert f"Noy: withdrew {purpose}" in after.lost[0]
    assert any("without the word of Noy" in told for told in models.show(catalog, "mean").lines())
    consent_actions.grant(catalog, [noy], [Purpose.RELEASE, Purpose.TRAIN_COMPOSITE], by="Noy")
    assert releases.outside(catalog)[0].lost == []


def test_somebody_who_was_erased_is_in_the_copies_still(catalog: Catalog, people: Composite, tmp_path: Path) -> None:
    audited(catalog)
    export_model(catalog, "mean", tmp_path / "out", **TELLS)
    erasure.erase(catalog, people.people[3].id, by="me")
    assert releases.outside(catalog)[0].lost == [releases.ERASED]
    subjects.add(catalog, "Another")  # who may get the number that became free
    assert releases.outside(catalog)[0].lost == [releases.ERASED]
