"""Content Credentials: read back by c2pa's own reader, tied to the picture, and nothing asked of the network."""

from __future__ import annotations

import io
import json
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import c2pa
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from core import credentials, trial_certificate
from core.errors import BadImage, BadValue, MissingDependency
from core.generated_marks import FROM_NOISE, FROM_PICTURE, Origin, read, save
from core.trial_certificate import Trial
from storage.catalog import Catalog

HASH = "a1" * 32


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return trial_certificate.make(tmp_path_factory.mktemp("c2pa") / "new", "M. Roth")


def drawn(path: Path, trial: Trial, start: str | None = None) -> Path:
    origin = Origin("noy.1", HASH, "a person", "", 1, 2, 7.5, "DDIM", (64, 64), start)
    signing = credentials.load(trial.certificate, trial.key)
    save(Image.new("RGB", (64, 64), (90, 120, 200)), path, origin, {"nsfw": 0.0}, signing)
    return path


def test_a_signed_picture_is_read_back_by_the_reader_of_c2pa(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", no_network)
    path = drawn(tmp_path / "1.png", trial)
    data = path.read_bytes()
    with c2pa.Reader("image/png", io.BytesIO(data)) as reader:
        told = json.loads(reader.json())
        assert reader.get_validation_state() == "Valid"
    manifest = told["manifests"][told["active_manifest"]]
    [actions] = [one for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    [created] = actions["data"]["actions"]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"] == f"http://cv.iptc.org/newscodes/digitalsourcetype/{FROM_NOISE}"
    assert created["softwareAgent"]["name"] == "Kyodaku"
    assert created["parameters"] == {"kyodaku.model": "noy.1", "kyodaku.model_hash": HASH}
    assert manifest["signature_info"]["issuer"] == "M. Roth"
    assert "time" not in manifest["signature_info"]
    assert {one["code"] for one in told["validation_status"]} == {"signingCredential.untrusted"}
    marks = read(data)
    assert (marks.several, marks.from_picture) == (False, False)
    with Image.open(path) as picture:
        assert "Seed: 1" in picture.text["parameters"]  # type: ignore[attr-defined]
        assert picture.getpixel((3, 3)) == (90, 120, 200)


def test_what_credentials_say_and_whether_they_fit(trial: Trial, tmp_path: Path) -> None:
    path = drawn(tmp_path / "1.png", trial, start="c" * 64)
    made = credentials.read(path)
    assert (made.state, made.signed_by, made.program) == ("Valid", "M. Roth", "Kyodaku")
    assert (made.digital_source_type, made.model, made.model_hash) == (FROM_PICTURE, "noy.1", HASH)
    assert credentials.read(path, trial.authority).state == "Trusted"
    data = bytearray(path.read_bytes())
    data[data.rindex(b"IDAT") + 12] ^= 1
    path.write_bytes(data)
    assert credentials.read(path, trial.authority).state == "Invalid"
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    for name in ("plain.png", "none.png"):
        with pytest.raises((BadImage, BadValue), match=name):
            credentials.read(tmp_path / name)


def test_certificates_that_can_not_sign_are_told_before_anything_is_drawn(trial: Trial, tmp_path: Path) -> None:
    other = trial_certificate.make(tmp_path / "other", "Other")
    old = trial_certificate.make(tmp_path / "old", "Old", datetime.now(UTC) - timedelta(days=400))
    (tmp_path / "text.pem").write_text("no certificate")
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    for certificate, key, why in (
        (trial.certificate, other.key, "is not the key of"),
        (old.certificate, old.key, "is valid from"),
        (tmp_path / "text.pem", trial.key, "is no certificate in PEM"),
        (trial.certificate, tmp_path / "locked.pem", "without a password"),
        (trial.certificate, tmp_path / "none.pem", "can't be read"),
        (trial.authority, trial.key, "is not the key of"),
    ):
        with pytest.raises(BadValue, match=why):
            credentials.load(certificate, key)


def test_an_authority_signs_no_picture(tmp_path: Path) -> None:
    """C2PA takes no certificate that may issue others."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = trial_certificate._authority(key, datetime.now(UTC))
    (tmp_path / "c.pem").write_bytes(trial_certificate._pem(authority))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "k.pem").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    with pytest.raises(BadValue, match="can't sign"):
        credentials.load(tmp_path / "c.pem", tmp_path / "k.pem")


def test_a_trial_certificate_overwrites_nothing_and_its_key_is_private(trial: Trial) -> None:
    assert {path.stat().st_mode & 0o777 for path in (trial.certificate, trial.key, trial.authority)} == {0o600}
    before = trial.key.read_bytes()
    with pytest.raises(BadValue, match="is there already"):
        trial_certificate.make(trial.key.parent, "Again")
    assert trial.key.read_bytes() == before
    for name in (" ", "n" * 65):
        with pytest.raises(BadValue, match="signer's name"):
            trial_certificate.make(trial.key.parent / "more", name)


def test_what_is_in_use_is_remembered(catalog: Catalog, trial: Trial) -> None:
    assert credentials.in_use(catalog) is None
    credentials.use(catalog, trial.certificate, trial.key)
    assert credentials.in_use(catalog) == (trial.certificate, trial.key)
    with pytest.raises(BadValue, match="go together"):
        credentials.use(catalog, trial.certificate, None)
    credentials.use(catalog, None, None)
    assert credentials.in_use(catalog) is None


def test_without_the_library_it_is_one_line(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(MissingDependency, match="need c2pa-python") as raised:
        credentials.load(trial.certificate, trial.key)
    assert "kyodaku[c2pa]" in raised.value.hint
