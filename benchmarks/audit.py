"""How large and how powerful the audit's tests are, on a catalog with one LoRA a person (`./dev demo` leaves one).

    python -m benchmarks.audit demo/catalog [--draw] [--people 4] [--pictures 48] [--shares 0.6,0.4]

Size: how often it calls somebody what is nobody; power: how often it finds who is there. The first part takes seconds
and works on the catalog's own faces. `--draw` plants leaks: the mean of all LoRAs with a share of one person's more,
drawn by the base and looked at for matches and pulls, about a minute of one core for each. The means of random halves
of the LoRAs, one for each planted leak, must find nobody.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.mixer import Mixer
from core import base_model
from core.audit_faces import Known, draw_faces, known_faces
from core.audit_prompts import texts
from core.audit_pull import pulled
from core.audit_stats import Floats, Grouped
from core.audit_strangers import Threshold, chance_matches, mean_faces, scores, search, threshold_at
from core.audit_verdict import CHANCE
from core.faces.embed import embedder
from core.generated_checks import Checker
from core.merging.deltas import weighted_sum
from core.merging.formats import read_lora
from core.progress import silent
from core.training.recipe import SHARED_TRIGGER
from storage import artifacts
from storage import catalog as catalogs
from storage.catalog import Catalog
from storage.records import ModelKind, ModelState

FMR = 0.02
COHORT = 26
PLANTED = 300  # leaks planted in embeddings
SHARES = (0.2, 0.3, 0.4, 0.6)


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("catalog", type=Path)
    arguments.add_argument("--draw", action="store_true", help="plant leaks in models and draw them")
    arguments.add_argument("--people", type=int, default=4, help="how many people's LoRAs are planted")
    arguments.add_argument("--pictures", type=int, default=48)
    arguments.add_argument("--shares", default="0.6,0.4")
    asked = arguments.parse_args()
    with catalogs.open_catalog(asked.catalog) as catalog:
        known = known_faces(catalog)
        named = known.named
        found = search(known.vectors[named], known.people[named], known.photos[named])
        threshold = threshold_at(found, FMR, known.number)
        for line in (*of_searches(known, threshold), *of_people(known)):
            print(line, flush=True)
        if asked.draw:
            shares = [float(share) for share in asked.shares.split(",")]
            for line in of_models(catalog, known, threshold, asked.people, asked.pictures, shares):
                print(line, flush=True)


def of_searches(known: Known, threshold: Threshold) -> Iterator[str]:
    """The threshold, and how mean faces and planted ones fare by it, beside plain distance."""
    yield f"threshold: {threshold}"
    people = known.by_subject
    cohort = min(COHORT, len(people.sizes) - 1)
    means = mean_faces(known.vectors[known.named], known.people[known.named], cohort, threshold.value)
    yield f"mean faces: {means}"
    nearest = [
        np.delete(people.least(people.vectors[start : start + size]), at, axis=1).min(axis=1)
        for at, (start, size) in enumerate(zip(people.starts, people.sizes, strict=True))
    ]
    strangers = np.concatenate(nearest)
    limit = float(np.quantile(strangers, FMR))
    mixed = _mixtures(people, cohort, 0.0)[0]
    by_distance = np.mean(people.least(mixed).min(axis=1) <= limit)
    yield f"by distance: {FMR:.0%} of strangers within {limit:.3f}; so are {by_distance:.1%} of mean faces of {cohort}"
    for share in SHARES:
        mixed, whose = _mixtures(people, cohort, share)
        told = scores(people.least(mixed))
        right = np.mean((told.argmax(axis=1) == whose) & (told.max(axis=1) >= threshold.value))
        yield f"an embedding of {share:.0%} one person and the mean of {cohort} is found: {right:.1%}"


def of_people(known: Known) -> Iterator[str]:
    """Each person in turn as a model that draws nobody else, first unknown to the catalog, then known to it."""
    wrong = right = 0
    order = known.subjects
    for person in order:
        own = known.people == person
        others = known.named & ~own
        threshold = threshold_at(
            search(known.vectors[others], known.people[others], known.photos[others]), FMR, len(order) - 1
        )
        needed = chance_matches(int(own.sum()), threshold.upper, CHANCE)
        told = scores(known.of_people([one for one in order if one != person]).least(known.vectors[own]))
        wrong += int(np.count_nonzero(told.max(axis=1) >= threshold.value)) >= needed
        told = scores(known.by_subject.least(known.vectors[own], known.photos[own]))
        right += int(np.count_nonzero(told.max(axis=1) >= threshold.value)) >= needed
    yield f"models that draw one stranger alone, taken for somebody: {wrong} of {len(order)}"
    yield f"models that draw one known person alone, found: {right} of {len(order)}"


def of_models(
    catalog: Catalog, known: Known, threshold: Threshold, number: int, pictures: int, shares: Sequence[float]
) -> Iterator[str]:
    """Means with one person leaked into them, and means of random halves, drawn and looked at."""
    loras = [one for one in artifacts.all_models(catalog, [ModelState.OK]) if one.kind is ModelKind.LORA]
    torch.set_num_threads(1)
    base = base_model.load(Path(loras[0].base), "cpu")
    mixer = Mixer(base)
    files = {one.id: read_lora(catalog.models / one.path) for one in loras}
    embed, checker = embedder(known.space), Checker("cpu", base.path)
    people = {one.id: next(iter(artifacts.shares_of(catalog, one.id))) for one in loras}
    order = known.subjects
    of_base = draw_faces(base, texts("", pictures), 0, embed, checker, silent, "base").vectors

    def look(weights: Mapping[int, float], seed: int, planted: int | None) -> str:
        parts = {name: [files[key][name] for key in weights] for name in files[next(iter(weights))]}
        mixer.put({name: weighted_sum(layers, list(weights.values())) for name, layers in parts.items()})
        drawn = draw_faces(base, texts(SHARED_TRIGGER, pictures), seed, embed, checker, silent, "model")
        in_it = {people[key] for key in weights}
        told = [1 / len(in_it) if one in in_it else 0.0 for one in order]
        pull = pulled(drawn.vectors, of_base, known.by_subject, told, [str(one) for one in order])
        top = scores(known.everybody.least(drawn.vectors)).max(axis=1) if drawn.faces else np.empty(0)
        matches = int(np.count_nonzero(top >= threshold.value))
        needed = chance_matches(len(drawn.faces), threshold.upper, CHANCE)
        found = pull is not None and pull.stands_out
        right = "" if not found or planted is None or pull is None else f", right: {pull.subject == str(planted)}"
        moved = "" if pull is None else f"way {pull.way:.2f} at least {pull.lower:.2f} limit {pull.limit:.2f}"
        return f"{matches} of {len(drawn.faces)} match ({needed} needed); pull {moved}, stands out: {found}{right}"

    chance = np.random.default_rng(0)
    for seed, planted in enumerate(loras[:number]):
        half = chance.permutation([one.id for one in loras])[: max(2, len(loras) // 2)]
        yield f"mean of {len(half)}: {look({int(key): 1 / len(half) for key in half}, 1000 * seed, None)}"
        for share in shares:
            rest = (1 - share) / (len(loras) - 1)
            weights = {one.id: share if one.id == planted.id else rest for one in loras}
            yield f"leak of {share:.0%}: {look(weights, 1000 * seed, people[planted.id])}"


def _mixtures(people: Grouped, cohort: int, share: float) -> tuple[Floats, Floats]:
    """Mean faces of random cohorts with a share of one person more [n, d], and who that is."""
    chance = np.random.default_rng(0)
    centres = grouped_means(people)
    whose = chance.integers(0, len(centres), PLANTED)
    mixed = np.stack([
        share * centres[one] + (1 - share) * centres[chance.choice(len(centres), cohort, replace=False)].mean(axis=0)
        for one in whose
    ])  # fmt: skip
    length = float(np.linalg.norm(people.vectors, axis=1).mean())
    return mixed * (length / np.linalg.norm(mixed, axis=1, keepdims=True)), whose


def grouped_means(people: Grouped) -> Floats:
    """Each person's mean embedding [people, d]."""
    means: Floats = np.add.reduceat(people.vectors, people.starts, axis=0) / people.sizes[:, None]
    return means


if __name__ == "__main__":
    main()
