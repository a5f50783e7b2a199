"""The card that goes with a model when it leaves: how many people, for what, what the audit found. No names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from string import Template

from storage.audits import Audit
from storage.records import ModelKind
from storage.safe_text import display

WHAT = {
    ModelKind.POOLED: "A LoRA, a hypernetwork or a learned token, trained on photographs of several people together.",
    ModelKind.FULL: "A checkpoint whose weights were trained further on photographs of several people together.",
    ModelKind.AVERAGE: "A LoRA: the mean of LoRAs that were each trained on one person, so that it draws none of them.",
    ModelKind.BAKE: "A checkpoint with a LoRA of several people merged into it.",
    ModelKind.SOUP: "A checkpoint: the mean of checkpoints with LoRAs of several people merged into them.",
}
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#|~])")  # what Markdown or HTML would read as more than a letter


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says. `roots` are the Merkle roots of the cohorts behind the model; `contact` None: not stated."""

    name: str
    kind: ModelKind
    trigger: str
    base_hash: str
    bytes_hash: str
    people: int
    largest_share: float
    purposes: Sequence[str]
    roots: Sequence[str]
    ledger_head: str
    audit: Audit
    licence: str
    intended_use: str
    contact: str | None
    at: datetime


def model_card(facts: CardFacts) -> str:
    """The card in Markdown, with the fields that Hugging Face's model cards begin with."""
    audit = facts.audit
    roots = ", ".join(f"`{root}`" for root in facts.roots)
    template = Template(files("core.interchange").joinpath("model_card.md").read_text(encoding="utf-8"))
    return template.substitute(
        licence_tag=json.dumps(display(facts.licence), ensure_ascii=False),
        name=_plain(facts.name),
        what=WHAT[facts.kind],
        people=facts.people,
        purposes=", ".join(facts.purposes),
        largest_share=f"{facts.largest_share:.1%}",
        roots=f"the Merkle root {roots}" if len(facts.roots) == 1 else f"the Merkle roots {roots}",
        ledger_head=facts.ledger_head,
        audit_day=f"{audit.at:%Y-%m-%d}",
        bytes_hash=facts.bytes_hash,
        verdict=audit.verdict,
        faces=audit.faces,
        images=audit.images,
        strangers=f"{1 / audit.fmr:,.0f}",
        rate=f"{audit.rate:.1%}",
        upper_bound=f"{audit.upper_bound95:.1%}",
        checker=audit.checker or "none",
        withheld=audit.withheld,
        intended_use=_plain(facts.intended_use),
        trigger=f"`{facts.trigger}`" if facts.trigger else "none",
        base_hash=facts.base_hash,
        licence=_plain(facts.licence),
        contact=_plain(facts.contact) if facts.contact else "whoever gave you this file",
        day=f"{facts.at:%Y-%m-%d}",
    )


def _plain(text: str) -> str:
    """Text of the user's in Markdown that shows it as it is, on one line."""
    return _MARKS.sub(r"\\\1", display(" ".join(text.split())))
