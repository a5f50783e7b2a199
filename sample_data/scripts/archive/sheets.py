"""Contact sheets of the archive: `python -m sample_data.scripts.archive.sheets [FOLDER]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from .plan import Shot, plan

SAMPLE_DATA = Path(__file__).resolve().parents[2]
GROUND = (24, 24, 26)


def sheet(files: Sequence[Path], columns: int, cell: tuple[int, int], crop: bool) -> Image.Image:
    """Lay pictures out in rows of cells (width, height), filled by cropping or fitted whole."""
    gap = 6
    rows = -(-len(files) // columns)
    page = Image.new("RGB", (columns * (cell[0] + gap) + gap, rows * (cell[1] + gap) + gap), GROUND)
    for number, file in enumerate(files):
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        if crop:
            picture = ImageOps.fit(picture, cell, Image.Resampling.LANCZOS, centering=(0.5, 0.4))
        else:
            picture.thumbnail(cell, Image.Resampling.LANCZOS)
        left = gap + (number % columns) * (cell[0] + gap) + (cell[0] - picture.width) // 2
        top = gap + (number // columns) * (cell[1] + gap) + (cell[1] - picture.height) // 2
        page.paste(picture, (left, top))
    return page


def everyone(shots: Sequence[Shot]) -> list[Shot]:
    """Return one upright portrait of each person."""
    first: dict[int, Shot] = {}
    for shot in shots:
        if len(shot.members) == 1 and shot.size[1] > shot.size[0]:
            first.setdefault(shot.members[0].seed, shot)
    return list(first.values())


def some_groups(shots: Sequence[Shot], count: int) -> list[Shot]:
    """Return group pictures of each size in turn."""
    groups = [shot for shot in shots if len(shot.members) > 1]
    return [groups[3 * number + number % 3] for number in range(len(groups) // 3)][:count]


def main() -> None:
    """Write the sheets next to the photographs."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE_DATA
    target = folder / "sheets"
    target.mkdir(exist_ok=True)
    shots = [shot for shot in plan() if (folder / "photos" / shot.path).exists()]
    empty = [shot for shot in shots if not shot.members]
    pages = {
        "people": sheet([folder / "photos" / s.path for s in everyone(shots)], 8, (150, 188), True),
        "groups": sheet([folder / "photos" / s.path for s in some_groups(shots, 24)], 4, (300, 200), True),
        "views": sheet([folder / "photos" / s.path for s in empty], 4, (300, 200), True),
    }
    for name, page in pages.items():
        page.save(target / f"{name}.jpg", quality=82, optimize=True)


if __name__ == "__main__":
    main()
