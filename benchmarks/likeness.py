"""How likeness falls with the number of people, with rank and with truncation, and what pooled training does instead.

    python -m benchmarks.likeness demo/catalog -o docs/images [--pictures 32] [--groups 3] [--pooled COHORT]

Works on a catalog with one LoRA a person (`./dev demo` leaves one), which is only read. Means of random groups of
people are put into the base in memory and drawn from; of the faces found it is told

- how probable it is that a face is nearer to somebody in the group than to somebody who is not (0.5: it is like
  nobody in particular; the base's own faces beside it),
- which share of the faces matches anybody at the audit's threshold,
- how much of the way from the base's faces to the nearest person the faces went beyond all others (`core.audit_pull`).

`--pooled` trains one LoRA on all of a frozen cohort in a copy of the catalog, for as many steps as `--pooled-steps`.
`--trained 1,2,8,32` trains a few people's LoRAs at each of these ranks in a copy, and looks at each and at their mean.
Draws plots with matplotlib (`pip install kyodaku[plots]`).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.mixer import Mixer
from benchmarks.table import Row, show
from core import base_model
from core import cohort as cohorts
from core.audit_faces import draw_faces, known_faces
from core.audit_pull import pulled
from core.audit_stats import Floats, nearer_share
from core.audit_strangers import scores, search, threshold_at
from core.faces.embed import Embedder, embedder
from core.generated_checks import Checker
from core.merging.deltas import truncate, weighted_sum
from core.merging.formats import LoraLayer, read_lora
from core.progress import silent
from core.training.loop import train
from core.training.recipe import SHARED_TRIGGER, Recipe, load
from storage import artifacts, subjects
from storage.catalog import Catalog, back_up, open_catalog
from storage.records import CohortRules, Model, ModelKind, ModelState, Purpose

FMR = 0.02
SIZES = (1, 2, 5, 10, 20, 40)
RANKS = (1, 2, 4)  # that each person's LoRA is cut to before the mean
TRUNCATED = (1, 4, 16)  # that the mean is cut to
PROMPT = f"photo of {SHARED_TRIGGER} person"

Layers = Mapping[str, LoraLayer]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one model's faces; shares are 0..1."""

    nearer: float
    matched: float
    way: float


class Eye:
    """Draws a mix of LoRAs and looks at the faces, always with the same noise for the same seed."""

    def __init__(self, catalog: Catalog, base: Path, pictures: int) -> None:
        torch.set_num_threads(1)
        self.known = known_faces(catalog)
        named = self.known.named
        found = search(self.known.vectors[named], self.known.people[named], self.known.photos[named])
        self._threshold = threshold_at(found, FMR, self.known.number)
        self._base = base_model.load(base, "cpu")
        self._mixer = Mixer(self._base)
        self._embed: Embedder = embedder(self.known.space)
        self._checker = Checker("cpu", self._base.path)
        self._pictures = pictures
        self.of_base = self._draw(0)

    def _draw(self, seed: int) -> Floats:
        prompts = [PROMPT] * self._pictures
        return draw_faces(self._base, prompts, seed, self._embed, self._checker, silent, "model").vectors

    def look(self, layers: Layers, members: Sequence[int], seed: int = 0) -> Look:
        """Put these layers into the base, draw, and say whom the faces are like; `members` are subjects' ids."""
        self._mixer.put(layers)
        return self.of(self._draw(seed), members)

    def of(self, faces: Floats, members: Sequence[int]) -> Look:
        """The same of faces that were drawn."""
        order = self.known.subjects
        inside = np.array([one in set(members) for one in order])
        least = self.known.by_subject.least(faces)
        told = [1 / len(members) if one else 0.0 for one in inside]
        pull = pulled(faces, self.of_base, self.known.by_subject, told, [str(one) for one in order])
        top = scores(self.known.everybody.least(faces)).max(axis=1)
        return Look(
            nearer_share(least[:, inside], least[:, ~inside]),
            float(np.mean(top >= self._threshold.value)),
            float("nan") if pull is None else pull.way,
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("catalog", type=Path)
    arguments.add_argument("-o", "--out", type=Path, default=Path("docs/images"), help="folder of the plots")
    arguments.add_argument("--pictures", type=int, default=32, help="drawn from each mix")
    arguments.add_argument("--groups", type=int, default=3, help="random groups of each size")
    arguments.add_argument("--pooled", help="a frozen cohort to train one LoRA on, in a copy")
    arguments.add_argument("--pooled-steps", type=int, default=1000)
    arguments.add_argument("--trained", help="ranks by commas that a few people's LoRAs are trained at, in a copy")
    arguments.add_argument("--trained-people", type=int, default=5)
    arguments.add_argument("--recipe", type=Path, default=Path("sample_data/recipe.toml"))
    asked = arguments.parse_args()
    with open_catalog(asked.catalog, readonly=True) as catalog:
        loras = [one for one in artifacts.all_models(catalog, [ModelState.OK]) if one.kind is ModelKind.LORA]
        people = {one.id: next(iter(artifacts.shares_of(catalog, one.id))) for one in loras}
        files = {one.id: read_lora(catalog.models / one.path) for one in loras}
        eye = Eye(catalog, Path(loras[0].base), asked.pictures)
        by_size = list(of_sizes(eye, files, people, asked.groups))
        by_rank = list(of_ranks(eye, files, people, asked.groups))
        trained: list[tuple[str, list[Look]]] = []
        if asked.trained:
            recipe = load(asked.recipe)
            some = list(people.values())[:: max(1, len(people) // asked.trained_people)][: asked.trained_people]
            for rank in (int(number) for number in asked.trained.split(",")):
                own = recipe.model_copy(update={"rank": rank, "alpha": float(rank), "previews": 0})
                trained += of_trained(catalog, eye, some, Path(loras[0].base), own)
        pooled = None
        if asked.pooled:
            recipe = load(asked.recipe).model_copy(update={"steps": asked.pooled_steps})
            pooled = of_pooled(catalog, eye, asked.pooled, Path(loras[0].base), recipe)
    show("means of people", (row for size, looks in by_size for row in _rows(f"mean of {size}", looks)))
    show("rank and truncation", (row for what, looks in by_rank for row in _rows(what, looks)))
    if trained:
        show("trained at other ranks", (row for what, looks in trained for row in _rows(what, looks)))
    if pooled is not None:
        show("pooled", _rows(f"one LoRA of all, {asked.pooled_steps} steps", [pooled]))
    plot(by_size, by_rank, asked.out)


def mean_of(files: Mapping[int, Layers], chosen: Sequence[int], rank: int | None = None) -> dict[str, LoraLayer]:
    """The exact mean of these LoRAs' changes; with `rank` each is cut to that first."""
    names = files[chosen[0]]
    mean = {}
    for name in names:
        layers = [files[one][name] for one in chosen]
        layers = layers if rank is None else [truncate(layer, rank)[0] for layer in layers]
        mean[name] = weighted_sum(layers, [1 / len(chosen)] * len(chosen))
    return mean


def of_sizes(
    eye: Eye, files: Mapping[int, Layers], people: Mapping[int, int], groups: int
) -> Iterator[tuple[int, list[Look]]]:
    """Looks at the means of random groups of each size; 0 is the base, whose members are those of the largest."""
    yield 0, [eye.of(eye.of_base, list(people.values()))]
    chance = np.random.default_rng(0)
    for size in (*(size for size in SIZES if size < len(files)), len(files)):
        looks = []
        for _ in range(groups if size < len(files) else 1):
            chosen = sorted(int(one) for one in chance.choice(list(files), size, replace=False))
            looks.append(eye.look(mean_of(files, chosen), [people[one] for one in chosen]))
        yield size, looks


def of_ranks(
    eye: Eye, files: Mapping[int, Layers], people: Mapping[int, int], groups: int
) -> Iterator[tuple[str, list[Look]]]:
    """Looks at single people and at the mean of all, their LoRAs cut to lower ranks, and at the mean cut itself."""
    everyone, members = list(files), list(people.values())
    chance = np.random.default_rng(0)
    some = sorted(int(one) for one in chance.choice(everyone, groups, replace=False))
    for rank in (*RANKS, None):
        looks = [eye.look(mean_of(files, [one], rank), [people[one]]) for one in some]
        yield f"one person, {'whole' if rank is None else f'cut to rank {rank}'}", looks
    for rank in RANKS:
        yield f"mean of all, each cut to rank {rank}", [eye.look(mean_of(files, everyone, rank), members)]
    exact = mean_of(files, everyone)
    for rank in TRUNCATED:
        cut = {name: truncate(layer, rank) for name, layer in exact.items()}
        kept = sum(part[1] for part in cut.values()) / sum(part[2] for part in cut.values())
        look = eye.look({name: part[0] for name, part in cut.items()}, members)
        yield f"mean cut to rank {rank} ({kept:.1%} of its energy)", [look]


def of_trained(
    catalog: Catalog, eye: Eye, some: Sequence[int], base: Path, recipe: Recipe
) -> Iterator[tuple[str, list[Look]]]:
    """Trains these people's LoRAs at the recipe's rank, in a copy; looks at each and at the exact mean of all."""
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as room:
        back_up(catalog, Path(room) / "copy")
        with open_catalog(Path(room) / "copy") as copy:
            query = " or ".join(f'subject:"{subjects.get(copy, one).name}"' for one in some)
            cohorts.create(copy, "some", query, CohortRules(Purpose.TRAIN_COMPOSITE, per_subject=12))
            cohorts.freeze(copy, "some")
            files, people = {}, {}
            for name in train(copy, "some", base, "at", recipe=recipe, device="cpu"):
                model = artifacts.get_model(copy, name)
                (person,) = artifacts.shares_of(copy, model.id)
                if person in some:
                    files[model.id], people[model.id] = read_lora(copy.models / model.path), person
            yield (
                f"one person, trained at rank {recipe.rank}",
                [eye.look(files[one], [people[one]]) for one in files],
            )
            members = list(people.values())
            yield (
                f"mean of {len(files)}, trained at rank {recipe.rank}",
                [eye.look(mean_of(files, list(files)), members)],
            )


def of_pooled(catalog: Catalog, eye: Eye, cohort: str, base: Path, recipe: Recipe) -> Look:
    """Trains one LoRA on the whole cohort, in a copy of the catalog, and looks at it."""
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as room:
        back_up(catalog, Path(room) / "copy")
        with open_catalog(Path(room) / "copy") as copy:
            cohorts.freeze(copy, cohort)  # a withdrawal may have reached it
            (name,) = train(copy, cohort, base, "pooled", mode="pooled", recipe=recipe, device="cpu")
            model: Model = artifacts.get_model(copy, name)
            return eye.look(read_lora(copy.models / model.path), list(artifacts.shares_of(copy, model.id)))


def _rows(what: str, looks: Sequence[Look]) -> Iterator[Row]:
    yield Row(f"{what}: nearer to a member", statistics.mean(look.nearer for look in looks), "of pairs")
    yield Row(f"{what}: faces that match anyone", statistics.mean(look.matched for look in looks), "of faces")
    yield Row(f"{what}: way to the nearest person", statistics.mean(look.way for look in looks), "of all")


def plot(by_size: Sequence[tuple[int, list[Look]]], by_rank: Sequence[tuple[str, list[Look]]], out: Path) -> None:
    """Draw `likeness_people.svg` and `likeness_rank.svg` into `out`."""
    import matplotlib as mpl  # an extra: only for who draws the plots anew

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "kyodaku"
    out.mkdir(parents=True, exist_ok=True)
    sizes = [(size, looks) for size, looks in by_size if size]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for axis, (name, title) in zip(
        axes,
        (
            ("nearer", "nearer to a member than to others"),
            ("matched", "faces that match anyone"),
            ("way", "way to the nearest person"),
        ),
        strict=True,
    ):
        for size, looks in sizes:
            axis.plot([size] * len(looks), [getattr(look, name) for look in looks], "o", color="#8ab4d8")
        means = [statistics.mean(getattr(look, name) for look in looks) for _, looks in sizes]
        axis.plot([size for size, _ in sizes], means, color="#245f95")
        if name != "way":
            axis.axhline(getattr(by_size[0][1][0], name), color="#8a5a00", linestyle=":", label="the base")
            axis.legend()
        axis.set_xscale("log")
        axis.set_xticks([size for size, _ in sizes], [str(size) for size, _ in sizes])
        axis.set_xlabel("people in the mean")
        axis.set_title(title, fontsize=10)
    figure.savefig(out / "likeness_people.svg", metadata={"Date": None})
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    told = [*by_rank, (f"exact mean of {by_size[-1][0]}", by_size[-1][1])]
    nearer = [statistics.mean(look.nearer for look in looks) for _, looks in told]
    axis.barh([what for what, _ in told], nearer, color="#8ab4d8")
    axis.axvline(0.5, color="#8a5a00", linestyle=":")
    axis.set_xlim(0.3, 1)
    axis.set_title("nearer to a member than to others", fontsize=10)
    axis.invert_yaxis()
    figure.savefig(out / "likeness_rank.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
