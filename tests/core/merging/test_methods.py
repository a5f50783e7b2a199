"""Other averages than the mean, against their definitions on the changes written out."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import torch
from peft.utils import merge_utils
from scipy.optimize import minimize
from scipy.stats import trim_mean
from torch import Tensor

from core.errors import BadValue
from core.merging import dense, strengths
from core.merging.average import average, median_parts
from core.merging.dense import nearest
from core.merging.formats import read_lora, write_lora
from core.merging.methods import DENSE, METHODS, Method
from tests.core.merging.test_average import CONV, LINEAR, layer
from tests.core.merging.test_average import dense as written_out

FULL = 100  # a rank above what the layers can have: nothing is left out


@pytest.fixture
def five(tmp_path: Path) -> list[Path]:
    """Five LoRAs of different ranks and alphas; the last is far from the others."""
    for number in range(5):
        strength = 40.0 if number == 4 else 1.0
        layers = {LINEAR: layer(number, 2, strength, (12, 10)), CONV: layer(number + 50, 3, strength, (8, 4, 3, 3))}
        write_lora(tmp_path / f"p{number}", layers, {})
    return [tmp_path / f"p{number}" for number in range(5)]


def changes(paths: list[Path], name: str) -> Tensor:
    return torch.stack([written_out(read_lora(path)[name]) for path in paths])


def merged(paths: list[Path], out: Path, method: Method, rank: int | None = FULL) -> dict[str, Tensor]:
    """The average's changes written out, by layer."""
    average(paths, [1.0] * len(paths), out, method=method, rank=rank)
    return {name: written_out(one) for name, one in read_lora(out).items()}


def test_the_geometric_median_has_the_least_sum_of_distances(five: list[Path]) -> None:
    parts = torch.tensor(median_parts(five, [1.0] * 5), dtype=torch.float64)
    points = torch.cat([changes(five, name).reshape(5, -1) for name in (LINEAR, CONV)], dim=1)

    def distances(point: Tensor) -> float:
        return float((points - point).norm(dim=1).sum())

    found = minimize(lambda w: distances(torch.from_numpy(w) @ points), [0.2] * 5, tol=1e-12)
    assert distances(parts @ points) <= found.fun * (1 + 1e-9)
    assert parts.sum() == pytest.approx(1)
    assert parts[4] < 0.03 < parts[:4].min()  # the odd one out weighs less than a fifth of its fifth


def test_the_median_weighs_what_it_is_told(five: list[Path]) -> None:
    plain, heavy = median_parts(five[:4], [1.0] * 4), median_parts(five[:4], [1, 1, 1, 1.5])
    assert heavy[3] > plain[3]
    assert median_parts(five[:1], [3.0]) == [1.0]
    assert median_parts(five[3::-1], [1.0] * 4) == plain[::-1]


def test_a_trimmed_mean_leaves_out_the_lowest_and_highest_at_each_weight(five: list[Path], tmp_path: Path) -> None:
    found = merged(five, tmp_path / "m", Method("trimmed-mean", trim=0.2))
    for name, value in found.items():
        wanted = torch.from_numpy(trim_mean(changes(five, name).numpy(), 0.2, axis=0))
        torch.testing.assert_close(value, wanted, atol=1e-5, rtol=1e-4)


def test_trimming_that_leaves_nothing_or_weighs_is_refused(five: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="trimming"):
        merged(five[:2], tmp_path / "m", Method("trimmed-mean"))
    with pytest.raises(BadValue, match="alike"):
        average(five[:3], [1, 2, 1], tmp_path / "m", method=Method("trimmed-mean"), rank=4)
    assert not (tmp_path / "m").exists()


def test_slerp_goes_along_the_arc(five: list[Path], tmp_path: Path) -> None:
    average(five[:2], [3, 1], tmp_path / "m", method=Method("slerp"))
    for name, one in read_lora(tmp_path / "m").items():
        first, second = changes(five[:2], name)
        angle = torch.acos((first * second).sum() / first.norm() / second.norm())
        wanted = (torch.sin(0.75 * angle) * first + torch.sin(0.25 * angle) * second) / torch.sin(angle)
        torch.testing.assert_close(written_out(one), wanted, atol=1e-5, rtol=1e-4)
    with pytest.raises(BadValue, match="two models"):
        merged(five[:3], tmp_path / "three", Method("slerp"))
    same = merged([five[0], five[0]], tmp_path / "same", Method("slerp"), None)
    torch.testing.assert_close(same[LINEAR], changes(five[:1], LINEAR)[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("density", [0.3, 0.9])
def test_ties_is_pefts(five: list[Path], tmp_path: Path, density: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "HELD", 170)  # a few rows at a time
    found = merged(five, tmp_path / "m", Method("ties", density=density))
    for name, value in found.items():
        wanted = merge_utils.ties(list(changes(five, name).float()), torch.ones(5), density)
        torch.testing.assert_close(value, wanted.double(), atol=1e-5, rtol=1e-4)


def test_dare_keeps_its_density_and_each_ones_part_whoever_else_is_in_it(five: list[Path], tmp_path: Path) -> None:
    three = merged(five[:3], tmp_path / "three", Method("dare", density=0.6))
    two = merged(five[:2], tmp_path / "two", Method("dare", density=0.6))
    for name, value in three.items():
        part = 3 * value - 2 * two[name]  # what the third gives
        own = changes(five[2:3], name)[0]
        kept = part.abs() > 1e-3
        assert 0.45 < kept.float().mean() < 0.75
        torch.testing.assert_close(part, own / 0.6 * kept, atol=1e-3, rtol=1e-3)
    again, other = (merged(five[:3], tmp_path / f"s{seed}", Method("dare", density=0.6, seed=seed)) for seed in (0, 1))
    assert torch.equal(again[CONV], three[CONV])
    assert not torch.allclose(other[CONV], three[CONV], atol=1e-2)


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_arguments_and_threads_do_not_show(five: list[Path], tmp_path: Path, name: str) -> None:
    many = five[:2] if name == "slerp" else five[:3]
    trim, made = 0.3, set()
    before = torch.get_num_threads()
    for number, order in enumerate(permutations(many)):
        torch.set_num_threads(1 + number % 3)
        merged(list(order), tmp_path / f"m{number}", Method(name, trim), 4)
        made.add((tmp_path / f"m{number}").read_bytes())
    torch.set_num_threads(before)
    assert len(made) == 1


def test_what_has_no_low_rank_says_so_and_what_it_keeps(five: list[Path], tmp_path: Path) -> None:
    for name in DENSE:
        with pytest.raises(BadValue, match="rank"):
            merged(five, tmp_path / "m", Method(name), None)
    kept = average(five, [1.0] * 5, tmp_path / "m", method=Method("trimmed-mean"), rank=3)
    values = torch.linalg.svdvals(torch.from_numpy(trim_mean(changes(five, LINEAR).numpy(), 0.2, axis=0))).square()
    assert kept.by_layer[LINEAR] == pytest.approx(values[:3].sum() / values.sum())
    assert 0 < kept.energy_kept < 1


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (6, 6)])
def test_the_nearest_of_a_rank(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(shape)
    up, down, kept, whole = nearest(matrix, 3)
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    torch.testing.assert_close((up @ down).double(), (left[:, :3] * values[:3]) @ right[:3], atol=1e-5, rtol=1e-5)
    assert (kept, whole) == pytest.approx((float(values[:3].square().sum()), float(values.square().sum())))
    zero = nearest(torch.zeros(shape), 2)
    assert torch.equal(zero[0] @ zero[1], torch.zeros(shape))


def test_blocks_have_strengths_of_their_own(five: list[Path], tmp_path: Path) -> None:
    plain = merged(five[:3], tmp_path / "plain", Method(), None)
    found = merged(five[:3], tmp_path / "m", Method(blocks={"down.0": 0.5}), None)
    torch.testing.assert_close(found[LINEAR], plain[LINEAR] / 2)
    assert torch.equal(found[CONV], plain[CONV])
    assert merged(five[:3], tmp_path / "none", Method(blocks={"mid": 0}), None).keys() == {LINEAR}
    with pytest.raises(BadValue, match="no block is left"):
        merged(five[:3], tmp_path / "other", Method(blocks={"mid": 0, "down.0": 0}), None)
    with pytest.raises(BadValue, match=r"no block up\.1 in it"):
        merged(five[:3], tmp_path / "other", Method(blocks={"up.1": 0}), None)


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1", "text"),
        ("lora_unet_up_blocks_3_attentions_0_proj_in", "up.3"),
        ("lora_unet_input_blocks_4_1_proj_in", "down.4"),
        ("lora_unet_middle_block_1_proj_in", "mid"),
        ("lora_unet_conv_in", "rest"),
        ("unet.down_blocks.2.resnets.0.conv1.weight", "down.2"),
    ],
)
def test_blocks_of_layers(name: str, block: str) -> None:
    assert strengths.block_of(name) == block


@pytest.mark.parametrize("text", ["mid", "mid=x", "middle=1", "mid=1,mid=2", "mid=nan", "mid=1:2", "down=1"])
def test_block_weights_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadValue):
        strengths.single(text)


@pytest.mark.parametrize(
    "given", [{"name": "best"}, {"density": 0.0}, {"density": 2.0}, {"trim": 0.5}, {"blocks": {"mid": float("inf")}}]
)
def test_methods_that_make_no_sense(given: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        Method(**given)  # type: ignore[arg-type]


def test_a_recipe_gives_the_method_back() -> None:
    assert Method().recipe == {}
    for method in (
        Method("ties", density=0.2),
        Method("dare", seed=4, blocks={"mid": 0.5}),
        Method("trimmed-mean", 0.3),
    ):
        assert Method.of(method.recipe) == method
