"""Files whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage import whole_files


def test_whole_file_appears_at_the_end_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with whole_files.whole_file(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), whole_files.whole_file(path) as file:
        file.writelines([b"half", None])  # type: ignore[list-item]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_staged_folder_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "d"
    for text in ("one", "two"):
        with whole_files.staged(path) as part:
            (part / "unet").mkdir(parents=True)
            (part / "unet" / "f").write_text(text)
            whole_files.put_in_place(part, path)
        assert (path / "unet" / "f").read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_staged_and_not_put_in_place_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    with whole_files.staged(path) as part:
        part.write_text("half")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_sweep_removes_what_dead_writers_left(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    (tmp_path / f".m.safetensors.{pid}.abcd.part").write_bytes(b"half")
    (tmp_path / f".m.safetensors.{os.getpid()}.abcd.part").write_bytes(b"being written")
    (tmp_path / "m.safetensors").write_bytes(b"whole")
    assert [p.name for p in whole_files.sweep_parts(tmp_path)] == [f".m.safetensors.{pid}.abcd.part"]
    assert len(list(tmp_path.iterdir())) == 2
