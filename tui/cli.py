"""The command line: `kyodaku` alone opens the terminal app, everything it does is a command too.

Exit status: 0 done, 1 refused by a rule, 2 bad usage or input, 3 catalog damaged or newer, 130 interrupted.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from typing import Annotated

import typer

from storage.errors import BAD_INPUT, DAMAGED, INTERRUPTED, KyodakuError
from tui.output import complain
from tui.place import catalog_folder

FRAMES_A_SECOND = "240"  # what is drawn second, after a key's first frame, waits 4 ms at most; Textual's own 60: 17 ms


def command_line() -> typer.Typer:
    """All commands. Their modules are loaded here, so that opening the app does not wait for them."""
    from tui.commands import (
        archive,
        captions,
        cohorts,
        consent,
        credentials,
        decisions,
        export,
        jobs,
        ledger,
        models,
        people,
        photographs,
        pictures,
        recipes,
        similar,
        standards,
        subjects,
        training,
        upkeep,
    )

    commands = typer.Typer(
        name="kyodaku",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    commands.callback()(root)
    for room in (
        *(archive, captions, cohorts, consent, credentials, decisions, export, jobs, ledger, models, people),
        *(photographs, pictures, recipes, similar, standards, subjects, training, upkeep),
    ):
        room.register(commands)
    return commands


def root(
    catalog: Annotated[
        Path | None,
        typer.Option("-C", "--catalog", help="The catalog folder. Default: $KYODAKU_CATALOG, else your data folder."),
    ] = None,
) -> None:
    """Train on pictures of people who said yes.

    Index an archive, find its people, record who allows what, pick cohorts of consenting adults, train LoRAs and
    average them into a model whose faces are nobody's. Without a command the terminal app opens.

    A first run: kyodaku init, kyodaku index ~/Pictures, kyodaku faces, kyodaku people cluster.
    """


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(status_of(sys.argv[1:]))


def open_app(catalog: Path | None) -> int:
    """The terminal app on the catalog in force; its exit status."""
    os.environ.setdefault("TEXTUAL_FPS", FRAMES_A_SECOND)  # which Textual reads as it is loaded
    from tui import actions, config

    settings = config.read(config.path())
    actions.use(settings.keys)
    from tui.app import run  # its rooms take their keys as they are loaded

    return run(catalog_folder(catalog), settings)


def status_of(arguments: list[str]) -> int:
    """Run one command; what goes wrong becomes one line on stderr and the exit status of the contract."""
    try:
        match arguments:
            case []:
                return open_app(None)
            case ["-C" | "--catalog", folder]:
                return open_app(Path(folder))
            case _:
                outcome = command_line()(arguments, prog_name="kyodaku", standalone_mode=False)
    except KyodakuError as error:
        complain(error.message, error.hint)
        return error.exit_status
    except typer.TyperException as error:
        complain(error.format_message(), "kyodaku -h, or -h after a command, tells how")
        return BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted; what was done is kept")
        return INTERRUPTED
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            complain("another program has been writing to the catalog for too long", "try again when it is done")
            return BAD_INPUT
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
            complain("the disk is full; nothing was written", "make room and try again")
            return BAD_INPUT
        complain(f"the catalog can't be used: {error}", "kyodaku doctor says more")
        return DAMAGED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OverflowError as error:
        complain(f"a number is too large: {error}")
        return BAD_INPUT
    except OSError as error:
        complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        return BAD_INPUT
    return outcome if isinstance(outcome, int) else 0


if __name__ == "__main__":
    main()
