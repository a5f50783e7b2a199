"""A certificate to try Content Credentials with: sound, but vouched for by nobody except its own new authority.

As the C2PA specification 2 (14.5) asks of a signer's: X.509 v3, ES256, for digital signatures and e-mail protection,
issued by another. The authority's key is forgotten, so it never vouches for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.errors import BadValue, UnreadablePath
from storage.whole_files import new_file

DAYS = 365
SKEW = timedelta(minutes=5)  # clocks differ
LONGEST = 64  # characters of a common name, by X.520
CERTIFICATE, KEY, AUTHORITY = "certificate.pem", "key.pem", "authority.pem"
_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """Files that were written: the signer's certificate with its authority's, its key, the authority's alone."""

    certificate: Path
    key: Path
    authority: Path


def make(folder: Path, name: str, now: datetime | None = None) -> Trial:
    """Write a new certificate for `name`, valid for a year, into a folder; nothing is overwritten.

    Raises BadValue for a name that is none, or where a file is there already; UnreadablePath.
    """
    if not name.strip() or len(name) > LONGEST:
        raise BadValue(f"{name!r} can't be a signer's name", f"1 to {LONGEST} characters")
    now = now or datetime.now(UTC)
    above, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _authority(above, now)
    signer = _signer(own, name.strip(), above, authority, now)
    secret = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = Trial(folder / CERTIFICATE, folder / KEY, folder / AUTHORITY)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, data in (
            (made.authority, _pem(authority)),
            (made.key, secret),
            (made.certificate, _pem(signer) + _pem(authority)),
        ):
            with new_file(path) as file:
                file.write(data)
    except FileExistsError as error:
        raise BadValue(f"{error.filename} is there already", "name another folder") from error
    except OSError as error:
        raise UnreadablePath(f"{folder} can't be written to: {error.strerror}", "name another folder") from error
    return made


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("Kyodaku trial authority: vouches for nobody")
    made = _begun(name, name, key.public_key(), now)
    made = made.add_extension(x509.BasicConstraints(True, 0), True)
    made = made.add_extension(_usage("key_cert_sign", "crl_sign"), True)
    return made.sign(key, hashes.SHA256())


def _signer(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    above: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    now: datetime,
) -> x509.Certificate:
    made = _begun(_name(name), authority.subject, key.public_key(), now)
    made = made.add_extension(x509.BasicConstraints(False, None), True)
    made = made.add_extension(_usage("digital_signature"), True)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), False)
    return made.sign(above, hashes.SHA256())


def _begun(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
    )


def _name(text: str) -> x509.Name:
    kinds = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    return x509.Name([x509.NameAttribute(kind, text) for kind in kinds])


def _usage(*uses: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{use: use in uses for use in _USES})


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
