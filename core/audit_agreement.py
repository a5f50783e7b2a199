"""Several embedders asked of one set of pictures: what they say together. Pure.

Networks that were trained apart err apart: what one overlooks another may see. So any of them may say that somebody is
resembled, and only all of them that nobody is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.audit_report import AuditReport
from core.audit_verdict import NOBODY_VERDICT, NOT_ENOUGH, RESEMBLES


def agreed(reports: Sequence[AuditReport]) -> AuditReport:
    """The first report with the verdict of all, and the others in it; one alone stays as it is."""
    first, *others = reports
    if not others:
        return first
    said = {one.embedder: one.verdict for one in reports}
    verdict = RESEMBLES if RESEMBLES in said.values() else NOT_ENOUGH
    if set(said.values()) == {NOBODY_VERDICT}:
        verdict = NOBODY_VERDICT
    deciding = [one for one in reports if one.verdict == verdict]
    return replace(
        first,
        verdict=verdict,
        resembles=list(dict.fromkeys(name for one in deciding for name in one.resembles)),
        why=[f"{one.embedder}: {reason}" for one in deciding for reason in one.why],
        rate=max(one.rate for one in reports),
        upper_bound95=max(one.upper_bound95 for one in reports),
        by_embedder=said,
        by_others=others,
    )
