"""Statuses and states as signs and roles: never by colour alone, always one cell wide."""

from __future__ import annotations

from collections.abc import Mapping

from storage.records import JobState, ModelState, Status

SIGNS: Mapping[Status, str] = {
    Status.GRANTED: "✓",
    Status.UNKNOWN: "?",
    Status.EXPIRED: "~",
    Status.REFUSED: "✗",
    Status.WITHDRAWN: "←",
    Status.AGE_UNSETTLED: "≈",
    Status.MINOR: "⊘",
}
ROLES: Mapping[str, str] = {
    Status.GRANTED: "good",
    Status.UNKNOWN: "dim",
    Status.EXPIRED: "warn",
    Status.REFUSED: "bad",
    Status.WITHDRAWN: "bad",
    Status.AGE_UNSETTLED: "warn",
    Status.MINOR: "bad",
    ModelState.OK: "good",
    ModelState.TAINTED: "warn",
    ModelState.QUARANTINED: "bad",
    ModelState.DELETED: "dim",
    JobState.WAITING: "warn",
    JobState.QUEUED: "dim",
    JobState.RUNNING: "good",
    JobState.DONE: "",
    JobState.FAILED: "bad",
    JobState.CANCELLED: "dim",
    JobState.INTERRUPTED: "warn",
}


def signed(status: Status) -> tuple[str, str]:
    """The status as a table's cell: sign and word, and its role."""
    return f"{SIGNS[status]} {status}", ROLES[status]
