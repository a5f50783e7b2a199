"""Several embedders: any may say that somebody is resembled, all must say that nobody is, each knows everyone."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1

from core.audit import audit
from core.audit_agreement import agreed
from core.audit_report import AuditReport
from core.errors import BadValue
from core.faces.embed import DLIB_SPACE, FACENET_SPACE
from storage import faces
from storage.catalog import Catalog
from storage.faces import NewFace
from tests import small_archive
from tests.small_archive import FACE, SmallArchive

BASE = Path(__file__).parents[2] / "sample_data" / "base"
NOBODY, RESEMBLES, TOO_LITTLE = "nobody", "resembles", "not enough evidence"


def said(embedder: str, verdict: str, *resembles: str, rate: float = 0.0) -> AuditReport:
    """A report of which only what embedders agree upon matters."""
    none: Any = dict.fromkeys(AuditReport.__dataclass_fields__)
    told = {"embedder": embedder, "verdict": verdict, "resembles": [*resembles], "why": ["so"], "rate": rate}
    return AuditReport(**cast(Any, none | told | {"upper_bound95": rate + 0.1, "by_embedder": {}, "by_others": []}))


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ((NOBODY, NOBODY), NOBODY),
        ((NOBODY, RESEMBLES), RESEMBLES),
        ((TOO_LITTLE, RESEMBLES), RESEMBLES),
        ((NOBODY, TOO_LITTLE), TOO_LITTLE),
        ((NOBODY, NOBODY, TOO_LITTLE), TOO_LITTLE),
    ],
)
def test_any_may_say_somebody_and_only_all_that_it_is_nobody(verdicts: tuple[str, ...], together: str) -> None:
    for order in permutations(verdicts):
        found = agreed([said(str(at), verdict, rate=at / 10) for at, verdict in enumerate(order)])
        assert found.verdict == together
        assert found.by_embedder == {str(at): verdict for at, verdict in enumerate(order)}
        assert len(found.by_others) == len(verdicts) - 1
        assert found.rate == (len(verdicts) - 1) / 10
        assert found.why == [f"{at}: so" for at, verdict in enumerate(order) if verdict == together]


def test_whom_either_names_is_named() -> None:
    found = agreed([said("a", RESEMBLES, "Ann"), said("b", RESEMBLES, "Bo", "Ann"), said("c", NOBODY, "none")])
    assert found.resembles == ["Ann", "Bo"]
    alone = said("a", NOBODY)
    assert agreed([alone]) is alone


@pytest.fixture(scope="module")
def facenet_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of FaceNet's shape, drawn from a seed: they know nobody, but say so in a space of their own."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "facenet.pt"
    torch.save(InceptionResnetV1(pretrained=None, num_classes=10).state_dict(), file)
    return str(file)


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    """Three people with four pictures, two of which FaceNet looked at."""
    built = small_archive.build(catalog, tmp_path / "archive", pictures=4)
    draws = np.random.default_rng(1)
    for person in built.people:
        for photo in faces.photos_of_subject(catalog, person.id)[2:]:
            vector = draws.normal(size=512).astype(np.float32)
            faces.replace_faces(catalog, photo, [NewFace(FACE, 0.999, vector / np.linalg.norm(vector))], FACENET_SPACE)
            own = [face.id for face in faces.of_photo(catalog, photo)]
            faces.assign(catalog, own, person.id, by_person=True)
    return built


def test_two_embedders_look_at_the_same_pictures_each_in_its_space(archive: SmallArchive, facenet_file: str) -> None:
    both = audit(archive.catalog, str(BASE), n=3, embedders=["dlib", facenet_file])
    alone = audit(archive.catalog, str(BASE), n=3, embedders=["dlib"])
    [other] = both.by_others
    assert (both.embedder, other.embedder) == (DLIB_SPACE, FACENET_SPACE)
    assert both.faces == other.faces == alone.faces > 0
    assert both.nearest == alone.nearest
    assert {near.subject for near in other.nearest} == {person.name for person in archive.people}
    assert all(near.distance < 2 for near in other.nearest), "FaceNet's vectors are of length 1"
    assert both.by_embedder == {DLIB_SPACE: alone.verdict, FACENET_SPACE: other.verdict}
    told = json.loads((archive.catalog.models / "base.audit" / "report.json").read_text())
    assert told["by_embedder"] == {}, "the last audit was by one"
    assert sum(line.startswith("base: ") for line in both.lines()) == 2


def test_an_embedder_that_does_not_know_everybody_is_refused(archive: SmallArchive, facenet_file: str) -> None:
    catalog = archive.catalog
    with pytest.raises(BadValue, match="two of the embedders are one"):
        audit(catalog, str(BASE), n=1, embedders=["dlib", DLIB_SPACE])
    left = archive.people[1]
    for photo in faces.photos_of_subject(catalog, left.id)[2:]:
        faces.assign(catalog, [face.id for face in faces.of_photo(catalog, photo)], None, by_person=True)
    with pytest.raises(BadValue, match="facenet-vggface2 knows no face of Person 1"):
        audit(catalog, str(BASE), n=1, embedders=["dlib", facenet_file])


def test_a_space_of_which_the_catalog_holds_nothing_is_refused(
    catalog: Catalog, tmp_path: Path, facenet_file: str
) -> None:
    small_archive.build(catalog, tmp_path / "archive", people=1, pictures=1)
    with pytest.raises(BadValue, match="no faces to compare with in the space of facenet-vggface2"):
        audit(catalog, str(BASE), n=1, embedders=["dlib", facenet_file])
