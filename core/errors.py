"""Every way things go wrong in Kyodaku, by name. Each says what happened and what the user can do."""

from __future__ import annotations

from storage.errors import (
    REFUSED,
    BadValue,
    CatalogDamaged,
    CatalogExists,
    CatalogTooNew,
    KyodakuError,
    NameTaken,
    NoSuchRecord,
    NotACatalog,
)

__all__ = [
    "BadBase",
    "BadImage",
    "BadLora",
    "BadQuery",
    "BadRecipe",
    "BadValue",
    "CatalogDamaged",
    "CatalogExists",
    "CatalogTooNew",
    "Changed",
    "CohortTooSmall",
    "ConsentLost",
    "JobFailed",
    "KyodakuError",
    "MissingDependency",
    "NameTaken",
    "NoSuchRecord",
    "NotACatalog",
    "NotEnoughSpace",
    "PromptRefused",
    "Refused",
    "Tainted",
    "UnreadablePath",
    "WrongArchitecture",
]


class BadQuery(KyodakuError):
    """A search that can't be understood; the message points at the place."""


class BadImage(KyodakuError):
    """A file that can't be decoded as a photograph. Recorded with the photograph; the run goes on."""


class Changed(BadImage):
    """A file that is gone, or no longer the one that was indexed."""


class UnreadablePath(KyodakuError):
    """A file or folder that is missing or may not be read."""


class BadBase(KyodakuError):
    """A base that is no diffusion checkpoint Kyodaku can read."""


class BadLora(KyodakuError):
    """A LoRA file that is damaged or not in a format Kyodaku reads."""


class WrongArchitecture(KyodakuError):
    """A LoRA whose layers or shapes do not fit the base or the other LoRAs."""


class BadRecipe(KyodakuError):
    """A training recipe with a field that is unknown or out of range."""


class MissingDependency(KyodakuError):
    """An optional library or weight file that this choice needs is not installed."""


class NotEnoughSpace(KyodakuError):
    """The disk has no room for what would be written."""


class JobFailed(KyodakuError):
    """A job ended without doing its work; the log says why."""


class Refused(KyodakuError):
    """A rule of consent or age says no; the message names the people or photographs."""

    exit_status = REFUSED


class ConsentLost(Refused):
    """Consent that was in force when the cohort was frozen no longer is; training stops."""


class CohortTooSmall(Refused):
    """Fewer people than the purpose asks for."""


class Tainted(Refused):
    """A model that a withdrawal reaches."""


class PromptRefused(Refused):
    """A prompt that asks for a minor or for sexual content."""
