"""The command line: `kyodaku` alone opens the terminal app, everything it does is a command too.

Exit status: 0 done, 1 refused by a rule, 2 bad usage or input, 3 catalog damaged or newer, 130 interrupted.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Annotated

import typer

from storage.errors import BAD_INPUT, DAMAGED, INTERRUPTED, KyodakuError
from tui.commands import archive, cohorts, consent, jobs, models, people, pictures, subjects, training, upkeep
from tui.output import complain
from tui.place import catalog_folder

app = typer.Typer(
    name="kyodaku",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (archive, cohorts, consent, jobs, models, people, pictures, subjects, training, upkeep):
    room.register(app)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
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
    if context.invoked_subcommand is None:
        from tui.app import run  # textual is loaded only when the app opens

        raise typer.Exit(run(catalog_folder(catalog)))


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(status_of(sys.argv[1:]))


def status_of(arguments: list[str]) -> int:
    """Run one command; what goes wrong becomes one line on stderr and the exit status of the contract."""
    try:
        outcome = app(arguments, prog_name="kyodaku", standalone_mode=False)
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
        complain(f"the catalog can't be used: {error}", "kyodaku doctor says more")
        return DAMAGED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        return BAD_INPUT
    return outcome if isinstance(outcome, int) else 0


if __name__ == "__main__":
    main()
