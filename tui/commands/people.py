"""faces and people: finding faces, and saying whose they are."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from core import people, query, suggestions
from core.counted import counted
from core.errors import BadValue
from storage.records import FaceMark
from tui.output import AsJson, Progress, emit, table
from tui.place import opened

Faces = Annotated[list[int], typer.Argument(help="Face numbers, as `show` and `people list` give them.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("faces")(find_faces)
    group = typer.Typer(help="Whose faces they are: cluster, nearest, suggest, name, merge, split, assign, ignore.")
    group.command("cluster")(cluster)
    group.command("list")(list_people)
    group.command("nearest")(nearest)
    group.command("suggest")(suggest)
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
    faces, photographs = counted(result.faces, "face"), counted(result.photos, "photograph")
    text = f"{faces} in {photographs}, {result.seconds:.1f} s ({result.embedder})"
    emit(result, text, as_json=as_json)


def cluster(
    context: typer.Context,
    threshold: Annotated[float | None, typer.Option(help="Distance within a person; default: the catalog's.")] = None,
    whole: Annotated[
        bool | None,
        typer.Option(
            "--whole/--only-new",
            help="Group all faces anew, or deal new ones to the clusters there are; default: as many as there are.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Group faces that look alike. Clusters keep their numbers; what a person has said is never undone."""
    with opened(context) as catalog, Progress() as progress:
        result = people.cluster(catalog, threshold=threshold, whole=whole, report=progress)
    text = (
        f"{counted(result.clusters, 'cluster')} of {counted(result.faces, 'face')}; {result.unclustered:,} alone"
        f" ({result.looked_at:,} looked at)"
    )
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


def nearest(
    context: typer.Context,
    face: Annotated[int, typer.Argument(help="A face's number, as `show` and `people list` give it.")],
    limit: Annotated[int, typer.Option(help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The faces of the archive most like one, the nearest first."""
    with opened(context) as catalog, Progress() as progress:
        rows = people.nearest(catalog, face, limit, progress)
    lines = table(
        [(row.face, f"{row.distance:.3f}", row.subject, row.cluster, row.path) for row in rows],
        ("face", "distance", "subject", "cluster", "photograph"),
    )
    emit(rows, lines, as_json=as_json)


def suggest(
    context: typer.Context,
    who: Annotated[str, typer.Argument(metavar="CLUSTER|NAME", help="A cluster without a name, or a person.")],
    limit: Annotated[int, typer.Option(help="How many guesses.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Guess who a cluster could be, or which clusters could be a person. It assigns nothing: you confirm.

    The confidence is the chance, by the distances between this catalog's own people, that it is that person
    rather than another one known, or somebody unknown (an even chance beforehand). It is left out in a catalog of
    few people. To confirm: kyodaku people name CLUSTER NAME, or kyodaku people assign FACE NAME.
    """
    with opened(context) as catalog, Progress() as progress:
        if who.isdecimal():
            rows = suggestions.who_is(catalog, int(who), limit, progress)
        else:
            rows = suggestions.who_could_be(catalog, who, limit, progress)
    lines = table(
        [
            (row.cluster, row.subject, sure(row.confidence), f"{row.distance:.3f}", row.faces, row.example)
            for row in rows
        ],
        ("cluster", "could be", "confidence", "distance", "faces", "example face"),
    )
    emit(rows, lines, as_json=as_json)


def sure(confidence: float | None) -> str:
    """A confidence as people read it."""
    return "too few people" if confidence is None else f"{confidence:.0%}"


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
    known = [FaceMark.NOT_A_FACE, FaceMark.UNRECOGNISABLE, "none"]
    if mark not in known:
        raise BadValue(f"--mark {mark!r} is unknown", "one of " + ", ".join(known))
    with opened(context) as catalog:
        done = people.ignore(catalog, face, None if mark == "none" else FaceMark(mark), why, by or getpass.getuser())
    told = {"subject": None, "faces": 1, "face": face, "mark": mark, "settled": done.settled}
    emit(told, done.lines(), as_json=as_json)
