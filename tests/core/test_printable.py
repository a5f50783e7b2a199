"""What may be printed of a person: nothing that anyone in it has not allowed, at the moment that it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from PIL import Image

from core import consent_actions
from core.errors import Refused, Tainted
from core.generated_marks import Origin, read, save
from core.printable import Source, drawn_of, require_printable
from storage import artifacts, generated, ledger, photos, subjects
from storage.catalog import Catalog
from storage.records import EventKind, Model, ModelKind, ModelState, Purpose, Subject
from storage.whole_files import file_hash
from tests.world import FACE, adult, photograph

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BOTH = (Purpose.PRINT, Purpose.TRAIN_INDIVIDUAL)
BESIDE = (250, 100, 300, 160)


def model_of(catalog: Catalog, shares: dict[int, float], name: str = "own", base: str = "b" * 64) -> Model:
    """A LoRA on record, of these people, whose file is not needed."""
    row = Model(0, name, ModelKind.LORA, f"{name}.s", name.ljust(64, "0"), "b", base, None, None, {}, NOW)
    return artifacts.add_model(catalog, row, shares=shares)


def drawn_by(
    catalog: Catalog, model: Model, path: Path, start: str | None = None, checks: dict[str, object] | None = None
) -> Source:
    """A picture that the model drew, written as `generate` writes it."""
    origin = Origin(model.name, model.content_hash, "a person", "", 1, 2, 7.5, "DDIM", (64, 64), start)
    path.parent.mkdir(exist_ok=True)
    save(Image.new("RGB", (64, 64), (len(path.name) * 9, 120, 90)), path, origin, checks or {"nsfw": 0.0})
    generated.add(catalog, model.id, [(path, file_hash(path))], NOW)
    return Source(generated.of_models(catalog, [model.id], state=None)[-1], start)


def shown(catalog: Catalog, people: Sequence[Subject | None]) -> Source:
    """A photograph of these people."""
    boxes = (FACE, BESIDE)[: len(people)]
    return Source(photos.get(catalog, photograph(catalog, list(zip(people, boxes, strict=True)))))


def withdraw(catalog: Catalog, person: Subject, purpose: Purpose) -> None:
    ledger.append(catalog, kind=EventKind.WITHDRAWAL, subject_uid=person.uid, purposes=(purpose,), by=person.name)


def test_a_photograph_needs_everyones_word_for_prints(catalog: Catalog) -> None:
    ann, bo = adult(catalog, "Ann", Purpose.PRINT), adult(catalog, "Bo", Purpose.PUBLISH)
    alone = shown(catalog, [ann])
    require_printable(catalog, alone)
    with pytest.raises(Refused, match=r"unknown: Bo: nothing is recorded about print"):
        require_printable(catalog, shown(catalog, [ann, bo]))
    with pytest.raises(Refused, match="nobody has said who this is"):
        require_printable(catalog, shown(catalog, [ann, None]))
    withdraw(catalog, ann, Purpose.PRINT)
    with pytest.raises(Refused, match="withdrew print"):
        require_printable(catalog, alone)


def test_a_minors_photograph_is_printed_by_the_guardians_word_and_nothing_drawn_of_them_ever(
    catalog: Catalog, tmp_path: Path
) -> None:
    child = subjects.add(catalog, "Kit", born=date(2018, 1, 1), guardian="Lee")
    photo = shown(catalog, [child])
    with pytest.raises(Refused, match="nothing is recorded"):
        require_printable(catalog, photo)
    consent_actions.grant(catalog, [child], [Purpose.PRINT], by="Lee")
    require_printable(catalog, photo)
    drawn = drawn_by(catalog, model_of(catalog, {child.id: 1.0}), tmp_path / "1.png")
    with pytest.raises(Refused, match="minor: Kit: under 18"):
        require_printable(catalog, drawn)


@pytest.mark.parametrize("lost", BOTH)
def test_what_a_persons_own_model_drew(catalog: Catalog, tmp_path: Path, lost: Purpose) -> None:
    ann = adult(catalog, "Ann", *BOTH)
    model = model_of(catalog, {ann.id: 1.0})
    drawn = drawn_by(catalog, model, tmp_path / "1.png")
    assert [one.path for one in drawn_of(catalog, ann.id)] == [tmp_path / "1.png"]
    require_printable(catalog, drawn)
    withdraw(catalog, ann, lost)
    with pytest.raises(Refused, match=f"withdrew {lost}"):
        require_printable(catalog, drawn)


def test_everyone_in_the_model_and_in_its_base_is_asked(catalog: Catalog, tmp_path: Path) -> None:
    ann, bo = adult(catalog, "Ann", *BOTH), adult(catalog, "Bo", Purpose.TRAIN_INDIVIDUAL)
    few = drawn_by(catalog, model_of(catalog, {ann.id: 0.6, bo.id: 0.4}, "few"), tmp_path / "1.png")
    below = model_of(catalog, {bo.id: 1.0}, "below")
    above = drawn_by(catalog, model_of(catalog, {ann.id: 1.0}, "above", below.content_hash), tmp_path / "2.png")
    for drawn in (few, above):
        with pytest.raises(Refused, match="Bo: nothing is recorded about print"):
            require_printable(catalog, drawn)
    assert len(drawn_of(catalog, ann.id)) == 2
    many = {adult(catalog, f"P{n}").id: 0.1 for n in range(9)} | {ann.id: 0.1}
    drawn_by(catalog, model_of(catalog, many, "many"), tmp_path / "3.png")
    assert len(drawn_of(catalog, ann.id)) == 2, "of a composite's pictures none is hers"


def test_what_a_withdrawal_reached_is_not_printed(catalog: Catalog, tmp_path: Path) -> None:
    ann = adult(catalog, "Ann", *BOTH)
    model = model_of(catalog, {ann.id: 1.0})
    drawn = drawn_by(catalog, model, tmp_path / "1.png")
    artifacts.set_state(catalog, [model.id], ModelState.QUARANTINED, "Ann withdrew")
    with pytest.raises(Tainted, match="own is quarantined"):
        require_printable(catalog, drawn)
    artifacts.set_state(catalog, [model.id], ModelState.OK)
    generated.withdraw(catalog, [model.id])
    [gone] = drawn_of(catalog, ann.id)
    with pytest.raises(Refused, match="a withdrawal reached"):
        require_printable(catalog, Source(gone))


def test_whoever_is_in_what_it_began_as_is_asked(catalog: Catalog, tmp_path: Path) -> None:
    ann, bo = adult(catalog, "Ann", *BOTH), adult(catalog, "Bo", Purpose.TRAIN_INDIVIDUAL)
    model = model_of(catalog, {ann.id: 1.0})
    own, with_bo = (shown(catalog, people).of.content_hash for people in ([ann], [ann, bo]))
    require_printable(catalog, drawn_by(catalog, model, tmp_path / "1.png", own))
    for start, why in ((with_bo, "what it began as is unknown: Bo"), ("c" * 64, "the catalog has it not")):
        with pytest.raises(Refused, match=why):
            require_printable(catalog, drawn_by(catalog, model, tmp_path / "2.png", start))
    marks = read((tmp_path / "2.png").read_bytes())
    assert (marks.several, marks.from_picture, marks.start) == (False, True, "c" * 64)
