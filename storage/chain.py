"""The chain of the ledger's events, followed one by one: which hash fits, what follows what, and what was redacted.

An event from which an erasure took the words (`redacted`) can't be hashed to its hash any more. It keeps it, so that
the next event still follows; and the erasure's own event, which comes later and is hashed, holds the SHA-256 of the
redacted line. So what is left of it can be changed as little as anything else.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.twin import line_of

EMPTY_HEAD = "0" * 64
ERASURE = "erasure"
REDACTED = "redacted"
_HASH = re.compile(r"[0-9a-f]{64}")
_WORDS = ("by", "evidence", "note", "salt")  # of a person's own, or that make a guess at them provable
_KINDS_OF_WORDS = ("mark", "changed", "on_record")  # details whose text comes from a list of ours


def canonical(value: Any) -> str:
    """JSON as it is hashed: keys sorted, no blanks, no escapes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(body: str) -> str:
    """An event's hash, hex."""
    return hashlib.sha256(body.encode()).hexdigest()


def redacted(body: str) -> str:
    """An event's body without the words that people put into it; one that was redacted stays as it is.

    What rules ask for stays: kind, purposes, times, whose it is, whether a guardian said so.
    """
    fields = json.loads(body)
    if fields.get(REDACTED):
        return body
    kept = {name: value for name, value in fields.items() if name not in _WORDS}
    details = {name: value for name, value in fields["details"].items() if _says_nothing(name, value)}
    return canonical({**kept, "by": None, "evidence": None, "note": None, "details": details, REDACTED: True})


def line_digest(body: str, event_hash: str) -> str:
    """What an erasure's event holds of a redacted one."""
    return hashlib.sha256(line_of(body, event_hash)).hexdigest()


def _says_nothing(name: str, value: Any) -> bool:
    if isinstance(value, str):
        return name in _KINDS_OF_WORDS or _HASH.fullmatch(value) is not None
    if isinstance(value, list):
        return name in _KINDS_OF_WORDS or all(isinstance(one, (int, float)) for one in value)
    if isinstance(value, dict):
        return name == REDACTED
    return True


@dataclass(slots=True)
class Chain:
    """Events taken in order. `seq` and `head` are those of the last good one; `bad` is the first that is not."""

    seq: int = 0
    head: str = EMPTY_HEAD
    bad: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)  # of the last good event
    _last_redacted: bool = False
    _break: int | None = None
    _unvouched: dict[int, str] = field(default_factory=dict)

    def follow(self, seq: int, body: object, event_hash: str) -> str | None:
        """Take the next event; what is wrong with it or with one before it, or None."""
        due = self.seq + 1
        if seq != due:
            return self._wrong(due, f"the table has no event {due}")
        try:
            fields = json.loads(body) if isinstance(body, str) else None
        except ValueError:
            fields = None
        if not isinstance(body, str):
            fields = None
        whole = isinstance(fields, dict) and not fields.get(REDACTED)
        if fields is None or not isinstance(body, str) or (whole and digest(body) != event_hash):
            return self._wrong(due, f"event {due} of the table does not have the hash that it was given")
        if not isinstance(fields, dict) or not isinstance(fields.get("details"), dict):
            return self._wrong(due, f"event {due} of the table is not one that Kyodaku writes")
        if fields.get("previous") != self.head or fields.get("seq") != due:
            if not self._last_redacted or fields.get("seq") != due:
                return self._wrong(due, f"event {due} of the table does not follow the one before it")
            if whole:
                return self._wrong(self.seq, f"event {self.seq} does not have the hash that event {due} follows")
            self._break = self._break or due  # of two that are redacted: their erasure tells which was changed
        if not whole:
            self._unvouched[due] = line_digest(body, event_hash)
        problem = self._vouched(fields["details"].get(REDACTED)) if fields.get("kind") == ERASURE else None
        if problem is None:
            self.seq, self.head, self.fields, self._last_redacted = due, event_hash, fields, not whole
        return problem

    def end(self) -> str | None:
        """No event follows; what is wrong with one before, or None."""
        if self._unvouched:
            seq = min(self._unvouched)
            return self._wrong(seq, f"the words of event {seq} are gone, and no erasure says so")
        if self._break is not None:
            return self._wrong(self._break, f"event {self._break} of the table does not follow the one before it")
        return None

    def _vouched(self, lines: object) -> str | None:
        """An erasure holds these digests by number."""
        if not isinstance(lines, Mapping):
            return None
        for number, held in lines.items():
            if self._unvouched.pop(int(number), None) != held:
                return self._wrong(int(number), f"event {number} is not as its erasure left it")
        return None

    def _wrong(self, seq: int, problem: str) -> str:
        self.bad = seq
        return problem
