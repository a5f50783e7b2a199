"""The mean of checkpoints against the mean of their tensors held in memory."""

from __future__ import annotations

import shutil
from itertools import permutations
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import BadBase, BadValue, WrongArchitecture
from core.merging import blocks
from core.merging.soup import add_difference, soup

UNET = "unet/diffusion_pytorch_model.safetensors"
WEIGHTS = [1.0, 2.0, 5.0]


def shifted(base: Path, path: Path, seed: int, dtype: torch.dtype) -> Path:
    """A copy of the base with noise on the UNet's weights."""
    shutil.copytree(base, path)
    torch.manual_seed(seed)
    tensors: dict[str, Tensor] = load_file(base / UNET)
    save_file(
        {name: (value + torch.randn_like(value)).to(dtype) for name, value in tensors.items()},
        path / UNET,
        {"format": "pt"},
    )
    return path


@pytest.fixture
def three(tiny_base: Path, tmp_path: Path, request: pytest.FixtureRequest) -> list[Path]:
    dtypes = getattr(request, "param", (torch.float32,) * 3)
    return [shifted(tiny_base, tmp_path / f"c{n}", n, dtype) for n, dtype in enumerate(dtypes)]


@pytest.mark.parametrize(
    ("three", "comes_out"),
    [
        ((torch.float32,) * 3, torch.float32),
        ((torch.float16,) * 3, torch.float16),
        ((torch.float32, torch.float16, torch.bfloat16), torch.float32),
    ],
    indirect=["three"],
)
def test_the_mean_of_tensors(three: list[Path], tmp_path: Path, comes_out: torch.dtype) -> None:
    soup(three, WEIGHTS, tmp_path / "soup", metadata={"kyodaku.recipe": "{}"})
    mean = load_file(tmp_path / "soup" / UNET)
    inputs = [load_file(path / UNET) for path in three]
    for name, value in mean.items():
        wanted = sum(w / 8 * one[name].double() for w, one in zip(WEIGHTS, inputs, strict=True))
        assert value.dtype == comes_out
        torch.testing.assert_close(value.double(), wanted.to(comes_out).double(), atol=1e-6, rtol=2e-3)
    StableDiffusionPipeline.from_pretrained(tmp_path / "soup")


def test_blocks_do_not_show(three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soup(three, WEIGHTS, tmp_path / "one")
    monkeypatch.setattr(blocks, "BLOCK", 7)
    soup(three, WEIGHTS, tmp_path / "two")
    assert (tmp_path / "one" / UNET).read_bytes() == (tmp_path / "two" / UNET).read_bytes()


def test_bytes_do_not_depend_on_the_order_of_arguments(three: list[Path], tmp_path: Path) -> None:
    made = set()
    for number, order in enumerate(permutations(range(3))):
        soup([three[n] for n in order], [WEIGHTS[n] for n in order], tmp_path / f"s{number}")
        made.add((tmp_path / f"s{number}" / UNET).read_bytes())
    assert len(made) == 1


def test_a_difference_is_added_by_block(three: list[Path], tmp_path: Path) -> None:
    model, minus, base = three
    add_difference(model, minus, base, tmp_path / "all", weight=0.5)
    add_difference(model, minus, base, tmp_path / "some", weight=0.5, blocks={"mid": 0.0, "text": 2.0})
    inputs = [load_file(path / UNET) for path in three]
    for folder, mid in (("all", 0.5), ("some", 0.0)):
        made = load_file(tmp_path / folder / UNET)
        for name, value in made.items():
            one, other, third = (part[name].double() for part in inputs)
            factor = mid if name.startswith("mid_block") else 0.5
            torch.testing.assert_close(value.double(), third + factor * (one - other), atol=1e-5, rtol=1e-5)
    with pytest.raises(BadValue, match="no block"):
        add_difference(model, minus, base, tmp_path / "none", blocks={"down.9": 1})
    with pytest.raises(BadValue, match="weight"):
        add_difference(model, minus, base, tmp_path / "none", weight=float("inf"))


def test_copies_of_one_unet_are_told_apart_by_their_other_parts(tiny_base: Path, tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        shutil.copytree(tiny_base, tmp_path / name)
        file = tmp_path / name / "text_encoder" / "model.safetensors"
        tensors = load_file(file)
        save_file({key: value + 0.1 * number for key, value in tensors.items()}, file, {"format": "pt"})
        (tmp_path / name / "which.txt").write_text(name)
    for number, order in enumerate(permutations("abc")):
        soup([tmp_path / name for name in order], [1, 1, 1], tmp_path / f"s{number}")
    made = {tuple((tmp_path / f"s{n}" / name).read_bytes() for name in ("which.txt", UNET)) for n in range(6)}
    assert len(made) == 1


def test_what_does_not_fit_together_is_refused(three: list[Path], tmp_path: Path) -> None:
    tensors = load_file(three[1] / UNET)
    name = next(iter(tensors))
    for wrong in ({**tensors, name: torch.zeros(3)}, {**tensors, "extra": torch.zeros(3)}, {name: tensors[name]}):
        save_file(wrong, three[1] / UNET, {"format": "pt"})
        with pytest.raises(WrongArchitecture):
            soup(three, WEIGHTS, tmp_path / "soup")
    shutil.rmtree(three[1] / "vae")
    with pytest.raises(WrongArchitecture, match="different parts"):
        soup(three, WEIGHTS, tmp_path / "soup")
    (three[1] / "model_index.json").unlink()
    with pytest.raises(BadBase):
        soup(three, WEIGHTS, tmp_path / "soup")
    with pytest.raises(BadValue):
        soup(three, [1, 0, 1], tmp_path / "soup")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["c0", "c1", "c2"]
