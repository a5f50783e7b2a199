"""The catalog's models as people ask for them: which there are, of whom, made from what, and are they sound."""

from __future__ import annotations

import fnmatch
import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.counted import counted
from core.errors import BadValue, NameTaken, NoSuchRecord, Refused, Tainted
from core.releases import Outside, outside
from storage import artifacts, subjects, whole_files
from storage.catalog import Catalog
from storage.errors import BadTensorFile
from storage.records import Model, ModelKind, ModelState, Subject
from storage.tensors import read_header

MERGES = frozenset({ModelKind.AVERAGE, ModelKind.BAKE, ModelKind.SOUP})
SAMPLES = ".samples"
TRACES = (".preview.png", SAMPLES, ".audit")  # what lies beside a model's file and shows what it draws
LONGEST_NAME = 120  # bytes of UTF-8: a file name with room for endings


@dataclass(frozen=True, slots=True)
class Shown:
    """A model with who is in it: each person's share by name, and the cohorts its pictures come from.

    `released` is what left of it, and by whose word no more.
    """

    model: Model
    shares: Mapping[str, float]
    cohorts: Sequence[str]
    released: Sequence[Outside] = ()

    def lines(self) -> list[str]:
        """For a person to read."""
        model = self.model
        told = [f"{model.name}: {model.kind}, {model.state}" + (f" — {model.why}" if model.why else "")]
        told.append(f"file {model.path}, blake3 {model.content_hash}")
        told.append(f"base {model.base}")
        if model.trigger:
            told.append(f"trigger {model.trigger}")
        if model.energy_kept is not None:
            told.append(f"keeps {model.energy_kept:.4%} of the exact mean's energy")
        told += [f"cohort {name}" for name in self.cohorts]
        told += [line for one in self.released for line in one.lines()]
        told.append(flat_shares(list(self.shares.values())))
        return told + [f"  {share:7.2%}  {name}" for name, share in self.shares.items()]


@dataclass(frozen=True, slots=True)
class Lineage:
    """A model and what it was made from, down to the cohorts.

    `weight` is what it was given in the merge above it, `share` its part of the model at the top, 0..1; `shares`
    are its own people's parts of itself, the largest first, and `person` the only one's name.
    """

    name: str
    kind: ModelKind
    state: ModelState
    weight: float | None
    share: float
    people: int
    shares: Sequence[float]
    person: str | None
    cohort: str | None
    inputs: Sequence[Lineage]

    def lines(self) -> list[str]:
        """For a person to read: one a model, as a tree."""
        return [self.told, *self._below("")]

    def _below(self, indent: str) -> Iterator[str]:
        for number, one in enumerate(self.inputs, 1):
            last = number == len(self.inputs)
            yield f"{indent}{'└─' if last else '├─'} {one.share:.1%} {one.told}"
            yield from one._below(f"{indent}{'   ' if last else '│  '}")

    @property
    def told(self) -> str:
        """The model by itself: its name, weight and kind, whose it is, and its cohort."""
        weight = "" if self.weight is None else f" x {self.weight:g}"
        source = f", cohort {self.cohort}" if self.cohort else ""
        state = "" if self.state is ModelState.OK else f", {self.state}"
        return f"{self.name}{weight}: {self.kind}, {self.person or flat_shares(self.shares)}{source}{state}"


def flat_shares(shares: Sequence[float]) -> str:
    """How people's shares lie: `30 people, each 3.3%`, or `31 people, 1.6% to 50.0% each`."""
    if not shares:
        return "nobody"
    if len(shares) == 1:
        return f"1 person, {shares[0]:.1%}"
    low, high = f"{min(shares):.1%}", f"{max(shares):.1%}"
    return f"{counted(len(shares), 'person')}, " + (f"each {low}" if low == high else f"{low} to {high} each")


def require_name(name: str) -> str:
    """The name, if a model may have it: it becomes a file's name. Raises BadValue."""
    plain = unicodedata.normalize("NFC", name)
    bad = any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") or letter in "/\\*?[]" for letter in plain)
    if not plain or plain != plain.strip() or plain[0] in ".-" or bad or len(plain.encode()) > LONGEST_NAME:
        raise BadValue(f"{name!r} can't be a model's name", "use letters, digits, blanks inside, dots and hyphens")
    if plain.endswith((".safetensors", whole_files.PART, *TRACES)):
        raise BadValue(f"{name!r} ends like a file of Kyodaku's own", "leave the ending out")
    return plain


def require_free(catalog: Catalog, name: str, path: str) -> None:
    """Raises NameTaken where a model has this name, or something lies where its file or folder would."""
    if (catalog.models / path).exists() or name in {one.name for one in artifacts.all_models(catalog)}:
        raise NameTaken(f"there is a model {name!r} already", "choose another name")


def require_in_use(model: Model) -> None:
    """Raises Tainted, naming the model and why, unless it may be used: the one gate of all that uses models."""
    if model.state is not ModelState.OK:
        raise Tainted(
            f"{model.name} is {model.state}: {model.why or 'it may not be used'}",
            f"leave it out, or see: kyodaku models show {model.name}",
        )


def people_in(catalog: Catalog, model: Model) -> list[Subject]:
    """Everyone with a share in the model or in anything that it was made from or trained on, by name."""
    ids = [model.id, *artifacts.ancestors(catalog, [model.id])]
    everyone = {person for one in ids for person in artifacts.shares_of(catalog, one)}
    return sorted(subjects.get_many(catalog, everyone).values(), key=lambda person: person.name)


def list_all(catalog: Catalog) -> list[Model]:
    """All models, oldest first."""
    return artifacts.all_models(catalog)


def expand(catalog: Catalog, patterns: Sequence[str]) -> list[str]:
    """Names of models, with `NAME.*` and the like for all usable ones of that name that were trained; each once.

    Raises NoSuchRecord for a pattern that nothing has.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        if not any(sign in pattern for sign in "*?["):
            found[pattern] = None
            continue
        usable = artifacts.all_models(catalog, [ModelState.OK])
        names = [one.name for one in usable if one.kind not in MERGES and fnmatch.fnmatchcase(one.name, pattern)]
        if not names:
            raise NoSuchRecord(
                f"no trained model in use is named like {pattern!r}", "see what there is: kyodaku models list"
            )
        found |= dict.fromkeys(names)
    return list(found)


def show(catalog: Catalog, name: str) -> Shown:
    """One model, who is in it (the largest share first) and which cohorts stand behind it. Raises NoSuchRecord."""
    model = artifacts.get_model(catalog, name)
    shares = artifacts.shares_of(catalog, model.id)
    people = subjects.get_many(catalog, shares)
    ordered = sorted(((people[key].name, share) for key, share in shares.items()), key=lambda one: (-one[1], one[0]))
    below = artifacts.get_models(catalog, artifacts.ancestors(catalog, [model.id]))
    cohorts = {one.cohort_id for one in (model, *below) if one.cohort_id is not None}
    names = sorted(artifacts.get_cohort(catalog, key).name for key in cohorts)
    return Shown(model, dict(ordered), names, outside(catalog, model.id))


def lineage(catalog: Catalog, name: str) -> Lineage:
    """From a model back to the LoRAs, cohorts and people it was made of. Raises NoSuchRecord."""
    return _lineage(catalog, artifacts.get_model(catalog, name), None, 1.0)


def _lineage(catalog: Catalog, model: Model, weight: float | None, share: float) -> Lineage:
    arrows = artifacts.inputs_of(catalog, model.id)
    inputs = artifacts.get_models(catalog, [arrow.input_id for arrow in arrows])
    parts = _parts_in(catalog, model, inputs, [arrow.weight for arrow in arrows])
    people = artifacts.shares_of(catalog, model.id)
    return Lineage(
        name=model.name,
        kind=model.kind,
        state=model.state,
        weight=weight,
        share=share,
        people=len(people),
        shares=sorted(people.values(), reverse=True),
        person=subjects.get(catalog, next(iter(people))).name if len(people) == 1 else None,
        cohort=None if model.cohort_id is None else artifacts.get_cohort(catalog, model.cohort_id).name,
        inputs=[
            _lineage(catalog, one, arrow.weight, share * part)
            for one, arrow, part in zip(inputs, arrows, parts, strict=True)
        ],
    )


def _parts_in(catalog: Catalog, model: Model, inputs: Sequence[Model], weights: Sequence[float]) -> list[float]:
    """Each ingredient's part of a merge: as its file says, where the method finds them, else by the weights given."""
    total = math.fsum(map(abs, weights))
    given = [abs(weight) / total for weight in weights]
    if "method" not in model.recipe:
        return given
    try:
        told = read_header(whole_files.weights_file(catalog.models / model.path)).metadata
        found = {one["hash"]: one["share"] for one in json.loads(told["kyodaku.inputs"])}
        return [float(found[one.content_hash]) for one in inputs]
    except (BadTensorFile, KeyError, TypeError, ValueError):  # tainted and off disk, or tampered with
        return given


def affected(catalog: Catalog, subject: int | str) -> list[Model]:
    """Every model that holds anything of a person, deleted ones left out. Raises NoSuchRecord."""
    own = artifacts.models_of_subject(catalog, subjects.get(catalog, subject).id)
    ids = {model.id for model in own}
    reached = artifacts.get_models(catalog, sorted(ids | set(artifacts.descendants(catalog, ids))))
    return [model for model in reached if model.state is not ModelState.DELETED]


def file_problem(catalog: Catalog, model: Model) -> str | None:
    """What is wrong with a model's file on disk, in words, or None."""
    try:
        found = whole_files.file_hash(whole_files.weights_file(catalog.models / model.path))
    except (OSError, BadTensorFile):
        return "its file is missing"
    return None if found == model.content_hash else "its file was changed since it was recorded"


def delete(catalog: Catalog, name: str) -> Model:
    """Erase a model's files; its row and lineage stay, under a name that frees this one.

    Raises NoSuchRecord, and Refused while another model is made from it, which could not be remade then.
    """
    model = artifacts.get_model(catalog, name)
    with catalog.transaction():
        below = artifacts.get_models(catalog, artifacts.descendants(catalog, [model.id]))
        in_use = [one.name for one in below if one.state in (ModelState.OK, ModelState.TAINTED)]
        if in_use:
            raise Refused(f"{name} is an ingredient of {', '.join(in_use)}", "delete those first")
        artifacts.set_state(catalog, [model.id], ModelState.DELETED, "deleted")
        artifacts.rename_model(catalog, model.id, f"{name} (deleted {model.id})")
        erase_files(catalog, [model])  # before the commit: afterwards the path may be another model's
    return artifacts.get_model(catalog, model.id)


def erase_files(catalog: Catalog, models: Sequence[Model]) -> None:
    """Remove models' files from disk, with the pictures that show what they draw."""
    for model in models:
        _erase(files_of(catalog, model))


def erase_traces(catalog: Catalog, model: Model) -> None:
    """Remove the pictures that show what a model draws; its weights stay."""
    _erase(traces_of(catalog, model))


def _erase(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.exists():
            whole_files.erase(path)


def unknown_files(catalog: Catalog) -> list[str]:
    """Names in the folder of models that belong to no model that was not deleted, nor to a writer."""
    kept = set(ModelState) - {ModelState.DELETED}
    known = {path for model in artifacts.all_models(catalog, kept) for path in files_of(catalog, model)}
    return sorted(
        path.name
        for path in catalog.models.iterdir()
        if path not in known and not (path.name.startswith(".") and path.name.endswith(whole_files.PART))
    )


def files_of(catalog: Catalog, model: Model) -> Iterator[Path]:
    """Where a model's weights and what shows what it draws lie, whether there or not."""
    return files_at(catalog, model.path)


def files_at(catalog: Catalog, path: str) -> Iterator[Path]:
    """`files_of` for a model whose `path` this is, or was."""
    yield catalog.models / path
    for ending in TRACES:
        yield catalog.models / f"{path.removesuffix('.safetensors')}{ending}"


def samples_of(catalog: Catalog, model: Model) -> Path:
    """The folder of pictures that jobs drew with a model, a folder for each job; it may not be there."""
    return catalog.models / f"{model.path.removesuffix('.safetensors')}{SAMPLES}"


def traces_of(catalog: Catalog, model: Model) -> Iterator[Path]:
    """Where the pictures that show what a model draws lie, whether there or not."""
    yield from list(files_of(catalog, model))[1:]
