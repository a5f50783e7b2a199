"""Vectors of faces: nearer within a person, the same every time, and weights that are no weights refused."""

from __future__ import annotations

import pickle
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1

from core.errors import BadValue, MissingDependency
from core.faces import embed
from core.faces.age import AgeModel
from core.faces.describe import cut, describe
from core.faces.detect import Detector
from core.faces.embed import DlibEmbedder, FaceNetEmbedder, embedder


@pytest.fixture(autouse=True)
def no_cached_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Torch's cache, empty, wherever the tests run."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "checkpoints"


def test_one_person_lies_nearer_than_two(detector: Detector, dlib_embedder: DlibEmbedder, portraits: list) -> None:
    found = detector.detect([shot.picture for shot in portraits])
    vectors = [dlib_embedder.embed(shot.picture, faces)[0] for shot, faces in zip(portraits, found, strict=True)]
    apart: dict[bool, list[float]] = {True: [], False: []}
    for (a, first), (b, second) in combinations(zip(vectors, portraits, strict=True), 2):
        apart[first.names == second.names].append(float(np.linalg.norm(a - b)))
    assert np.mean(apart[True]) < min(apart[False])


def test_vectors_are_the_same_every_time(detector: Detector, dlib_embedder: DlibEmbedder, company: object) -> None:
    [found] = detector.detect([company.picture])
    vectors = dlib_embedder.embed(company.picture, found)
    assert vectors.shape == (len(found), 128)
    assert vectors.dtype == np.float32
    again = DlibEmbedder().embed(company.picture, found[::-1])
    assert np.array_equal(vectors[::-1], again)


def test_a_worker_sees_no_other_face_than_the_whole_picture_shows(
    detector: Detector, dlib_embedder: DlibEmbedder, company: object, portraits: list
) -> None:
    for shot in [company, portraits[0]]:
        [found] = detector.detect([shot.picture])
        told = describe([cut(shot.picture, face) for face in found], embed=True)
        vectors = dlib_embedder.embed(shot.picture, found)
        ages = AgeModel().estimate(shot.picture, found)
        assert np.allclose([one.embedding for one in told], vectors, atol=1e-6)
        assert [one.age_estimate for one in told] == ages
        assert all(0 <= age <= 100 for age in ages)
        assert all(one.sharpness > 0 for one in told)


def test_no_face_no_vector(dlib_embedder: DlibEmbedder, company: object) -> None:
    assert dlib_embedder.embed(company.picture, []).shape == (0, 128)
    assert AgeModel().estimate(company.picture, []) == []


@pytest.fixture(scope="module")
def facenet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of FaceNet's shape, drawn from a seed: the real ones are not in the repository."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / embed.FACENET_FILE
    torch.save(InceptionResnetV1(pretrained=None, num_classes=10).state_dict(), file)
    return file


def test_facenet_from_a_file(facenet_file: Path, detector: Detector, company: object) -> None:
    [found] = detector.detect([company.picture])
    made = embedder(str(facenet_file))
    vectors = made.embed(company.picture, found)
    assert (made.space, made.dim) == ("facenet-vggface2", 512)
    assert vectors.shape == (len(found), 512)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert made.embed(company.picture, []).shape == (0, 512)


def test_auto_takes_facenet_where_its_weights_are(facenet_file: Path, no_cached_weights: Path) -> None:
    assert isinstance(embedder("auto"), DlibEmbedder)
    with pytest.raises(MissingDependency, match="weights"):
        embedder("facenet")
    no_cached_weights.mkdir(parents=True)
    (no_cached_weights / embed.FACENET_FILE).symlink_to(facenet_file)
    assert isinstance(embedder("auto"), FaceNetEmbedder)
    assert isinstance(embedder("dlib-resnet-v1"), DlibEmbedder)


class Trap:
    """What a hostile weights file would run when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("trapped"),)


@pytest.mark.parametrize("content", [b"", b"not weights", pickle.dumps(Trap(), protocol=2)])
def test_a_file_that_holds_no_weights_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "weights.pt"
    file.write_bytes(content)
    with pytest.raises(MissingDependency, match=r"weights\.pt"):
        embedder(str(file))
    torch.save({"a": torch.zeros(1)}, file)
    with pytest.raises(MissingDependency):
        embedder(str(file))
    with pytest.raises(MissingDependency):
        embedder(str(tmp_path / "none.pt"))
    assert not Path("trapped").exists()


def test_an_unknown_embedder_is_refused() -> None:
    with pytest.raises(BadValue, match="arcface"):
        embedder("arcface")
