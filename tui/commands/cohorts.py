"""cohort: which pictures of whom will train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import typer

from core import cohort, proving
from core.counted import counted
from core.errors import BadValue
from core.training import sheet
from storage.records import CohortRules, GroupRule, Purpose
from storage.safe_text import display
from tui.output import AsJson, Progress, complain, emit
from tui.place import opened
from tui.proof_output import OnlyOf, Photograph, ProofFile, hand_on

Kind = TypeVar("Kind", Purpose, GroupRule)
Name = Annotated[str, typer.Argument(help="The cohort's name.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="Saved queries with balance rules, frozen before they train.")
    group.command("create")(create)
    group.command("list")(list_cohorts)
    group.command("explain")(explain)
    group.command("sheet")(draw_sheet)
    group.command("freeze")(freeze)
    group.command("prove")(prove)
    app.add_typer(group, name="cohort")


def create(
    context: typer.Context,
    name: Name,
    query: Annotated[str, typer.Option("--query", help="Which photographs, in the language of `find`.")],
    purpose: Annotated[str, typer.Option(help="train-individual or train-composite.")],
    per_subject: Annotated[int | None, typer.Option(min=1, help="At most so many photographs a person.")] = None,
    max_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of one person in the whole.")] = 1.0,
    min_subjects: Annotated[
        int | None,
        typer.Option(min=1, help="Fewer people are refused; default 10 for train-composite, else 1."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Which photographs are taken where there are too many.")] = 0,
    group: Annotated[
        str, typer.Option(help="Pictures with others in them: exclude, crop to one face, or mask the others.")
    ] = GroupRule.EXCLUDE,
    as_json: AsJson = False,
) -> None:
    """Save a query and its rules. Nothing is frozen yet; `explain` shows what it would hold now."""
    rules = CohortRules(
        purpose=_choice(Purpose, purpose, "--purpose"),
        per_subject=per_subject,
        max_share=max_share,
        min_subjects=cohort.least_subjects(_choice(Purpose, purpose, "--purpose"), min_subjects),
        seed=seed,
        group=_choice(GroupRule, group, "--group"),
    )
    with opened(context) as catalog:
        made = cohort.create(catalog, name, query, rules)
    emit(made, f"cohort {made.name}: {made.query!r} for {rules.purpose}", as_json=as_json)


def list_cohorts(context: typer.Context, as_json: AsJson = False) -> None:
    """All cohorts."""
    with opened(context) as catalog:
        found = cohort.list_all(catalog)
    lines = [
        f"{one.name}: {one.query!r} for {one.rules.purpose}"
        + (f", frozen {one.frozen_at:%Y-%m-%d %H:%M}" if one.frozen_at else ", not frozen")
        + (", tainted by a withdrawal" if one.tainted else "")
        for one in found
    ]
    emit(found, lines, as_json=as_json)


def explain(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """What is in and how it trains, and for everything left out the reason and whose it is.

    Of photographs that look alike (`kyodaku similar`) each person's best one is in: the sharpest face, the largest.
    """
    with opened(context) as catalog:
        told = cohort.explain(catalog, name)
    lines = [f"{counted(len(told.included), 'photograph')} of {counted(len(told.subjects), 'person')}"]
    lines += [f"  {subject}: {count}" for subject, count in told.subjects.items()]
    lines += [line for picture in told.pictures for line in picture.lines()]
    lines += [
        f"left out {one.photo}: {one.reason}" + (f" ({one.subject})" if one.subject else "") for one in told.excluded
    ]
    emit(told, lines, as_json=as_json)
    _tell_uncompared(told.not_compared)


def draw_sheet(
    context: typer.Context,
    name: Name,
    out: Annotated[Path, typer.Option("-o", "--out", help="The file: .png, .jpg or .html; more pages go beside it.")],
    as_json: AsJson = False,
) -> None:
    """Draw a contact sheet of exactly what trains: pictures as they are cut, other people's pixels filled.

    Of a frozen cohort its pictures, if consent for them is still in force; else what freezing would take now.
    """
    with opened(context) as catalog, Progress() as progress:
        made = sheet.write(catalog, name, out, report=progress)
    lines = [f"{counted(made.pictures, 'picture')}: {', '.join(display(str(file)) for file in made.files)}"]
    lines += [f"photograph {photo} can't be read: {display(why)}" for photo, why in made.unreadable.items()]
    emit(made, lines, as_json=as_json)


def _tell_uncompared(count: int) -> None:
    if count:
        complain(f"{count:,} of them were not compared: look-alikes among them count apart", "kyodaku similar find")


def freeze(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Fix exactly what will train, under a Merkle root. Consent is checked again whenever it is read."""
    with opened(context) as catalog:
        frozen = cohort.freeze(catalog, name)
    pictures, people = counted(frozen.photos, "photograph"), counted(frozen.subjects, "person")
    text = f"{pictures} of {people}, Merkle root {frozen.merkle_root}"
    emit(frozen, text, as_json=as_json)
    _tell_uncompared(frozen.not_compared)


def prove(
    context: typer.Context,
    name: Name,
    photo: Photograph,
    out: ProofFile = None,
    subject: OnlyOf = None,
    as_json: AsJson = False,
) -> None:
    """A proof that a photograph is in the frozen cohort, or that it is not; no catalog is needed to check it.

    It tells nothing of other photographs. docs/verify_proof.py checks it against the cohort's root with Python alone.
    """
    with opened(context) as catalog:
        proved = proving.of_cohort(catalog, name, photo, subject)
    hand_on(proved, out, as_json=as_json)


def _choice(kind: type[Kind], given: str, option: str) -> Kind:
    try:
        return kind(given)
    except ValueError as error:
        raise BadValue(f"{option} {given!r} is unknown", "one of " + ", ".join(kind)) from error
