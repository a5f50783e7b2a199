"""EXIF and XMP as the cameras of the archive would write them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from PIL import Image, TiffImagePlugin

from .plan import Shot

RIGHTS = "CC0 1.0. Rendered by a program; shows nobody."
ARTIST = "Kyodaku sample archive"
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmp:Rating="{rating}"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia">
<dc:subject><rdf:Bag>{keywords}</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
SHUTTERS = (
    15,
    20,
    25,
    30,
    40,
    50,
    60,
    80,
    100,
    125,
    160,
    200,
    250,
    320,
    400,
    500,
    640,
    800,
    1000,
    1250,
    1600,
    2000,
    2500,
    3200,
)
STOPS = (1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.5, 2.8, 3.2, 3.5, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0)
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
# Exposure value at ISO 100 of the kinds of light that the backdrops stand for.
BRIGHTNESS = {
    "alps": 14,
    "sea": 14,
    "karst": 13,
    "river": 10.5,
    "garden": 11,
    "bamboo": 9,
    "street": 12,
    "market": 9,
    "temple": 10.5,
    "evening": 5,
    "cafe": 5.5,
    "window": 7,
    "books": 6,
    "shoji": 7,
    "atelier": 8,
    "plaster": 8,
    "boards": 9,
    "bricks": 10,
    "studio": 9.5,
    "still": 8,
}


def _rational(value: float, limit: int = 1000) -> TiffImagePlugin.IFDRational:
    """Return a value as the fraction that EXIF stores."""
    part = Fraction(value).limit_denominator(limit)
    return TiffImagePlugin.IFDRational(part.numerator, part.denominator)


def _exposure(shot: Shot, iso: int, r: np.random.Generator) -> tuple[float, int, int]:
    """Return aperture, shutter (one over so many seconds) and film speed that fit the light."""
    camera = shot.camera
    light = BRIGHTNESS[shot.scene] + r.normal(0, 0.3)
    widest = camera.aperture
    wanted = (
        widest
        if camera.model.startswith("iPhone")
        else max(widest, float(r.choice([1.8, 2.0, 2.2, 2.8, 4.0])) if shot.members else 8.0)
    )
    aperture = min((stop for stop in STOPS if stop >= widest), key=lambda stop: abs(stop - wanted))
    speed = iso
    shutter = 2 ** (light + np.log2(speed / 100)) / aperture**2
    while shutter < 60 and speed < 6400:
        speed, shutter = speed * 2, shutter * 2
    return aperture, min(SHUTTERS, key=lambda value: abs(np.log2(value / shutter))), speed


def _degrees(value: float) -> tuple[TiffImagePlugin.IFDRational, ...]:
    """Return an angle as degrees, minutes and seconds."""
    whole, minutes = int(abs(value)), abs(value) % 1 * 60
    seconds = minutes % 1 * 60
    return _rational(whole), _rational(int(minutes)), _rational(round(seconds, 2), 100)


def _gps(shot: Shot, r: np.random.Generator) -> dict[int, object]:
    """Return the position, some tens of metres off the job's place."""
    latitude = shot.job.place[0] + r.normal(0, 0.0012)
    longitude = shot.job.place[1] + r.normal(0, 0.0012)
    return {
        0: b"\x02\x03\x00\x00",
        1: "N" if latitude >= 0 else "S",
        2: _degrees(latitude),
        3: "E" if longitude >= 0 else "W",
        4: _degrees(longitude),
        18: "WGS-84",
    }


def exif(shot: Shot, iso: int) -> Image.Exif:
    """Return the EXIF block of a shot: camera, lens, exposure, moment with offset and hundredths, position."""
    r = np.random.default_rng([shot.seed, 7])
    camera = shot.camera
    aperture, shutter, speed = _exposure(shot, iso, r)
    focal = float(r.choice(camera.focal))
    moment = shot.taken.strftime("%Y:%m:%d %H:%M:%S")
    hundredths = f"{shot.taken.microsecond // 10_000:02d}"
    block = Image.Exif()
    block[0x010F], block[0x0110], block[0x0131] = camera.make, camera.model, camera.software
    block[0x0112], block[0x0132] = shot.orientation, moment
    block[0x011A], block[0x011B], block[0x0128] = _rational(300), _rational(300), 2
    block[0x013B], block[0x8298] = ARTIST, RIGHTS
    if shot.rating:
        block[0x4746] = shot.rating
    if shot.caption:
        block[0x010E] = shot.caption
    detail = block.get_ifd(EXIF_IFD)
    detail.update(
        {
            0x829A: _rational(1 / shutter, 10_000),
            0x829D: _rational(aperture, 10),
            0x8822: 2 if camera.make == "Apple" else 3,
            0x8827: speed,
            0x9000: b"0231",
            0x9003: moment,
            0x9004: moment,
            0x9010: shot.job.offset,
            0x9011: shot.job.offset,
            0x9012: shot.job.offset,
            0x9204: _rational(0),
            0x9207: 5,
            0x9209: 16,
            0x920A: _rational(focal, 10),
            0x9291: hundredths,
            0x9292: hundredths,
            0xA001: 1,
            0xA405: round(focal * camera.crop),
            0xA433: camera.lens_make,
            0xA434: camera.lens,
        }
    )
    if shot.gps:
        block.get_ifd(GPS_IFD).update(_gps(shot, r))
    return block


def xmp(shot: Shot) -> bytes:
    """Return the XMP packet of a shot: rating, keywords, and the word that the picture was computed."""
    keywords = "".join(f"<rdf:li>{word}</rdf:li>" for word in shot.keywords)
    return XMP.format(rating=shot.rating, keywords=keywords).encode("utf-8")
