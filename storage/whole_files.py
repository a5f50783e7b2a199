"""Files and folders that are written whole or not at all, told by their hash, and removed for good."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from storage.errors import BadTensorFile

PART = ".part"  # suffix of what is being written; such a file is nobody's until it is renamed
HASHED = 1 << 20  # bytes
WEIGHT_NAMES = tuple(  # of a component in diffusers' format, as they are preferred
    f"{stem}{variant}.safetensors" for variant in ("", ".fp16") for stem in ("diffusion_pytorch_model", "model")
)


def file_hash(path: Path) -> str:
    """blake3 of a file's bytes, hex. Read a piece at a time: pages of a mapped file would count as memory in use."""
    digest, piece = blake3(), memoryview(bytearray(HASHED))
    with path.open("rb", buffering=0) as file:
        while got := file.readinto(piece):
            digest.update(piece[:got])
    return digest.hexdigest()


def differing(one: Path, other: Path) -> list[str]:
    """Names of the files that are not the same in two folders, or in one only; `weights` for two files that differ."""
    if not one.is_dir():
        return [] if other.is_file() and file_hash(one) == file_hash(other) else ["weights"]
    names = {
        str(path.relative_to(folder)) for folder in (one, other) for path in folder.rglob("*") if not path.is_dir()
    }
    return sorted(
        name
        for name in names
        if not (one / name).is_file()
        or not (other / name).is_file()
        or file_hash(one / name) != file_hash(other / name)
    )


def tree_hash(path: Path) -> str:
    """blake3, hex, of a file's bytes, or of the names and bytes of all files in a folder."""
    if not path.is_dir():
        return file_hash(path)
    digest = blake3()
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        digest.update(f"{file.relative_to(path)}\0{file_hash(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{PART}")


@contextmanager
def _synced(part: Path) -> Iterator[BinaryIO]:
    """A new file (0600) that lies on the disk when the block ends."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the name `path` (0600) when the block ends, and never if it raises."""
    part = _part_of(path)
    try:
        with _synced(part) as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """As `whole_file`, but never in the place of what is there. Raises FileExistsError."""
    part = _part_of(path)
    try:
        with _synced(part) as file:
            yield file
        try:
            path.hardlink_to(part)  # unlike a rename, it fails where the name is taken
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A free name beside `path` for what is being made; what still stands there at the end is removed."""
    part = _part_of(path)
    try:
        yield part
    finally:
        if part.exists():
            erase(part)


def put_in_place(part: Path, path: Path) -> None:
    """Give a staged file or folder its name, in the place of what stood there; on disk when this returns.

    A file is exchanged in one step. Of a folder that replaces another, a crash in between leaves neither.
    """
    if part.is_dir():
        for folder, _, names in os.walk(part):
            for name in names:
                with (Path(folder) / name).open("rb") as file:
                    os.fsync(file.fileno())
            _sync_folder(Path(folder))
        if path.exists():
            with staged(path) as aside:
                path.rename(aside)
                part.rename(path)
        else:
            part.rename(path)
    else:
        part.replace(path)
    _sync_folder(path.parent)


def erase(path: Path) -> None:
    """Remove a file, or a folder with all in it, if it is there; gone from disk when this returns."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if path.parent.is_dir():
        _sync_folder(path.parent)


def sweep_parts(folder: Path) -> list[Path]:
    """Remove what writers that no longer run left half-written in `folder`; gives what was removed."""
    swept = []
    for part in folder.glob(f".*{PART}"):
        writer = part.name.split(".")[-3]
        if writer.isdigit() and not Path(f"/proc/{writer}").exists() and Path("/proc/self").exists():
            erase(part)
            swept.append(part)
    return swept


def weights_file(path: Path, component: str = "unet") -> Path:
    """The file that holds a model's weights: itself, or that of a component of a diffusers folder.

    `content_hash` of a model that is a folder is of its UNet's file. Raises BadTensorFile where there is none.
    """
    if not path.is_dir():
        return path
    for name in WEIGHT_NAMES:
        if (path / component / name).is_file():
            return path / component / name
    raise BadTensorFile(f"{path} holds no {component} in safetensors", "name a folder in diffusers' format")
