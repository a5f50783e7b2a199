from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.interchange import xmp
from core.interchange.assertions import Assertion
from storage.records import Bar, ClaimField

HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"'
    ' xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"'
    ' xmlns:MP="http://ns.microsoft.com/photo/1.2/" xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"'
    ' xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#" xmlns:digiKam="http://www.digikam.org/ns/1.0/"'
    ' xmlns:lr="http://ns.adobe.com/lightroom/1.0/" {attributes}>'
)
TAIL = "</rdf:Description></rdf:RDF></x:xmpmeta>"
VOCABULARY = "http://ns.useplus.org/ldf/vocab/"


def packet(body: str, attributes: str = "") -> bytes:
    return (HEAD.replace("{attributes}", attributes) + body + TAIL).encode()


def said(body: str, attributes: str = "") -> list[tuple[ClaimField, str]]:
    return [(one.field, one.value) for one in xmp.read(packet(body, attributes)).asserted]


# As Lightroom Classic writes them: structures as attributes, Description inside li
LIGHTROOM = """<mwg-rs:Regions rdf:parseType="Resource">
 <mwg-rs:AppliedToDimensions stDim:w="4000" stDim:h="3000" stDim:unit="pixel"/>
 <mwg-rs:RegionList><rdf:Bag>
  <rdf:li><rdf:Description mwg-rs:Rotation="0.00000" mwg-rs:Name="Noy" mwg-rs:Type="Face">
   <mwg-rs:Area stArea:h="0.20000" stArea:w="0.10000" stArea:x="0.50000" stArea:y="0.40000"/></rdf:Description></rdf:li>
  <rdf:li><rdf:Description mwg-rs:Type="Face">
   <mwg-rs:Area stArea:h="0.1" stArea:w="0.1" stArea:x="0.8" stArea:y="0.4"/></rdf:Description></rdf:li>
  <rdf:li><rdf:Description mwg-rs:Type="Pet" mwg-rs:Name="Rex">
   <mwg-rs:Area stArea:h="0.1" stArea:w="0.1" stArea:x="0.1" stArea:y="0.1"/></rdf:Description></rdf:li>
 </rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
<lr:hierarchicalSubject><rdf:Bag><rdf:li>People|Family|Noy</rdf:li><rdf:li>Places|Lao</rdf:li></rdf:Bag>
</lr:hierarchicalSubject>"""

# As digiKam writes them: the same face in both schemes, and in its tree of tags
DIGIKAM = """<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>
 <rdf:li rdf:parseType="Resource"><mwg-rs:Name>Kham</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type>
  <mwg-rs:Area rdf:parseType="Resource"><stArea:x>0.25</stArea:x><stArea:y>0.5</stArea:y><stArea:w>0.1</stArea:w>
  <stArea:h>0.2</stArea:h><stArea:unit>normalized</stArea:unit></mwg-rs:Area></rdf:li>
 </rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>
 <rdf:li MPReg:Rectangle="0.2, 0.4, 0.1, 0.2" MPReg:PersonDisplayName="Kham"/></rdf:Bag></MPRI:Regions></MP:RegionInfo>
<digiKam:TagsList><rdf:Seq><rdf:li>People/Kham</rdf:li><rdf:li>People</rdf:li><rdf:li>market</rdf:li></rdf:Seq>
</digiKam:TagsList>"""


def test_faces_from_lightroom() -> None:
    found = xmp.read(packet(LIGHTROOM)).asserted
    assert found == (
        Assertion(ClaimField.PERSON, "Noy"),
        Assertion(ClaimField.REGION, "Noy", (0.45, 0.3, 0.55, 0.5)),
    )


def test_faces_from_digikam() -> None:
    found = xmp.read(packet(DIGIKAM)).asserted
    assert found == (
        Assertion(ClaimField.PERSON, "Kham"),
        Assertion(ClaimField.REGION, "Kham", (0.2, 0.4, 0.3, 0.6)),  # in both schemes, told once
    )


@pytest.mark.parametrize(
    ("body", "attributes", "value", "bars"),
    [
        (f"<plus:ModelReleaseStatus>{VOCABULARY}MR-UMR</plus:ModelReleaseStatus>", "", "MR-UMR", None),
        (f'<plus:ModelReleaseStatus rdf:resource="{VOCABULARY}MR-NON"/>', "", "MR-NON", Bar.UNRELEASED),
        ("", f'plus:ModelReleaseStatus="{VOCABULARY}MR-LMR"', "MR-LMR", Bar.UNRELEASED),
        ("", f'plus:MinorModelAgeDisclosure="{VOCABULARY}AG-A17"', "AG-A17", Bar.MINOR),
        ("", 'plus:MinorModelAgeDisclosure="ag-u14"', "AG-U14", Bar.MINOR),
        ("", f'plus:MinorModelAgeDisclosure="{VOCABULARY}AG-A18"', "AG-A18", None),
        ("", f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING"',
         "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING", Bar.PROHIBITED),
        ("", f'plus:DataMining="{VOCABULARY}DMI-ALLOWED"', "DMI-ALLOWED", None),
        ("<Iptc4xmpExt:ModelAge><rdf:Bag><rdf:li>17</rdf:li></rdf:Bag></Iptc4xmpExt:ModelAge>", "", "17", Bar.MINOR),
        ("<Iptc4xmpExt:ModelAge><rdf:Bag><rdf:li>18</rdf:li></rdf:Bag></Iptc4xmpExt:ModelAge>", "", "18", None),
        ("<Iptc4xmpExt:ModelAge>old</Iptc4xmpExt:ModelAge>", "", "old", None),
    ],
)  # fmt: skip
def test_what_stands_against_something(body: str, attributes: str, value: str, bars: Bar | None) -> None:
    [found] = xmp.read(packet(body, attributes)).asserted
    assert (found.value, found.bars) == (value, bars)


def test_persons_releases_and_how_it_was_made() -> None:
    body = (
        "<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Noy</rdf:li><rdf:li> </rdf:li></rdf:Bag>"
        "</Iptc4xmpExt:PersonInImage>"
        "<plus:ModelReleaseID><rdf:Bag><rdf:li>R-1</rdf:li></rdf:Bag></plus:ModelReleaseID>"
        "<Iptc4xmpExt:PersonInImageWDetails><rdf:Bag><rdf:li rdf:parseType='Resource'><Iptc4xmpExt:PersonName><rdf:Alt>"
        "<rdf:li xml:lang='x-default'>Kham \u202e</rdf:li></rdf:Alt></Iptc4xmpExt:PersonName></rdf:li></rdf:Bag>"
        "</Iptc4xmpExt:PersonInImageWDetails>"
        "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
        "</Iptc4xmpExt:DigitalSourceType>"
    )
    assert said(body) == [
        (ClaimField.SOURCE_TYPE, "trainedAlgorithmicMedia"),
        (ClaimField.RELEASE_ID, "R-1"),
        (ClaimField.PERSON, "Noy"),
        (ClaimField.PERSON, "Kham \\u202e"),
    ]


@pytest.mark.parametrize("x", ["nan", "inf", "", "1e999", "-5", "two"])
def test_areas_that_are_none(x: str) -> None:
    body = LIGHTROOM.replace('stArea:x="0.50000"', f'stArea:x="{x}"')
    found = [one for one in xmp.read(packet(body)).asserted if one.field is ClaimField.REGION]
    assert [(one.value, one.area) for one in found] == [("Noy", None)]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_mutated_packets_never_raise(data: st.DataObject) -> None:
    broken = bytearray(packet(LIGHTROOM + DIGIKAM, 'plus:DataMining="DMI-PROHIBITED"'))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(broken) - 1))
        piece = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"<!DOCTYPE a>", b"&a;", b"<rdf:li>", b"9e99", b"'"])
        )
        broken[at : at + data.draw(st.integers(0, 8))] = piece
    for one in xmp.read(bytes(broken)).asserted:
        assert one.value
        assert one.value.isprintable()
        assert one.area is None or all(0 <= edge <= 1 for edge in one.area)
