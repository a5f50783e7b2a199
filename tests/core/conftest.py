"""Pictures that tests of the core take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import piexif
import pytest
from PIL import Image

from core import processes, readers, reading, scan
from core.companions import Shot
from core.readers import Readers
from storage.catalog import Catalog
from storage.records import CohortRules, Purpose
from tests.tiny_base import write_tiny_base

if TYPE_CHECKING:
    from tests.composites import Composite

MERGED = ["Ann", "Ben", "Kim"]
TakePicture = Callable[..., Path]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An empty folder for photographs."""
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


@pytest.fixture
def take_picture() -> TakePicture:
    """Write a small picture: `take_picture(path, seed, exif={"Exif": {...}}, format=…, size=…)`."""

    def take(
        path: Path,
        seed: int = 0,
        *,
        exif: dict[str, Any] | None = None,
        format: str = "JPEG",
        size: tuple[int, int] = (48, 32),
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", size, (seed % 251, seed * 7 % 251, seed * 13 % 251))
        picture.putpixel((0, 0), (255, 255, 255))
        more = {} if exif is None else {"exif": piexif.dump(exif)}
        picture.save(path, format, **more)
        return path

    return take


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scans read in the test's own process, where what they do can be watched."""

    class Here(Readers):
        def _append(self, shots: list[Shot]) -> None:
            chunk = processes._Chunk(readers.READING, shots)
            chunk.finish(map(reading.read_shot, shots))
            self._queue.append(chunk)

    monkeypatch.setattr(scan, "Readers", Here)


@pytest.fixture
def without_root_powers() -> Iterator[None]:
    """File permissions bind this thread and the processes it starts, also when the tests run as root."""
    with _without_capabilities():
        yield


@contextmanager
def _without_capabilities() -> Iterator[None]:
    import ctypes

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    class Data(ctypes.Structure):
        _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))

    try:
        libc = ctypes.CDLL(None, use_errno=True)
        header, old = Header(0x20080522, 0), (Data * 2)()
        if libc.capget(ctypes.byref(header), old) != 0:
            pytest.skip("capabilities can't be read here")
    except AttributeError:
        pytest.skip("no capabilities on this system")
    set_secure_bits, no_root = 28, 1  # a program that root starts gets none of root's powers back
    libc.prctl(set_secure_bits, no_root, 0, 0, 0)
    bound = (Data * 2)(*(Data(0, d.permitted, d.inheritable) for d in old))
    assert libc.capset(ctypes.byref(header), bound) == 0
    try:
        yield
    finally:
        assert libc.capset(ctypes.byref(header), old) == 0
        libc.prctl(set_secure_bits, 0, 0, 0, 0)


@pytest.fixture(scope="session")
def base_of_three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base that `three` are trained on."""
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def three(catalog: Catalog, base_of_three: Path) -> Composite:
    """Three people with a LoRA each, their `mean` with Kim twice, and half of that `baked`."""
    from core.merging.catalogued import merge_average, merge_bake  # torch, which most tests here need not load
    from tests import composites

    made = composites.build(catalog, base_of_three, MERGED, CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=2))
    merge_average(catalog, made.loras, "mean", weights=[1, 1, 2])
    merge_bake(catalog, "mean", base_of_three, "baked", weight=0.5)
    return made
