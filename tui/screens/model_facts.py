"""What is known of a model, for the Models room: text, and the pictures it drew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from core import models
from core.counted import counted
from storage import artifacts, generated, subjects
from storage.catalog import Catalog
from storage.records import Model
from storage.safe_text import display

PICTURES = (".png", ".jpg", ".jpeg")
MOST_PEOPLE = 30  # named as being in a model; the rest are counted


def facts(model: Model, catalog: Catalog) -> tuple[Group, list[Path]]:
    """All that is known of a model: state, audit, lineage, people; and the pictures made with it."""
    made_of = tree(models.lineage(catalog, model.name))
    return Group(_above(model, catalog), made_of, _people(model, catalog)), pictures_of(catalog, model)


def tree(made: models.Lineage) -> Tree:
    """A model's lineage, of which a long line goes on beside its branch."""
    root = Tree(Text(display(made.told)), guide_style="dim")
    for one in made.inputs:
        branch = tree(one)
        branch.label = Text(display(f"{one.share:.1%} {one.told}"))
        root.children.append(branch)
    return root


def _above(model: Model, catalog: Catalog) -> Text:
    text = Text().append(display(model.name) + "\n", style="bold")
    text.append(f"{model.kind}, {model.state}")
    text.append(f": {display(model.why)}\n" if model.why else "\n")
    if model.trigger:
        text.append(f"trigger {display(model.trigger)}\n")
    if model.energy_kept is not None:
        text.append(f"keeps {model.energy_kept:.2%} of the exact mean's energy\n")
    text.append(display(f"base {model.base}") + "\n", style="dim")
    text.append(f"file {display(model.path)}  blake3 {model.content_hash[:16]}…\n", style="dim")
    text.append("\nAudit\n", style="bold")
    for line in audit_lines(catalog, model):
        text.append(f"  {display(line)}\n")
    return text.append("\nMade of", style="bold")


def _people(model: Model, catalog: Catalog) -> Text:
    text = Text()
    shares = artifacts.shares_of(catalog, model.id)
    names = subjects.get_many(catalog, shares)
    text.append(f"\n{counted(len(shares), 'person')} in it\n", style="bold")
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1], names[pair[0]].name))
    for number, share in ordered[:MOST_PEOPLE]:
        text.append(display(f"  {share:>6.1%}  {names[number].name}") + "\n")
    if len(ordered) > MOST_PEOPLE:
        text.append(f"          and {len(ordered) - MOST_PEOPLE} more\n", style="dim")
    return text


def audit_lines(catalog: Catalog, model: Model) -> list[str]:
    """What the last audit of these very weights found, from its report; or that there was none."""
    for path in models.traces_of(catalog, model):
        report = path / "report.json"
        if report.is_file():
            found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
            break
    else:
        return ["not audited yet: a audits it"]
    lines = [f"verdict: {found['verdict']}", *found["why"]]
    if found["model_hash"] != model.content_hash:
        lines = ["the audit is of other weights than these: audit it again", *lines]
    lines.append(
        f"{counted(found['faces'], 'face')} in {counted(found['images'], 'picture')}, {found['rate']:.1%} like someone"
    )
    lines.append(f"no more than {found['upper_bound95']:.1%} would be (95 %)")
    lines += [f"nearest: {one['subject']} at distance {one['distance']:.3f}" for one in found["nearest"][:3]]
    lines += [f"unchecked: {found['unchecked']}"] if found.get("unchecked") else []
    return lines


def pictures_of(catalog: Catalog, model: Model) -> list[Path]:
    """What a model drew, beside it or elsewhere, and may still be shown: sheets first, the newest first."""
    found = {one.path for one in generated.of_models(catalog, [model.id])}
    for trace in models.traces_of(catalog, model):
        found |= {trace, *trace.rglob("*")} if trace.exists() else set()
    pictures = [path for path in found if path.suffix.lower() in PICTURES and path.is_file()]
    return sorted(pictures, key=lambda path: ("sheet" not in path.name, -path.stat().st_mtime_ns, path.name))


def caption(path: Path, number: int, count: int) -> str:
    """Which picture of a model is shown, in a line."""
    if path.parent.name.endswith(".audit"):
        told = "from the audit: each drawn face, and beside it the known one nearest to it"
    elif path.name.endswith(".preview.png"):
        told = "drawn while it trained"
    elif path.parent.parent.name.endswith(models.SAMPLES):
        told = f"drawn by job {path.parent.name}: {path.name}"
    else:
        told = f"drawn into {path.parent.name}: {path.name}"
    return display(f"picture {number} of {count}: {told}")
