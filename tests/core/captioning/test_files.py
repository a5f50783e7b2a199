"""Captions by file: lines that people edit, and text files as trainers have them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.captioning import change, files
from core.errors import BadValue, PromptRefused
from core.training.captions import Called
from core.training.recipe import trigger_of
from storage.catalog import Catalog
from tests import small_archive
from tests.small_archive import SmallArchive


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    """Two people with two pictures each, in the frozen cohort `all`."""
    made = small_archive.build(catalog, tmp_path / "archive", people=2, pictures=2)
    made.freeze()
    return made


def listing(archive: SmallArchive) -> list[Called]:
    return change.listing(archive.catalog, "all")


def test_a_file_comes_back_as_it_was_edited(archive: SmallArchive, tmp_path: Path) -> None:
    called, path = listing(archive), tmp_path / "captions.tsv"
    files.write_file(archive.catalog, called, path)
    assert files.read_file(called, path) == files.Found({}, 0, [])
    text = path.read_text().replace("person\t", "person, smiling\t", 1)
    path.write_text("\n".join(text.splitlines()[:-1]) + "\n999.1\t{trigger}\n")
    found = files.read_file(called, path)
    assert (list(found.captions.values()), found.without) == (["photo of {trigger} person, smiling"], 1)
    assert found.strange == ["999.1"]
    with pytest.raises(BadValue, match="is there already"):
        files.write_file(archive.catalog, called, path)


def test_text_files_come_back(archive: SmallArchive, tmp_path: Path) -> None:
    called, folder = listing(archive), tmp_path / "texts"
    made = files.write_sidecars(archive.catalog, called, folder)
    assert sorted(path.name for path in made) == ["0-0.txt", "0-1.txt", "1-0.txt", "1-1.txt"]
    word = trigger_of(archive.people[0].uid)
    assert (folder / "0-0.txt").read_text() == f"photo of {word} person"
    assert files.read_sidecars(called, folder) == files.Found({}, 0, [])
    (folder / "0-0.txt").write_text("\n a  man named ohwx, beard \nsecond line\n")
    (folder / "0-1.txt").write_text("\ufeffbeard", encoding="utf-8")
    (folder / "1-1.txt").unlink()
    (folder / "other.txt").write_text("x")
    found = files.read_sidecars(called, folder, "ohwx")
    assert sorted(found.captions.values()) == ["a man named {trigger}, beard", "{trigger}, beard"]
    assert (found.without, found.strange) == (1, ["other.txt"])
    with pytest.raises(BadValue, match="is there already"):
        files.write_sidecars(archive.catalog, called, folder)


def test_text_files_beside_the_photographs_are_read(archive: SmallArchive) -> None:
    (archive.folder / "0-0.txt").write_text("ohwx, beard")
    found = files.read_sidecars(listing(archive), None, "ohwx")
    assert (list(found.captions.values()), found.without, found.strange) == (["{trigger}, beard"], 3, [])


def test_one_name_twice_is_told_apart(archive: SmallArchive) -> None:
    first, second, *others = listing(archive)
    away = replace(second, photo=replace(second.photo, path=b"/elsewhere/" + first.photo.path.rpartition(b"/")[2]))
    names = files.sidecar_names([first, away, *others])
    stem = files.stem_of(first).decode()
    assert names[first.key] == f"{stem}-{first.item.photo_id}.{first.item.subject_id}"
    assert names[away.key] == f"{stem}-{second.item.photo_id}.{second.item.subject_id}"
    assert [names[one.key] for one in others] == [files.stem_of(one).decode() for one in others]


def test_what_is_no_text_file_is_not_read(archive: SmallArchive, tmp_path: Path) -> None:
    called, folder = listing(archive), tmp_path / "texts"
    folder.mkdir()
    os.mkfifo(folder / "0-0.txt")
    (folder / "0-1.txt").mkdir()
    assert files.read_sidecars(called, folder).without == 4
    (folder / "1-0.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadValue, match=r"1-0\.txt is not UTF-8"):
        files.read_sidecars(called, folder)
    (folder / "1-0.txt").write_bytes(b"x" * (files.MOST_BYTES + 1))
    with pytest.raises(BadValue, match="larger than a caption"):
        files.read_sidecars(called, folder)
    (folder / "1-0.txt").unlink()
    (folder / "1-0.txt").symlink_to("/etc/hostname")
    assert files.read_sidecars(called, folder).without == 4


def test_files_are_held_to_the_rule_of_prompts(archive: SmallArchive, tmp_path: Path) -> None:
    called, folder = listing(archive), tmp_path / "texts"
    folder.mkdir()
    (folder / "0-0.txt").write_text("ohwx, schoolgirl")
    found = files.read_sidecars(called, folder, "ohwx")
    with pytest.raises(PromptRefused, match="names a minor"):
        change.write(archive.catalog, found.captions, "by file")


def test_nothing_is_written_into_the_archive_or_the_catalog(archive: SmallArchive) -> None:
    for folder in (archive.folder, archive.catalog.folder / "models"):
        with pytest.raises(BadValue):
            files.write_file(archive.catalog, listing(archive), folder / "captions.tsv")
        with pytest.raises(BadValue):
            files.write_sidecars(archive.catalog, listing(archive), folder)
