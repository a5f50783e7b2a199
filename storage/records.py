"""Frozen records of all that the catalog holds. Pure: nothing here reads a file or a database.

Times of events are aware `datetime`s in UTC. A photograph's `taken_at` is the local wall time its
camera wrote (naive) beside `taken_offset`, minutes east of UTC, None where nothing tells it.
Boxes are `(x0, y0, x1, y1)` in pixels of the upright picture (EXIF orientation applied), half open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

Box = tuple[int, int, int, int]
Area = tuple[float, float, float, float]
"""Like a box, in fractions of the width and height."""


class Purpose(StrEnum):
    """What a photograph of a person may be used for."""

    CATALOGUE = "catalogue"
    PRINT = "print"
    PUBLISH = "publish"
    TRAIN_INDIVIDUAL = "train-individual"
    TRAIN_COMPOSITE = "train-composite"
    RELEASE = "release"


TRAIN_PURPOSES = frozenset({Purpose.TRAIN_INDIVIDUAL, Purpose.TRAIN_COMPOSITE})
ADULT_ONLY_PURPOSES = TRAIN_PURPOSES | {Purpose.RELEASE}


class Status(StrEnum):
    """Where a person or a photograph stands for one purpose. Only `GRANTED` permits anything."""

    GRANTED = "granted"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    AGE_UNSETTLED = "age-unsettled"
    MINOR = "minor"


class EventKind(StrEnum):
    """Kinds of ledger event."""

    GRANT = "grant"
    REFUSAL = "refusal"
    WITHDRAWAL = "withdrawal"
    AGE = "age"  # what is on record about a subject's age changed
    FACE_MARK = "face-mark"  # a face was marked, or unmarked, by a person, with who and why
    ERASURE = "erasure"  # a person was erased; its details vouch for the events whose words went with them
    RIGHTS = "rights"  # who owns the rights of photographs without faces
    CLAIM = "claim"  # a person settled what a photograph's file claims, with who and why


class PhotoState(StrEnum):
    """Whether the file was there at the last scan of its folder."""

    PRESENT = "present"
    GONE = "gone"


class Rights(StrEnum):
    """Whose photograph it is; asked for where no face settles consent."""

    UNKNOWN = "unknown"
    MINE = "mine"
    LICENSED = "licensed"


class FaceMark(StrEnum):
    """A person's word on a detection, which takes it out of the rules; an erased face stays in them, as unknown."""

    NOT_A_FACE = "not a face"
    UNRECOGNISABLE = "unrecognisable"
    ERASED = "erased"  # of somebody who was erased: never embedded, grouped or named again


class CompanionKind(StrEnum):
    """What a file beside a photograph's own is."""

    RAW = "raw"  # the same exposure as the camera's sensor gave it
    XMP = "xmp"  # a sidecar: what an editor wrote about it


class ClaimField(StrEnum):
    """What the files of a photograph may claim. A claim is what somebody else wrote: never a grant, name or age."""

    RELEASE_STATUS = "release-status"  # PLUS: MR-NON, MR-NAP, MR-UMR, MR-LMR
    RELEASE_ID = "release-id"
    MINOR_AGE = "minor-age"  # PLUS: the youngest person's age then
    MODEL_AGE = "model-age"  # IPTC: a person's age then, in years
    DATA_MINING = "data-mining"  # PLUS: what machines may do with it
    PERSON = "person"
    REGION = "region"  # a person, and where in the picture
    SOURCE_TYPE = "source-type"  # IPTC: how the picture came to be


class Bar(StrEnum):
    """What a claim stands against until a person of the house has settled it."""

    MINOR = "minor"  # somebody under 18 is said to be in it
    PROHIBITED = "prohibited"  # training on it is said to be prohibited
    UNRELEASED = "unreleased"  # releases are said to be missing or incomplete


class GroupRule(StrEnum):
    """How a cohort treats photographs in which others are seen too. Never chosen silently."""

    CROP = "crop"
    MASK = "mask"
    EXCLUDE = "exclude"


class ModelKind(StrEnum):
    """How a model came to be."""

    LORA = "lora"  # one subject
    POOLED = "pooled"  # one LoRA on the whole cohort
    FULL = "full"  # a base whose own weights were trained further, on one subject or the whole cohort
    AVERAGE = "average"  # mean of LoRA deltas
    BAKE = "bake"  # a LoRA merged into its base
    SOUP = "soup"  # mean of whole checkpoints


class ModelState(StrEnum):
    """Whether a model may be used."""

    OK = "ok"
    TAINTED = "tainted"  # a withdrawal reaches it and it has not been remade yet
    QUARANTINED = "quarantined"  # it can't be had without the person who withdrew
    DELETED = "deleted"


class DecisionKind(StrEnum):
    """What a decision that can be taken back was about."""

    RIGHTS = "rights"  # whose photographs are
    KEYWORDS = "keywords"
    FACES = "faces"  # whose faces are
    MARK = "mark"  # a face taken out of the rules, or back in
    CONSENT = "consent"  # a grant, refusal or withdrawal
    AGE = "age"  # a person's name and facts of age
    CAPTIONS = "captions"  # what pictures are called when they train


class JobState(StrEnum):
    """Where a job stands. `INTERRUPTED` is said of a running job whose worker holds no lock."""

    WAITING = "waiting"  # put down by a withdrawal, to be started by a person
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Companion:
    """A file in a photograph's folder that belongs to it."""

    name: bytes
    kind: CompanionKind
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    content_hash: str | None = None  # blake3 of the bytes, hex; None where it could not be read


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a file says of a photograph; `source` is its name, safe to show, `area` of the upright picture.

    `at` is when it was read first, `settled` the hash of the ledger event by which a person of the house settled it.
    """

    field: ClaimField
    value: str
    source: str
    area: Area | None = None
    bars: Bar | None = None
    id: int = 0
    photo_id: int = 0
    at: datetime | None = None
    settled: str | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """One photograph of the archive. `path` is the file's name as the system gave it, byte for byte."""

    id: int
    path: bytes
    path_text: str  # for people: escaped, safe on a terminal
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    state: PhotoState = PhotoState.PRESENT
    content_hash: str | None = None  # blake3 of the bytes, hex
    format: str | None = None
    width: int | None = None  # upright; of a RAW, its preview's
    height: int | None = None
    orientation: int = 1  # EXIF 1..8
    taken_at: datetime | None = None
    taken_offset: int | None = None
    taken_source: str | None = None  # exif-offset, gps, place (guessed from lat, lon), none
    camera: str | None = None
    lens: str | None = None
    exposure_s: float | None = None
    f_number: float | None = None
    iso: int | None = None
    focal_mm: float | None = None
    lat: float | None = None
    lon: float | None = None
    place: str | None = None  # nearest town on record to lat, lon
    country: str | None = None  # its country, ISO 3166-1 alpha-2
    rights: Rights = Rights.UNKNOWN
    rating: int | None = None
    caption: str | None = None
    error: str | None = None  # why it can't be used; such a photograph stays in the catalog
    faces_space: str | None = None  # embedding space its faces were last sought with; None: not yet
    # As a scan read them; None where it didn't, as in every row that is read from the catalog
    companions: tuple[Companion, ...] | None = None
    tags: tuple[str, ...] | None = None
    claims: tuple[Claim, ...] | None = None
    # What its claims stand against that nobody has settled; only in rows that are read from the catalog
    barred: frozenset[Bar] = frozenset()


@dataclass(frozen=True, slots=True)
class Face:
    """One detection in one photograph. `space` names what made its embedding, which `storage.faces.vectors` gives."""

    id: int
    photo_id: int
    box: Box
    probability: float
    space: str
    sharpness: float | None = None
    age_estimate: float | None = None  # years; shown, never used to allow
    pose: tuple[float, float, float] | None = None  # yaw, pitch and roll in degrees, as `core.faces.quality` estimates
    cluster: int | None = None
    subject_id: int | None = None
    assigned_by_person: bool = False  # False: by clustering
    mark: FaceMark | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A person. `uid` is a random pseudonym: what leaves the catalog names the person only by it."""

    id: int
    uid: str
    name: str
    born: date | None = None
    adult_attested_by: str | None = None
    adult_attested_how: str | None = None
    minor: bool = False  # declared a minor
    guardian: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the ledger.

    `purposes`, `valid_from` and `valid_until` matter to grants; `valid_until` is exclusive.
    `details` holds what is special to a kind, as JSON values. `hash` covers all else and `previous`.
    """

    seq: int
    at: datetime
    kind: EventKind
    subject_uid: str | None
    purposes: tuple[Purpose, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    by: str | None = None
    evidence: str | None = None  # sha256 of the evidence file, hex
    note: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    salt: str = ""  # random, set when it is recorded
    previous: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class CohortRules:
    """What a cohort asks for, besides its query."""

    purpose: Purpose
    per_subject: int | None = None  # at most so many photographs of one person
    max_share: float = 1.0  # of one person in the whole, 0..1
    min_subjects: int = 1
    seed: int = 0
    group: GroupRule = GroupRule.EXCLUDE


@dataclass(frozen=True, slots=True)
class CohortItem:
    """One picture that trains: the crop of one photograph that shows one person."""

    photo_id: int
    face_id: int
    subject_id: int
    subject_uid: str
    content_hash: str
    crop: Box
    masks: tuple[Box, ...]  # other people's faces with their margin, in the same pixels as `crop`
    grant: str  # hash of the ledger event that permits it
    leaf: str  # hash of the picture, of which cohort and model roots are made, hex
    secret: str = field(repr=False)  # blinds the leaf, hex; never leaves the catalog


@dataclass(frozen=True, slots=True)
class Cohort:
    """A saved query and its rules; frozen once `merkle_root` is set."""

    id: int
    name: str
    query: str
    rules: CohortRules
    created_at: datetime
    frozen_at: datetime | None = None
    merkle_root: str | None = None
    ledger_head: str | None = None
    tainted: bool = False  # a withdrawal reached one of its photographs


@dataclass(frozen=True, slots=True)
class Model:
    """A file that training or merging made. `path` is relative to the catalog's `models/`."""

    id: int
    name: str
    kind: ModelKind
    path: str
    content_hash: str  # blake3 of the weights file, hex
    base: str  # the base's path as the user gave it
    base_hash: str  # blake3 of the base's UNet weights
    trigger: str | None
    cohort_id: int | None
    recipe: Mapping[str, Any]
    created_at: datetime
    state: ModelState = ModelState.OK
    energy_kept: float | None = None  # of the exact mean's squared Frobenius norm, 0..1
    why: str | None = None  # why it is not ok


@dataclass(frozen=True, slots=True)
class ModelInput:
    """An arrow of the lineage: this model was made from that one, with this weight."""

    input_id: int
    weight: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that people decided. `body` holds, as JSON values, what it takes to undo and to redo it."""

    id: int
    at: datetime
    kind: DecisionKind
    told: str  # in a few words
    undone: bool
    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Job:
    """Long work in a process of its own. `progress` is 0..1."""

    id: int
    kind: str
    args: Mapping[str, Any]
    state: JobState
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: float = 0.0
    note: str = ""
    eta_s: float | None = None
    pid: int | None = None
    log: str | None = None
    result: Mapping[str, Any] | None = None
