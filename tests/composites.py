"""People with a LoRA each, as training leaves them, for tests of merging and withdrawal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from blake3 import blake3

from core import cohort
from core.merging.checkpoints import WHOLE, layers_of
from core.merging.formats import LoraLayer, write_lora
from storage import artifacts, whole_files
from storage.catalog import Catalog
from storage.records import Cohort, CohortRules, Model, ModelKind, Subject
from storage.tensors import read_header
from tests.world import adult, portraits


@dataclass(frozen=True, slots=True)
class Composite:
    """People of a frozen cohort and their LoRAs' names, in the same order."""

    cohort: Cohort
    people: Sequence[Subject]
    loras: Sequence[str]
    base: Path


def build(catalog: Catalog, base: Path, names: Sequence[str], rules: CohortRules, name: str = "c") -> Composite:
    """Adults of these names with two portraits each, frozen as a cohort, and one LoRA for each."""
    people = [adult(catalog, one) for one in names]
    for person in people:
        portraits(catalog, person, 2)
    cohort.create(catalog, name, "", rules)
    cohort.freeze(catalog, name)
    frozen = artifacts.get_cohort(catalog, name)
    loras = [lora(catalog, frozen, base, [person]) for person in people]
    return Composite(frozen, people, loras, base)


def lora(catalog: Catalog, frozen: Cohort, base: Path, people: Sequence[Subject], name: str | None = None) -> str:
    """A LoRA of one person, or pooled, with weights drawn from who is in it; gives its name."""
    uid = people[0].uid
    name = name or f"p.{uid[:8]}"
    items = [item for person in people for item in artifacts.cohort_items(catalog, frozen.id, person.id)]
    unet = whole_files.weights_file(base)
    generator = torch.Generator().manual_seed(int(uid[:12], 16))
    layers = {
        layers_of(key, WHOLE if base.is_file() else "unet")[0]: LoraLayer(
            torch.randn((4, *spec.shape[1:]), generator=generator) / 8,
            torch.randn((spec.shape[0], 4, *(1,) * (len(spec.shape) - 2)), generator=generator) / 8,
            2.0,
        )
        for key, spec in sorted(read_header(unet).specs.items())
        if key.endswith((".to_q.weight", ".to_k.weight", ".conv1.weight"))
    }
    single = len(people) == 1
    path = catalog.models / f"{name}.safetensors"
    metadata = {
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.resolution": "32x32",
        "kyodaku.subject_root" if single else "kyodaku.cohort_root": cohort.root_of(items),
    }
    write_lora(path, layers, metadata)
    artifacts.add_model(
        catalog,
        Model(
            id=0,
            name=name,
            kind=ModelKind.LORA if single else ModelKind.POOLED,
            path=path.name,
            content_hash=whole_files.file_hash(path),
            base=str(base),
            base_hash=blake3(unet.read_bytes()).hexdigest(),
            trigger=f"kyo{uid[:6]}",
            cohort_id=frozen.id,
            recipe={"rank": 4},
            created_at=datetime.now(UTC),
        ),
        shares={person.id: 1 / len(people) for person in people},
    )
    return name


def content(catalog: Catalog, name: str) -> dict[str, bytes]:
    """Every byte of a model: of its file, or of each file in its folder."""
    path = catalog.models / artifacts.get_model(catalog, name).path
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    assert files
    return {"" if file == path else str(file.relative_to(path)): file.read_bytes() for file in files}
