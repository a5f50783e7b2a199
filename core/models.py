"""The catalog's models as people ask for them: which there are, of whom, made from what, and are they sound."""

from __future__ import annotations

import fnmatch
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadValue, NoSuchRecord, Refused, Tainted
from core.progress import Report, silent
from storage import artifacts, subjects, whole_files
from storage.catalog import Catalog
from storage.errors import BadTensorFile
from storage.records import Model, ModelKind, ModelState

MERGES = frozenset({ModelKind.AVERAGE, ModelKind.BAKE, ModelKind.SOUP})
TRACES = (".preview.png", ".samples", ".audit")  # what lies beside a model's file and shows what it draws
LONGEST_NAME = 120  # bytes of UTF-8: a file name with room for endings


@dataclass(frozen=True, slots=True)
class Shown:
    """A model with who is in it: each person's share by name, and the cohorts its pictures come from."""

    model: Model
    shares: Mapping[str, float]
    cohorts: Sequence[str]

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
        return told + [f"  {share:7.2%}  {name}" for name, share in self.shares.items()]


@dataclass(frozen=True, slots=True)
class Lineage:
    """A model and what it was made from, down to the cohorts; `weight` is its part in the merge above it."""

    name: str
    kind: ModelKind
    state: ModelState
    weight: float | None
    people: int
    cohort: str | None
    inputs: Sequence[Lineage]

    def lines(self, depth: int = 0) -> list[str]:
        """For a person to read: one a model, indented by generation."""
        weight = "" if self.weight is None else f" x {self.weight:g}"
        people = f"{self.people} {'person' if self.people == 1 else 'people'}"
        source = f", cohort {self.cohort}" if self.cohort else ""
        state = "" if self.state is ModelState.OK else f", {self.state}"
        own = f"{'  ' * depth}{self.name}{weight}: {self.kind}, {people}{source}{state}"
        return [own, *(line for one in self.inputs for line in one.lines(depth + 1))]


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a model's file is the recorded one, and whether making it again gives the same (None: not a merge)."""

    name: str
    ok: bool
    file: str
    remade: str | None

    def lines(self) -> list[str]:
        """For a person to read."""
        return [f"{self.name}: {self.file}", *([f"{self.name}: {self.remade}"] if self.remade else [])]


def require_name(name: str) -> str:
    """The name, if a model may have it: it becomes a file's name. Raises BadValue."""
    plain = unicodedata.normalize("NFC", name)
    bad = any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") or letter in "/\\*?[]" for letter in plain)
    if not plain or plain != plain.strip() or plain[0] in ".-" or bad or len(plain.encode()) > LONGEST_NAME:
        raise BadValue(f"{name!r} can't be a model's name", "use letters, digits, blanks inside, dots and hyphens")
    if plain.endswith((".safetensors", whole_files.PART, *TRACES)):
        raise BadValue(f"{name!r} ends like a file of Kyodaku's own", "leave the ending out")
    return plain


def require_in_use(model: Model) -> None:
    """Raises Tainted, naming the model and why, unless it may be used: the one gate of all that uses models."""
    if model.state is not ModelState.OK:
        raise Tainted(
            f"{model.name} is {model.state}: {model.why or 'it may not be used'}",
            f"leave it out, or see: kyodaku models show {model.name}",
        )


def list_all(catalog: Catalog) -> list[Model]:
    """All models, oldest first."""
    return artifacts.all_models(catalog)


def expand(catalog: Catalog, patterns: Sequence[str]) -> list[str]:
    """Names of models, with `NAME.*` and the like standing for all usable LoRAs of that name; each once.

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
            raise NoSuchRecord(f"no usable LoRA is named like {pattern!r}", "see what there is: kyodaku models list")
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
    return Shown(model, dict(ordered), sorted(artifacts.get_cohort(catalog, key).name for key in cohorts))


def lineage(catalog: Catalog, name: str) -> Lineage:
    """From a model back to the LoRAs, cohorts and number of people it was made of. Raises NoSuchRecord."""
    return _lineage(catalog, artifacts.get_model(catalog, name), None)


def _lineage(catalog: Catalog, model: Model, weight: float | None) -> Lineage:
    arrows = artifacts.inputs_of(catalog, model.id)
    inputs = artifacts.get_models(catalog, [arrow.input_id for arrow in arrows])
    return Lineage(
        name=model.name,
        kind=model.kind,
        state=model.state,
        weight=weight,
        people=len(artifacts.shares_of(catalog, model.id)),
        cohort=None if model.cohort_id is None else artifacts.get_cohort(catalog, model.cohort_id).name,
        inputs=[_lineage(catalog, one, arrow.weight) for one, arrow in zip(inputs, arrows, strict=True)],
    )


def affected(catalog: Catalog, subject: int | str) -> list[Model]:
    """Every model that holds anything of a person, deleted ones left out. Raises NoSuchRecord."""
    own = artifacts.models_of_subject(catalog, subjects.get(catalog, subject).id)
    ids = {model.id for model in own}
    reached = artifacts.get_models(catalog, sorted(ids | set(artifacts.descendants(catalog, ids))))
    return [model for model in reached if model.state is not ModelState.DELETED]


def verify(catalog: Catalog, name: str, report: Report = silent) -> Verification:
    """Read a model's file and compare its hash; make a merge again from its ingredients and compare that too.

    Raises NoSuchRecord, and Tainted for a model whose file is not to be had (tainted, quarantined, deleted).
    """
    model = artifacts.get_model(catalog, name)
    require_in_use(model)
    problem = file_problem(catalog, model)
    if model.kind not in MERGES:
        return Verification(name, problem is None, problem or "its file is the one recorded", None)
    from core.merging.catalogued import remade_hash  # torch is loaded only where it is used

    same = remade_hash(catalog, model, report) == model.content_hash
    said = "made again from its ingredients it is the same" if same else "made again it comes out differently"
    return Verification(name, problem is None and same, problem or "its file is the one recorded", said)


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


def traces_of(catalog: Catalog, model: Model) -> Iterator[Path]:
    """Where the pictures that show what a model draws lie, whether there or not."""
    yield from list(files_of(catalog, model))[1:]
