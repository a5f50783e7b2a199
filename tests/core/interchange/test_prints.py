"""A person's pictures on paper: whole, within the edges, at 300 dots an inch, and only what may be given away."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core import image, scan
from core.errors import BadValue, ConsentLost
from core.generated_marks import FROM_PICTURE, SOURCE_TYPES
from core.interchange import prints as room
from core.interchange.prints_pdf import BELOW, PAPERS, Sheets, dots
from core.progress import Step
from storage import generated
from storage.catalog import Catalog
from storage.records import Purpose
from storage.whole_files import file_hash
from tests import bad_files, small_archive
from tests.core.test_printable import drawn_by, model_of, withdraw
from tests.core.test_sidecars import shown
from tests.small_archive import SmallArchive

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    """Two people who allow prints and pictures of themselves, two photographs of each."""
    purposes = (Purpose.PRINT, Purpose.TRAIN_INDIVIDUAL)
    return small_archive.build(catalog, tmp_path / "archive", people=2, pictures=2, purposes=purposes)


def embedded(pdf: bytes) -> list[tuple[int, int]]:
    """Pixels of the pictures in a PDF."""
    return [(int(w), int(h)) for h, w in re.findall(rb"/Height (\d+)\b[^>]*?/Width (\d+)", pdf)]


def test_photographs_and_what_was_drawn(archive: SmallArchive, tmp_path: Path) -> None:
    catalog, (person, _) = archive.catalog, archive.people
    model = model_of(catalog, {person.id: 1.0})
    drawn_by(catalog, model, tmp_path / "out" / "1.png")
    drawn_by(catalog, model, tmp_path / "out" / "sheet.png", checks={"pictures": 1})
    changed = drawn_by(catalog, model, tmp_path / "out" / "0002.png")
    assert changed.drawn is not None
    changed.drawn.write_bytes(b"other")
    planned = room.prints(catalog, person.id, tmp_path / "p.pdf", dry_run=True)
    assert (planned.file, len(planned.prints), list(tmp_path.glob("p*"))) == (None, 3, [])
    done = room.prints(catalog, person.id, tmp_path / "p.pdf")
    assert [source.photo for source, _ in done.prints[:2]] == [1, 2]
    assert done.prints[2][0].drawn == tmp_path / "out" / "1.png"
    assert {one.reason: one.refused for one in done.left_out} == {
        "it is a contact sheet": False,
        "it changed since it was drawn": False,
    }
    pdf = (tmp_path / "p.pdf").read_bytes()
    assert embedded(pdf) == [(dots(placed.width_mm), dots(placed.height_mm)) for _, placed in done.prints]
    assert done.pages == 1
    assert all(placed.own_dpi < 30 for _, placed in done.prints)
    with pytest.raises(BadValue, match="there already"):
        room.prints(catalog, person.id, tmp_path / "p.pdf")


def test_nothing_is_written_where_nothing_may_be_printed(archive: SmallArchive, tmp_path: Path) -> None:
    catalog, (person, _) = archive.catalog, archive.people
    withdraw(catalog, person, Purpose.PRINT)
    done = room.prints(catalog, person.id, tmp_path / "p.pdf")
    assert (done.file, done.prints, [one.refused for one in done.left_out]) == (None, [], [True, True])
    assert not (tmp_path / "p.pdf").exists()


@pytest.mark.parametrize(("text", "why"), [("kyodaku", "nothing is on record"), ("none", "no marks of a drawn")])
def test_what_does_not_say_how_it_began_is_left_out(archive: SmallArchive, tmp_path: Path, text: str, why: str) -> None:
    catalog, (person, _) = archive.catalog, archive.people
    drawn = model_of(catalog, {person.id: 1.0})
    marks = PngInfo()
    marks.add_itxt(text, '{"checks": {}}')
    marks.add_itxt("XML:com.adobe.xmp", SOURCE_TYPES + FROM_PICTURE)
    Image.new("RGB", (64, 64)).save(tmp_path / "1.png", pnginfo=marks)
    generated.add(catalog, drawn.id, [(tmp_path / "1.png", file_hash(tmp_path / "1.png"))], NOW)
    done = room.prints(catalog, person.id, tmp_path / "p.pdf")
    assert [source.drawn for source, _ in done.prints] == [None, None]
    assert why in done.left_out[0].reason


def test_a_word_that_is_taken_back_meanwhile_stops_it(archive: SmallArchive, tmp_path: Path) -> None:
    catalog, (person, _) = archive.catalog, archive.people

    def taken_back(step: Step, /) -> None:
        if step.done == step.total:
            withdraw(catalog, person, Purpose.PRINT)

    with pytest.raises(ConsentLost, match="meanwhile withdrawn: Person 0: withdrew print"):
        room.prints(catalog, person.id, tmp_path / "p.pdf", report=taken_back)
    assert not (tmp_path / "p.pdf").exists()


def test_only_what_was_indexed_is_printed_and_each_picture_once(archive: SmallArchive, tmp_path: Path) -> None:
    catalog, (person, _) = archive.catalog, archive.people
    (archive.folder / "0-0.png").write_bytes((archive.folder / "0-1.png").read_bytes())
    done = room.prints(catalog, person.id, tmp_path / "p.pdf", only="path:archive")
    assert [source.photo for source, _ in done.prints] == [2]
    assert "changed since it was indexed" in done.left_out[0].reason
    assert room.prints(catalog, person.id, tmp_path / "q.pdf", only="year:1999").prints == []


def test_a_photograph_that_defeats_its_decoder_is_left_out(archive: SmallArchive, tmp_path: Path) -> None:
    catalog, (person, _) = archive.catalog, archive.people
    path = bad_files.bomb(archive.folder / "bomb.png")
    scan.index(catalog, [archive.folder])
    bad = shown(catalog, path, person)
    done = room.prints(catalog, person.id, tmp_path / "p.pdf", only="path:archive")
    assert [(one.source.photo, one.reason) for one in done.left_out] == [(bad, f"{path}: {image.GREEDY}")]
    assert [source.photo for source, _ in done.prints] == [1, 2]


def test_where_it_may_not_be_written(archive: SmallArchive, tmp_path: Path) -> None:
    catalog, (person, _) = archive.catalog, archive.people
    for out, why in (
        (archive.folder / "p.pdf", "archive"),
        (catalog.folder / "p.pdf", "catalog"),
        (tmp_path / "p.jpg", "prints are a .pdf"),
    ):
        with pytest.raises(BadValue, match=why):
            room.prints(catalog, person.id, out)
    for paper, across in (("a0", None), ("a4", 0), ("a4", 11)):
        with pytest.raises(BadValue):
            room.prints(catalog, person.id, tmp_path / "p.pdf", paper=paper, across=across)


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(sorted(PAPERS)),
    st.none() | st.integers(1, 10),
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=2, max_size=8),
)
def test_every_picture_is_whole_within_the_edges_and_beside_the_others(
    paper: str, across: int | None, sizes: list[tuple[int, int]]
) -> None:
    sheets = Sheets(paper, across, "t", "en", NOW)
    placed = [sheets.put(Image.new("RGB", size), size, "2026-06-01") for size in sizes]
    pages = len(re.findall(rb"/Type /Page\b(?!s)", sheets.bytes()))
    assert sheets.pages == pages == placed[-1].page
    upright, edge = (PAPERS[paper].width, PAPERS[paper].height), PAPERS[paper].edge - 0.01
    alone = pages == len(sizes) > 1
    for number, (one, size) in enumerate(zip(placed, sizes, strict=True)):
        assert one.width_mm / one.height_mm == pytest.approx(size[0] / size[1])
        page = upright[::-1] if alone and size[0] > size[1] else upright
        assert min(one.x_mm, one.y_mm) >= edge
        assert one.x_mm + one.width_mm <= page[0] - edge
        assert one.y_mm + one.height_mm + BELOW <= page[1] - edge
        for other in placed[:number]:
            beside = one.x_mm >= other.x_mm + other.width_mm or one.x_mm + one.width_mm <= other.x_mm
            below = one.y_mm >= other.y_mm + other.height_mm + BELOW - 0.01
            assert one.page != other.page or beside or below
