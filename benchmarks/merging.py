"""Baking and averaging, measured: `python -m benchmarks.merging [--width N] [--people N] [--repeats N]`.

Writes a base with the layers of SD 1.x's UNet and random weights (`--width 320` is its full size, 860 M
parameters; the default is a fifth of it), LoRAs on its attention, and copies of the base. Then times, each
in a process of its own and with imports left out: our bake beside diffusers' load, fuse and save; our mean
of LoRAs beside loading them all; our mean of checkpoints beside loading them all; and the floor of each,
reading and writing the same bytes with safetensors. Prints medians by the clock and of processor time, ratios
of the latter, and the peak of memory above what the imports take. Ours is synced to disk before it counts
as done; the others are not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from core.merging.average import average
from core.merging.bake import bake
from core.merging.formats import LoraLayer, kohya_name, read_lora, write_lora
from core.merging.soup import soup
from storage.whole_files import weights_file

CHECKPOINTS = 3
RANK = 16


def write_inputs(folder: Path, width: int, people: int) -> None:
    """A base in fp16, copies of it with other weights, and one LoRA a person, all on disk."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(width, 2 * width, 4 * width, 4 * width),
        cross_attention_dim=768,
        attention_head_dim=8,
        norm_num_groups=16,
    ).half()
    vae = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4)
    for number in range(CHECKPOINTS):
        target = folder / f"base{number}"
        unet.save_pretrained(target / "unet")
        vae.save_pretrained(target / "vae")
        (target / "model_index.json").write_text("{}")
        for weight in unet.parameters():
            weight.data.add_(0.01)
    shapes = {
        kohya_name(name): weight.shape
        for name, weight in unet.named_parameters()
        if name.endswith((".to_q.weight", ".to_k.weight", ".to_v.weight", ".to_out.0.weight"))
    }
    for person in range(people):
        layers = {
            name: LoraLayer(torch.randn(RANK, size) / 50, torch.randn(out, RANK) / 50, RANK / 2)
            for name, (out, size) in shapes.items()
        }
        write_lora(folder / f"lora{person}.safetensors", layers, {})


def fuse(folder: Path) -> None:
    """What diffusers and peft do for a bake: load, fuse, save."""
    unet = UNet2DConditionModel.from_pretrained(folder / "base0" / "unet", dtype=torch.float16)
    layers, _ = StableDiffusionPipeline.lora_state_dict(folder / "lora0.safetensors", return_lora_metadata=False)
    unet.load_lora_adapter(layers, prefix="unet")
    unet.fuse_lora()
    unet.unload_lora()
    unet.save_pretrained(folder / "out" / "unet")


def mean_of_loras(folder: Path) -> None:
    """The exact mean with every LoRA in memory."""
    loras = [read_lora(path) for path in sorted(folder.glob("lora*.safetensors"))]
    mean = {}
    for name in loras[0]:
        ups = [one[name].up * (one[name].scale / len(loras)) for one in loras]
        mean[f"{name}.lora_down.weight"] = torch.cat([one[name].down for one in loras])
        mean[f"{name}.lora_up.weight"] = torch.cat(ups, dim=1)
    (folder / "out").mkdir()
    save_file(mean, folder / "out" / "mean.safetensors")


def mean_of_checkpoints(folder: Path) -> None:
    """The mean with every checkpoint in memory."""
    inputs = [load_file(weights_file(folder / f"base{number}")) for number in range(CHECKPOINTS)]
    mean = {name: sum(one[name].float() for one in inputs).div(len(inputs)).half() for name in inputs[0]}
    (folder / "out").mkdir()
    save_file(mean, folder / "out" / "unet.safetensors")


def our_average(folder: Path, rank: int | None) -> None:
    """Our mean of all LoRAs."""
    paths = sorted(folder.glob("lora*.safetensors"))
    (folder / "out").mkdir()
    average(paths, [1.0] * len(paths), folder / "out" / "mean.safetensors", rank=rank)


def copy(folder: Path) -> None:
    """The floor of a bake: the same bytes read and written by safetensors."""
    tensors = load_file(weights_file(folder / "base0"))
    (folder / "out").mkdir()
    save_file(tensors, folder / "out" / "unet.safetensors")


STEPS: dict[str, Callable[[Path], None]] = {
    "bake: ours": lambda folder: bake(folder / "lora0.safetensors", folder / "base0", folder / "out"),
    "bake: diffusers fuse and save": fuse,
    "bake: floor, safetensors read and write": copy,
    "mean of LoRAs: ours, exact": lambda folder: our_average(folder, None),
    "mean of LoRAs: ours, rank 16": lambda folder: our_average(folder, RANK),
    "mean of LoRAs: all in memory, exact": mean_of_loras,
    f"mean of {CHECKPOINTS} checkpoints: ours": lambda folder: soup(
        [folder / f"base{number}" for number in range(CHECKPOINTS)], [1.0] * CHECKPOINTS, folder / "out"
    ),
    f"mean of {CHECKPOINTS} checkpoints: all in memory": mean_of_checkpoints,
}


def measure(step: str, folder: Path) -> None:
    """Run one step in this process; prints seconds by the clock, of the processor, and memory in MB."""
    torch.set_num_threads(1)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak that the imports left
    before = memory("VmRSS")
    started, busy = time.perf_counter(), time.process_time()
    STEPS[step](folder)
    seconds = [time.perf_counter() - started, time.process_time() - busy]
    print(json.dumps([*seconds, memory("VmHWM") - before]))


def memory(what: str) -> float:
    """A figure of this process's memory, in MB, from Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def run(step: str, folder: Path) -> tuple[float, float, float]:
    """One step in a fresh process; its output is removed."""
    command = [sys.executable, "-m", "benchmarks.merging", "--step", step, "--folder", str(folder)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    subprocess.run(["rm", "-rf", str(folder / "out")], check=True)
    seconds, busy, peak = json.loads(said.splitlines()[-1])
    return seconds, busy, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=144)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.step:
        measure(given.step, given.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, given.width, given.people)
        size = weights_file(folder / "base0").stat().st_size / 1e6
        loras = sum(path.stat().st_size for path in folder.glob("lora*")) / 1e6
        print(f"UNet {size:,.0f} MB in fp16; {given.people} LoRAs of rank {RANK}, {loras:,.0f} MB in fp32")
        ours: dict[str, float] = {}
        for step in STEPS:
            runs = [run(step, folder) for _ in range(given.repeats)]
            seconds, busy, peak = (statistics.median(column) for column in zip(*runs, strict=True))
            first = ours.setdefault(step.split(":")[0], busy)
            ratio = "" if busy == first else f"  {busy / first:5.1f} x ours"
            print(f"{step:45} {seconds:7.2f} s, {busy:7.2f} s busy  {peak:7,.0f} MB{ratio}", flush=True)


if __name__ == "__main__":
    main()
