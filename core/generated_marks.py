"""What a generated picture says of itself: PNG text that other tools read, and IPTC's digital source type in XMP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from core.credentials import Credentials, sign
from core.errors import BadImage
from storage.whole_files import whole_file

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
FROM_NOISE = "trainedAlgorithmicMedia"
FROM_PICTURE = "compositeWithTrainedAlgorithmicMedia"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Kyodaku">
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a picture came to be. `model_hash` is blake3 of the weights, hex; `start` of the picture that it began as."""

    model: str
    model_hash: str
    prompt: str
    negative: str
    seed: int
    steps: int
    guidance: float
    sampler: str
    size: tuple[int, int]
    start: str | None = None
    strength: float | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """What a drawn picture's file says: `several` where it is a contact sheet, else how it began."""

    several: bool
    from_picture: bool
    start: str | None


def read(data: bytes) -> Marks:
    """The marks of a file that `save` wrote, which the caller has made sure of. Raises BadImage where it has none."""
    try:
        with Image.open(BytesIO(data), formats=["PNG"]) as picture:
            assert isinstance(picture, PngImageFile)
            told, xmp = json.loads(picture.text["kyodaku"]), picture.text["XML:com.adobe.xmp"]
        return Marks("pictures" in told["checks"], SOURCE_TYPES + FROM_PICTURE in xmp, told.get("start"))
    except (OSError, KeyError, ValueError, SyntaxError) as error:
        raise BadImage("it has no marks of a drawn picture") from error


def save(
    picture: Image.Image,
    path: Path,
    origin: Origin,
    checks: Mapping[str, object],
    credentials: Credentials | None = None,
) -> None:
    """Write a PNG with its marks, signed where there are `credentials`, whole or not at all.

    `checks` is what was looked at before it was kept.
    """
    marks = PngInfo()
    marks.add_itxt("parameters", _parameters(origin))
    told = {"model": origin.model, "model_hash": origin.model_hash, "checks": dict(checks)}
    told |= {} if origin.start is None else {"start": origin.start}
    marks.add_itxt("kyodaku", json.dumps(told, sort_keys=True, ensure_ascii=False))
    source = SOURCE_TYPES + (FROM_NOISE if origin.start is None else FROM_PICTURE)
    marks.add_itxt("XML:com.adobe.xmp", _XMP.format(source=escape(source)))
    packed = BytesIO()
    picture.save(packed, "PNG", pnginfo=marks)
    png = packed.getvalue()
    if credentials is not None:
        png = sign(credentials, png, source, {"model": origin.model, "model_hash": origin.model_hash})
    with whole_file(path) as file:
        file.write(png)


def _parameters(origin: Origin) -> str:
    """The line that A1111 and its kin write and read."""
    denoised = "" if origin.strength is None else f", Denoising strength: {origin.strength:g}"
    negative = f"Negative prompt: {origin.negative}\n" if origin.negative else ""
    return (
        f"{origin.prompt}\n{negative}Steps: {origin.steps}, Sampler: {origin.sampler}, CFG scale: {origin.guidance:g}, "
        f"Seed: {origin.seed}, Size: {origin.size[0]}x{origin.size[1]}, Model hash: {origin.model_hash[:10]}, "
        f"Model: {origin.model}{denoised}"
    )
