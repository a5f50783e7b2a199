"""The receipt that a subject is given: what they allowed, and which photographs, cohorts and models hold them.

Its fields follow the Kantara consent receipt and ISO/IEC TS 27560 where those apply to one photographer.
It names the one person it is for, and nobody else.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import consent
from core.consent_actions import Who
from core.errors import BadValue
from storage import artifacts, faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.records import Cohort, Event, EventKind, Purpose, Subject

SCHEMA = "kyodaku-receipt-1"
_SHOWN = (EventKind.GRANT, EventKind.REFUSAL, EventKind.WITHDRAWAL)
_STYLE = (
    "body{font:11pt/1.45 sans-serif;max-width:44em;margin:2em auto;padding:0 1em}h1{font-size:1.5em}"
    "h2{font-size:1.1em;margin-top:1.6em}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.25em .6em .25em 0;border-bottom:1px solid #ccc}"
    "code{font-size:.85em;overflow-wrap:anywhere}"
)


def receipt(catalog: Catalog, who: Who, at: datetime | None = None) -> dict[str, Any]:
    """The receipt as JSON values, as things stand at `at` (now unless told). Raises NoSuchRecord.

    `receipt_id` is the SHA-256 of all else in canonical JSON. Photographs are those in which the person's
    face was found and not taken out by a mark; each is named by its content, not by its place.
    """
    at = at or ledger.instant(catalog)
    [person] = subjects.find(catalog, [who])
    events = ledger.events_of(catalog, person.uid)
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "issued_at": at.astimezone(UTC).isoformat(),
        "ledger_head": ledger.head(catalog),
        "person": {"name": person.name, "pseudonym": person.uid},
        "purposes": {purpose: _standing(person, events, purpose, at) for purpose in Purpose},
        "events": [_event(event) for event in events if event.kind in _SHOWN and event.at <= at],
        "photographs": _photographs(catalog, person),
        "cohorts": [_cohort(catalog, cohort, person) for cohort in artifacts.cohorts_of_subject(catalog, person.id)],
        "models": [
            {
                "name": model.name,
                "kind": model.kind,
                "share": artifacts.shares_of(catalog, model.id)[person.id],
                "state": model.state,
                "content_hash": model.content_hash,
                "created_at": model.created_at.isoformat(),
            }
            for model in artifacts.models_of_subject(catalog, person.id)
        ],
        "to_withdraw": "Tell the photographer. Any purpose, at any time, without giving a reason: what was made "
        "with your pictures for it is then made again without you, or no longer used.",
    }
    text = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return made | {"receipt_id": hashlib.sha256(text.encode()).hexdigest()}


def lines(made: Mapping[str, Any]) -> list[str]:
    """The receipt as plain text."""
    told = [f"Receipt for {made['person']['name']}, {_day(made['issued_at'])}", "", "What you allow:"]
    told += [f"  {purpose}: {standing['status']}{_until(standing)}" for purpose, standing in made["purposes"].items()]
    told += ["", "What was recorded:"]
    told += [f"  {_day(event['at'])} {event['kind']}: {', '.join(event['purposes'])}" for event in made["events"]]
    told += ["", f"Photographs that show you: {len(made['photographs'])}"]
    told += [f"  {photo['content_hash'] or '-'}  {photo['taken_at'] or 'no date'}" for photo in made["photographs"]]
    told += ["", f"Cohorts with your photographs: {len(made['cohorts'])}"]
    told += [f"  {cohort['name']} ({cohort['purpose']}): {cohort['photographs']}" for cohort in made["cohorts"]]
    told += ["", f"Models made with them: {len(made['models'])}"]
    told += [f"  {m['name']} ({m['kind']}), your share {m['share']:.1%}, {m['state']}" for m in made["models"]]
    return [*told, "", made["to_withdraw"], "", f"receipt {made['receipt_id']}", f"ledger head {made['ledger_head']}"]


def as_html(made: Mapping[str, Any]) -> str:
    """The receipt as one page to print; it loads nothing from elsewhere."""
    name = html.escape(made["person"]["name"])
    allowed = [(p, s["status"] + _until(s), s["why"]) for p, s in made["purposes"].items()]
    events = [(_day(e["at"]), e["kind"], ", ".join(e["purposes"]), e["hash"]) for e in made["events"]]
    pictures = [(photo["taken_at"] or "no date", photo["content_hash"] or "") for photo in made["photographs"]]
    cohorts = [(c["name"], c["purpose"], c["photographs"], c["merkle_root"] or "") for c in made["cohorts"]]
    models = [(m["name"], m["kind"], f"{m['share']:.1%}", m["state"]) for m in made["models"]]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Receipt for {name}</title>'
        f"<style>{_STYLE}</style><h1>Receipt for {name}</h1>"
        f"<p>Issued on {_day(made['issued_at'])}. {html.escape(made['to_withdraw'])}</p>"
        + _table("What you allow", ("purpose", "status", "why"), allowed)
        + _table("What was recorded", ("day", "what", "purposes", "event"), events)
        + _table(f"Photographs that show you: {len(pictures)}", ("taken", "content"), pictures)
        + _table(f"Cohorts with your photographs: {len(cohorts)}", ("name", "purpose", "photographs", "root"), cohorts)
        + _table(f"Models made with them: {len(models)}", ("name", "kind", "your share", "state"), models)
        + f"<p>Receipt <code>{made['receipt_id']}</code><br>Ledger head <code>{made['ledger_head']}</code></p></html>\n"
    )


def write(made: Mapping[str, Any], out: Path) -> None:
    """Write the receipt to a .json, .html or .txt file, whole or not at all. Raises BadValue for another suffix."""
    forms = {
        ".json": lambda: json.dumps(made, indent=2, ensure_ascii=False) + "\n",
        ".html": lambda: as_html(made),
        ".txt": lambda: "\n".join(lines(made)) + "\n",
    }
    form = forms.get(out.suffix.lower())
    if form is None:
        raise BadValue(
            f"{out.name}: a receipt is no {out.suffix or 'file without suffix'}", f"one of {', '.join(forms)}"
        )
    with artifacts.whole_file(out) as file:
        file.write(form().encode())


def _standing(person: Subject, events: Sequence[Event], purpose: Purpose, at: datetime) -> dict[str, Any]:
    ruling = consent.person_ruling(person, events, purpose, at)
    until = ruling.until.isoformat() if ruling.until is not None else None
    return {"status": ruling.status, "until": until, "why": ruling.why, "event": ruling.event_hash}


def _event(event: Event) -> dict[str, Any]:
    return {
        "event": event.seq,
        "hash": event.hash,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "purposes": list(event.purposes),
        "valid_from": event.valid_from.isoformat() if event.valid_from else None,
        "valid_until": event.valid_until.isoformat() if event.valid_until else None,
        "by": event.by,
        "evidence_sha256": event.evidence,
        "note": event.note,
    }


def _photographs(catalog: Catalog, person: Subject) -> list[dict[str, Any]]:
    seen = faces.of_subject(catalog, person.id)
    ids = sorted({face.photo_id for face in seen if face.mark is None})
    return [
        {
            "photo": photo.id,
            "taken_at": photo.taken_at.isoformat() if photo.taken_at else None,
            "content_hash": photo.content_hash,
        }
        for photo in photos.get_many(catalog, ids)
    ]


def _cohort(catalog: Catalog, cohort: Cohort, person: Subject) -> dict[str, Any]:
    return {
        "name": cohort.name,
        "purpose": cohort.rules.purpose,
        "frozen_at": cohort.frozen_at.isoformat() if cohort.frozen_at else None,
        "merkle_root": cohort.merkle_root,
        "photographs": len({item.photo_id for item in artifacts.cohort_items(catalog, cohort.id, person.id)}),
        "tainted": cohort.tainted,
    }


def _day(instant: str) -> str:
    return instant[:10]


def _until(standing: Mapping[str, Any]) -> str:
    return f" until {_day(standing['until'])}" if standing["until"] else ""


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{html.escape(heading)}" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}" for cell in row) for row in rows)
    return f"<h2>{html.escape(title)}</h2>" + (f"<table><tr>{head}{body}</table>" if rows else "<p>None.</p>")
