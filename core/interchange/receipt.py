"""The receipt that a subject is given: what they allowed, and which photographs, cohorts and models hold them.

Its fields follow ISO/IEC TS 27560 and the Kantara consent receipt where those apply to one photographer; what the
catalog doesn't know is null. It names the one person it is for, for a minor their guardian, and who recorded consent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core import consent, controller, terms
from core.consent_actions import Who
from core.interchange.wording import Language, plain, words
from storage import artifacts, faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.records import Cohort, Event, EventKind, Model, Purpose, Status, Subject

SCHEMA = "kyodaku-receipt-2"
FOLLOWS = ("ISO/IEC TS 27560:2023", "Kantara Consent Receipt 1.1")
LONGEST_NAME = 36  # in a line of text
KINDS = ("photograph", "capture-metadata", "face-template", "name", "age")
_SHOWN = (EventKind.GRANT, EventKind.REFUSAL, EventKind.WITHDRAWAL)
_STATES = {  # of ISO/IEC TS 27560, as the W3C's Data Privacy Vocabulary names them
    Status.GRANTED: "given",
    Status.REFUSED: "refused",
    Status.WITHDRAWN: "withdrawn",
    Status.EXPIRED: "expired",
    Status.UNKNOWN: "unknown",
}
_EVENT_STATES = {EventKind.GRANT: "given", EventKind.REFUSAL: "refused", EventKind.WITHDRAWAL: "withdrawn"}


def receipt(
    catalog: Catalog, who: Who, at: datetime | None = None, language: Language = Language.ENGLISH
) -> dict[str, Any]:
    """The receipt as JSON values, as things stand at `at` (now unless told). Raises NoSuchRecord.

    `record_id` is the SHA-256 of all else in canonical JSON. Photographs are those in which the person's
    face was found and not taken out by a mark; each is named by its content, not by its place.
    """
    at = at or ledger.instant(catalog)
    [person] = subjects.find(catalog, [who])
    events = ledger.events_of(catalog, person.uid)
    shown = [event for event in events if event.kind in _SHOWN and event.at <= at]
    say = words(language)
    made: dict[str, Any] = {
        "schema_version": SCHEMA,
        "follows": list(FOLLOWS),
        "language": language.value,
        "issued_at": at.astimezone(UTC).isoformat(),
        "ledger_head": ledger.head(catalog),
        "principal_id": person.uid,
        "principal": _principal(person, at),
        "controller": _controller(catalog),
        "notice": {"language": _language(shown), "evidence_sha256": sorted({e.evidence for e in shown if e.evidence})},
        "kinds_of_personal_data": list(KINDS),
        "storage": {"location": plain(say["storage_text"]), "retention": controller.get(catalog).retention},
        "jurisdiction": controller.get(catalog).jurisdiction,
        "recipients": None,
        "withdrawal_method": plain(say["withdraw_text"]),
        "purposes": {purpose: _standing(person, events, purpose, at, say) for purpose in Purpose},
        "events": [_event(event) for event in shown],
        "photographs": _photographs(catalog, person),
        "cohorts": [_cohort(catalog, cohort, person) for cohort in artifacts.cohorts_of_subject(catalog, person.id)],
        "models": [_model(catalog, model, person) for model in artifacts.models_of_subject(catalog, person.id)],
    }
    text = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return made | {"record_id": hashlib.sha256(text.encode()).hexdigest()}


def written(made: Mapping[str, Any]) -> str:
    """The receipt as the text of a JSON file."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def lines(made: Mapping[str, Any]) -> list[str]:
    """The receipt as plain text in its language."""
    say = {key: plain(text) for key, text in words(Language(made["language"])).items()}
    told = [f"{say['title']}: {addressed(made, say)}", say["made_on"].format(day=day(made["issued_at"])), ""]
    told.append(say["allowed_title"])
    for purpose, standing in made["purposes"].items():
        detail = detail_of(standing, say)
        told.append(
            f"  {say[f'purpose_{purpose}']}: {say['status_' + standing['status']]}" + (f" ({detail})" * bool(detail))
        )
    told += ["", say["photographs_title"].format(count=len(made["photographs"]))]
    told += ["", say["used_title"], *(f"  {line}" for line in used(made, say))]
    told += ["", say["withdraw_title"], f"  {say['withdraw_text']}"]
    contact = (made["controller"] or {}).get("contact")
    told += [f"  {say['write_to']}: {contact or say['not_stated']}", ""]
    return [*told, f"{say['record_id']} {made['record_id']}", f"{say['ledger_head']} {made['ledger_head']}"]


def addressed(made: Mapping[str, Any], say: Mapping[str, str]) -> str:
    """Whom the receipt is for, in words: the person, or for a minor their guardian."""
    principal = made["principal"]
    if not principal["minor"]:
        return say["for_person"].format(name=principal["name"])
    key = "for_guardian" if principal["guardian"] else "for_unnamed_guardian"
    return say[key].format(name=principal["name"], guardian=principal["guardian"])


def detail_of(standing: Mapping[str, Any], say: Mapping[str, str]) -> str:
    """Since when, until when and how a purpose stands as it does, in words; or why it can't be."""
    status = standing["status"]
    if f"why_{status}" in say:
        return say[f"why_{status}"]
    since, until = day(standing["since"] or ""), day(standing["until"] or "")
    if status == Status.GRANTED:
        when = say["since_until" if until else "since_open"].format(since=since, until=until)
    elif status == Status.EXPIRED:
        when = say["ended_on"].format(until=until)
    else:
        when = say["said_on"].format(since=since)
    how = say["how_kept" if standing["evidence_sha256"] else "how_unkept"].format(
        by=standing["by"] or say["not_stated"]
    )
    # terms come early: the page has room for two lines, the JSON for all
    bound = [
        say[f"bound_to_{term}"].format(text=standing[term]) for term in ("conditions", "territory") if standing[term]
    ]
    method = [say[f"method_{standing['method']}"]] if standing["method"] else []
    return "; ".join([when, *bound, *method, how])


def used(made: Mapping[str, Any], say: Mapping[str, str]) -> list[str]:
    """Models, then cohorts, that hold the person, in words; the newest first."""
    models = [
        say["model_line"].format(
            name=_short(model["name"]),
            day=day(model["created_at"]),
            share=f"{model['share']:.1%}",
            state=say[f"state_{model['state']}"],
        )
        for model in reversed(made["models"])
    ]
    cohorts = [
        say["cohort_line"].format(name=_short(one["name"]), day=day(one["frozen_at"] or ""), count=one["photographs"])
        for one in reversed(made["cohorts"])
    ]
    return models + cohorts or [say["none"]]


def _short(name: str) -> str:
    """A name that leaves room on its line for what is said of it."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def day(instant: str) -> str:
    """The day of an instant in ISO 8601."""
    return instant[:10]


def _principal(person: Subject, at: datetime) -> dict[str, Any]:
    minor = consent.is_minor(person, at)
    return {"name": person.name, "minor": minor, "guardian": person.guardian if minor else None}


def _language(events: Sequence[Event]) -> str | None:
    """The language in which consent was last asked and given, as far as anybody told."""
    told = [terms.of(event.details).language for event in events]
    return next((language for language in reversed(told) if language is not None), None)


def _controller(catalog: Catalog) -> dict[str, Any] | None:
    told = controller.get(catalog)
    return {"name": told.name, "contact": told.contact} if told.name or told.contact else None


def _standing(
    person: Subject, events: Sequence[Event], purpose: Purpose, at: datetime, say: Mapping[str, str]
) -> dict[str, Any]:
    ruling = consent.person_ruling(person, events, purpose, at)
    event = next((event for event in events if event.hash == ruling.event_hash), None)
    since = None if event is None else max(event.at, event.valid_from or event.at)
    until = None if event is None else event.valid_until
    return {
        "purpose": plain(say[f"purpose_{purpose}"]),
        "status": ruling.status,
        "state": _STATES.get(ruling.status, "invalidated" if event is not None else "unknown"),
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "by": event.by if event else None,
        "evidence_sha256": event.evidence if event else None,
        **_terms(event),
        "event": ruling.event_hash,
    }


def _terms(event: Event | None) -> dict[str, str | None]:
    """How it was given and on what terms, each None where nobody told."""
    told = terms.Terms() if event is None else terms.of(event.details)
    return {
        "method": told.manner,
        "witness": told.witness,
        "language": told.language,
        "territory": told.territory,
        "conditions": told.conditions,
    }


def _event(event: Event) -> dict[str, Any]:
    by_guardian = bool(event.details.get(consent.BY_GUARDIAN))
    return {
        "event": event.seq,
        "hash": event.hash,
        "event_time": event.at.isoformat(),
        "event_type": event.kind,
        "event_state": _EVENT_STATES[event.kind],
        "party": "guardian" if by_guardian else "principal",
        "purposes": list(event.purposes),
        "valid_from": event.valid_from.isoformat() if event.valid_from else None,
        "valid_until": event.valid_until.isoformat() if event.valid_until else None,
        "recorded_by": event.by,
        "evidence_sha256": event.evidence,
        **_terms(event),
        "note": event.note,
    }


def _photographs(catalog: Catalog, person: Subject) -> list[dict[str, Any]]:
    """Photographs that show the person, the newest first."""
    seen = faces.of_subject(catalog, person.id)
    ids = sorted({face.photo_id for face in seen if face.mark is None})
    found = sorted(photos.get_many(catalog, ids), key=lambda photo: (str(photo.taken_at or ""), photo.id), reverse=True)
    return [
        {
            "photo": photo.id,
            "taken_at": photo.taken_at.isoformat() if photo.taken_at else None,
            "content_hash": photo.content_hash,
        }
        for photo in found
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


def _model(catalog: Catalog, model: Model, person: Subject) -> dict[str, Any]:
    return {
        "name": model.name,
        "kind": model.kind,
        "share": artifacts.shares_of(catalog, model.id)[person.id],
        "state": model.state,
        "content_hash": model.content_hash,
        "created_at": model.created_at.isoformat(),
    }
