"""credentials: who signs what is drawn, and what a picture's Content Credentials say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.errors import BadValue
from storage.errors import REFUSED
from storage.safe_text import display
from tui.output import AsJson, emit
from tui.place import opened

Certificate = Annotated[
    Path | None, typer.Option("--certificate", metavar="PEM", help="The signer's, then those that vouch for it.")
]
Key = Annotated[Path | None, typer.Option("--key", metavar="PEM", help="Its private key, without a password.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="C2PA Content Credentials: drawn pictures that say, signed, what made them.")
    group.command("use")(use)
    group.command("test-certificate")(trial)
    group.command("show")(show)
    app.add_typer(group, name="credentials")


def use(
    context: typer.Context,
    certificate: Certificate = None,
    key: Key = None,
    none: Annotated[bool, typer.Option("--none", help="Sign nothing any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign every picture that is drawn from now on. Without options: tell with what.

    The files stay where they are; the catalog remembers their places alone. Needs pip install 'kyodaku[c2pa]'.
    """
    from core import credentials

    if none and (certificate or key):
        raise BadValue("--none goes with no certificate", "either sign or don't")
    with opened(context) as catalog:
        if none or certificate or key:
            credentials.use(catalog, certificate, key)
        now = credentials.in_use(catalog)
    document = {"certificate": now and now[0], "key": now and now[1]}
    emit(document, "nothing is signed" if now is None else f"signed with {display(str(now[0]))}", as_json=as_json)


def trial(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder for the three files.")],
    name: Annotated[str, typer.Option(help="Who signs.")] = "Kyodaku trial",
    as_json: AsJson = False,
) -> None:
    """Make a certificate to try credentials with: sound, valid for a year, and vouched for by nobody.

    Others are told that the signature fits and that nobody knows the signer. To be trusted, have a certificate made by
    an authority on C2PA's list. As in: kyodaku credentials test-certificate -o ~/c2pa, then kyodaku credentials use
    """
    from core import trial_certificate

    made = trial_certificate.make(out, name)
    told = f"kyodaku credentials use --certificate {display(str(made.certificate))} --key {display(str(made.key))}"
    emit(made, ["made; to sign what is drawn:", told], as_json=as_json)


def show(
    picture: Annotated[Path, typer.Argument(help="A PNG that was drawn.")],
    authorities: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Certificates of authorities to trust; default: c2pa's own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a picture's credentials say, and whether they belong to it: exit status 1 where they don't."""
    from core import credentials

    made = credentials.read(picture, authorities)
    lines = [
        f"{made.state}: signed by {display(made.signed_by)}, made by {display(made.program)}",
        f"{display(made.digital_source_type)}, model {display(made.model)} ({display(made.model_hash)})",
    ]
    emit(made, lines, as_json=as_json)
    if made.state not in credentials.SOUND:
        raise typer.Exit(REFUSED)
