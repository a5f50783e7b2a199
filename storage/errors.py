"""The one error class of Kyodaku, and what can go wrong with a catalog folder.

The class stands on the lowest floor because storage raises it too; `core.errors` adds the rest.
"""

from __future__ import annotations

REFUSED = 1
BAD_INPUT = 2
DAMAGED = 3
INTERRUPTED = 130


class KyodakuError(Exception):
    """What went wrong, in one line that names the file or field, and what the user can do about it.

    `message` says what happened, `hint` what to do, `exit_status` is the command line's
    (1 refused by a rule, 2 bad usage or input, 3 catalog damaged or of a newer version).
    """

    exit_status = BAD_INPUT

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class NotACatalog(KyodakuError):
    """The folder holds no catalog."""


class CatalogExists(KyodakuError):
    """A catalog is already there."""


class CatalogDamaged(KyodakuError):
    """The catalog can't be read, or its ledger does not verify."""

    exit_status = DAMAGED


class CatalogTooNew(KyodakuError):
    """The catalog was written by a newer Kyodaku."""

    exit_status = DAMAGED


class NoSuchRecord(KyodakuError):
    """A subject, photograph, cohort, model or job that the catalog does not hold."""


class NameTaken(KyodakuError):
    """A name that must be unique in the catalog is in use."""


class BadTensorFile(KyodakuError):
    """A safetensors file that is missing, cut off or not one."""


class BadValue(KyodakuError):
    """An option or a field holds something it can't."""


class LedgerBehind(KyodakuError):
    """An event is recorded in the table, and its line could not be written to the ledger's file."""


class WrongKey(KyodakuError):
    """A checkpoint would be signed by a key that those before do not lead to."""
