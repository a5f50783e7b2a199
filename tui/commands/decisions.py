"""tag, undo, redo: decisions about photographs, and taking back or doing again what was decided last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from core import listing, statuses, tagging
from core.decisions import undo as undoing
from core.decisions.undo import Undone
from core.errors import BadValue, Refused
from storage import decisions
from storage.catalog import Catalog
from storage.records import Rights
from tui.output import AsJson, emit, table
from tui.place import opened

Times = Annotated[int, typer.Option("-n", help="How many decisions, one after the other.", min=1)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would do, change nothing.")]
Sure = Annotated[
    bool, typer.Option("--sure", help="Also where models go out of use for good, or a withdrawal is taken back.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("tag")(tag)
    app.command("undo")(undo)
    app.command("redo")(redo)


def tag(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Which photographs, as `find` takes it.")],
    rights: Annotated[str | None, typer.Option(help="Whose they are: mine, licensed or unknown.")] = None,
    add: Annotated[list[str] | None, typer.Option(help="A keyword to give; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A keyword to take off; may be repeated.")] = None,
    by: Annotated[str, typer.Option(help="With --rights: who says so.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Decide about all photographs that a search finds: whose they are, and keywords. `undo` takes it back.

    Rights settle consent only where no face is seen: people decide for themselves (kyodaku consent).
    """
    if rights is not None and rights not in set(Rights):
        raise BadValue(f"--rights {rights!r} is unknown", f"one of {', '.join(Rights)}")
    if rights is None and not add and not remove:
        raise BadValue("nothing is said about these photographs", "give --rights, --add or --remove")
    words = [(tagging.give_keyword, tagging.keyword(word)) for word in add or ()]
    words += [(tagging.take_keyword, tagging.keyword(word)) for word in remove or ()]
    with opened(context) as catalog:
        statuses.refresh(catalog)
        ids = list(listing.ids(catalog, query))
        done = []
        with catalog.transaction() as db:
            db.execute("SAVEPOINT tagged")
            if rights is not None:
                done.append(tagging.set_rights(catalog, ids, Rights(rights), by))
            done += [act(catalog, ids, word) for act, word in words]
            db.execute("ROLLBACK TO tagged" if dry_run else "RELEASE tagged")
    changed = sum(one.changed for one in done)
    would = "would be: " if dry_run else ""
    emit(
        {"photos": len(ids), "changed": changed, "decisions": done, "dry_run": dry_run},
        [f"{would}{line}" for one in done for line in one.lines()],
        as_json=as_json,
    )


def undo(
    context: typer.Context,
    times: Times = 1,
    list_: Annotated[bool, typer.Option("--list", help="Show the newest decisions instead, newest first.")] = False,
    leave: Annotated[
        bool,
        typer.Option("--leave", help="Leave the newest as it is for good instead, so that those before can be undone."),
    ] = False,
    sure: Sure = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take back the newest decision: consent, a name, a mark, rights, a keyword, a fact of age; however old.

    The ledger is append-only: consent is undone by a new event that says again what was said before, or, where nothing
    was, by a withdrawal. What that takes out of use stays out of use, and what a person withdrew is theirs to give
    again: both are told and not done, unless you are --sure.
    """
    with opened(context) as catalog:
        if list_:
            _list(catalog, as_json)
            return
        if leave:
            if dry_run or times > 1:
                raise BadValue("--leave is said of one decision, and done", "leave -n and --dry-run out")
            left = undoing.leave(catalog)
            emit([left], f"stays for good: {left.told}", as_json=as_json)
            return
        _turn(catalog, undoing.undo, times, dry_run, sure, "undone", as_json)


def redo(
    context: typer.Context, times: Times = 1, sure: Sure = False, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Do again what was undone last, as long as nothing was decided since."""
    with opened(context) as catalog:
        _turn(catalog, undoing.redo, times, dry_run, sure, "done again", as_json)


def _turn(
    catalog: Catalog, act: Callable[..., Undone], times: int, dry_run: bool, sure: bool, word: str, as_json: bool
) -> None:
    if dry_run and times > 1:
        raise BadValue("--dry-run shows one decision", "leave -n out")
    done: list[Undone] = []
    for _ in range(times):
        try:
            done.append(act(catalog, dry_run=dry_run, sure=sure))
        except BadValue:
            if not done:
                raise
            break
        if not done[-1].done:
            break
    lines = [f"{word if one.done else f'would be {word}'}: {line}" for one in done for line in one.lines()]
    emit(done, lines, as_json=as_json)
    if not (dry_run or done[-1].done):
        what = (
            "what was withdrawn would be allowed again"
            if done[-1].gives_back
            else "models would go out of use for good"
        )
        raise Refused(f"{done[-1].told}: not {word}, {what}", "--sure does it; --dry-run tells")


def _list(catalog: Catalog, as_json: bool) -> None:
    found = decisions.newest(catalog)
    rows = [
        (one.id, f"{one.at.astimezone():%Y-%m-%d %H:%M}", "undone" if one.undone else "", one.kind, one.told)
        for one in found
    ]
    emit(
        [{"id": one.id, "at": one.at, "kind": one.kind, "told": one.told, "undone": one.undone} for one in found],
        table(rows, ("decision", "at", "", "kind", "what")),
        as_json=as_json,
    )
