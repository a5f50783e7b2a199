"""What `cohort prove` and `models prove` share: their arguments, and how a proof is handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core import proving
from core.proving import Proved
from tui.output import emit

Photograph = Annotated[
    str, typer.Argument(metavar="PHOTO", help="Its id, its content hash, or a file, in the catalog or not.")
]
ProofFile = Annotated[Path | None, typer.Option("-o", "--out", help="Write the proof here, to be handed on.")]
OnlyOf = Annotated[
    str | None, typer.Option("--subject", help="Show this person's crops alone; of others in the picture, hashes.")
]


def hand_on(proved: Proved, out: Path | None, *, as_json: bool) -> None:
    """Write the proof to a file, print it as JSON in the one form that is checked, or say what it proves."""
    if out is not None:
        proving.write(proved, out)
    told = proved.lines()
    told += [f"written to {out}"] if out else ["-o FILE writes the proof; docs/verify_proof.py checks it"]
    emit(proved.proof, told, as_json=as_json)
