"""What of a person may be printed now: photographs that show them, and pictures that models of theirs drew.

Everything is asked of the ledger. Of a photograph, everyone who can be recognised in it has granted `print`; of a drawn
picture, everyone in the model that drew it has granted `print` and pictures of themselves alone, and so has everyone in
the picture that it began as.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core import consent, statuses
from core.composition import ONE_PERSON
from core.errors import Refused
from core.models import people_in, require_in_use
from storage import artifacts, companions, generated, ledger, photos
from storage.catalog import Catalog
from storage.generated import Generated, GeneratedState
from storage.records import Model, Photo, Purpose, Status

OF_THE_DRAWN = (Purpose.PRINT, Purpose.TRAIN_INDIVIDUAL)
ASK = "leave it out, or ask them"


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be printed: a photograph, or a drawn picture, with the blake3 of the file that it began as."""

    of: Photo | Generated
    beginning: str | None = None

    @property
    def photo(self) -> int | None:
        """The photograph's number."""
        return self.of.id if isinstance(self.of, Photo) else None

    @property
    def drawn(self) -> Path | None:
        """The drawn picture's file."""
        return self.of.path if isinstance(self.of, Generated) else None


def drawn_of(catalog: Catalog, subject_id: int) -> list[Generated]:
    """The pictures, withdrawn ones too, that models drew whose pictures are of this person, in the order of drawing."""
    own = [
        model.id
        for model in artifacts.models_of_subject(catalog, subject_id)
        if artifacts.shares_of(catalog, model.id)[subject_id] >= ONE_PERSON
    ]
    return generated.of_models(catalog, own, state=None)


def require_printable(catalog: Catalog, source: Source) -> None:
    """Raises Refused or Tainted, saying why, unless it may be printed now."""
    if isinstance(source.of, Photo):
        _require_granted(catalog, [source.of.id], (Purpose.PRINT,), "")
        return
    if source.of.state is not GeneratedState.OK:
        raise Refused("a withdrawal reached the model that drew it", "draw another")
    (model,) = artifacts.get_models(catalog, [source.of.model_id])
    require_in_use(model)
    _require_people(catalog, model)
    if source.beginning is not None:
        _require_granted(catalog, _with_content(catalog, source.beginning), OF_THE_DRAWN, "what it began as is ")


def _with_content(catalog: Catalog, content_hash: str) -> list[int]:
    """Ids of the photographs that a file is, or belongs to. Raises Refused where there are none."""
    known = {row.file.id for row in photos.with_content(catalog, [content_hash]).get(content_hash, ())}
    known |= set(companions.with_content(catalog, [content_hash]).get(content_hash, ()))
    if not known:
        raise Refused("nobody knows who is in the picture that it began as: the catalog has it not", "index that")
    return sorted(known)


def _require_granted(catalog: Catalog, ids: list[int], purposes: tuple[Purpose, ...], what: str) -> None:
    for rulings in statuses.rulings(catalog, ids, purposes, ledger.instant(catalog)).values():
        for ruling in rulings.values():
            if ruling.status is not Status.GRANTED:
                raise Refused(f"{what}{ruling.status}: {ruling.why}", ASK)


def _require_people(catalog: Catalog, model: Model) -> None:
    people, now = people_in(catalog, model), ledger.instant(catalog)
    events = ledger.events_of_many(catalog, [person.uid for person in people])
    for person in people:
        for purpose in OF_THE_DRAWN:
            ruling = consent.person_ruling(person, events[person.uid], purpose, now)
            if ruling.status is not Status.GRANTED:
                raise Refused(f"{ruling.status}: {ruling.why}", ASK)
