"""Proofs of what the catalog holds: was this photograph among those that a cohort or a model was made of?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import proofs
from core.errors import BadValue, UnreadablePath
from storage import artifacts, photos, subjects, whole_files
from storage.catalog import Catalog
from storage.errors import BadTensorFile
from storage.records import CohortItem, Model
from storage.tensors import read_header

HASH_DIGITS = 64
MOST_DIGITS = 18  # of an id


@dataclass(frozen=True, slots=True)
class Proved:
    """What was proved of the photograph with this content; `proof` is what is handed on (`docs/proofs.md`)."""

    content_hash: str
    included: bool
    roots: Sequence[str]
    proof: dict[str, Any]

    def lines(self) -> list[str]:
        """For a person to read."""
        what = "is among its photographs" if self.included else "is not among its photographs"
        under = self.roots[0] if len(self.roots) == 1 else f"all of its {len(self.roots)} roots"
        return [f"photograph {self.content_hash} {what}", f"proved under {under}"]


def write(proved: Proved, out: Path) -> None:
    """Write the proof to a file, whole or not at all."""
    with whole_files.whole_file(out) as file:
        file.write(proofs.written(proved.proof).encode())


def content_of(catalog: Catalog, photo: str) -> str:
    """The content hash of a photograph given by id, by that hash, or as a file, which need not be in the catalog.

    Raises NoSuchRecord, UnreadablePath, and BadValue for a photograph that was not read yet.
    """
    if photo.isascii() and photo.isdigit() and len(photo) <= MOST_DIGITS:
        found = photos.get(catalog, int(photo)).content_hash
        if found is None:
            raise BadValue(f"photograph {photo} has not been read yet", "run kyodaku index again")
        return found
    if len(photo) == HASH_DIGITS and set(photo) <= set("0123456789abcdef"):
        return photo
    try:
        return whole_files.file_hash(Path(photo))
    except (OSError, ValueError) as error:
        raise UnreadablePath(
            f"{photo!r} is no photograph", "give its id, its content hash or the file's name"
        ) from error


def of_cohort(catalog: Catalog, name: str, photo: str, subject: int | str | None = None) -> Proved:
    """That a photograph is in a frozen cohort, or that it is not.

    With `subject` only that person's crops of it are shown. Raises BadValue for a cohort that is not frozen, or was
    frozen in an older format; NoSuchRecord.
    """
    cohort = artifacts.get_cohort(catalog, name)
    if cohort.merkle_root is None:
        raise BadValue(f"cohort {name!r} is not frozen", f"freeze it: kyodaku cohort freeze {name}")
    items = list(artifacts.cohort_items(catalog, cohort.id))
    return _proved(catalog, photo, [(cohort.merkle_root, items)], f"cohort {name!r}", subject)


def of_model(catalog: Catalog, name: str, photo: str, subject: int | str | None = None) -> Proved:
    """That a photograph is under one of the roots that a model's file names, or under none of them.

    Raises BadValue where a cohort was frozen anew since, or the model's file is not to be had; NoSuchRecord.
    """
    model = artifacts.get_model(catalog, name)
    wanted = set(_roots(catalog, model))
    found = [(root, items) for root, items in _sources(catalog, model) if root in wanted]
    if {root for root, _ in found} != wanted:
        raise BadValue(f"a cohort behind {name} is not what it was", "only what the catalog still holds is provable")
    return _proved(catalog, photo, found, f"model {name}", subject)


def _proved(
    catalog: Catalog,
    photo: str,
    under: Sequence[tuple[str, Sequence[CohortItem]]],
    what: str,
    subject: int | str | None,
) -> Proved:
    content = content_of(catalog, photo)
    shown = None if subject is None else subjects.get(catalog, subject).id
    parts = []
    for root, items in sorted(under, key=lambda one: one[0]):
        if not all(item.secret for item in items):
            raise BadValue(f"{what} was frozen in an older format", "create and freeze a cohort of the same query")
        part = proofs.prove(proofs.tree(items), content, shown)
        if part["root"] != root:
            raise BadValue(f"{what}: what is in the catalog is not what was frozen", "see: kyodaku doctor")
        parts.append(part)
    proof = proofs.document(content, parts)
    included = any("pictures" in part for part in parts)
    return Proved(content, included, [part["root"] for part in parts], proof)


def _roots(catalog: Catalog, model: Model) -> list[str]:
    """The roots that a model's file names."""
    try:
        told = read_header(whole_files.weights_file(catalog.models / model.path)).metadata
    except (OSError, BadTensorFile) as error:
        raise BadValue(
            f"the file of {model.name} is not to be had", f"see: kyodaku models show {model.name}"
        ) from error
    own = told.get("kyodaku.subject_root") or told.get("kyodaku.cohort_root")
    return [own] if own else sorted(json.loads(told.get("kyodaku.roots", "{}")))


def _sources(catalog: Catalog, model: Model) -> Iterator[tuple[str, Sequence[CohortItem]]]:
    """What the LoRAs at the bottom of a model's lineage were trained on, each once: root and pictures."""
    seen = set()
    below = artifacts.get_models(catalog, artifacts.ancestors(catalog, [model.id]))
    for lora in (model, *below):
        if lora.cohort_id is None:
            continue
        people = list(artifacts.shares_of(catalog, lora.id))
        items = list(artifacts.cohort_items(catalog, lora.cohort_id, people[0] if len(people) == 1 else None))
        root = proofs.tree(items).root
        if root not in seen:
            seen.add(root)
            yield root, items
