"""What a search that is being typed may go on with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core import query
from core.completion import offer
from storage import photos, subjects
from storage.catalog import Catalog
from storage.photos import ScanBatch
from storage.records import Photo
from tests.world import GRANTED

CAMERAS = ("NIKON Z 6", "Canon EOS R5", "Canonet", None, 'the "old" one')
BASE = Photo(0, b"/archive/0.jpg", "/archive/0.jpg", 10, 1, 1, 1)


@pytest.fixture
def held(catalog: Catalog) -> Catalog:
    """A catalog of five cameras and two people."""
    photos.apply_scan(
        catalog,
        ScanBatch(
            new=[
                replace(BASE, path=b"/archive/%d.jpg" % n, path_text=f"/archive/{n}.jpg", camera=camera)
                for n, camera in enumerate(CAMERAS)
            ]
        ),
    )
    for name in ("Noy Vongsa", "ສົມສັກ ພົມມາ"):
        subjects.add(catalog, name, born=None, at=GRANTED)
    return catalog


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("came", ["camera:"]),
        ("tr", ["train-individual:", "train-composite:"]),
        ("x -(Came", ["camera:"]),
        ("camera:can", ['camera:"Canon EOS R5"', "camera:Canonet"]),
        ("camera:EOS", ['camera:"Canon EOS R5"']),
        ('camera:"canon e', ['camera:"Canon EOS R5"']),
        ("camera:th", ['camera:"the \\"old\\" one"']),
        ("camera:no", ["camera:none"]),
        ("subject:vong", ['subject:"Noy Vongsa"']),
        ("subject:ພົມ", ['subject:"ສົມສັກ ພົມມາ"']),
        ("subject:a", ["subject:any"]),
        ("print:ref", ["print:refused"]),
        ("status:g", ["status:gone", "status:granted"]),
        ("format:he", ["format:heif", "format:heic"]),
        ("iso:a", ["iso:any"]),
        ("iso:4", []),
        ('lens:"a \\\\" camera:cano', ['camera:"Canon EOS R5"', "camera:Canonet"]),
        ("nothing:", []),
    ],
)
def test_what_a_term_may_become(held: Catalog, text: str, words: list[str]) -> None:
    assert offer(held, text, len(text)).words == words


def test_what_is_offered_can_be_searched_for(held: Catalog) -> None:
    for field in query.FIELDS:
        for word in offer(held, f"{field}:", len(field) + 1).words:
            query.count(held, word)


def test_the_term_before_the_cursor_is_meant(held: Catalog) -> None:
    text = 'taken:2019 camera:"NIKON Z 6" cam or iso:400'
    at = text.index(" or")
    found = offer(held, text, at)
    assert (text[found.start : found.end], found.words) == ("cam", ["camera:"])
    assert text[offer(held, text, text.index(" cam or")).start :].startswith('camera:"NIKON')
