from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.interchange import packet, rdf, xmp
from core.interchange.rdf import BadPacket
from core.interchange.regions import stored
from core.interchange.statement import Statement
from storage.records import ClaimField
from tests.core.interchange import test_assertions
from tests.core.interchange.test_assertions import DIGIKAM, LIGHTROOM, VOCABULARY

SAID = Statement(
    release_status="MR-LMR",
    release_ids=("ab12", "cd34"),
    age="AG-A25",
    data_mining="DMI-PROHIBITED-GENAIMLTRAINING",
    persons=("Kham & Söhne", "ນ້ອຍ"),
    regions=(("Kham & Söhne", (0.1, 0.2, 0.3, 0.5)), ("ນ້ອຍ", (0.5, 0.5, 0.75, 1.0))),
)
NOTHING = Statement(None, (), None, None, (), ())
SIZE = (4000, 3000)


def words(data: bytes) -> set[tuple[ClaimField, str]]:
    return {(one.field, one.value) for one in xmp.read(data).asserted}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_written_is_read_again(orientation: int) -> None:
    data = packet.made(SAID, SIZE, orientation)
    assert words(data) == SAID.words()
    found = [one for one in xmp.read(data).asserted if one.field is ClaimField.REGION]
    for (name, area), one in zip(SAID.regions, found, strict=True):
        assert (one.value, one.area) == (name, pytest.approx(stored(area, orientation), abs=1e-5))


@pytest.mark.parametrize("foreign", [LIGHTROOM, DIGIKAM])
def test_what_others_wrote_stays(foreign: str) -> None:
    body = (
        f"{foreign}<!-- by hand --><crs:Exposure xmlns:crs='http://ns.adobe.com/camera-raw-settings/1.0/'>+0.5</crs:Exposure>"
        "<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Somebody</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>"
    )
    before = test_assertions.packet(body, 'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"')
    data = packet.merged(before, SAID, set(), SIZE, 1)
    assert words(data) == words(before) | SAID.words()
    assert xmp.read(data).rating == 4
    assert b"<!-- by hand -->" in data
    assert b"crs:Exposure>+0.5<" in data
    assert packet.merged(data, SAID, SAID.words(), SIZE, 1) == data  # nothing grows
    gone = packet.merged(data, NOTHING, SAID.words(), SIZE, 1)
    assert words(gone) == words(before)
    assert (b"Pet" in gone) == ("Pet" in foreign)


def test_our_own_words_are_taken_back() -> None:
    data = packet.made(SAID, SIZE, 1)
    less = Statement("MR-NON", (), "AG-UNK", None, ("ນ້ອຍ",), SAID.regions[1:])
    assert words(packet.merged(data, less, SAID.words(), SIZE, 1)) == less.words()


@pytest.mark.parametrize(
    ("there", "name", "stands"),
    [
        ("DMI-PROHIBITED", "DataMining", "DMI-PROHIBITED"),
        ("DMI-ALLOWED", "DataMining", "DMI-PROHIBITED-GENAIMLTRAINING"),
        ("AG-A15", "MinorModelAgeDisclosure", "AG-A15"),
        ("AG-UNK", "MinorModelAgeDisclosure", "AG-UNK"),
        ("AG-A18", "MinorModelAgeDisclosure", "AG-A25"),
        ("MR-NON", "ModelReleaseStatus", "MR-NON"),
        ("MR-UMR", "ModelReleaseStatus", "MR-LMR"),
        ("MR-NAP", "ModelReleaseStatus", "MR-LMR"),
    ],
)
def test_of_two_values_the_stricter_stands(there: str, name: str, stands: str) -> None:
    before = test_assertions.packet("", f'plus:{name}="{VOCABULARY}{there}"')
    data = packet.merged(before, SAID, set(), SIZE, 1)
    found = [value for _, value in words(data) if value[:3] == stands[:3]]
    assert found == [stands]


def test_a_region_that_is_there_is_not_doubled() -> None:
    same = Statement(None, (), None, None, (), (("Noy", (0.46, 0.3, 0.55, 0.5)), ("Noy", (0.0, 0.0, 0.1, 0.1))))
    data = packet.merged(test_assertions.packet(LIGHTROOM), same, set(), SIZE, 1)
    areas = [one.area for one in xmp.read(data).asserted if one.field is ClaimField.REGION]
    assert areas == [(0.45, 0.3, 0.55, 0.5), (0.0, 0.0, 0.1, 0.1)]


def test_prefixes_that_clash() -> None:
    before = test_assertions.packet("", 'xmlns:stDim="http://example.org/" stDim:x="1"').replace(
        b"xmlns:stDim='http://ns.adobe.com/xap/1.0/sType/Dimensions#'", b""
    )
    one = b'xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"'
    data = packet.merged(before.replace(one, b"", 1), SAID, set(), SIZE, 1)
    assert words(data) == SAID.words()
    assert "{http://example.org/}x" in {key for node in rdf.described(rdf.parse(data).root) for key in node.attrib}


@pytest.mark.parametrize("data", [b"<a/>", b"", b"not xml", b"<!DOCTYPE a><a/>", b"<a>" * 3000 + b"</a>" * 3000])
def test_what_is_no_xmp_is_refused(data: bytes) -> None:
    with pytest.raises(BadPacket):
        packet.merged(data, SAID, set(), SIZE, 1)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1).filter(
    lambda text: text.strip() == text and text.isprintable() and len(text) < 100
)


@settings(deadline=None, max_examples=100)
@given(st.lists(NAMES, max_size=3, unique=True), st.integers(1, 8))
def test_any_name_comes_back(names: list[str], orientation: int) -> None:
    statement = Statement(None, (), None, None, tuple(names), tuple((name, (0.1, 0.1, 0.4, 0.6)) for name in names))
    assert words(packet.made(statement, SIZE, orientation)) == statement.words()


def exiftool(*arguments: str | Path) -> Any:
    """What exiftool reads of files, every warning with it."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    ran = subprocess.run(
        ["exiftool", "-json", "-struct", "-validate", "-warning", "-error", "-a", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(ran.stdout)


def test_exiftool_reads_it_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(packet.merged(test_assertions.packet(DIGIKAM), SAID, set(), SIZE, 6))
    [told] = exiftool("-xmp:all", path)
    assert not {key for key in told if "Warning" in key or "Error" in key}, told
    assert told["ModelReleaseStatus"] == "Limited or Incomplete Model Releases"
    assert told["MinorModelAgeDisclosure"] == "Age 25 or Over"
    assert told["ModelReleaseID"] == ["ab12", "cd34"]
    assert told["PersonInImage"] == ["Kham & Söhne", "ນ້ອຍ"]
    assert {region["Name"] for region in told["RegionInfo"]["RegionList"]} == {"Kham", "Kham & Söhne", "ນ້ອຍ"}
