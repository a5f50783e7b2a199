"""Signed checkpoints of the ledger, so that a chain written anew in table and file is found too.

`checkpoints.jsonl` holds one line of canonical JSON a checkpoint: `at`, `format`, `head` and `seq` of the ledger,
`key` (the signer's Ed25519 public key, hex), `next_key` (the key of all that follow, where it changes), `previous`
(SHA-256 of the line before, 64 zeros for the first), and `signature` (Ed25519, RFC 8032, hex) of the line without it.
The secret key lies in `ledger.key` (PKCS#8, PEM, 0600), or wherever its owner keeps it.

What it proves: nobody without the key rewrote events up to the last checkpoint. Whoever holds the key could; so
where that matters the key is kept elsewhere, or the public key and the newest head are noted elsewhere. The database
counts the checkpoints, so that one taken away is missed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from storage import ledger, twin
from storage.catalog import Catalog
from storage.chain import EMPTY_HEAD
from storage.errors import BadValue, CatalogDamaged, WrongKey
from storage.instants import to_text
from storage.ledger import LedgerCheck

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT = 1
NONE = "0" * 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The ledger's head at event `seq`, vouched for by a key. Hashes, keys and the signature are hex."""

    at: str
    head: str
    key: str
    previous: str
    seq: int
    next_key: str | None = None
    format: int = FORMAT
    signature: str = ""

    @property
    def signed(self) -> bytes:
        """What the signature is of."""
        told = asdict(self)
        del told["signature"]
        return _json(told)

    @property
    def line(self) -> bytes:
        """The checkpoint as it stands in the file."""
        return _json(asdict(self)) + b"\n"


def path_of(catalog: Catalog) -> Path:
    """Where the checkpoints lie."""
    return catalog.folder / "checkpoints.jsonl"


def key_of(catalog: Catalog) -> Path:
    """Where the secret key lies unless its owner keeps it elsewhere."""
    return catalog.folder / "ledger.key"


def make_key(path: Path) -> str:
    """Write a new secret key, 0600, where no file is; gives the public key. Raises BadValue."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = Ed25519PrivateKey.generate()
    text = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadValue(f"{path} can't be made a key: {error.strerror}", "name a file that is not there") from error
    with os.fdopen(handle, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return _public(secret)


def sign(catalog: Catalog, key: Path | None = None) -> Checkpoint:
    """Vouch for the ledger as it stands, with the key at `key` or the catalog's own, made where there is none yet.

    Nothing is added where the newest checkpoint says the same. Raises WrongKey for a key that the checkpoints before
    do not lead to, CatalogDamaged for checkpoints that are not as they were written.
    """
    with twin.locked(catalog.ledger_path):
        last = _last(catalog)
        if key is None:
            key = _own_key(catalog, last)
        return _add(catalog, last, _secret(key))


def sign_with_own_key(catalog: Catalog) -> Checkpoint | None:
    """As `sign`, or nothing where the key that signs this catalog's checkpoints is kept elsewhere."""
    with twin.locked(catalog.ledger_path):
        last = _last(catalog)
        if last is not None and not key_of(catalog).exists():
            return None
        secret = _secret(_own_key(catalog, last))
        return _add(catalog, last, secret) if last is None or _public(secret) == _follows(last) else None


def change_key(catalog: Catalog, new: Path, old: Path | None = None) -> Checkpoint:
    """Have the present key say that the one at `new` signs from now on; keep it, and put it where it is used.

    Raises as `sign`.
    """
    with twin.locked(catalog.ledger_path):
        last = _last(catalog)
        return _add(catalog, last, _secret(old or _own_key(catalog, last)), _public(_secret(new)))


def verify(catalog: Catalog, public_key: str | None = None) -> LedgerCheck:
    """As `ledger.verify`, and every checkpoint: its place, its signature, and the head that it vouches for.

    With `public_key`, hex, the first checkpoint must be that key's: whoever rewrote all of it had another.
    """
    chain = ledger.verify(catalog)
    number, seq, problem, first_key = 0, 0, None, None
    due, previous = public_key, NONE
    known = catalog.connection.execute("SELECT number, hash FROM checkpoints_known").fetchone()
    for number, line in enumerate(_lines(catalog), 1):
        point = _parsed(line)
        problem = _fault(catalog, point, previous, due)
        if point is None or problem is not None:
            break
        previous, due, seq = hashlib.sha256(line).hexdigest(), _follows(point), point.seq
        first_key = first_key or point.key
        if number == known["number"] and previous != known["hash"]:
            problem = f"checkpoint {number} is not the one that was written"
            break
    if problem is None and number < known["number"]:
        problem = f"{known['number'] - number} of {known['number']} checkpoints are gone"
    if problem is None and public_key is not None and not number:
        problem = "there is no checkpoint by that key"
    if problem is None:
        return replace(chain, checkpoints=number, key=first_key)
    if chain.ok:
        said = f"{problem}; events up to {seq} are vouched for"
        return replace(chain, ok=False, first_bad=seq + 1, problem=said, checkpoints=number, key=first_key)
    return replace(chain, checkpoints=number, key=first_key)


def _add(
    catalog: Catalog, last: Checkpoint | None, secret: Ed25519PrivateKey, next_key: str | None = None
) -> Checkpoint:
    public = _public(secret)
    if last is not None and public != _follows(last):
        raise WrongKey(
            f"this key, {public[:16]}…, is not the one that signs this ledger, {_follows(last)[:16]}…",
            "name the file of that key with --key",
        )
    newest = catalog.connection.execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
    seq, head = (newest["seq"], newest["hash"]) if newest else (0, EMPTY_HEAD)
    if last is not None and (last.seq, last.head) == (seq, head) and next_key is None:
        return last
    previous = NONE if last is None else hashlib.sha256(last.line).hexdigest()
    point = Checkpoint(to_text(datetime.now(UTC)), head, public, previous, seq, next_key)
    point = replace(point, signature=secret.sign(point.signed).hex())
    twin.append(path_of(catalog), point.line)
    digest = hashlib.sha256(point.line).hexdigest()
    with catalog.transaction() as db:
        db.execute("UPDATE checkpoints_known SET number = number + 1, hash = ?", (digest,))
    return point


def _fault(catalog: Catalog, point: Checkpoint | None, previous: str, due: str | None) -> str | None:
    """What is wrong with a checkpoint that should follow the one hashed to `previous` and be of the key `due`."""
    if point is None:
        return "a line of the checkpoints is not one that Kyodaku writes"
    if point.previous != previous:
        return f"the checkpoint of event {point.seq} does not follow the one before it"
    if due is not None and point.key != due:
        return f"the checkpoint of event {point.seq} is signed by another key, {point.key[:16]}…"
    if not _is_signed(point):
        return f"the checkpoint of event {point.seq} does not bear its key's signature"
    row = catalog.connection.execute("SELECT hash FROM ledger WHERE seq = ?", (point.seq,)).fetchone()
    head = row["hash"] if row else EMPTY_HEAD
    if head != point.head:
        return f"event {point.seq} is not the one that its checkpoint vouches for: the ledger was written anew"
    return None


def _is_signed(point: Checkpoint) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(point.key))
        public.verify(bytes.fromhex(point.signature), point.signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _lines(catalog: Catalog) -> Iterator[bytes]:
    path = path_of(catalog)
    if path.exists():
        with path.open("rb") as file:
            yield from file


def _parsed(line: bytes) -> Checkpoint | None:
    """The checkpoint of a line, or None where it is not exactly what would be written of it."""
    try:
        point = Checkpoint(**json.loads(line))
        return point if point.line == line else None
    except (ValueError, TypeError):
        return None


def _last(catalog: Catalog) -> Checkpoint | None:
    """The newest checkpoint. Raises CatalogDamaged where its line is broken."""
    newest = deque(_lines(catalog), maxlen=1)
    if not newest:
        return None
    point = _parsed(newest[0])
    if point is None:
        raise CatalogDamaged(
            f"the last line of {path_of(catalog)} is not one that Kyodaku writes", "see: kyodaku ledger verify"
        )
    return point


def _own_key(catalog: Catalog, last: Checkpoint | None) -> Path:
    path = key_of(catalog)
    if not path.exists():
        if last is not None:
            raise WrongKey("the key that signs this ledger is not in the catalog", "name its file with --key")
        make_key(path)
    return path


def _secret(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        secret = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise BadValue(f"{path} can't be read: {error.strerror}", "name the file of the secret key") from error
    except (ValueError, TypeError) as error:
        raise BadValue(f"{path} holds no key", "make one: kyodaku ledger key FILE") from error
    if not isinstance(secret, Ed25519PrivateKey):
        raise BadValue(f"{path} holds a key of another kind", "make one: kyodaku ledger key FILE")
    return secret


def _public(secret: Ed25519PrivateKey) -> str:
    return secret.public_key().public_bytes_raw().hex()


def _follows(point: Checkpoint) -> str:
    """The key that must sign what follows a checkpoint."""
    return point.next_key or point.key


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
