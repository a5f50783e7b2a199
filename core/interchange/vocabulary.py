"""Names and controlled values of the metadata standards that are read and written.

Sources: PLUS License Data Format (ns.useplus.org), IPTC Photo Metadata Standard, Metadata Working Group guidelines
2.0, Microsoft's people tags (WIC), digiKam's and Lightroom's own namespaces.
"""

from __future__ import annotations

PREFIXES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "x": "adobe:ns:meta/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
}
PLUS_VALUES = "http://ns.useplus.org/ldf/vocab/"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def named(name: str) -> str:
    """A name with its prefix as ElementTree has it: `plus:DataMining` as `{http://…}DataMining`."""
    prefix, _, local = name.partition(":")
    return f"{{{PREFIXES[prefix]}}}{local}"


RELEASE_STATUS = named("plus:ModelReleaseStatus")
RELEASE_ID = named("plus:ModelReleaseID")
MINOR_AGE = named("plus:MinorModelAgeDisclosure")
DATA_MINING = named("plus:DataMining")
PERSON = named("Iptc4xmpExt:PersonInImage")
REGIONS = named("mwg-rs:Regions")

NO_RELEASE, NOT_APPLICABLE, UNLIMITED, LIMITED = "MR-NON", "MR-NAP", "MR-UMR", "MR-LMR"
NO_GENERATIVE_TRAINING = "DMI-PROHIBITED-GENAIMLTRAINING"
AGE_UNKNOWN, AGE_25, AGE_14 = "AG-UNK", "AG-A25", "AG-U14"
MINOR_AGES = (AGE_14, "AG-A15", "AG-A16", "AG-A17")  # the youngest first


def age_code(years: int) -> str:
    """The PLUS value of an age in whole years."""
    if years <= 14:
        return AGE_14
    return AGE_25 if years >= 25 else f"AG-A{years}"
