"""Metadata in and out, from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.core.interchange import test_assertions, test_copies
from tests.core.interchange.test_assertions import LIGHTROOM, VOCABULARY
from tests.journeys.driver import Kyodaku


def test_claims_sidecars_and_copies(kyodaku: Kyodaku, tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out"
    archive.mkdir()
    picture = archive / "a.jpg"
    picture.write_bytes(test_copies.picture("JPEG"))
    foreign = test_assertions.packet(LIGHTROOM, f'plus:MinorModelAgeDisclosure="{VOCABULARY}AG-A15"')
    (archive / "a.jpg.xmp").write_bytes(foreign)
    kyodaku.json("index", archive)
    claimed = kyodaku.json("claims")
    assert [(one["field"], one["value"], one["source"], one["bars"]) for one in claimed] == [
        ("minor-age", "AG-A15", "a.jpg.xmp", "minor"),
        ("person", "Noy", "a.jpg.xmp", None),
        ("region", "Noy", "a.jpg.xmp", None),
    ]
    photo = claimed[0]["photo_id"]
    assert kyodaku.json("show", str(photo))["claims"] == claimed
    assert kyodaku.json("subject", "list") == []  # nobody is named by a file
    assert "minor-age: AG-A15" in kyodaku("show", str(photo)).out
    assert kyodaku("claims", f"{picture}", "--settle").status == 2
    settled = kyodaku.json("claims", f"{picture}", "--settle", "--by", "me", "--why", "seen their card")
    assert [one["value"] for one in settled] == ["AG-A15"]
    assert "settled" in kyodaku("claims").out
    assert kyodaku.json("xmp", "read", f"{picture}")["barring"] == 0
    assert kyodaku.json("xmp", "write", "", "--dry-run")["written"] == [{"photo": photo, "path": f"{picture}.xmp"}]
    assert (archive / "a.jpg.xmp").read_bytes() == foreign
    assert kyodaku.json("xmp", "write", "")["written"][0]["photo"] == photo
    assert kyodaku.json("xmp", "write", "")["unchanged"] == 1
    assert kyodaku.json("index", archive)["unchanged"] == 1
    refused = kyodaku.json("export", "photos", "--query", "", "-o", out, expect=[1])
    assert (refused["written"], refused["left_out"][0]["photo"]) == ([], photo)
    assert kyodaku("export", "photos", "--query", "", "-o", out, "--purpose", "train").status == 2
    assert kyodaku.json("ledger", "verify")["ok"]
