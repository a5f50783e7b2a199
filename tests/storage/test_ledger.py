"""The ledger: chained, kept twice, mended after a crash, and every change of it found."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import catalog as catalogs
from storage import chain, ledger, twin
from storage.catalog import Catalog
from storage.errors import BadValue, CatalogDamaged, LedgerBehind
from storage.records import Event, EventKind, Purpose

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def say(catalog: Catalog, note: str, uid: str | None = "ann") -> Event:
    return ledger.append(
        catalog, kind=EventKind.GRANT, subject_uid=uid, purposes=[Purpose.PRINT], by="me", note=note, at=NOON
    )


@pytest.fixture
def five(catalog: Catalog) -> Catalog:
    """A ledger of five events."""
    for number in range(5):
        say(catalog, f"n{number} ຂໍ້ \u2028", uid=f"uid{number % 2}")
    return catalog


def tamper(catalog: Catalog, sql: str, *params: object) -> None:
    """Change the table as somebody with the file in hand could."""
    for trigger in ("ledger_keeps_rows", "ledger_keeps_values", "ledger_grows_by_one"):
        catalog.connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    catalog.connection.execute(sql, params)


def test_an_event_comes_back_as_it_was_said(catalog: Catalog) -> None:
    said = ledger.append(
        catalog,
        kind=EventKind.GRANT,
        subject_uid="u",
        purposes=[Purpose.TRAIN_COMPOSITE, Purpose.PRINT],
        valid_from=NOON - timedelta(days=1),
        valid_until=NOON + timedelta(microseconds=1),
        by="me",
        evidence="ab" * 32,
        note='quotes " and ພາສາ',
        details={"b": [1, 2.5, None], "a": {"x": True}},
        at=NOON,
    )
    assert list(ledger.all(catalog)) == [said]
    assert said.seq == 1
    assert said.previous == chain.EMPTY_HEAD
    assert said.purposes == (Purpose.PRINT, Purpose.TRAIN_COMPOSITE)
    assert said.details == {"b": [1, 2.5, None], "a": {"x": True}}
    assert ledger.head(catalog) == said.hash


def test_the_chain_and_the_file_are_as_the_format_says(five: Catalog) -> None:
    """Whoever reads only the document can check the file without Kyodaku."""
    previous = "0" * 64
    for line in five.ledger_path.read_bytes().splitlines():
        body, _, rest = line.rpartition(b',"hash":"')
        digest = hashlib.sha256(body + b"}").hexdigest()
        assert rest == digest.encode() + b'"}'
        fields = json.loads(line)
        assert fields["previous"] == previous
        previous = digest
    assert previous == ledger.head(five)


def test_the_check_that_the_document_shows_works(five: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (Path(__file__).parents[2] / "docs" / "consent.md").read_text(encoding="utf-8")
    code = re.search(r"(?m)^    import hashlib\n(?:    .*\n)+", document)
    assert code is not None
    monkeypatch.chdir(five.folder)
    names: dict[str, object] = {"print": str}
    exec(textwrap.dedent(code.group()), names)
    assert names["previous"] == ledger.head(five)
    whole = five.ledger_path.read_bytes()
    five.ledger_path.write_bytes(whole.replace(b"n3", b"n4"))
    with pytest.raises(AssertionError):
        exec(textwrap.dedent(code.group()), names)


def test_events_by_subject_and_by_hash(five: Catalog) -> None:
    events = list(ledger.all(five))
    assert ledger.events_of(five, "uid1") == [events[1], events[3]]
    assert ledger.events_of_many(five, ["uid0", "nobody"]) == {"uid0": events[::2], "nobody": []}
    assert ledger.by_hash(five, [events[2].hash, "none"]) == {events[2].hash: events[2]}
    assert list(ledger.all(five, after=3)) == events[3:]


def test_many_events_are_one_transaction(catalog: Catalog) -> None:
    drafts = [Event(0, NOON, EventKind.REFUSAL, f"u{n}", (Purpose.PRINT,)) for n in range(50)]
    chained = ledger.append_many(catalog, drafts)
    assert [event.seq for event in chained] == list(range(1, 51))
    bad = [*drafts[:3], Event(0, NOON.replace(tzinfo=None), EventKind.REFUSAL, "u", (Purpose.PRINT,))]
    with pytest.raises(BadValue):
        ledger.append_many(catalog, bad)
    assert ledger.verify(catalog) == ledger.LedgerCheck(True, 50, chained[-1].hash)


@pytest.mark.parametrize("details", [{"x": float("nan")}, {"x": {1}}, {"x": b"raw"}])
def test_what_is_no_json_is_refused(catalog: Catalog, details: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        ledger.append(catalog, kind=EventKind.RIGHTS, subject_uid=None, details=details, at=NOON)
    with pytest.raises(BadValue):
        say(catalog, "half a letter \udcff")
    assert ledger.verify(catalog).events == 0


def test_number_keys_verify(catalog: Catalog) -> None:
    ledger.append(catalog, kind=EventKind.RIGHTS, subject_uid=None, details={10: 1, 9: 2}, at=NOON)  # type: ignore[dict-item]
    assert ledger.verify(catalog).ok


def test_what_is_rolled_back_is_in_neither(catalog: Catalog) -> None:
    say(catalog, "kept")

    def say_and_fail() -> None:
        with catalog.transaction():
            say(catalog, "not kept")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        say_and_fail()
    after = say(catalog, "kept too")
    assert [event.note for event in ledger.all(catalog)] == ["kept", "kept too"]
    assert ledger.verify(catalog) == ledger.LedgerCheck(True, 2, after.hash)


def test_the_table_is_append_only(five: Catalog) -> None:
    for sql in (
        "UPDATE ledger SET at = '' WHERE seq = 1",
        "DELETE FROM ledger WHERE seq = 5",
        "INSERT OR REPLACE INTO ledger SELECT seq, at, kind, 'other', body, hash FROM ledger WHERE seq = 2",
        "INSERT INTO ledger SELECT 9, at, kind, subject_uid, body, 'x' FROM ledger WHERE seq = 2",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            five.connection.execute(sql)


def test_the_instant_to_rule_by_is_never_before_the_newest_event(catalog: Catalog) -> None:
    assert ledger.instant(catalog, NOON) == NOON
    ledger.append(catalog, kind=EventKind.WITHDRAWAL, subject_uid="u", at=NOON + timedelta(hours=1))
    ledger.append(catalog, kind=EventKind.RIGHTS, subject_uid=None, at=NOON)
    assert ledger.instant(catalog, NOON) == NOON + timedelta(hours=1)
    assert ledger.instant(catalog, NOON + timedelta(days=1)) == NOON + timedelta(days=1)


# Tampering ---------------------------------------------------------------------------------------


def check_again(catalog: Catalog) -> ledger.LedgerCheck:
    """Verify with the catalog open, and once more after opening it anew: mending must hide nothing."""
    first = ledger.verify(catalog)
    with catalogs.open_catalog(catalog.folder) as again:
        assert ledger.verify(again) == first
    return first


def test_any_changed_byte_of_the_file_is_found(five: Catalog) -> None:
    whole = five.ledger_path.read_bytes()
    for place in range(len(whole)):
        for other in {whole[place] ^ 1, 0x0A} - {whole[place]}:
            five.ledger_path.write_bytes(whole[:place] + bytes([other]) + whole[place + 1 :])
            check = ledger.verify(five)
            assert not check.ok
            assert check.first_bad == whole[:place].count(b"\n") + 1
            assert check.events == check.first_bad - 1


def test_any_byte_removed_from_the_file_or_put_into_it_is_found(five: Catalog) -> None:
    whole = five.ledger_path.read_bytes()
    for place in range(len(whole)):
        for changed in (
            whole[:place] + whole[place + 1 :],
            whole[:place] + b"0" + whole[place:],
            whole[:place] + b"\n" + whole[place:],
        ):
            five.ledger_path.write_bytes(changed)
            check = ledger.verify(five)
            assert (check.ok, check.first_bad) == (False, first_difference(whole, changed)), place


def first_difference(whole: bytes, changed: bytes) -> int:
    """The number of the line that holds the first byte in which two files differ."""
    same = next((at for at, (a, b) in enumerate(zip(whole, changed, strict=False)) if a != b), len(changed))
    return whole[:same].count(b"\n") + 1


@given(edits=st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from("cdi"), st.integers(0, 255)), min_size=2))
@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_several_edits_of_the_file_are_found_at_the_first(edits: list[tuple[int, str, int]], five: Catalog) -> None:
    whole = b"".join(twin.line_of(row["body"], row["hash"]) for row in five.connection.execute("SELECT * FROM ledger"))
    changed = bytearray(whole)
    for place, what, byte in edits:
        at = place % max(1, len(changed))
        if what == "c" and changed:
            changed[at] = byte
        elif what == "d" and changed:
            del changed[at]
        else:
            changed.insert(at, byte)
    five.ledger_path.write_bytes(changed)
    check = ledger.verify(five)
    assert check.ok is (bytes(changed) == whole)
    assert check.ok or check.first_bad == first_difference(whole, bytes(changed))


def test_any_cut_of_the_file_is_found(five: Catalog) -> None:
    whole = five.ledger_path.read_bytes()
    for length in [*range(0, len(whole), 7), len(whole) - 1]:
        five.ledger_path.write_bytes(whole[:length])
        assert check_again(five).first_bad == whole[:length].count(b"\n") + 1
        assert five.ledger_path.read_bytes() == whole[:length]
    five.ledger_path.unlink()
    assert check_again(five).first_bad == 1


@pytest.mark.parametrize("place", range(5))
def test_lines_removed_doubled_exchanged_or_added_are_found(five: Catalog, place: int) -> None:
    lines = five.ledger_path.read_bytes().splitlines(keepends=True)
    exchanged = lines.copy()
    other = (place + 1) % 5
    exchanged[place], exchanged[other] = lines[other], lines[place]
    for changed, first_bad in (
        (lines[:place] + lines[place + 1 :], place + 1),
        ([*lines[: place + 1], *lines[place:]], place + 2),
        (exchanged, min(place, other) + 1),
        ([*lines[: place + 1], b"\n", *lines[place + 1 :]], place + 2),
        ([*lines[: place + 1], b"{}\n", *lines[place + 1 :]], place + 2),
    ):
        five.ledger_path.write_bytes(b"".join(changed))
        assert check_again(five).first_bad == first_bad


@pytest.mark.parametrize("seq", range(1, 6))
def test_any_changed_byte_of_an_event_in_the_table_is_found(five: Catalog, seq: int) -> None:
    body = five.connection.execute("SELECT body FROM ledger WHERE seq = ?", (seq,)).fetchone()[0]
    raw = body.encode()
    for place in range(len(raw)):
        for middle in (bytes([raw[place] ^ 1]), b"", b"0" + raw[place : place + 1]):  # changed, removed, put in
            changed = raw[:place] + middle + raw[place + 1 :]
            tamper(five, "UPDATE ledger SET body = CAST(? AS TEXT) WHERE seq = ?", changed, seq)
            check = ledger.verify(five)
            assert (check.ok, check.first_bad) == (False, seq)
    tamper(five, "UPDATE ledger SET body = ? WHERE seq = ?", raw, seq)  # the same bytes, as no text
    assert ledger.verify(five).first_bad == seq


@pytest.mark.parametrize("seq", range(1, 6))
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger SET at = replace(at, '2026', '2025') WHERE seq = ?",
        "UPDATE ledger SET kind = 'refusal' WHERE seq = ?",
        "UPDATE ledger SET subject_uid = 'somebody' WHERE seq = ?",
        "UPDATE ledger SET subject_uid = NULL WHERE seq = ?",
        "UPDATE ledger SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE seq = ?",
        "DELETE FROM ledger WHERE seq = ?",
    ],
)
def test_any_change_of_a_row_is_found(five: Catalog, seq: int, sql: str) -> None:
    tamper(five, sql, seq)
    assert check_again(five).first_bad == seq


def test_rows_exchanged_added_or_cut_are_found(five: Catalog) -> None:
    tamper(five, "UPDATE ledger SET seq = -2 WHERE seq = 2")
    tamper(five, "UPDATE ledger SET seq = 2 WHERE seq = 4")
    tamper(five, "UPDATE ledger SET seq = 4 WHERE seq = -2")
    assert check_again(five).first_bad == 2


def test_an_added_row_is_found(five: Catalog) -> None:
    tamper(five, "INSERT INTO ledger SELECT 6, at, kind, subject_uid, body, 'another' FROM ledger WHERE seq = 5")
    assert check_again(five).first_bad == 6


def test_a_row_with_its_own_right_hash_is_found(five: Catalog) -> None:
    """A forged event whose hash fits its text: what follows no longer follows, and the file differs."""
    for body in ("[]", '{"seq":3}', "no json"):
        tamper(five, "UPDATE ledger SET body = ?, hash = ? WHERE seq = 3", body, chain.digest(body))
        assert ledger.verify(five).first_bad == 3


def test_an_event_rewritten_in_table_and_file_is_given_away_by_the_next(five: Catalog) -> None:
    body = five.connection.execute("SELECT body FROM ledger WHERE seq = 3").fetchone()["body"].replace("n2", "nX")
    lines = five.ledger_path.read_bytes().splitlines(keepends=True)
    lines[2] = twin.line_of(body, chain.digest(body))
    five.ledger_path.write_bytes(b"".join(lines))
    tamper(five, "UPDATE ledger SET body = ?, hash = ? WHERE seq = 3", body, chain.digest(body))
    assert ledger.verify(five).first_bad == 4


def test_nothing_is_added_to_a_damaged_twin(five: Catalog) -> None:
    whole = five.ledger_path.read_bytes()
    five.ledger_path.write_bytes(whole[:-2])
    with pytest.raises(CatalogDamaged):
        say(five, "more")
    assert len(list(ledger.all(five))) == 5
    kept = ledger.rebuild_twin(five)
    assert kept is not None
    assert kept.read_bytes() == whole[:-2]
    assert five.ledger_path.read_bytes() == whole
    assert say(five, "more").seq == 6
    assert ledger.verify(five).ok


def test_a_twin_is_not_rebuilt_from_a_broken_table(five: Catalog) -> None:
    tamper(five, "UPDATE ledger SET kind = 'refusal' WHERE seq = 2")
    with pytest.raises(CatalogDamaged):
        ledger.rebuild_twin(five)


# Crashes -----------------------------------------------------------------------------------------


def test_the_table_is_written_anew_from_the_file(five: Catalog) -> None:
    before = list(ledger.all(five))
    tamper(five, "UPDATE ledger SET body = replace(body, 'n2', 'n9') WHERE seq = 3")
    tamper(five, "DELETE FROM ledger WHERE seq = 5")
    assert ledger.verify(five).first_bad == 3
    with catalogs.open_catalog(five.folder) as again:  # its triggers were dropped: as found
        assert ledger.rebuild_table(again) == 5
        assert list(ledger.all(again)) == before
        assert ledger.verify(again).ok
        say(again, "goes on")
        assert ledger.verify(again).events == 6


def test_the_table_keeps_its_guards_when_written_anew(five: Catalog) -> None:
    assert ledger.rebuild_table(five) == 5
    for sql in ("DELETE FROM ledger WHERE seq = 5", "UPDATE ledger SET kind = 'x' WHERE seq = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            five.connection.execute(sql)


def test_a_table_is_not_rebuilt_from_a_broken_file(five: Catalog) -> None:
    whole = five.ledger_path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for broken in (whole.replace(b"n1", b"n9"), b"".join(lines[1:]), b"".join([*lines[:2], *lines[3:]]), b"{}\n"):
        five.ledger_path.write_bytes(broken)
        with pytest.raises(CatalogDamaged):
            ledger.rebuild_table(five)
        assert len(list(ledger.all(five))) == 5
    five.ledger_path.write_bytes(b"".join(lines[:3]))
    with pytest.raises(CatalogDamaged, match="sound and has 5 events"):
        ledger.rebuild_table(five)


def in_a_process_that_dies(folder: Path, work: Callable[[Catalog], None]) -> None:
    """Run `work` in a process of its own, which ends at once, with nothing tidied, when `work` returns."""
    child = os.fork()
    if child == 0:
        try:
            work(catalogs.open_catalog(folder))
        finally:
            os._exit(9)
    os.waitpid(child, 0)


@pytest.mark.parametrize("written", [0, 1, 100, -1, None])
def test_killed_while_the_file_is_written(five: Catalog, written: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    before = five.ledger_path.read_bytes()

    def cut(path: Path, data: bytes) -> None:
        with path.open("ab") as file:
            file.write(data[:written])
        os._exit(9)

    with monkeypatch.context() as patched:
        patched.setattr(twin, "append", cut)
        in_a_process_that_dies(five.folder, lambda catalog: say(catalog, "last"))
    assert len(five.ledger_path.read_bytes()) >= len(before)
    with catalogs.open_catalog(five.folder, readonly=True) as looked_at:
        assert ledger.verify(looked_at).ok  # what a crash leaves is no damage, even unmended
    with catalogs.open_catalog(five.folder) as opened:
        assert [event.note for event in ledger.all(opened)][-1] == "last"
        assert ledger.verify(opened).ok
        assert json.loads(opened.ledger_path.read_bytes().splitlines()[-1])["note"] == "last"
        say(opened, "after")
        assert ledger.verify(opened).events == 7


def test_killed_before_the_commit(five: Catalog) -> None:
    def die(catalog: Catalog) -> None:
        with catalog.transaction():
            say(catalog, "never acknowledged")
            os._exit(9)

    whole = five.ledger_path.read_bytes()
    in_a_process_that_dies(five.folder, die)
    with catalogs.open_catalog(five.folder) as opened:
        assert opened.ledger_path.read_bytes() == whole
        assert ledger.verify(opened).events == 5


def test_a_full_disk_loses_nothing(five: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(LedgerBehind, match="No space left"):
            say(five, "recorded")
    say(five, "next")
    assert [event.note for event in ledger.all(five)][-2:] == ["recorded", "next"]
    assert ledger.verify(five).ok


def test_several_processes_write_at_once(catalog: Catalog) -> None:
    def write(own: Catalog) -> None:
        for number in range(15):
            say(own, f"{os.getpid()} {number}")

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            try:
                write(catalogs.open_catalog(catalog.folder))
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    check = ledger.verify(catalog)
    assert check.ok, check.problem
    assert check.events == 45


def test_a_backup_verifies(five: Catalog, tmp_path: Path) -> None:
    catalogs.back_up(five, tmp_path / "copy")
    with catalogs.open_catalog(tmp_path / "copy") as copy:
        assert ledger.verify(copy) == ledger.verify(five)
        say(copy, "on its own")
        assert ledger.verify(copy).ok
