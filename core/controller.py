"""Who answers for the archive: what receipts say of the photographer. Nothing is stated that nobody told."""

from __future__ import annotations

from dataclasses import dataclass, fields

from core.errors import BadValue
from storage import settings
from storage.catalog import Catalog

PREFIX = "controller."
LONGEST = 300  # characters: a receipt is one page


@dataclass(frozen=True, slots=True)
class Controller:
    """The photographer as receipts name them. None: not stated.

    `contact` is where a person writes to withdraw; `retention` how long photographs are kept; `jurisdiction` whose law.
    """

    name: str | None = None
    contact: str | None = None
    retention: str | None = None
    jurisdiction: str | None = None

    def lines(self) -> list[str]:
        """For a person to read."""
        return [f"{field.name}: {getattr(self, field.name) or 'not stated'}" for field in fields(self)]


def get(catalog: Catalog) -> Controller:
    """What is stated."""
    found = settings.read(catalog)
    return Controller(**{field.name: found.get(PREFIX + field.name) for field in fields(Controller)})


def state(catalog: Catalog, **values: str | None) -> Controller:
    """State some of it; None leaves one as it is, an empty text takes it back. Raises BadValue."""
    told = {PREFIX + name: " ".join(value.split()) for name, value in values.items() if value is not None}
    for name, value in told.items():
        if len(value) > LONGEST:
            raise BadValue(f"{name.removeprefix(PREFIX)} has {len(value)} characters", f"{LONGEST} at most")
    settings.write(catalog, told)
    return get(catalog)
