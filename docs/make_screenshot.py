"""Draw the app, as it stands on a catalog, into an SVG: the pictures of the README.

    python docs/make_screenshot.py CATALOG -o docs/images/app.svg [--room people] [--keys j j i] [--size 140x40]

The catalog is opened as the app opens it; nothing is pressed but `--keys`, as Textual names them.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from textual.pilot import Pilot

from storage.catalog import open_catalog
from tui import actions
from tui.app import KyodakuApp
from tui.screens import room as rooms
from tui.terminal import AS_ASKED, Preview

ROUNDS = 4  # a picture is drawn by work that other work begins: read, rest, decode, draw


async def draw(catalog: Path, room: str, keys: list[str], size: tuple[int, int], title: str) -> str:
    """The SVG of a room after `keys`, `size` in cells."""
    rooms.REST_S = 0.01
    app = KyodakuApp(catalog, Preview("halfblock", AS_ASKED))
    async with app.run_test(size=size) as pilot:
        await _calm(app, pilot)
        for key in [f"f{info.key}" for info in actions.ROOMS if info.name == room] + keys:
            await pilot.press(key)
            await _calm(app, pilot)
        return app.export_screenshot(title=title)


async def _calm(app: KyodakuApp, pilot: Pilot[None]) -> None:
    """Until nothing is being read or drawn; what asks in a dialog waits for an answer, and is not waited for."""
    for _ in range(ROUNDS):
        await asyncio.sleep(rooms.REST_S * 2)
        running = [worker for worker in app.workers if worker.group != "dialog"]
        if running:  # of an empty list Textual makes all
            await app.workers.wait_for_complete(running)
        await pilot.pause()


def main() -> None:
    """Read the options and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/images/app.svg"))
    parser.add_argument("--room", choices=[info.name for info in actions.ROOMS], default="archive")
    parser.add_argument("--keys", nargs="*", default=[])
    parser.add_argument("--size", default="140x40")
    parser.add_argument("--title", default="kyodaku")
    options = parser.parse_args()
    columns, lines = map(int, options.size.split("x"))
    open_catalog(options.catalog).close()
    svg = asyncio.run(draw(options.catalog, options.room, options.keys, (columns, lines), options.title))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(svg, encoding="utf-8")
    print(f"{options.out}: {len(svg) / 1e3:.0f} KB")


if __name__ == "__main__":
    main()
