"""generate, audit, membership: pictures from a model, whether they look like anyone, and whose it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.counted import counted
from core.errors import BadValue
from storage.errors import REFUSED
from tui.commands.credentials import Certificate, Key
from tui.output import AsJson, Progress, emit
from tui.place import opened

Model = Annotated[str, typer.Argument(help="A model's name, a base's path, or that of another's hypernetwork.")]
On = Annotated[Path | None, typer.Option("--base", help="The base that a hypernetwork's file is drawn with on.")]
Safety = Annotated[
    Path | None,
    typer.Option("--safety-checker", help="A folder with StableDiffusionSafetyChecker; default: the base's own."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command()(generate)
    app.command()(audit)
    app.command()(membership)


def generate(
    context: typer.Context,
    model: Model,
    prompt: Annotated[str, typer.Option(help="What to draw; {trigger} stands for the model's trigger.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder for the pictures.")],
    base: On = None,
    number: Annotated[int, typer.Option("-n", min=1)] = 8,
    seed: int = 0,
    steps: Annotated[int, typer.Option(min=1)] = 25,
    size: Annotated[int | None, typer.Option(min=8, help="Pixels a side; default: the base's own.")] = None,
    negative: str = "",
    image: Annotated[Path | None, typer.Option(help="Start from this picture.")] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="As large as the picture: what is white is drawn anew, what is black stays."),
    ] = None,
    strength: Annotated[float, typer.Option(min=0.0, max=1.0, help="How far to go from it.")] = 0.6,
    device: str = "auto",
    safety_checker: Safety = None,
    certificate: Certificate = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Draw pictures and a contact sheet. Prompts for minors or sexual content are refused.

    From a picture (--image), all or a part of it (--mask), only if everybody who is in it, be it under the mask, allows
    train-individual. A picture that the catalog does not know must show nobody. With a certificate, given here or by
    kyodaku credentials use, each has C2PA Content Credentials.
    """
    if (certificate is None) != (key is None):
        raise BadValue("a certificate and its key go together", "--certificate PEM --key PEM")
    from core.generate import generate as draw  # torch is loaded only where it is used

    with opened(context) as catalog, Progress() as progress:
        drawn = draw(
            catalog,
            model,
            prompt,
            out=out,
            base=base,
            n=number,
            seed=seed,
            steps=steps,
            size=size,
            negative=negative,
            image=image,
            mask=mask,
            strength=strength,
            device=device,
            safety=safety_checker,
            signer=None if certificate is None or key is None else (certificate, key),
            report=progress,
        )
    told = [f"{counted(len(drawn.images), 'picture')} in {out}", *(f"withheld: {why}" for why in drawn.withheld)]
    emit(drawn, told + ([] if drawn.unchecked is None else [f"unchecked: {drawn.unchecked}"]), as_json=as_json)


def audit(
    context: typer.Context,
    model: Model,
    number: Annotated[int, typer.Option("-n", min=1, help="Pictures to draw.")] = 64,
    seed: int = 0,
    fmr: Annotated[
        float,
        typer.Option(min=1e-7, max=0.5, help="How often a stranger may be taken for one of the catalog's people."),
    ] = 0.02,
    device: str = "auto",
    safety_checker: Safety = None,
    embedders: Annotated[
        str, typer.Option(metavar="A,B", help="Several that must agree: dlib, facenet or its weights; default: one.")
    ] = "",
    base: On = None,
    as_json: AsJson = False,
) -> None:
    """Does what the model draws look like anyone in the catalog? Exit status 1 when it does, or can't be told.

    With several --embedders any of them may say that it resembles somebody, and only all that it resembles nobody; each
    must know a face of everyone who is named: kyodaku faces --embedder.
    """
    from core.audit import audit as examine  # torch is loaded only where it is used
    from core.audit_report import plain

    with opened(context) as catalog, Progress() as progress:
        report = examine(
            catalog,
            model,
            n=number,
            seed=seed,
            fmr=fmr,
            device=device,
            safety=safety_checker,
            embedders=[name.strip() for name in embedders.split(",")] if embedders else [],
            base=base,
            report=progress,
        )
    emit(plain(report), report.lines(), as_json=as_json)
    if report.verdict != "nobody":
        raise typer.Exit(REFUSED)


def membership(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A model's name.")],
    subject: Annotated[str, typer.Argument(help="Id or exact name of a person who is in it, or was.")],
    seed: int = 0,
    device: str = "auto",
    as_json: AsJson = False,
) -> None:
    """Can the model be told to have been trained on a person's photographs? Ask before and after taking them out.

    Its loss on their pictures, beside the base's, is compared with that on pictures of people who are not in it.
    """
    from core.membership import membership as ask  # torch is loaded only where it is used

    with opened(context) as catalog, Progress() as progress:
        told = ask(catalog, model, subject, seed=seed, device=device, report=progress)
    emit(told, told.lines(), as_json=as_json)
