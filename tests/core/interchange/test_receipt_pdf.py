"""The page that a person is given: one, whole, in their script, and with nobody's face but their own."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import framing, scan
from core.interchange import receipt as receipts
from core.interchange import receipt_files, receipt_pdf, receipt_pictures
from core.interchange.page import Page, breakable
from core.interchange.wording import BREAK, Language
from storage import artifacts, faces, photos
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import Box, FaceMark, Model, ModelKind, Purpose, Subject
from tests.world import FACE, adult, photograph

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OWN, OTHER, NEAR = (30, 30, 60, 70), (140, 30, 170, 70), (62, 30, 92, 70)
GREEN, RED, GREY = (0, 200, 0), (220, 0, 0), (90, 90, 90)


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b(?!s)", pdf))


def painted(
    catalog: Catalog, folder: Path, people: list[tuple[Subject | None, Box]], colours: list[tuple[int, int, int]]
) -> int:
    """A photograph of 200 x 100 pixels, each face with its margin in its colour; gives its id."""
    picture = Image.new("RGB", (200, 100), GREY)
    for (_, box), colour in zip(people, colours, strict=True):
        picture.paste(colour, framing.clipped(framing.around(box), 200, 100))
    for (_, box), colour in zip(people, colours, strict=True):
        picture.paste(colour, box)
    number = len(list(folder.glob("*.png"))) if folder.exists() else 0
    folder.mkdir(exist_ok=True)
    picture.putpixel((199, 99), (number, 0, 0))
    picture.save(folder / f"{number}.png")
    scan.index(catalog, [folder])
    photo = photos.by_path(catalog, str(folder / f"{number}.png").encode())
    assert photo is not None
    faces.replace_faces(catalog, photo.id, [NewFace(box, 0.9, np.zeros(4, np.float32)) for _, box in people], "dlib")
    for face, (person, _) in zip(faces.of_photo(catalog, photo.id), people, strict=True):
        if person is not None:
            faces.assign(catalog, [face.id], person.id, by_person=True)
    return photo.id


def reddest(shown: receipt_pictures.Shown) -> float:
    assert isinstance(shown, Image.Image)
    pixels = np.asarray(shown, dtype=int)
    return float((pixels[..., 0] - pixels[..., 1]).max())


def test_nobody_else_is_shown(catalog: Catalog, tmp_path: Path) -> None:
    ann, bo = adult(catalog, "Ann"), adult(catalog, "Bo")
    ids = [
        painted(catalog, tmp_path / "a", [(ann, OWN)], [GREEN]),
        painted(catalog, tmp_path / "a", [(ann, OWN), (bo, OTHER)], [GREEN, RED]),
        painted(catalog, tmp_path / "a", [(ann, OWN), (None, NEAR)], [GREEN, RED]),
    ]
    for photo, shown in zip(ids, receipt_pictures.pictures(catalog, ann.id, ids), strict=True):
        if shown == "picture_others":
            assert photo == ids[2]
            continue
        assert reddest(shown) < 30
        assert isinstance(shown, Image.Image)
        middle = shown.getpixel((80, 80))
        assert isinstance(middle, tuple)
        assert middle[1] > middle[0] + 80
    [of_bo] = receipt_pictures.pictures(catalog, bo.id, [ids[1]])
    assert reddest(of_bo) > 150


box_near = st.tuples(st.integers(0, 180), st.integers(0, 80), st.integers(8, 60), st.integers(8, 60)).map(
    lambda b: (b[0], b[1], min(b[0] + b[2], 200), min(b[1] + b[3], 100))
)


@settings(deadline=None)
@given(box_near, st.lists(box_near, max_size=4))
def test_what_is_framed_holds_no_uncovered_part_of_another_face(own: Box, others: list[Box]) -> None:
    framed = receipt_pictures.frame(own, others, 200, 100)
    if framed is None:
        return
    crop, masks = framed
    seen = np.zeros((100, 200), dtype=bool)
    seen[crop[1] : crop[3], crop[0] : crop[2]] = True
    for mask in masks:
        seen[mask[1] : mask[3], mask[0] : mask[2]] = False
    for x0, y0, x1, y1 in others:
        assert not seen[y0:y1, x0:x1].any()


def test_why_there_is_no_picture(catalog: Catalog, tmp_path: Path) -> None:
    ann = adult(catalog, "Ann")
    gone = photograph(catalog, [(ann, FACE)])
    lost = painted(catalog, tmp_path / "a", [(ann, OWN)], [GREEN])
    broken = painted(catalog, tmp_path / "a", [(ann, OWN)], [RED])
    over = painted(catalog, tmp_path / "a", [(ann, OWN), (None, (32, 32, 58, 68))], [GREEN, RED])
    (tmp_path / "a" / "0.png").unlink()
    (tmp_path / "a" / "1.png").write_bytes(b"no picture")
    shown = list(receipt_pictures.pictures(catalog, ann.id, [gone, lost, broken, over]))
    assert shown == ["picture_gone", "picture_gone", "picture_unreadable", "picture_others"]
    poster = next(face for face in faces.of_photo(catalog, over) if face.subject_id is None)
    faces.set_mark(catalog, [poster.id], FaceMark.NOT_A_FACE)
    assert isinstance(next(receipt_pictures.pictures(catalog, ann.id, [over])), Image.Image)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("number", [0, 1, 200])
def test_one_page_whatever_there_is(catalog: Catalog, language: Language, number: int) -> None:
    name = "ທ້າວ ບຸນມີ ວົງສະຫວັນ สมชาย 山田太郎 Ærø " + "von und zu " * 12 * (number > 0)
    person = adult(catalog, name.strip(), *Purpose)
    for _ in range(number):
        photograph(catalog, [(person, FACE)])
    for n in range(number // 5):
        artifacts.add_model(
            catalog,
            Model(0, f"{'long name ' * 9}{n}", ModelKind.AVERAGE, "m", "0" * 64, "b", "0" * 64, None, None, {}, NOW),
            shares={person.id: 0.01},
        )
    made = receipts.receipt(catalog, person.id, NOW, language)
    asked: list[int] = []

    def draw(ids: list[int]) -> list[receipt_pictures.Shown]:
        asked.extend(ids)
        return [Image.new("RGB", (160, 160), GREEN)] * len(ids)

    pdf, replaced = receipt_pdf.pdf(made, draw)
    assert (pages(pdf), replaced) == (1, [])
    assert (len(asked) >= 7) if number == 200 else (len(asked) == number)
    assert receipt_pdf.pdf(made, draw)[0] == pdf


def test_nothing_stands_below_the_page_or_over_the_footer(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fullest receipt there can be, in every language: what is put on the left ends above the footer."""
    person = adult(catalog, "N" * 200, *Purpose)
    for _ in range(40):
        photograph(catalog, [(person, FACE)])
    for n in range(20):
        artifacts.add_model(
            catalog,
            Model(0, f"m{n}", ModelKind.AVERAGE, "m", "0" * 64, "b", "0" * 64, None, None, {}, NOW),
            shares={person.id: 0.01},
        )
    from core import consent_actions, controller, terms

    for n in range(9):
        consent_actions.refuse(catalog, [person], list(Purpose), by=f"{'somebody with a long name ' * 3}{n}")
    long = {"territory": "the lands along the river " * 9, "conditions": "no billboards " * 99}
    bound = terms.checked(manner="in-person", witness="Lee", language="lo", **long)
    consent_actions.grant(catalog, [person], list(Purpose), by="somebody with a long name " * 3, terms=bound)
    controller.state(catalog, **dict.fromkeys(("name", "contact", "retention", "jurisdiction"), "long words " * 27))
    ends: list[float] = []
    put = Page.put

    def watched(self: Page, *args: object, **kwargs: object) -> float:
        ends.append(put(self, *args, **kwargs))  # type: ignore[arg-type]
        return ends[-1]

    monkeypatch.setattr(Page, "put", watched)
    for language in Language:
        ends.clear()
        made = receipts.receipt(catalog, person.id, language=language)
        receipt_pdf.pdf(made, lambda ids: ["picture_gone"] * len(ids))
        assert max(ends) < 295
        assert max(end for end in ends if end < receipt_pdf.FOOT) <= receipt_pdf.FOOT - 1
        assert sum(end >= receipt_pdf.FOOT for end in ends) == 7  # three pairs and the notes


def test_letters_that_no_font_has_are_replaced_and_told(catalog: Catalog, tmp_path: Path) -> None:
    adult(catalog, "김 😀 Ann\u202e")
    made = receipts.receipt(catalog, "김 😀 Ann\u202e", NOW)
    files, replaced = receipt_files.write(catalog, made, tmp_path / "r.pdf")
    assert replaced == ["김", "😀"]
    assert pages(files[0].read_bytes()) == 1


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60))
def test_any_text_can_be_set(text: str) -> None:
    page = Page("t", "en", NOW)
    page.put(10, 10, 40, text, receipt_pdf.TEXT, 3)
    assert page.bytes().startswith(b"%PDF")


def test_lines_end_where_the_script_lets_them() -> None:
    page = Page("t", "ja", NOW)
    for line in page.lines("「同意」は、いつでも、理由を示すことなく、撤回できます。" * 6, 30, receipt_pdf.TEXT):
        assert line[0] not in "、。」」"
        assert line[-1] != "「"
    lao = "ວົງສະຫວັນແກ້ວມະນີສີວິໄລພູມີພົນ" * 4
    assert breakable(lao).replace(BREAK, "") == lao
    marks = "[\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u0eb0\u0eb2\u0eb3]"
    assert not re.search(f"{BREAK}{marks}", breakable(lao))
    assert not re.search(f"[\u0ec0-\u0ec4]{BREAK}", breakable(lao))
    for line in page.lines(lao, 30, receipt_pdf.TEXT):
        assert not re.match(marks, line)


def test_it_says_when_it_was_made_and_not_when_it_was_written(catalog: Catalog, tmp_path: Path) -> None:
    adult(catalog, "Ann")
    made = receipts.receipt(catalog, "Ann", NOW)
    content, _ = receipt_files.page(catalog, made)
    assert b"D:20260601" in content
    assert str(tmp_path).encode() not in content
    streams = re.findall(rb"stream\n(.*?)\nendstream", content, re.S)
    assert any(b"Tj" in zlib.decompress(one) or b"TJ" in zlib.decompress(one) for one in streams[:1])
