from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.interchange import xmp
from core.interchange.assertions import Assertion
from core.interchange.xmp import XmpFields
from core.reading import read_file
from storage.records import ClaimField
from tests import raws

TakePicture = Callable[..., Path]
SPACES = (
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
)


def packet(body: str, attributes: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {SPACES} {attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


WHOLE = packet(
    "<xmp:Rating>3</xmp:Rating>"
    '<dc:description><rdf:Alt><rdf:li xml:lang="lo">ບຸນ</rdf:li><rdf:li xml:lang="x-default">Bun</rdf:li></rdf:Alt>'
    "</dc:description><dc:subject><rdf:Bag><rdf:li>market</rdf:li><rdf:li> Lao </rdf:li><rdf:li>market</rdf:li>"
    "</rdf:Bag></dc:subject><Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Noy</rdf:li></rdf:Bag>"
    "</Iptc4xmpExt:PersonInImage>"
)


def test_rating_caption_and_keywords_and_who_is_said_to_be_in_it() -> None:
    said = (Assertion(ClaimField.PERSON, "Noy"),)
    assert xmp.read(WHOLE) == XmpFields(rating=3, caption="Bun", keywords=("market", "Lao"), asserted=said)


@pytest.mark.parametrize(
    ("body", "attributes", "rating"),
    [
        ("", 'xmp:Rating="5"', 5),
        ("<xmp:Rating>-1</xmp:Rating>", "", 0),  # rejected
        ("<xmp:Rating>4.0</xmp:Rating>", "", 4),
        ("", 'xmp:Rating="99"', None),
        ("", 'xmp:Rating="nan"', None),
        ("", 'xmp:Rating=""', None),
    ],
)
def test_ratings(body: str, attributes: str, rating: int | None) -> None:
    assert xmp.read(packet(body, attributes)).rating == rating


def test_a_caption_of_another_language_or_of_plain_text() -> None:
    one = '<dc:description><rdf:Alt><rdf:li xml:lang="lo">ບຸນ</rdf:li></rdf:Alt></dc:description>'
    assert xmp.read(packet(one)).caption == "ບຸນ"
    assert xmp.read(packet("<dc:description>plain</dc:description>")).caption == "plain"


def test_text_is_bounded_and_drives_no_terminal() -> None:
    long = f"<dc:description>{'x' * 99_999}</dc:description>"
    many = "".join(f"<rdf:li>{n}\u202e</rdf:li>" for n in range(5_000))
    found = xmp.read(packet(f"{long}<dc:subject><rdf:Bag>{many}</rdf:Bag></dc:subject>"))
    assert (len(found.caption or ""), len(found.keywords), found.keywords[0]) == (2_000, 1_000, "0\\u202e")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_other_encodings_and_padding(encoding: str) -> None:
    text = WHOLE.decode().replace("\ufeff", "")
    assert xmp.read(text.encode(encoding) + (b" " * 2000 + b"\0" if encoding != "utf-16" else b"")).rating == 3


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l9;</x>'.encode(), "document type"),
        (b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>', "document type"),
        (b"", "parsed"),
        (b"not xml", "parsed"),
        (b'<?xml version="1.0" encoding="klingon"?><x/>', "parsed"),
        (b"<a>" * 100_000, "parsed"),
        (b" " * (xmp.MOST_BYTES + 1), "more than"),
    ],
)
def test_what_is_refused_says_why(data: bytes, says: str) -> None:
    found = xmp.read(data)
    assert says in str(found.warning)
    assert found == XmpFields(warning=found.warning)


def test_deep_nesting_is_no_harm() -> None:
    assert xmp.read(b"<a>" * 100_000 + b"</a>" * 100_000) == XmpFields()


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_mutated_xmp_never_raises(data: st.DataObject) -> None:
    broken = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(broken) - 1))
        piece = data.draw(st.binary(max_size=4) | st.sampled_from([b"<!DOCTYPE a>", b"&a;", b"<![CDATA[", b"<rdf:li>"]))
        broken[at : at + data.draw(st.integers(0, 8))] = piece
    found = xmp.read(bytes(broken))
    assert found.rating is None or 0 <= found.rating <= 5
    assert all(word.isprintable() and word for word in found.keywords)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_never_raise(data: bytes) -> None:
    xmp.read(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_xmp_within_a_picture(tmp_path: Path, format: str) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    path = tmp_path / "a.jpg"
    picture = Image.new("RGB", (64, 48))
    if format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", WHOLE.decode())
        picture.save(path, format, pnginfo=info)
    elif format == "TIFF":
        picture.save(path, format, tiffinfo={700: WHOLE})
    else:
        picture.save(path, format, xmp=WHOLE)
    found = read_file(os.fsencode(path))
    assert found is not None
    assert (found.photo.rating, found.photo.caption, found.photo.tags) == (3, "Bun", ("market", "Lao"))


def test_xmp_within_a_dng(tmp_path: Path) -> None:
    first = raws.exif_folder("DNG", 1, None, {0xC612: b"\1\4\0\0", 700: WHOLE})
    first.blobs[0x0201, 0x0202] = raws.jpeg((1200, 800))
    path = tmp_path / "a.dng"
    path.write_bytes(raws.tiff([first]))
    found = read_file(os.fsencode(path))
    assert found is not None
    assert (found.photo.format, found.photo.tags) == ("DNG", ("market", "Lao"))
