"""Files that hang their decoder, or have it take all memory there is; and processes that die at one."""

from __future__ import annotations

import os
import signal
import struct
import zlib
from pathlib import Path

import pytest

from core.processes import Processes
from tests import raws
from tests.raws import Folder

SCANS = 20_000  # of `endless`: a minute or two of decoding
WIDE, HIGH = 16_000, 10_000  # pixels of a bomb


def endless(path: Path) -> Path:
    """A file of `endless_jpeg`."""
    path.write_bytes(endless_jpeg())
    return path


def endless_jpeg() -> bytes:
    """A JPEG of 40 megapixels that tells its picture in thousands of passes, each of 50 bytes, each over all of it."""
    wide, high, runs = 8000, 5000, 20
    left = wide * high // 64 // runs - (1 << 14)  # blocks of each run beyond the least
    bits = f"0{left:014b}" * runs
    bits = bits.ljust(-(-len(bits) // 8) * 8, "1")
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, high, wide, 1) + b"\x01\x11\0"
    codes = b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1, *[0] * 15]) + b"\xe0"  # 0: skip up to 32767 blocks
    table = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([1] * 64)
    one = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\0" + bytes([1, 63, 0]) + data
    return b"\xff\xd8" + table + frame + codes + one * SCANS + b"\xff\xd9"


def endless_raw(path: Path) -> Path:
    """A RAW whose preview is `endless_jpeg`."""
    path.write_bytes(raws.raw("NEF", picture=endless_jpeg()))
    return path


def bomb(path: Path) -> Path:
    """A PNG of 160 megapixels, half a gigabyte of pixels, in half a megabyte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDE, HIGH, 8, 2, 0, 0, 0))
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + 3 * WIDE)) for _ in range(HIGH)) + packer.flush()
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def bomb_tiff(path: Path) -> Path:
    """As `bomb`, a TIFF."""
    packer = zlib.compressobj(1)
    strip = b"".join(packer.compress(bytes(3 * WIDE)) for _ in range(HIGH)) + packer.flush()
    # 8 bits a sample, deflated, RGB, one strip
    told: dict[int, int | list[int]] = {256: WIDE, 257: HIGH, 258: [8, 8, 8], 259: 8, 262: 2, 277: 3, 278: HIGH}
    path.write_bytes(raws.tiff([Folder({**told}, blobs={(273, 279): strip})]))
    return path


def die_at(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Have every process killed that is seen decoding this file."""
    look = Processes._look

    def watch(queue: Processes[object, object], patience: float) -> None:
        for worker in queue._workers:
            at = worker.at()
            if at is not None and at[0] == os.fsencode(path) and at[1].digest is not None:
                os.kill(worker.process.pid, signal.SIGKILL)
        look(queue, min(patience, 0.01))

    monkeypatch.setattr(Processes, "_look", watch)
