"""Why a photograph may be used for a purpose or not, in a line made from its row: what is seen at every step."""

from __future__ import annotations

from core.counted import counted
from core.listing import PhotoRow
from storage.records import Purpose, Status
from tui.widgets.signs import SIGNS

NAMES = 3  # of people, told


def reason(row: PhotoRow | None, purpose: Purpose) -> str:
    """The line for a row, or for none: what blocks it, and which key goes on from there."""
    if row is None:
        return ""
    photo, status = row.photo, row.status.get(purpose)
    if photo.error is not None:
        return f"blocked: it can't be read: {photo.error}"
    if photo.state == "gone":
        return "blocked: its file was gone at the last scan"
    if photo.faces_space is None:
        return "blocked: faces have not been looked for (kyodaku faces)"
    if row.unnamed:
        return f"blocked: {counted(row.unnamed, 'face')} unnamed (f names them)"
    if status is None:
        return "its status is being worked out"
    if not row.faces:
        settled = status is Status.GRANTED
        return f"{SIGNS[status]} nobody is seen: " + (f"{photo.rights}" if settled else "whose is it? (m, l)")
    more = f" and {len(row.subjects) - NAMES} more" if len(row.subjects) > NAMES else ""
    who = ", ".join(row.subjects[:NAMES]) + more
    return f"{SIGNS[status]} {_said(status, purpose)}: {who}"


def _said(status: Status, purpose: Purpose) -> str:
    return {
        Status.GRANTED: f"{purpose} is allowed",
        Status.UNKNOWN: f"blocked: not everybody has allowed {purpose} (y, n)",
        Status.EXPIRED: f"blocked: a grant of {purpose} has ended",
        Status.REFUSED: f"blocked: {purpose} is refused",
        Status.WITHDRAWN: f"blocked: {purpose} was withdrawn",
        Status.AGE_UNSETTLED: "blocked: somebody's age is not settled",
        Status.MINOR: "blocked: somebody is, or was then, under 18",
    }[status]
