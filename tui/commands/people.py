"""faces and people: finding faces, and saying whose they are."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from core import people, query
from core.errors import BadValue
from storage.records import FaceMark
from tui.output import AsJson, Progress, emit, table
from tui.place import opened

Faces = Annotated[list[int], typer.Argument(help="Face numbers, as `show` and `people list` give them.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("faces")(find_faces)
    group = typer.Typer(help="Whose faces they are: cluster, name, merge, split, assign, ignore.")
    group.command("cluster")(cluster)
    group.command("list")(list_people)
    group.command("name")(name_cluster)
    group.command("merge")(merge)
    group.command("split")(split)
    group.command("assign")(assign)
    group.command("ignore")(ignore)
    app.add_typer(group, name="people")


def find_faces(
    context: typer.Context,
    embedder: Annotated[str, typer.Option(help="auto, dlib, facenet, or a facenet weights file.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = "auto",
    only: Annotated[str | None, typer.Option("--query", help="Only photographs that match.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find and embed the faces of photographs not looked at yet. Can be stopped and goes on where it was."""
    from core.faces.index import index_faces  # torch is loaded only where it is used

    with opened(context) as catalog, Progress() as progress:
        ids = None if only is None else query.ids(catalog, only)
        result = index_faces(catalog, embedder=embedder, device=device, ids=ids, report=progress)
    text = f"{result.faces:,} faces in {result.photos:,} photographs, {result.seconds:.1f} s ({result.embedder})"
    emit(result, text, as_json=as_json)


def cluster(
    context: typer.Context,
    threshold: Annotated[float | None, typer.Option(help="Distance within a person; default: the embedder's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Group faces that look alike. What a person has said about a face is never undone."""
    with opened(context) as catalog, Progress() as progress:
        result = people.cluster(catalog, threshold=threshold, report=progress)
    text = f"{result.clusters:,} clusters of {result.faces:,} faces; {result.unclustered:,} faces stand alone"
    emit(result, text, as_json=as_json)


def list_people(
    context: typer.Context,
    unnamed: Annotated[bool, typer.Option("--unnamed", help="Only clusters without a name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Clusters and named people, the largest first, each with an example face."""
    with opened(context) as catalog:
        rows = people.listing(catalog, unnamed=unnamed)
    lines = table(
        [(row.cluster, row.subject, row.faces, row.example) for row in rows],
        ("cluster", "subject", "faces", "example face"),
    )
    emit(rows, lines, as_json=as_json)


def name_cluster(
    context: typer.Context,
    cluster_id: Annotated[int, typer.Argument(metavar="CLUSTER")],
    name: Annotated[str, typer.Argument(help="Made a subject if it is none yet; that grants nothing.")],
    as_json: AsJson = False,
) -> None:
    """Say who a cluster is."""
    with opened(context) as catalog:
        result = people.name(catalog, cluster_id, name)
    emit(result, result.lines(), as_json=as_json)


def merge(
    context: typer.Context,
    kept: Annotated[str, typer.Argument(metavar="A", help="The subject that stays.")],
    folded: Annotated[str, typer.Argument(metavar="B", help="The subject whose faces go to A.")],
    as_json: AsJson = False,
) -> None:
    """Two names were one person."""
    with opened(context) as catalog:
        result = people.merge(catalog, kept, folded)
    emit(result, result.lines(), as_json=as_json)


def split(context: typer.Context, subject: str, faces: Faces, as_json: AsJson = False) -> None:
    """These faces are not that person's: they become unnamed again, and no clustering puts them back."""
    with opened(context) as catalog:
        result = people.split(catalog, subject, faces)
    emit(result, result.lines(), as_json=as_json)


def assign(context: typer.Context, face: int, subject: str, as_json: AsJson = False) -> None:
    """This face is that person's."""
    with opened(context) as catalog:
        result = people.assign(catalog, face, subject)
    emit(result, result.lines(), as_json=as_json)


def ignore(
    context: typer.Context,
    face: int,
    why: Annotated[str, typer.Option(help="Why; it goes to the ledger.")],
    by: Annotated[str | None, typer.Option(help="Who says so; default: your user name.")] = None,
    mark: Annotated[str, typer.Option(help="'not a face', 'unrecognisable', or 'none' to count it again.")] = (
        FaceMark.NOT_A_FACE
    ),
    as_json: AsJson = False,
) -> None:
    """Take a detection out of the rules: it is no face, or nobody could recognise it."""
    if mark not in [*FaceMark, "none"]:
        raise BadValue(f"--mark {mark!r} is unknown", "one of " + ", ".join([*FaceMark, "none"]))
    with opened(context) as catalog:
        people.ignore(catalog, face, None if mark == "none" else FaceMark(mark), why, by or getpass.getuser())
    emit({"subject": None, "faces": 1, "face": face, "mark": mark}, f"face {face}: {mark}", as_json=as_json)
