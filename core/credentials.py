"""C2PA Content Credentials in drawn pictures: by which program and model one was made, signed with a certificate.

Written and read by the Content Authenticity Initiative's own library (c2pa-python, an optional dependency), after the
C2PA specification 2. Nothing is asked of the network: no time stamp, no revocation list, no remote manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from PIL import Image

from core.errors import BadImage, BadValue, MissingDependency
from storage import settings
from storage.catalog import Catalog

CERTIFICATE, KEY = "credentials.certificate", "credentials.key"  # settings of the catalog
PNG = "image/png"
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},  # the picture itself is there
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
SOUND = ("Valid", "Trusted")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate with those that vouch for it, and its private key, both PEM; `algorithm` as C2PA names it."""

    chain: bytes
    key: bytes
    algorithm: str


@dataclass(frozen=True, slots=True)
class Made:
    """What the credentials of a picture say: `digital_source_type` is IPTC's term, `model_hash` blake3 in hex.

    `state` is Trusted where the certificate leads to one of the authorities given, Valid where it is sound otherwise,
    Invalid where picture and credentials do not belong together.
    """

    state: str
    signed_by: str
    program: str
    digital_source_type: str
    model: str
    model_hash: str


def load(certificate: Path, key: Path) -> Credentials:
    """Read a certificate (PEM, its own first) and its key, and try them. Raises BadValue, MissingDependency."""
    _c2pa()
    chain, secret = _bytes(certificate), _bytes(key)
    try:
        first, *_ = x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise BadValue(f"{certificate} is no certificate in PEM", "name a chain, the signer's first") from error
    try:
        private = serialization.load_pem_private_key(secret, None)
    except (ValueError, TypeError) as error:  # TypeError: it asks for a password
        raise BadValue(f"{key} is no private key in PEM without a password", "name the certificate's key") from error
    if private.public_key() != first.public_key():
        raise BadValue(f"{key} is not the key of {certificate}", "name the two that belong together")
    if not first.not_valid_before_utc <= datetime.now(UTC) < first.not_valid_after_utc:
        days = f"{first.not_valid_before_utc:%Y-%m-%d} to {first.not_valid_after_utc:%Y-%m-%d}"
        raise BadValue(f"{certificate} is valid from {days}", "name one that is valid now")
    made = Credentials(chain, secret, _algorithm(private, key))
    blank = BytesIO()
    Image.new("RGB", (1, 1)).save(blank, "PNG")
    try:
        sign(made, blank.getvalue(), "trial", {})
    except BadValue as error:
        raise BadValue(f"{certificate}: {error.message}", error.hint) from error
    return made


def sign(credentials: Credentials, png: bytes, source_type: str, told: Mapping[str, str]) -> bytes:
    """The PNG with credentials: made by this program, of this IPTC source type, with `told` of the model.

    Raises BadValue where the certificate can't sign for C2PA.
    """
    c2pa = _c2pa()
    program = {"name": "Kyodaku", "version": version("kyodaku")}
    action = {
        "action": "c2pa.created",
        "digitalSourceType": source_type,
        "softwareAgent": program,
        "parameters": {f"kyodaku.{name}": value for name, value in told.items()},
    }
    manifest = {
        "claim_generator_info": [program],
        "format": PNG,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    signed = BytesIO()
    try:
        info = c2pa.C2paSignerInfo(credentials.algorithm.lower(), credentials.chain, credentials.key, None)
        with c2pa.Signer.from_info(info) as signer, _context(c2pa) as context, c2pa.Builder(manifest, context) as made:
            made.sign(signer, PNG, BytesIO(png), signed)
    except c2pa.C2paError as error:
        raise BadValue(f"it can't sign: {error}", "C2PA asks for a certificate made for signing content") from error
    return signed.getvalue()


def read(path: Path, authorities: Path | None = None) -> Made:
    """What a picture's credentials say, and whether they belong to it. `authorities`: certificates (PEM) to trust.

    Raises BadImage for a picture that has none, BadValue, MissingDependency.
    """
    c2pa = _c2pa()
    trust = {} if authorities is None else {"trust": {"trust_anchors": _bytes(authorities).decode("ascii", "replace")}}
    try:
        with _context(c2pa, trust) as context, c2pa.Reader(PNG, BytesIO(_bytes(path)), context=context) as reader:
            told, state = json.loads(reader.json()), reader.get_validation_state()
    except c2pa.C2paError as error:
        raise BadImage(f"{path} has no Content Credentials that can be read: {error}") from error
    manifest = told["manifests"][told["active_manifest"]]
    action = _created(manifest)
    parameters = action.get("parameters", {})
    return Made(
        state=str(state),
        signed_by=str(manifest.get("signature_info", {}).get("issuer", "")),
        program=str(manifest.get("claim_generator_info", [{}])[0].get("name", "")),
        digital_source_type=str(action.get("digitalSourceType", "")).rpartition("/")[2],
        model=str(parameters.get("kyodaku.model", "")),
        model_hash=str(parameters.get("kyodaku.model_hash", "")),
    )


def use(catalog: Catalog, certificate: Path | None, key: Path | None) -> None:
    """Sign all that is drawn from now on with these, or (None) with none. Raises as `load`."""
    if (certificate is None) != (key is None):
        raise BadValue("a certificate and its key go together", "--certificate PEM --key PEM")
    if certificate is not None and key is not None:
        load(certificate, key)
    values = {CERTIFICATE: certificate, KEY: key}
    settings.write(catalog, {name: "" if path is None else str(path.absolute()) for name, path in values.items()})


def in_use(catalog: Catalog) -> tuple[Path, Path] | None:
    """The certificate and key that what is drawn is signed with, if there are any."""
    told = settings.read(catalog)
    return (Path(told[CERTIFICATE]), Path(told[KEY])) if told.keys() >= {CERTIFICATE, KEY} else None


def _created(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    for assertion in manifest.get("assertions", []):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            for action in assertion["data"].get("actions", []):
                if action.get("action") == "c2pa.created":
                    return dict(action)
    return {}


def _context(c2pa: ModuleType, more: Mapping[str, Any] | None = None) -> Any:
    return c2pa.Context.from_dict({**_SETTINGS, **(more or {})})


def _algorithm(key: object, path: Path) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "Ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "PS256"
    raise BadValue(f"{path}: C2PA takes no such key", f"one of: Ed25519, RSA, {', '.join(_CURVES)}")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadValue(f"{path} can't be read: {error.strerror}", "name another file") from error


def _c2pa() -> ModuleType:
    try:
        import c2pa
    except ImportError as error:
        raise MissingDependency("Content Credentials need c2pa-python", "pip install 'kyodaku[c2pa]'") from error
    module: ModuleType = c2pa
    return module
