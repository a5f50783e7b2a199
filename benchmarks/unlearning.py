"""Exact unlearning, shown and timed: `python -m benchmarks.unlearning [--people N] [--steps N] [--base FOLDER]`.

Draws an archive of a few pictures a person, trains a LoRA for each on the sample's base, and makes a composite
of all, a bake of it, a merge of the second generation (the composite and one person more) and a bake of
that. Then, for every person, in a copy of the catalog: withdraws, which remakes all four, and holds each file
against the one that is made in another copy with the person left out from the start. Prints the time of a
withdrawal with all it remakes beside that of training the others' LoRAs again.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from core import cohort, scan, withdrawal
from core.merging.catalogued import merge_average, merge_bake
from core.training.loop import train
from core.training.recipe import Recipe
from storage import artifacts, faces, ledger, photos, subjects, whole_files
from storage.catalog import Catalog, back_up, create, open_catalog
from storage.faces import NewFace
from storage.records import CohortRules, EventKind, Purpose, Subject

BASE = Path(__file__).parent.parent / "sample_data" / "base"
PICTURES = 3
FACE = (16, 12, 48, 52)
COMPOSITE = (Purpose.TRAIN_COMPOSITE,)
MADE = ("mean", "baked", "outer", "again")
RANK = 8


def draw(path: Path, person: int, picture: int) -> None:
    """A face of sorts, another for each person."""
    own = np.random.default_rng(person)
    image = Image.new("RGB", (64, 64), (40 + 30 * picture, 90, 130))
    pen = ImageDraw.Draw(image)
    pen.ellipse(FACE, fill=tuple(int(value) for value in own.integers(90, 250, 3)))
    height, width = (int(value) for value in own.integers(3, 9, 2))
    for left in (22, 36):
        pen.ellipse((left, 24, left + width, 24 + height), fill=(20, 20, 60))
    pen.line((26, 42, 40, 38 + height), fill=(150, 40, 40), width=2)
    image.save(path)


def archive(catalog: Catalog, folder: Path, people: int) -> list[Subject]:
    """People with pictures, faces and consent on record, and a frozen cohort `all` of them."""
    folder.mkdir()
    for number in range(people):
        for picture in range(PICTURES):
            draw(folder / f"{number}-{picture}.png", number, picture)
    scan.index(catalog, [folder])
    past = datetime(2025, 1, 1, tzinfo=UTC)
    known = subjects.add_many(
        catalog,
        [
            Subject(0, "", f"Person {number:02}", adult_attested_by="the photographer", adult_attested_how="card")
            for number in range(people)
        ],
        at=past,
    )
    draws = np.random.default_rng(5)
    for number, person in enumerate(known):
        for picture in range(PICTURES):
            photo = photos.by_path(catalog, str(folder / f"{number}-{picture}.png").encode())
            assert photo is not None
            vector = draws.normal(size=128).astype(np.float32)
            faces.replace_faces(catalog, photo.id, [NewFace(FACE, 0.999, vector)], "dlib-resnet-v1")
            found = [face.id for face in faces.of_photo(catalog, photo.id)]
            faces.assign(catalog, found, person.id, by_person=True)
        ledger.append(
            catalog, kind=EventKind.GRANT, subject_uid=person.uid, purposes=COMPOSITE, by=person.name, at=past
        )
    cohort.create(catalog, "all", "", CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=2))
    cohort.freeze(catalog, "all")
    return known


def merges(catalog: Catalog, loras: Sequence[str], one_more: str, base: Path, weight: float) -> None:
    """The composite, its bake, the second generation, and its bake."""
    merge_average(catalog, loras, "mean", rank=RANK)
    merge_bake(catalog, "mean", base, "baked")
    merge_average(catalog, ["mean", one_more], "outer", weights=[weight, 1])
    merge_bake(catalog, "outer", base, "again", dtype="fp16")


def content(catalog: Catalog) -> dict[str, str]:
    """The hash of every file of the merges, by name."""
    found = {}
    for name in MADE:
        path = catalog.models / artifacts.get_model(catalog, name).path
        for file in [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file()):
            found[str(file.relative_to(catalog.models))] = whole_files.file_hash(file)
    return found


def main() -> None:
    """Build, train, and let everyone leave in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--steps", type=int, default=10, help="of each LoRA's training")
    parser.add_argument("--base", type=Path, default=BASE)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalog = create(folder / "catalog")
        known = archive(catalog, folder / "archive", given.people + 1)
        started = time.perf_counter()
        loras = train(catalog, "all", given.base, "p", recipe=Recipe(steps=given.steps, previews=0))
        trained = time.perf_counter() - started
        by_person = {
            next(iter(artifacts.shares_of(catalog, artifacts.get_model(catalog, one).id))): one for one in loras
        }
        ordered = [by_person[person.id] for person in known]
        back_up(catalog, folder / "before")
        merges(catalog, ordered[:-1], ordered[-1], given.base, given.people)
        catalog.close()
        again = trained * (given.people - 1) / len(loras)
        print(f"{len(loras)} LoRAs of {given.steps} steps trained in {trained:.1f} s", flush=True)
        everyone_leaves(folder, known[:-1], ordered, given.base, again)


def everyone_leaves(folder: Path, known: Sequence[Subject], loras: Sequence[str], base: Path, again: float) -> None:
    """Withdraw each person in a copy of the catalog and compare; prints what came of it."""
    seconds, equal = [], 0
    for number, person in enumerate(known):
        with tempfile.TemporaryDirectory(dir=folder) as name:
            back_up_of(folder / "catalog", Path(name) / "left")
            back_up_of(folder / "before", Path(name) / "never")
            left, never = open_catalog(Path(name) / "left"), open_catalog(Path(name) / "never")
            started = time.perf_counter()
            done = withdrawal.withdraw(left, person.id, COMPOSITE, by="benchmark")
            seconds.append(time.perf_counter() - started)
            assert sorted(done.remade) == sorted(MADE), done
            others = [one for n, one in enumerate(loras[:-1]) if n != number]
            merges(never, others, loras[-1], base, len(known))
            equal += content(left) == content(never)
            left.close()
            never.close()
    print(
        f"{equal} of {len(known)} people: all files of {len(MADE)} merges are those that never held them, byte for byte"
    )
    usual = statistics.median(seconds)
    print(
        f"withdrawn, and {len(MADE)} merges remade: {usual:.2f} s (median; most {max(seconds):.2f} s);"
        f" training the other {len(known) - 1} again: {again:.1f} s, {again / usual:.0f} times as long"
    )
    if equal != len(known):
        raise SystemExit("somebody's remade merges differ from those that never held them")


def back_up_of(source: Path, target: Path) -> None:
    """A copy of a catalog at rest."""
    catalog = open_catalog(source)
    back_up(catalog, target)
    catalog.close()


if __name__ == "__main__":
    main()
