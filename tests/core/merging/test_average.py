"""The mean is that of the changes of weights, its bytes those of the set of inputs alone."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from core.errors import BadValue, NotEnoughSpace, WrongArchitecture
from core.merging import space
from core.merging.average import average
from core.merging.deltas import delta, energy, truncate, weighted_sum
from core.merging.formats import LoraLayer, layers_from_peft, read_lora, write_lora

LINEAR = "lora_unet_down_blocks_0_attentions_0_to_q"
CONV = "lora_unet_mid_block_resnets_0_conv1"


def layer(seed: int, rank: int, alpha: float, shape: tuple[int, ...]) -> LoraLayer:
    """A random layer for weights of `shape`."""
    generator = torch.Generator().manual_seed(seed)
    ones = (1,) * (len(shape) - 2)
    return LoraLayer(
        torch.randn((rank, *shape[1:]), generator=generator),
        torch.randn((shape[0], rank, *ones), generator=generator),
        alpha,
    )


def dense(part: LoraLayer) -> Tensor:
    """The change of weights by its definition, float64."""
    up, down = part.up.double(), part.down.double()
    product = up.reshape(len(up), -1) @ down.reshape(len(down), -1)
    return (part.alpha / part.rank) * product.reshape(len(up), *down.shape[1:])


def lora(path: Path, seed: int, rank: int = 3, alpha: float = 1.5, dtype: str = "F32") -> Path:
    """A file with a linear and a convolution layer."""
    layers = {LINEAR: layer(seed, rank, alpha, (12, 10)), CONV: layer(seed + 1000, rank, alpha, (8, 4, 3, 3))}
    write_lora(path, layers, {}, dtype)
    return path


@pytest.fixture
def people(tmp_path: Path) -> list[Path]:
    """LoRAs of five people, of different ranks, alphas and dtypes."""
    made = [(3, 1.5, "F32"), (3, 6.0, "F32"), (1, 1.0, "F16"), (4, 2.0, "F32"), (2, 2.0, "BF16")]
    return [lora(tmp_path / f"p{n}", n, *how) for n, how in enumerate(made)]


WEIGHTS = [1.0, 2.0, 0.5, 1.0, 3.0]


def test_the_mean_of_changes(people: list[Path], tmp_path: Path) -> None:
    result = average(people, WEIGHTS, tmp_path / "mean")
    mean = read_lora(tmp_path / "mean")
    assert result.energy_kept == 1.0
    for name in (LINEAR, CONV):
        wanted = sum(w / 7.5 * dense(read_lora(path)[name]) for path, w in zip(people, WEIGHTS, strict=True))
        torch.testing.assert_close(dense(mean[name]), wanted, atol=1e-6, rtol=1e-6)
        assert (mean[name].rank, mean[name].alpha) == (13, 13.0)


@pytest.mark.parametrize("rank", [None, 2])
def test_bytes_do_not_depend_on_the_order_of_arguments(people: list[Path], tmp_path: Path, rank: int | None) -> None:
    made = set()
    for order in list(permutations(range(5)))[::17]:
        average([people[n] for n in order], [WEIGHTS[n] for n in order], tmp_path / "mean", rank=rank)
        made.add((tmp_path / "mean").read_bytes())
    assert len(made) == 1


@pytest.mark.parametrize("rank", [None, 2, 5])
@pytest.mark.parametrize("left_out", range(5))
def test_scaling_all_weights_changes_nothing(
    people: list[Path], tmp_path: Path, rank: int | None, left_out: int
) -> None:
    """What weights the others have relative to each other is all that counts, so leaving one out is exact."""
    rest = [n for n in range(5) if n != left_out]
    average([people[n] for n in rest], [WEIGHTS[n] for n in rest], tmp_path / "one", rank=rank)
    average([people[n] for n in rest], [WEIGHTS[n] * 4 for n in rest], tmp_path / "two", rank=rank)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_bytes_do_not_depend_on_the_number_of_threads(people: list[Path], tmp_path: Path) -> None:
    made = set()
    before = torch.get_num_threads()
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        average(people, WEIGHTS, tmp_path / "mean", rank=3)
        assert torch.get_num_threads() == threads
        made.add((tmp_path / "mean").read_bytes())
    torch.set_num_threads(before)
    assert len(made) == 1


@pytest.mark.parametrize("rank", [1, 4, 12, 13, 40])
def test_truncation_is_the_best_of_its_rank_and_says_what_it_keeps(
    people: list[Path], tmp_path: Path, rank: int
) -> None:
    result = average(people, WEIGHTS, tmp_path / "mean", rank=rank)
    average(people, WEIGHTS, tmp_path / "exact")
    near, exact = read_lora(tmp_path / "mean"), read_lora(tmp_path / "exact")
    kept = whole = 0.0
    for name in (LINEAR, CONV):
        full = dense(exact[name]).flatten(1).numpy()
        values = np.linalg.svd(full, compute_uv=False) ** 2
        error = np.linalg.norm(full - dense(near[name]).flatten(1).numpy()) ** 2
        assert error == pytest.approx(values[rank:].sum(), abs=1e-9 * values.sum())
        assert result.by_layer[name] == pytest.approx(values[:rank].sum() / values.sum())
        kept, whole = kept + values[:rank].sum(), whole + values.sum()
    assert result.energy_kept == pytest.approx(kept / whole)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.floats(0.1, 8), st.floats(0.01, 3)), min_size=1, max_size=4),
    st.integers(1, 6),
)
def test_layer_arithmetic_against_the_dense_products(parts: list[tuple[int, float, float]], rank: int) -> None:
    layers = [layer(n, r, alpha, (6, 7)) for n, (r, alpha, _) in enumerate(parts)]
    weights = [weight for _, _, weight in parts]
    exact = weighted_sum(layers, weights)
    wanted = sum(weight * dense(one) for weight, one in zip(weights, layers, strict=True))
    assert isinstance(wanted, Tensor)
    size = float(wanted.norm()) + 1e-9
    assert float((dense(exact) - wanted).norm()) < 1e-5 * size
    assert energy(exact) == pytest.approx(float(dense(exact).square().sum()), rel=1e-6)
    near, kept, whole = truncate(exact, rank)
    values = np.linalg.svd(dense(exact).numpy(), compute_uv=False) ** 2
    assert kept == pytest.approx(values[:rank].sum(), rel=1e-6)
    assert whole == pytest.approx(values.sum(), rel=1e-6)
    torch.testing.assert_close(delta(near, 0.5).double(), 0.5 * dense(near), atol=1e-4, rtol=1e-4)


def test_one_lora_averaged_alone_is_its_own_change(people: list[Path], tmp_path: Path) -> None:
    average(people[:1], [0.3], tmp_path / "mean")
    for name, one in read_lora(tmp_path / "mean").items():
        torch.testing.assert_close(dense(one), dense(read_lora(people[0])[name]), atol=1e-6, rtol=1e-6)


def test_a_layer_that_one_input_lacks_counts_as_no_change_there(people: list[Path], tmp_path: Path) -> None:
    text = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    write_lora(tmp_path / "few", {LINEAR: layer(7, 2, 2, (12, 10)), text: layer(8, 2, 1, (6, 6))}, {})
    average([people[0], tmp_path / "few"], [1, 3], tmp_path / "mean")
    mean, one, few = (read_lora(path) for path in (tmp_path / "mean", people[0], tmp_path / "few"))
    torch.testing.assert_close(dense(mean[LINEAR]), dense(one[LINEAR]) / 4 + dense(few[LINEAR]) * 0.75)
    torch.testing.assert_close(dense(mean[CONV]), dense(one[CONV]) / 4)
    torch.testing.assert_close(dense(mean[text]), dense(few[text]) * 0.75)


def test_peft_trained_layers_average_to_the_mean_of_what_peft_applies(tiny_base: Path, tmp_path: Path) -> None:
    plain = UNet2DConditionModel.from_pretrained(tiny_base / "unet")
    moved: list[dict[str, Tensor]] = []
    for n in range(3):
        unet = UNet2DConditionModel.from_pretrained(tiny_base / "unet")
        torch.manual_seed(n)
        unet.add_adapter(LoraConfig(r=4, lora_alpha=8, target_modules=["to_q", "conv1"], init_lora_weights=False))
        write_lora(tmp_path / f"l{n}", layers_from_peft(get_peft_model_state_dict(unet), 8), {})
        unet.fuse_lora()
        unet.unload_lora()
        moved.append({k: v - dict(plain.named_parameters())[k] for k, v in unet.named_parameters()})
    average([tmp_path / f"l{n}" for n in range(3)], [1, 1, 1], tmp_path / "mean")
    mean = read_lora(tmp_path / "mean")
    checked = 0
    for name in moved[0]:
        key = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
        if key in mean:
            wanted = sum(one[name].double() for one in moved) / 3
            torch.testing.assert_close(dense(mean[key]), wanted, atol=1e-6, rtol=1e-4)
            checked += 1
    assert checked == len(mean) > 4


@pytest.mark.parametrize(
    "other",
    [
        {"lora_unet_of_another_network": layer(1, 2, 2, (12, 10))},
        {LINEAR: layer(1, 2, 2, (12, 11)), CONV: layer(2, 2, 2, (8, 4, 3, 3))},
        {LINEAR: layer(1, 2, 2, (12, 10)), CONV: layer(2, 2, 2, (8, 36))},
    ],
)
def test_another_architecture_is_refused_by_name(
    people: list[Path], tmp_path: Path, other: dict[str, LoraLayer]
) -> None:
    write_lora(tmp_path / "other", other, {})
    with pytest.raises(WrongArchitecture, match="other") as caught:
        average([people[0], tmp_path / "other"], [1, 1], tmp_path / "mean")
    assert "lora_unet" in str(caught.value)
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_weights_that_are_none(people: list[Path], tmp_path: Path, weights: list[float]) -> None:
    with pytest.raises(BadValue, match="weights"):
        average(people[: len(weights)], weights, tmp_path / "mean")


def test_a_rank_below_one(people: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="rank 0"):
        average(people, WEIGHTS, tmp_path / "mean", rank=0)


def test_a_full_disk_is_seen_before_writing(
    people: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "SPARE", 1 << 60)
    with pytest.raises(NotEnoughSpace, match="MB free"):
        average(people, WEIGHTS, tmp_path / "mean")
    assert len(list(tmp_path.iterdir())) == 5


def test_half_precision_out(people: list[Path], tmp_path: Path) -> None:
    average(people, WEIGHTS, tmp_path / "half", dtype="F16")
    average(people, WEIGHTS, tmp_path / "whole")
    half, whole = read_lora(tmp_path / "half"), read_lora(tmp_path / "whole")
    assert half[LINEAR].down.dtype == torch.float16
    torch.testing.assert_close(dense(half[LINEAR]), dense(whole[LINEAR]), atol=0.02, rtol=0.01)
