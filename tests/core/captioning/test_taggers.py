"""Taggers on models that are made here, tiny and real: what they are shown, what they propose, and what never."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.captioning import wd14
from core.captioning.clip import Clip, groups_of
from core.captioning.tag_rules import why_not
from core.captioning.wd14 import Wd14, prepared
from core.errors import BadValue
from tests.tiny_base import write_tiny_clip
from tests.tiny_tagger import SIDE, TAGS, write_wd14

BLUE, RED = Image.new("RGB", (SIDE, SIDE), (0, 0, 255)), Image.new("RGB", (SIDE, SIDE), (255, 0, 0))


@pytest.mark.parametrize("batch", ["n", 1, 2])
def test_wd14_sees_what_is_there_and_proposes_what_may_be(tmp_path: Path, batch: int | str) -> None:
    tagger = Wd14(write_wd14(tmp_path / "wd", batch=batch))
    assert tagger.side == SIDE
    blue, red = tagger.look([BLUE, RED])
    assert list(blue) == ["^_^", "blue sky"]
    assert list(red) == ["^_^", "red dress"]
    assert blue["blue sky"] == pytest.approx(1 / (1 + np.exp(-4.0)), abs=1e-3)
    assert dict(tagger.dropped) == {"names a minor": 2, "names sexual content": 2, "is about age": 2}
    assert tagger.look([]) == []
    assert tagger.name == Wd14(tmp_path / "wd").name != Wd14(write_wd14(tmp_path / "other", bias=1e-3)).name


def test_pictures_are_padded_with_white_and_given_blue_first() -> None:
    given = prepared(Image.new("RGB", (4, 2), (10, 20, 30)), 4)
    assert given.dtype == np.float32
    assert given.shape == (4, 4, 3)
    assert given[0].tolist() == given[3].tolist() == [[255.0] * 3] * 4
    assert given[1].tolist() == given[2].tolist() == [[30.0, 20.0, 10.0]] * 4
    assert prepared(Image.new("RGB", (100, 100), (1, 2, 3)), 8).shape == (8, 8, 3)


def test_what_is_no_wd14_tagger_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"selected_tags\.csv can't be read"):
        Wd14(tmp_path)
    folder = write_wd14(tmp_path / "wd")
    (folder / wd14.MODEL).write_bytes(b"no model")
    with pytest.raises(BadValue, match=r"model\.onnx is no tagger"):
        Wd14(folder)
    write_wd14(folder, TAGS * 2)
    with pytest.raises(BadValue, match="does not belong to its"):
        Wd14(folder).look([BLUE])
    with pytest.raises(BadValue, match="gives no probabilities"):
        Wd14(write_wd14(folder, bias=0.5)).look([BLUE])
    (folder / wd14.TABLE).write_text("a,b\n1,2\n")
    with pytest.raises(BadValue, match="no table of tags"):
        Wd14(folder)
    with pytest.raises(BadValue, match="no general tags"):
        Wd14(write_wd14(folder, TAGS[:2]))


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("1girl", "names a minor"),
        ("2boys", "names a minor"),
        ("6+girls", "names a minor"),
        ("school uniform", "names a minor"),
        ("bikini", "names sexual content"),
        ("old man", "is about age"),
        ("mature female", "is about age"),
        ("middle-aged", "is about age"),
        ("16 years old", "names a minor"),
        ("golden hour", None),
        ("cold", None),
        ("beard", None),
        ("smile", None),
        ("outdoors", None),
    ],
)
def test_words_that_are_never_proposed(tag: str, why: str | None) -> None:
    assert why_not(tag) == why


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


def test_clip_shares_out_each_group(tmp_path: Path, clip_folder: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("indoors\noutdoors\n\nhat\nold man\n\nnude\n")
    tagger = Clip(clip_folder, words)
    blue, red = tagger.look([BLUE, RED])
    assert tagger.look([BLUE])[0] == pytest.approx(blue, abs=1e-4)
    assert blue != red
    assert dict(tagger.dropped) == {"is about age": 1, "names sexual content": 1}
    for found in (blue, red):
        assert set(found) <= {"indoors", "outdoors", "hat"}
        assert 0 < found.get("indoors", 0) + found.get("outdoors", 0) < 1, "there is a picture that shows neither"
        assert list(found.values()) == sorted(found.values(), reverse=True)
    words.write_text("hat\nindoors\noutdoors\n")
    assert Clip(clip_folder, words).name != tagger.name
    assert tagger.look([]) == []


def test_what_is_no_clip_or_no_list_of_words(tmp_path: Path, clip_folder: Path) -> None:
    words = tmp_path / "words.txt"
    with pytest.raises(BadValue, match="can't be read"):
        groups_of(words)
    words.write_text("a\n\n\n b  c \nb c\n")
    assert groups_of(words) == [["a"], ["b c"]]
    with pytest.raises(BadValue, match="holds no CLIP model as safetensors"):
        Clip(tmp_path, words)
    (tmp_path / "model.safetensors").write_bytes(b"no model")
    with pytest.raises(BadValue, match="holds no CLIP model"):
        Clip(tmp_path, words)
    words.write_text("hat\nred, blue\n")
    with pytest.raises(BadValue, match="line 2"):
        groups_of(words)
    words.write_text("nude\n")
    with pytest.raises(BadValue, match="no word that may be proposed"):
        Clip(clip_folder, words)
    words.write_bytes(b"\xff\xfe")
    with pytest.raises(BadValue, match="not UTF-8"):
        groups_of(words)
