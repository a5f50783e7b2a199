"""An archive of RAWs, JPEGs and sidecars, from the command line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from core import image
from tests import raws
from tests.journeys.driver import SAMPLE, Kyodaku

SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmp:Rating="4"><dc:subject><rdf:Bag><rdf:li>night market</rdf:li><rdf:li>Lao</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def test_raw_jpeg_and_sidecar_from_the_command_line(kyodaku: Kyodaku, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    for kind in raws.KINDS:
        (archive / f"{kind}.{kind.lower()}").write_bytes(raws.raw(kind, seed=raws.KINDS.index(kind)))
    (archive / "NEF.JPG").write_bytes(raws.jpeg((600, 400)))
    (archive / "NEF.xmp").write_text(SIDECAR)
    (archive / "broken.nef").write_bytes(raws.raw("NEF", preview=False))
    indexed = kyodaku.json("index", archive)
    assert (indexed["seen"], indexed["new"], indexed["errors"]) == (9, 9, 1)
    assert kyodaku.json("find", "format:raw", "--count") == {"count": 7}
    [photo] = kyodaku.json("find", 'tag:"night market"')
    assert photo["tags"] == ["Lao", "night market"]
    beside = [(each["kind"], Path(each["path"]).name) for each in photo["companions"]]
    assert beside == [("raw", "NEF.nef"), ("xmp", "NEF.xmp")]
    shown = kyodaku.json("show", str(photo["id"]))
    assert (shown["format"], shown["rating"], shown["companions"]) == ("JPEG", 4, photo["companions"])
    said = kyodaku("show", str(photo["id"])).out
    assert "tags: Lao, night market" in said
    assert "NEF.nef" in said
    [broken] = kyodaku.json("find", "error:preview")
    assert broken["error"] == "it is a RAW without a preview that can be decoded"
    assert kyodaku.json("index", archive)["unchanged"] == 9


@pytest.mark.slow
def test_a_person_named_in_a_raw_is_still_named_when_its_jpeg_comes(kyodaku: Kyodaku, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    picture = portrait()
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    (archive / "a.nef").write_bytes(raws.raw("NEF", picture=file.getvalue()))
    kyodaku.json("index", archive)
    kyodaku.json("faces")
    [before] = kyodaku.json("find", "format:nef")
    [face] = kyodaku.json("show", str(before["id"]))["faces"]
    kyodaku.json("subject", "add", "Noy", "--born", "1980-01-01")
    kyodaku.json("people", "assign", str(face["id"]), "Noy")
    kyodaku.json("consent", "grant", "Noy", "--purpose", "publish", "--by", "me")
    [granted] = kyodaku.json("find", "publish:granted")
    half = picture.resize((picture.width // 2, picture.height // 2))
    exif = raws.tiff([raws.exif_folder("NEF", 1, raws.TAKEN)])
    half.save(archive / "a.jpg", quality=95, exif=b"Exif\0\0" + exif)
    kyodaku.json("index", archive)
    [after] = kyodaku.json("find", "format:jpeg")
    assert (after["id"], after["subjects"], after["width"]) == (granted["id"], ["Noy"], granted["width"] // 2)
    assert after["status"]["publish"] == "unknown"  # other pixels: who is in them is looked at again first
    kyodaku.json("faces")
    [again] = kyodaku.json("find", "publish:granted")
    [found] = kyodaku.json("show", str(again["id"]))["faces"]
    assert (again["id"], found["id"]) == (before["id"], face["id"])
    wide = (face["box"][2] - face["box"][0]) / 2
    assert all(abs(now - then / 2) < wide / 4 for now, then in zip(found["box"], face["box"], strict=True))


def portrait() -> Image.Image:
    """A photograph of the sample archive that shows one person alone, upright."""
    with (SAMPLE / "truth.csv").open(encoding="utf-8", newline="") as lines:
        faces = Counter(line["path"] for line in csv.DictReader(lines))
    path = next(SAMPLE / path for path, number in sorted(faces.items()) if number == 1 and path.endswith(".JPG"))
    return image.load(path, image.probe(path).orientation)
