"""Copy the archive to a working folder, with the one file whose name is not UTF-8.

Such a name in a repository breaks clones on systems that refuse it, so it is made here. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PHOTOS = Path(__file__).resolve().parents[2] / "photos"
NOT_UTF8 = b"caf\xe9.jpg"  # Latin-1, as an old memory card or an unzipped archive leaves it behind


def _one_photograph(folder: Path) -> Path:
    """Return some whole photograph of the archive: the first one by name."""
    return min(path for path in folder.rglob("*.JPG") if not path.parent.name.startswith("_"))


def copy_archive(dest: Path) -> None:
    """Copy the photographs to `dest`/photos, keeping their times, and add the file with the odd name.

    Where the file system refuses the name, that is said on stderr and the rest of the archive is whole.
    """
    photos = dest / "photos"
    shutil.copytree(PHOTOS, photos, dirs_exist_ok=True)
    source = _one_photograph(photos)
    target = os.path.join(os.fsencode(photos), NOT_UTF8)  # noqa: PTH118 - pathlib has no path of bytes
    try:
        shutil.copyfile(os.fsencode(source), target)
    except OSError as error:
        print(f"no file named {NOT_UTF8!r}: this file system refuses it ({error.strerror})", file=sys.stderr)


if __name__ == "__main__":
    copy_archive(Path(sys.argv[1]))
