"""merge and models: averages, bakes, soups, and whose photographs are in what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core import models, proving, releases, verification, withdrawal
from core.merging.job import rank_of, weights_of
from storage.records import Model
from tui.output import AsJson, Progress, emit, table
from tui.place import opened
from tui.proof_output import OnlyOf, Photograph, ProofFile, hand_on

Name = Annotated[str, typer.Argument(help="The model's name.")]
Out = Annotated[str, typer.Option("-o", "--out", help="The new model's name.")]

Weights = Annotated[str | None, typer.Option(help="One a model, separated by commas; default: all alike.")]
Blocks = Annotated[
    str | None, typer.Option(help="Strength by block, as in text=0,down.0=0.5,mid=1,up.3=0.8,rest=1; default: 1.")
]
MaxShare = Annotated[
    float | None, typer.Option(help="Refuse if anybody would be more of it than this, through all merges below.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    merging = typer.Typer(help="Average LoRAs, bake one into a base, average whole checkpoints.")
    merging.command("average")(average)
    merging.command("bake")(bake)
    merging.command("soup")(soup)
    merging.command("add-difference")(add_difference)
    app.add_typer(merging, name="merge")
    book = typer.Typer(help="What was made, of whom, and whether it may still be used.")
    book.command("list")(list_models)
    book.command("show")(show)
    book.command("lineage")(lineage)
    book.command("affected")(affected)
    book.command("released")(released)
    book.command("verify")(verify)
    book.command("prove")(prove)
    book.command("remake")(remake)
    book.command("delete")(delete)
    app.add_typer(book, name="models")


def average(
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(metavar="MODEL…", help="LoRAs; NAME.* takes all of one training.")],
    out: Out,
    weights: Weights = None,
    rank: Annotated[str, typer.Option(help="exact (ranks add up), or the rank to truncate to.")] = "exact",
    method: Annotated[str, typer.Option(help="How: see below.")] = "mean",
    trim: Annotated[float, typer.Option(help="trimmed-mean: the part of the values left out at either end.")] = 0.1,
    density: Annotated[float, typer.Option(help="ties, dare: the part of each LoRA's values that is kept.")] = 0.5,
    seed: Annotated[int, typer.Option(help="dare: which values are kept.")] = 0,
    blocks: Blocks = None,
    dtype: Annotated[str, typer.Option(help="fp32, fp16 or bf16.")] = "fp32",
    max_share: MaxShare = None,
    as_json: AsJson = False,
) -> None:
    """The average of LoRAs, taken over the changes of weights that they make; never over their factors.

    LoRAs may differ in rank, alpha, format and in which layers they have. With a --rank, the part of the result's
    energy that is kept is shown. Models that are averages themselves bring their people along with exact shares.

    mean              the weighted mean of the changes

    geometric-median  the point nearest to all: one odd LoRA pulls it little; shares follow from the LoRAs

    trimmed-mean      at each weight the mean without the lowest and the highest values; needs --rank

    slerp             two LoRAs, along the arc between them, so that the strength is kept

    ties              each one's largest values, then the mean of those that agree in sign; needs --rank

    dare, dare-ties   a random part of each one's values, made up for, then mean or ties; needs --rank

    As in: kyodaku merge average 'faces.*' --rank 32 --max-share 0.1 -o mean
    """
    from core.merging.catalogued import merge_average  # torch is loaded only where it is used
    from core.merging.methods import Method
    from core.merging.strengths import single

    asked = Method(method, trim, density, seed, single(blocks))
    with opened(context) as catalog, Progress() as progress:
        names = models.expand(catalog, inputs)
        made = merge_average(
            catalog,
            names,
            out,
            weights=weights_of(weights),
            method=asked,
            rank=rank_of(rank),
            dtype=dtype,
            max_share=max_share,
            report=progress,
        )
    _tell(made, as_json)


def bake(
    context: typer.Context,
    model: Name,
    base: Annotated[Path, typer.Option(help="The base to merge it into: a diffusers folder or a .safetensors file.")],
    out: Out,
    weight: Annotated[float, typer.Option(help="How strongly; 1 is as it was trained, below 0 takes away.")] = 1.0,
    blocks: Blocks = None,
    dtype: Annotated[str | None, typer.Option(help="fp32, fp16 or bf16; default: the base's.")] = None,
    max_share: MaxShare = None,
    as_json: AsJson = False,
) -> None:
    """A whole checkpoint with the LoRA merged in, computed in float32, written block by block.

    A base that the catalog made itself brings its people along. As in: kyodaku merge bake mean --base sd15 -o baked
    """
    from core.merging.catalogued import merge_bake  # torch is loaded only where it is used
    from core.merging.strengths import single

    asked = single(blocks)
    with opened(context) as catalog, Progress() as progress:
        made = merge_bake(
            catalog, model, base, out, weight=weight, blocks=asked, dtype=dtype, max_share=max_share, report=progress
        )
    _tell(made, as_json)


def soup(
    context: typer.Context,
    bases: Annotated[list[str], typer.Argument(metavar="MODEL…", help="Baked models.")],
    out: Out,
    weights: Weights = None,
    max_share: MaxShare = None,
    as_json: AsJson = False,
) -> None:
    """The mean of whole checkpoints, in float32, written block by block. As in: kyodaku merge soup one two -o both"""
    from core.merging.catalogued import merge_soup  # torch is loaded only where it is used

    with opened(context) as catalog, Progress() as progress:
        names = models.expand(catalog, bases)
        made = merge_soup(catalog, names, out, weights=weights_of(weights), max_share=max_share, report=progress)
    _tell(made, as_json)


def add_difference(
    context: typer.Context,
    model: Name,
    minus: Annotated[Path, typer.Option(help="The base that the model was made on.")],
    base: Annotated[Path, typer.Option(help="The base to add the difference to.")],
    out: Out,
    weight: Annotated[float, typer.Option(help="How strongly; 1 adds the whole difference.")] = 1.0,
    blocks: Blocks = None,
    max_share: MaxShare = None,
    as_json: AsJson = False,
) -> None:
    """What a baked model changed, in another base: base + weight * (model - minus).

    With one folder as --minus and --base it mixes the model and that base, block by block with --blocks.
    As in: kyodaku merge add-difference baked --minus sd15 --base realistic -o moved
    """
    from core.merging.catalogued import merge_difference  # torch is loaded only where it is used
    from core.merging.strengths import single

    asked = single(blocks)
    with opened(context) as catalog, Progress() as progress:
        made = merge_difference(
            catalog, model, minus, base, out, weight=weight, blocks=asked, max_share=max_share, report=progress
        )
    _tell(made, as_json)


def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """All models."""
    with opened(context) as catalog:
        found = models.list_all(catalog)
    rows = [(one.name, one.kind, one.state, one.trigger, one.why) for one in found]
    emit(found, table(rows, ("name", "kind", "state", "trigger", "why")), as_json=as_json)


def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """One model: file, recipe, who is in it with what share."""
    with opened(context) as catalog:
        told = models.show(catalog, name)
    emit(told, told.lines(), as_json=as_json)


def lineage(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """From the model back to the LoRAs, cohorts and people it was made of, with each one's share of the whole."""
    with opened(context) as catalog:
        tree = models.lineage(catalog, name)
    emit(tree, tree.lines(), as_json=as_json)


def affected(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="Id or exact name.")],
    as_json: AsJson = False,
) -> None:
    """Models that hold anything of a person."""
    with opened(context) as catalog:
        found = models.affected(catalog, subject)
    emit(found, [f"{one.name} ({one.kind}, {one.state})" for one in found], as_json=as_json)


def released(context: typer.Context, as_json: AsJson = False) -> None:
    """Models whose copies are out, and by whose word no more: those who have them are to be told."""
    with opened(context) as catalog:
        found = releases.outside(catalog)
    lines = [line for one in found for line in one.lines()]
    emit(found, lines or "no model has left", as_json=as_json)


def verify(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Is the file the one that was recorded, and does remaking it from its inputs give the same bytes?"""
    with opened(context) as catalog, Progress() as progress:
        result = verification.verify(catalog, name, progress)
    emit(result, result.lines(), as_json=as_json)
    if not result.ok:
        raise typer.Exit(1)


def prove(
    context: typer.Context,
    name: Name,
    photo: Photograph,
    out: ProofFile = None,
    subject: OnlyOf = None,
    as_json: AsJson = False,
) -> None:
    """A proof that a photograph is among those the model was made of, or that it is not.

    docs/verify_proof.py checks it against the model's file, which names the roots of all pictures behind it.
    """
    with opened(context) as catalog:
        proved = proving.of_model(catalog, name, photo, subject)
    hand_on(proved, out, as_json=as_json)


def remake(context: typer.Context, as_json: AsJson = False) -> None:
    """Make again, without the people who withdrew, what a withdrawal left tainted. Withdrawing does it by itself."""
    with opened(context) as catalog, Progress() as progress:
        settled = withdrawal.settle(catalog, report=progress)
    lines = [f"remade {name}" for name in settled.remade]
    lines += [f"quarantined {name}" for name in settled.quarantined]
    lines += [f"{name} waits: {why}" for name, why in settled.waiting.items()]
    emit(settled, lines or "nothing is tainted", as_json=as_json)


def delete(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Erase a model's files; its record and lineage stay."""
    with opened(context) as catalog:
        gone = models.delete(catalog, name)
    emit(gone, f"{gone.name}: {gone.state}", as_json=as_json)


def _tell(model: Model, as_json: bool) -> None:
    kept = "" if model.energy_kept is None else f", energy kept {model.energy_kept:.4%}"
    emit(model, f"{model.name}: {model.kind}, {model.path}{kept}", as_json=as_json)
