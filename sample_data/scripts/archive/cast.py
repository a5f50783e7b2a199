"""The people of the archive: synthetic adults, each a seed of the renderer, and what each of them allows.

Every name is made up. One record is a minor's, on paper only: its pictures show a synthetic adult of over sixty.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from ..heads import Identity, make_identity

ALL = ("catalogue", "print", "publish", "train-individual", "train-composite", "release")
MOST = ("catalogue", "print", "publish", "train-individual", "train-composite")
PICTURES = ("catalogue", "print", "publish")
TRAINING = ("train-individual", "train-composite", "release")
REFERENCE_YEAR = 2021  # the middle of the archive: the rendered age is the age in this year
MINOR_SEED = 41
MINOR_NAME = "Exercise Record (minor on paper)"
MINOR_BORN = date(2006, 9, 14)
MINOR_NOTE = (
    "A record to exercise the rule about minors. No child is shown anywhere in this archive: the pictures assigned "
    "to this record are renders of a synthetic ADULT of over sixty years."
)

# Seed of the renderer and made-up name, by the part of the world where they were photographed.
CAST: dict[str, tuple[tuple[int, str], ...]] = {
    "laos": (
        (12, "ບົວຄຳ ສີວິໄລ"),
        (9, "ຄຳພັນ ວົງສາ"),
        (4, "ສົມພອນ ແກ້ວມະນີ"),
        (66, "ມະນີວັນ ພົມມະຈັນ"),
        (78, "ບຸນມີ ໄຊຍະວົງ"),
        (31, "ດາວອນ ຈັນທະລາ"),
        (42, "ທອງດີ ແສງສຸລິຍາ"),
        (56, "ຄຳຫຼ້າ ດວງດີ"),
        (22, "Andrés Rojas"),
        (90, "Amara Diallo"),
        (52, "Callum Fraser"),
    ),
    "thailand": (
        (6, "สุดารัตน์ แสงทอง"),
        (5, "มาลี ศรีสุข"),
        (37, "อนันต์ วงศ์ไทย"),
        (8, "ประเสริฐ บุญมา"),
        (67, "กิตติ พงษ์ดี"),
        (58, "วิภา จันทร์เพ็ญ"),
        (44, "ณรงค์ ชัยวัฒน์"),
        (20, "พิมพ์ใจ ศรีวงศ์"),
        (14, "Marlène Baptiste"),
        (54, "Tevita Mahe"),
        (99, "Moussa Traoré"),
    ),
    "japan": (
        (11, "佐藤 恵子"),
        (55, "高橋 真由美"),
        (81, "山本 健"),
        (95, "伊藤 大輔"),
        (0, "田中 修"),
        (60, "中村 和子"),
        (40, "Aoife Byrne"),
        (53, "Ingrid Solheim"),
        (17, "Mateus Carvalho"),
        (34, "Kofi Asante"),
        (2, "Jonas Keller"),
    ),
    "switzerland": (
        (3, "Luca Bernasconi"),
        (19, "Rafael Monteiro"),
        (27, "Ursula Frei"),
        (32, "Samuel Okeke"),
        (38, "Beat Zürcher"),
        (MINOR_SEED, MINOR_NAME),
        (48, "Timur Akhmetov"),
        (49, "Paweł Nowicki"),
        (50, "Leilani Rakoto"),
        (68, "Yonas Tesfaye"),
        (76, "Björn Lindqvist"),
        (87, "Carla Mendes"),
        (89, "Étienne Rochat"),
        (97, "Marko Petrović"),
        (98, "Desmond Clarke"),
    ),
}

COMPOSITE_ONLY = (38, 5, 95, 68)
NO_TRAINING = (48, 58, 60)
NOTHING = (49, 78)
EXPIRED = {27: "2021-12-31", 8: "2024-06-30"}
WITHDRAWN = {97: "2025-03-02"}
AGE_UNSETTLED = (67, 55)
NEVER_ASKED = (44, 89)
ATTESTED_ONLY = (22, 54, 34, 19, 32, 98)  # adults who gave no birth date: someone saw their papers


@dataclass(frozen=True)
class Person:
    """One line of people.csv, and the face that belongs to it."""

    seed: int
    region: str
    name: str
    who: Identity
    born: str
    attested_by: str
    attested_how: str
    minor: bool
    guardian: str
    grants: tuple[str, ...]
    since: str
    until: str
    refuses: tuple[str, ...]
    withdrawn: str
    note: str


def _consent(seed: int) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return (grants, refusals, note) of a person."""
    if seed == MINOR_SEED:
        return MOST, (), MINOR_NOTE
    if seed in COMPOSITE_ONLY:
        return (*PICTURES, "train-composite"), ("train-individual", "release"), "only as one of many, never alone"
    if seed in NO_TRAINING:
        return PICTURES, TRAINING, "pictures yes, training no"
    if seed in NOTHING:
        return (), ALL, "refuses everything: keep out of print and out of any search by face"
    if seed in NEVER_ASKED:
        return (), (), "never asked"
    if seed in EXPIRED:
        return MOST, (), "the grant has run out; ask again before use"
    if seed in WITHDRAWN:
        return MOST, (), "granted, and withdrawn since"
    if seed in AGE_UNSETTLED:
        return ALL, (), "no birth date and nobody's word for their age: not settled"
    if seed % 3 == 0:
        return ALL, (), "signed release on paper"
    return MOST, ("release",), "signed release on paper; no finished model is to be given away"


def _person(region: str, seed: int, name: str) -> Person:
    """Fill in the record of one person."""
    who = make_identity(seed)
    r = np.random.default_rng(31_000 + seed)
    born = date(REFERENCE_YEAR - who.age, int(r.integers(1, 13)), int(r.integers(1, 29))).isoformat()
    since = date(int(r.integers(2015, 2018)), int(r.integers(1, 6)), int(r.integers(1, 29))).isoformat()
    attested_by, attested_how = "M. Roth, photographer", "saw identity card"
    if seed in AGE_UNSETTLED:
        born = attested_by = attested_how = ""
    elif seed in ATTESTED_ONLY:
        born = ""
    minor = seed == MINOR_SEED
    if minor:
        born, attested_by, attested_how, since = MINOR_BORN.isoformat(), "", "", "2023-05-01"
    grants, refuses, note = _consent(seed)
    return Person(
        seed=seed,
        region=region,
        name=name,
        who=who,
        born=born,
        attested_by=attested_by,
        attested_how=attested_how,
        minor=minor,
        guardian="Exercise Guardian" if minor else "",
        grants=grants,
        since=since if grants or refuses else "",
        until=EXPIRED.get(seed, ""),
        refuses=refuses,
        withdrawn=WITHDRAWN.get(seed, ""),
        note=note,
    )


def people() -> list[Person]:
    """Return everyone, by region."""
    return [_person(region, seed, name) for region, members in CAST.items() for seed, name in members]


COLUMNS = (
    "name",
    "born",
    "attested_by",
    "attested_how",
    "minor",
    "guardian",
    "grants",
    "from",
    "until",
    "refuses",
    "withdrawn",
    "note",
)


def row(person: Person) -> dict[str, str]:
    """Return a person as a row of people.csv."""
    return {
        "name": person.name,
        "born": person.born,
        "attested_by": person.attested_by,
        "attested_how": person.attested_how,
        "minor": "yes" if person.minor else "",
        "guardian": person.guardian,
        "grants": ";".join(person.grants),
        "from": person.since,
        "until": person.until,
        "refuses": ";".join(person.refuses),
        "withdrawn": person.withdrawn,
        "note": person.note,
    }
