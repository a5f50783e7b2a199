"""The photographs as columns, which searches read instead of rows: always those of the rows as they are.

A column of a million photographs is some megabytes, and a test on it takes about a millisecond, whatever it asks and
however often it holds. The columns are kept in stretches of 4,096 ids (`storage.stretches`). A trigger gives a stretch
a new random version at each change of what it is made of, so a stretch in memory or in the table `columns` is used
only if it is of the version that the rows have in the same snapshot; else it is made anew from them.
"""

from __future__ import annotations

import ctypes
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage import stretches
from storage.catalog import Catalog
from storage.errors import NoSuchRecord
from storage.stretches import BITS, LENGTH, LINES, Piece, Word, build, empty, part_of, words_of

Mask = NDArray[np.bool_]
_STORED_AT_ONCE = 64  # stretches in one transaction
_MARK = 5  # bits: every 32nd byte of a text is marked with its line


@dataclass(frozen=True)
class Coded:
    """For each photograph the number of one of the `words`; 0 is what is not on record."""

    codes: NDArray[Any]
    words: tuple[Word, ...]

    @cached_property
    def folded(self) -> list[str | None]:
        """The words as text that is compared without regard to case."""
        return [None if word is None else str(word).casefold() for word in self.words]

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The words as numbers, NaN for what is not on record."""
        return np.array([np.nan if word is None else word for word in self.words], float)

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """For each word its place in their order, 0 for what is not on record."""
        ranks = np.zeros(len(self.words), np.int64)
        order = sorted(range(1, len(self.words)), key=lambda number: self.words[number])  # type: ignore[arg-type, return-value]
        ranks[order] = np.arange(1, len(self.words))
        return ranks


@dataclass(frozen=True)
class Lines:
    """A line of casefolded UTF-8 for each photograph, each with its end; `ends` tells where those stand."""

    text: NDArray[np.uint8]

    @cached_property
    def ends(self) -> NDArray[np.signedinteger]:
        return _small(np.flatnonzero(self.text == ord("\n")), len(self.text))

    @cached_property
    def _at_marks(self) -> NDArray[np.signedinteger]:
        """The line at every 32nd byte."""
        marks = np.arange(0, len(self.text), 1 << _MARK, dtype=self.ends.dtype)
        return _small(np.searchsorted(self.ends, marks), len(self.ends))

    def make_ready(self) -> None:
        """Make now what the first search in the text would make."""
        self._at_marks, self.counts  # noqa: B018 # held from then on

    def at(self, places: NDArray[np.int64]) -> NDArray[np.signedinteger]:
        """The numbers of the lines that hold these bytes."""
        numbers: NDArray[np.signedinteger] = self._at_marks[places >> _MARK]
        late = np.flatnonzero(self.ends[numbers] < places)
        while len(late):
            numbers[late] += 1
            late = late[self.ends[numbers[late]] < places[late]]
        return numbers

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each byte occurs, about: in a long text a sample of a million is asked."""
        return np.bincount(self.text[:: max(1, len(self.text) >> 20)], minlength=256)


class Faces(NamedTuple):
    """Of each face that is not marked: the place of its photograph, its subject and cluster, -1 for none."""

    place: NDArray[np.int64]
    subject: NDArray[np.int32]
    cluster: NDArray[np.int32]


@dataclass(slots=True)
class _Held:
    """What this process holds of one catalog. A stretch that another thread replaced meanwhile is only made anew."""

    lock: Lock = field(default_factory=Lock)
    pieces: dict[str, dict[int, tuple[int, Piece]]] = field(default_factory=dict)
    whole: dict[str, tuple[list[tuple[int, int]], Any]] = field(default_factory=dict)


_held: dict[str, _Held] = {}


class Columns:
    """The columns of one snapshot of the catalog. Arrays are over *places*: photographs by id, with gaps."""

    def __init__(self, catalog: Catalog, held: _Held) -> None:
        self._db = catalog.connection
        self._held = held
        self._versions: dict[str, dict[int, int]] = {"photos": {}, "faces": {}, "statuses": {}}
        for part, stretch, version in self._tuples("SELECT part, stretch, version FROM column_versions"):
            self._versions[part][stretch] = version
        self._stretches = sorted(self._versions["photos"])
        self.made: dict[tuple[str, int], tuple[int, dict[str, Piece]]] = {}

    def _tuples(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        cursor = self._db.cursor()
        cursor.row_factory = None
        return cursor.execute(sql, params)

    @property
    def connection(self) -> sqlite3.Connection:
        """For tests that an index of the database answers, in the same snapshot."""
        return self._db

    @property
    def there(self) -> Mask:
        """The places that hold a photograph."""
        found: Mask = self.coded("state").codes > 0
        return found

    @property
    def ids(self) -> NDArray[np.signedinteger]:
        """The id of each place."""
        return self.ids_at(np.arange(len(self._stretches) * LENGTH, dtype=self.id_type))

    def ids_at(self, places: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
        """The ids of these places."""
        ids: NDArray[np.signedinteger] = self._before[places >> BITS] + places
        return ids

    @property
    def id_type(self) -> np.dtype[np.signedinteger]:
        """The smaller of 32 and 64 bits that holds every id."""
        return self._before.dtype

    @cached_property
    def _before(self) -> NDArray[np.signedinteger]:
        """For each stretch how much larger an id is than its place."""
        starts = np.array(self._stretches, np.int64) << BITS
        last = int(starts[-1]) + LENGTH - 1 if len(starts) else 0
        return _small(starts - np.arange(len(starts)) * LENGTH, last)

    def places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of photographs; of ids that no stretch holds, none."""
        number = ids >> BITS
        known = np.array(self._stretches, np.int64)
        at = np.searchsorted(known, number)
        there = at < len(known)
        there[there] = known[at[there]] == number[there]
        places: NDArray[np.int64] = (at[there] << BITS) + (ids[there] & (LENGTH - 1))
        return places

    def place(self, id: int) -> int:
        """The place of a photograph. Raises NoSuchRecord."""
        found = self.places(np.array([id])) if -(2**63) <= id < 2**63 else np.empty(0, np.int64)
        if not len(found) or not self.there[found[0]]:
            raise NoSuchRecord(f"there is no photograph {id}", "ask for the first page again")
        return int(found[0])

    def holding(self, ids: NDArray[np.int64]) -> Mask:
        """The places of these photographs, as a mask."""
        mask = np.zeros(len(self._stretches) * LENGTH, np.bool_)
        mask[self.places(ids)] = True
        return mask

    def coded(self, name: str) -> Coded:
        """A column of `stretches.CODED`."""
        found: Coded = self._whole(name, lambda pieces: Coded(*words_of(pieces)))
        return found

    def plain(self, name: str) -> NDArray[Any]:
        """A column of `stretches.PLAIN`."""
        found: NDArray[Any] = self._whole(name, lambda pieces: _joined(pieces, stretches.PLAIN[name]))
        return found

    def lines(self, name: str) -> Lines:
        """A column of `stretches.LINES`."""
        assert name in LINES
        found: Lines = self._whole(name, lambda pieces: Lines(_joined(pieces, np.dtype(np.uint8))))
        return found

    def faces(self) -> Faces:
        """All faces that are not marked, by photograph and subject."""
        photo = self._whole("face_photo", _with_starts)
        joined = (self._whole(n, lambda p: _joined(p, np.dtype(np.int32))) for n in ("face_subject", "face_cluster"))
        return Faces(photo, *joined)

    def face_counts(self) -> NDArray[np.unsignedinteger]:
        """How many faces each photograph shows that are not marked."""
        return self.held("face counts", "faces", self._count_faces)

    def _count_faces(self) -> NDArray[np.unsignedinteger]:
        with self._held.lock:
            pieces = self._pieces("face_photo", self._wanted("faces"))
        counts = [np.bincount(piece.data, minlength=LENGTH) for piece in pieces]
        most = max((int(several.max()) for several in counts), default=0)
        dtype = np.min_scalar_type(most)
        return np.concatenate([several.astype(dtype) for several in counts]) if counts else np.empty(0, dtype)

    def holds(self, name: str, part: str) -> bool:
        """Whether `held` has this of the part as it is now."""
        before = self._held.whole.get(name)
        return before is not None and before[0] == self._wanted(part)

    def held(self, name: str, part: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """What `make` makes of a part's columns, under a name: made once in this process while the part stays."""
        wanted = self._wanted(part)
        before = self._held.whole.get(name)
        if before is not None and before[0] == wanted:
            found: NDArray[Any] = before[1]
            return found
        made = make()
        self._held.whole[name] = (wanted, made)
        return made

    def let_go(self, name: str) -> None:
        """Free the memory of a column; who asks for it next has it read again."""
        with self._held.lock:
            self._held.whole.pop(name, None)
            self._held.pieces.pop(name, None)

    def _wanted(self, part: str) -> list[tuple[int, int]]:
        """The stretches there are, with the version that a part has in each."""
        versions = self._versions[part]
        return [(stretch, versions.get(stretch, 0)) for stretch in self._stretches]

    def _whole(self, name: str, join: Any) -> Any:
        """The column over all stretches, put together by `join` where it is not held as it should be."""
        wanted = self._wanted(part_of(name))
        with self._held.lock:
            before = self._held.whole.get(name)
            if before is not None and before[0] == wanted:
                return before[1]
            pieces = self._pieces(name, wanted)
            whole = join(pieces)
            self._held.whole[name] = (wanted, whole)
            if name in stretches.PLAIN or name in LINES:
                self._hold_within(name, wanted, whole.text if isinstance(whole, Lines) else whole)
            return whole

    def _hold_within(self, name: str, wanted: Sequence[tuple[int, int]], whole: NDArray[Any]) -> None:
        """Hold a column's stretches as parts of it as a whole, so that they take their memory once."""
        held, start = self._held.pieces[name], 0
        for stretch, version in wanted:
            end = start + len(held[stretch][1].data)
            held[stretch] = (version, Piece(whole[start:end]))
            start = end

    def _pieces(self, name: str, wanted: Sequence[tuple[int, int]]) -> list[Piece]:
        """The stretches of a column: as held, as stored, or made from the rows."""
        held = self._held.pieces.setdefault(name, {})
        lacking = {stretch: version for stretch, version in wanted if held.get(stretch, _NONE)[0] != version}
        for stretch in [stretch for stretch, version in lacking.items() if not version]:
            held[stretch] = (lacking.pop(stretch), empty(name))
        if lacking:
            only = f" AND stretch IN ({', '.join(map(str, lacking))})" if len(lacking) <= _STORED_AT_ONCE else ""
            sql = f"SELECT stretch, version, form, data FROM columns WHERE name = ?{only}"
            for stretch, version, form, data in self._tuples(sql, (name,)):
                if lacking.get(stretch) == version:
                    held[stretch] = (lacking.pop(stretch), stretches.read(form, data))
        for stretch, version in lacking.items():
            self._make(part_of(name), stretch, version)
        return [held[stretch][1] for stretch, _ in wanted]

    def _make(self, part: str, stretch: int, version: int) -> None:
        pieces = build(self._db, part, stretch)
        self.made[part, stretch] = (version, pieces)
        for name, piece in pieces.items():
            self._held.pieces.setdefault(name, {})[stretch] = (version, piece)

    def stale(self) -> list[tuple[str, int, int]]:
        """Part, number and version of each stretch that is not stored as the rows are."""
        stored = set(self._tuples(f"SELECT name, stretch, version FROM columns WHERE name IN ({_ONE_OF_EACH})"))
        return [
            (part, stretch, version)
            for part, one in _ONES.items()
            for stretch, version in self._versions[part].items()
            if (one, stretch, version) not in stored
        ]

    def make(self, part: str, stretch: int, version: int) -> None:
        """Make a stretch anew from the rows."""
        with self._held.lock:
            self._make(part, stretch, version)


_NONE = (None, None)
_ONES = {"photos": "state", "faces": "face_photo", "statuses": "standing"}  # a column of each part
_ONE_OF_EACH = ", ".join(f"'{name}'" for name in _ONES.values())


def _small(numbers: NDArray[np.int64], most: int) -> NDArray[np.signedinteger]:
    """The numbers, of which none is above `most`, in 32 bits each where that is enough."""
    return numbers.astype(np.int32) if most <= np.iinfo(np.int32).max else numbers


def _joined(pieces: Sequence[Piece], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.concatenate([piece.data for piece in pieces]) if pieces else np.empty(0, dtype)


def _with_starts(pieces: Sequence[Piece]) -> NDArray[np.int64]:
    lengths = [len(piece.data) for piece in pieces]
    return _joined(pieces, np.dtype(np.int64)).astype(np.int64) + np.repeat(np.arange(len(pieces)) * LENGTH, lengths)


@contextmanager
def snapshot(catalog: Catalog) -> Iterator[Columns]:
    """The columns as the rows are now, or in the transaction in hand; what had to be made is stored afterwards.

    Storing waits for nobody: where another process writes, or the catalog is open to be read only, it is left.
    """
    held = _held.setdefault(str(catalog.folder.resolve()), _Held())
    if catalog.connection.in_transaction:
        yield Columns(catalog, held)
        return
    catalog.connection.execute("BEGIN")
    try:
        columns = Columns(catalog, held)
        yield columns
    finally:
        catalog.connection.rollback()
    if columns.made:
        _store(catalog, columns)


def versions(catalog: Catalog, only: str | None = None) -> frozenset[tuple[str, int, int]]:
    """Part, number and version of each stretch: other ones once anything changed that searches read.

    With `only`, those of one part.
    """
    query = "SELECT part, stretch, version FROM column_versions WHERE part = coalesce(?, part)"
    return frozenset(map(tuple, catalog.connection.execute(query, (only,))))


def let_go(catalog: Catalog) -> None:
    """Free the memory that the catalog's columns take in this process; the next search reads what is stored."""
    _held.pop(str(catalog.folder.resolve()), None)


def give_back() -> None:
    """Give the system what this process has freed; C's allocator keeps it, 25 MB when a million were put in order."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc; others have none
    if trim is not None:
        trim(0)


def prepare(catalog: Catalog) -> Iterator[tuple[int, int]]:
    """Store all columns as the rows are; gives after some stretches how many are done, of how many."""
    with snapshot(catalog) as columns:
        stale = columns.stale()
    for start in range(0, len(stale), _STORED_AT_ONCE):
        with snapshot(catalog) as columns:
            current = set(columns.stale())
            for one in stale[start : start + _STORED_AT_ONCE]:
                if one in current:
                    columns.make(*one)
        yield min(start + _STORED_AT_ONCE, len(stale)), len(stale)


def _store(catalog: Catalog, columns: Columns) -> None:
    db = catalog.connection
    waits = db.execute("PRAGMA busy_timeout").fetchone()[0]
    db.execute("PRAGMA busy_timeout = 0")
    try:
        with suppress(sqlite3.OperationalError), catalog.transaction():
            now = {(part, stretch): version for part, stretch, version in db.execute("SELECT * FROM column_versions")}
            db.executemany(
                "INSERT OR REPLACE INTO columns(name, stretch, version, form, data) VALUES (?, ?, ?, ?, ?)",
                (
                    (name, stretch, version, *stretches.write(piece))
                    for (part, stretch), (version, pieces) in columns.made.items()
                    if now.get((part, stretch)) == version
                    for name, piece in pieces.items()
                ),
            )
    finally:
        db.execute(f"PRAGMA busy_timeout = {waits}")
