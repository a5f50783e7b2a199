"""Decisions about photographs: whose they are, keywords, and what the people seen in them say.

Each is done to the photographs it is given, a list that was made before: never to a search run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core import consent_actions
from core import rights as rights_of_photographs
from core.counted import counted
from core.decisions import noting
from core.errors import BadValue, Refused
from core.withdrawal import NOTHING, Settled
from storage import decisions, faces, subjects
from storage import rights as rights_on_record
from storage.catalog import Catalog
from storage.records import DecisionKind, Purpose, Rights, Status
from storage.safe_text import display

LONGEST_WORD = 120  # letters of a keyword


@dataclass(frozen=True, slots=True)
class Tagged:
    """What was decided, about how many photographs, and of how many that changed something."""

    told: str
    photos: int
    changed: int

    def lines(self) -> list[str]:
        """For a person to read."""
        return [
            f"{self.told}: {counted(self.photos, 'photograph')}"
            + (f", {self.changed:,} changed" if self.changed != self.photos else "")
        ]

    @property
    def counts(self) -> bool:
        """Whether anything was changed, so that it can be undone."""
        return self.changed > 0


def set_rights(catalog: Catalog, ids: Sequence[int], rights: Rights, by: str, note: str | None = None) -> Tagged:
    """Record whose photographs are, as `by` says; it settles consent only where no face is seen. One decision.

    Raises BadValue where nobody says so.
    """
    with catalog.transaction():
        was = {old: some for old, some in rights_on_record.of_photos(catalog, ids).items() if old is not rights}
        changed = rights_of_photographs.turn(catalog, was, rights, by=by, note=note)
        told = f"{_of(changed)} {rights}"
        if changed:
            noting.note(catalog, DecisionKind.RIGHTS, told, {"now": rights, "was": was, "by": by})
    return Tagged(str(rights), len(ids), changed)


def give_keyword(catalog: Catalog, ids: Sequence[int], word: str) -> Tagged:
    """Give photographs a keyword, which stays when their files are read again. One decision. Raises BadValue."""
    word = keyword(word)
    with catalog.transaction():
        given = decisions.give_keyword(catalog, ids, word)
        if given:
            body = {"word": word, "given": True, "rows": [(photo, True) for photo in given]}
            noting.note(catalog, DecisionKind.KEYWORDS, f"{_of(len(given))} tagged {display(word)}", body)
    return Tagged(f"tag {display(word)}", len(ids), len(given))


def take_keyword(catalog: Catalog, ids: Sequence[int], word: str) -> Tagged:
    """Take a keyword off photographs; one that their file holds comes back when it changes. Raises BadValue."""
    word = keyword(word)
    with catalog.transaction():
        taken = decisions.take_keyword(catalog, ids, word)
        if taken:
            body = {"word": word, "given": False, "rows": taken}
            noting.note(catalog, DecisionKind.KEYWORDS, f"{_of(len(taken))} no longer tagged {display(word)}", body)
    return Tagged(f"no tag {display(word)}", len(ids), len(taken))


def keyword(text: str) -> str:
    """A keyword as it is stored. Raises BadValue for one that is none."""
    word = " ".join(text.split())
    if not word or len(word) > LONGEST_WORD or not word.isprintable():
        raise BadValue(f"{display(text)!r} is no keyword", f"a word or a few, of {LONGEST_WORD} letters at most")
    return word


def _of(number: int) -> str:
    return f"{counted(number, 'photograph')}:"


@dataclass(frozen=True, slots=True)
class Said:
    """What people were recorded to say of a purpose; `people` are the names of those who had not said so yet.

    Where `done` is False nothing was recorded, because `settled` would go out of use with it: say so and ask first.
    """

    told: str
    people: tuple[str, ...]
    done: bool = True
    settled: Settled = NOTHING

    def lines(self) -> list[str]:
        """For a person to read."""
        return [self.told, *self.settled.lines()]

    @property
    def counts(self) -> bool:
        """Whether anything was recorded, so that it can be undone."""
        return self.done and bool(self.people)


def seen_in(catalog: Catalog, photo_ids: Sequence[int]) -> list[int]:
    """Ids of the people seen in photographs. Raises Refused where a face is nobody's, or somebody's by likeness alone.

    So nothing is recorded of a person because a face looks like theirs.
    """
    found = [face for seen in faces.of_photos(catalog, photo_ids).values() for face in seen if face.mark is None]
    unnamed = sum(face.subject_id is None for face in found)
    if unnamed:
        raise Refused(f"blocked: {counted(unnamed, 'face')} unnamed", "say whose first: f")
    alike = sum(not face.assigned_by_person for face in found)
    if alike:
        raise Refused(f"blocked: {counted(alike, 'face')} named by likeness alone", "confirm whose first: f")
    people = sorted({face.subject_id for face in found if face.subject_id is not None})
    if not people:
        raise Refused("blocked: nobody is seen", "say whose photograph it is: m or l")
    return people


def names_in(catalog: Catalog, photo_ids: Sequence[int]) -> list[str]:
    """Names of the people seen in photographs, sorted. Raises as `seen_in`."""
    return sorted(person.name for person in subjects.get_many(catalog, seen_in(catalog, photo_ids)).values())


def say(
    catalog: Catalog, subject_ids: Sequence[int], purpose: Purpose, *, allow: bool, by: str, sure: bool = False
) -> Said:
    """Record that people allow a purpose, or refuse it: those who do not already, as one decision.

    A refusal that takes models out of use is recorded only when `sure`. Raises what `consent_actions` raises.
    """
    with catalog.transaction():
        wanted = Status.GRANTED if allow else Status.REFUSED
        standing = [consent_actions.show(catalog, person) for person in subject_ids]
        names = tuple(one.subject for one in standing if one.status[purpose] is not wanted)
        verb = "allow" if allow else "refuse"
        if not names:
            already = noting.listed([one.subject for one in standing])
            return Said(f"{already}: {verb} {purpose} already", ())
        told = f"{noting.listed(names)}: {verb} {purpose}"
        if allow:
            consent_actions.grant(catalog, names, [purpose], by=by)
            return Said(told, names)
        if not sure:
            reached = consent_actions.refuse(catalog, names, [purpose], by=by, dry_run=True)
            lost = [one.settled for one in reached if one.settled.lines()]
            if lost:
                return Said(told, names, done=False, settled=lost[0])
    done = consent_actions.refuse(catalog, names, [purpose], by=by, remake=False)
    return Said(told, names, settled=next((one.settled for one in done if one.settled.lines()), NOTHING))
