"""Signed checkpoints: a ledger written anew, consistently in table and file, is found out."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import catalog as catalogs
from storage import chain, checkpoints, ledger, twin
from storage.catalog import Catalog
from storage.errors import BadValue, CatalogDamaged, WrongKey
from storage.records import EventKind, Purpose

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def say(catalog: Catalog, note: str) -> None:
    kind, purposes = EventKind.GRANT, [Purpose.PRINT]
    ledger.append(catalog, kind=kind, subject_uid="ann", purposes=purposes, by="me", note=note, at=NOON)


@pytest.fixture
def signed(catalog: Catalog) -> Catalog:
    """Six events, signed after the second, the fourth and the sixth."""
    for number in range(6):
        say(catalog, f"n{number}")
        if number % 2:
            checkpoints.sign(catalog)
    return catalog


def forge(catalog: Catalog, seq: int) -> None:
    """Change an event and write all that follows anew, in the table and in the file: the chain verifies."""
    for trigger in ("ledger_keeps_rows", "ledger_keeps_values", "ledger_grows_by_one"):
        catalog.connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    previous, lines = chain.EMPTY_HEAD, []
    for row in catalog.connection.execute("SELECT seq, body FROM ledger ORDER BY seq").fetchall():
        fields = json.loads(row["body"]) | {"previous": previous}
        if row["seq"] == seq:
            fields["note"] = "forged"
        body = chain.canonical(fields)
        previous = chain.digest(body)
        lines.append(twin.line_of(body, previous))
        catalog.connection.execute("UPDATE ledger SET body = ?, hash = ? WHERE seq = ?", (body, previous, row["seq"]))
    catalog.ledger_path.write_bytes(b"".join(lines))
    catalog.connection.execute("UPDATE ledger_twin SET bytes = ?", (sum(map(len, lines)),))
    assert ledger.verify(catalog).ok


def test_a_sound_ledger_tells_who_vouches_for_it(signed: Catalog) -> None:
    check = checkpoints.verify(signed)
    assert (check.ok, check.events, check.checkpoints) == (True, 6, 3)
    assert check.key is not None
    assert checkpoints.verify(signed, check.key) == check
    assert stat.S_IMODE(checkpoints.key_of(signed).stat().st_mode) == 0o600
    assert stat.S_IMODE(checkpoints.path_of(signed).stat().st_mode) == 0o600
    again = checkpoints.sign(signed)
    assert again.seq == 6
    assert checkpoints.verify(signed).checkpoints == 3, "what says the same is not said again"


@pytest.mark.parametrize(("seq", "first_bad"), [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (6, 5)])
def test_a_ledger_written_anew_is_found(signed: Catalog, seq: int, first_bad: int) -> None:
    """The first event that nobody vouches for any more is named: the one behind the last good checkpoint."""
    forge(signed, seq)
    check = checkpoints.verify(signed)
    assert (check.ok, check.first_bad) == (False, first_bad)
    assert "written anew" in str(check.problem)


def test_checkpoints_written_anew_without_the_key_are_found(signed: Catalog) -> None:
    """Lines that fit the forged chain, each other and the database: only the signatures are not to be had."""
    forge(signed, 1)
    heads = dict(signed.connection.execute("SELECT seq, hash FROM ledger").fetchall())
    previous, lines = checkpoints.NONE, []
    for line in checkpoints.path_of(signed).read_bytes().splitlines():
        point = checkpoints.Checkpoint(**json.loads(line))
        point = replace(point, head=heads[point.seq], previous=previous)
        previous = hashlib.sha256(point.line).hexdigest()
        lines.append(point.line)
    checkpoints.path_of(signed).write_bytes(b"".join(lines))
    signed.connection.execute("UPDATE checkpoints_known SET hash = ?", (previous,))
    check = checkpoints.verify(signed)
    assert check.first_bad == 1
    assert "signature" in str(check.problem)


def test_events_cut_from_the_end_of_both_are_missed(signed: Catalog) -> None:
    forge(signed, 99)  # nothing is changed; triggers are gone
    signed.connection.execute("DELETE FROM ledger WHERE seq > 5")
    lines = signed.ledger_path.read_bytes().splitlines(keepends=True)[:5]
    signed.ledger_path.write_bytes(b"".join(lines))
    signed.connection.execute("UPDATE ledger_twin SET seq = 5, bytes = ?", (sum(map(len, lines)),))
    assert ledger.verify(signed).ok
    assert checkpoints.verify(signed).first_bad == 5


def test_any_byte_of_the_checkpoints_changed_removed_or_added_is_found(signed: Catalog) -> None:
    path = checkpoints.path_of(signed)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        for other in (whole[place] ^ 1, whole[place] ^ 0x20):
            path.write_bytes(whole[:place] + bytes([other]) + whole[place + 1 :])
            assert not checkpoints.verify(signed).ok, place
        path.write_bytes(whole[:place] + whole[place + 1 :])
        assert not checkpoints.verify(signed).ok, place
        path.write_bytes(whole[:place] + b"0" + whole[place:])
        assert not checkpoints.verify(signed).ok, place


@pytest.mark.parametrize("left", [[], [0], [0, 1], [1, 2], [0, 2], [0, 1, 2, 2], [1, 0, 2]])
def test_checkpoints_removed_doubled_or_exchanged_are_found(signed: Catalog, left: list[int]) -> None:
    path = checkpoints.path_of(signed)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in left))
    assert not checkpoints.verify(signed).ok


def test_who_rewrote_all_of_it_had_another_key(signed: Catalog) -> None:
    key = checkpoints.verify(signed).key
    forge(signed, 1)
    checkpoints.path_of(signed).unlink()
    checkpoints.key_of(signed).unlink()
    signed.connection.execute("UPDATE checkpoints_known SET number = 0, hash = ''")
    assert not checkpoints.verify(signed, key).ok, "none is left that is the key's"
    checkpoints.sign(signed)
    assert checkpoints.verify(signed).ok
    check = checkpoints.verify(signed, key)
    assert "signed by another key" in str(check.problem)


def test_a_key_that_is_kept_elsewhere(catalog: Catalog, tmp_path: Path) -> None:
    key, stranger = tmp_path / "mine.pem", tmp_path / "other.pem"
    public = checkpoints.make_key(key)
    checkpoints.make_key(stranger)
    say(catalog, "a")
    assert checkpoints.sign(catalog, key).key == public
    assert not checkpoints.key_of(catalog).exists()
    say(catalog, "b")
    assert checkpoints.sign_with_own_key(catalog) is None
    with pytest.raises(WrongKey):
        checkpoints.sign(catalog)
    with pytest.raises(WrongKey):
        checkpoints.sign(catalog, stranger)
    assert checkpoints.sign(catalog, key).seq == 2
    assert checkpoints.verify(catalog, public).checkpoints == 2


def test_a_key_hands_over_to_the_next(signed: Catalog, tmp_path: Path) -> None:
    first = checkpoints.verify(signed).key
    new = tmp_path / "new.pem"
    public = checkpoints.make_key(new)
    assert checkpoints.change_key(signed, new).next_key == public
    say(signed, "later")
    with pytest.raises(WrongKey):
        checkpoints.sign(signed)
    assert checkpoints.sign_with_own_key(signed) is None
    checkpoints.sign(signed, new)
    check = checkpoints.verify(signed, first)
    assert (check.ok, check.checkpoints, check.key) == (True, 5, first)


def test_keys_that_are_none(catalog: Catalog, tmp_path: Path) -> None:
    for content in (b"", b"no key"):
        (tmp_path / "bad.pem").write_bytes(content)
        with pytest.raises(BadValue):
            checkpoints.sign(catalog, tmp_path / "bad.pem")
    with pytest.raises(BadValue):
        checkpoints.sign(catalog, tmp_path / "none.pem")
    with pytest.raises(BadValue):
        checkpoints.make_key(tmp_path / "bad.pem")


def test_nothing_is_signed_on_top_of_a_broken_line(signed: Catalog) -> None:
    path = checkpoints.path_of(signed)
    path.write_bytes(path.read_bytes()[:-5])
    say(signed, "more")
    with pytest.raises(CatalogDamaged):
        checkpoints.sign(signed)


def test_a_backup_brings_its_checkpoints(signed: Catalog, tmp_path: Path) -> None:
    catalogs.back_up(signed, tmp_path / "copy")
    with catalogs.open_catalog(tmp_path / "copy") as copy:
        assert checkpoints.verify(copy).checkpoints == 3
        say(copy, "goes on")
        assert checkpoints.sign(copy).seq == 7
