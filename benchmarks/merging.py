"""Baking and averaging, measured: `python -m benchmarks.merging [--width N] [--people N] [--repeats N] [--only TEXT]`.

Writes five UNets in fp16 with the layers of SD 1.x's and made-up weights (`--width 320` is full size, 860 M
parameters; the default is a sixteenth of it), a LoRA a person on their attention, and with `--sdxl` a 5 GB
UNet with SDXL's layers. Then times, each in a process of its own, imports left out, inputs in the page cache:
our bake beside peft's merge and diffusers' fuse_lora; our mean of five UNets beside sd-mecha's (if it is
installed: the extra `peers`) and beside loading them all; our means of LoRAs beside loading them all; and the
floor of each, reading and writing the same bytes with safetensors.

Prints medians by the clock, with the ratio to ours, the processor's seconds, and the peak of resident memory,
that of all imports included. Waiting for the disk (fsync) is left out for ours, the only one that does it, and
told in a column of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks.made_base import write_weights
from core.merging.average import average
from core.merging.bake import bake
from core.merging.formats import LoraLayer, kohya_name, read_lora, write_lora
from core.merging.methods import Method
from core.merging.soup import soup
from storage.tensors import read_header
from storage.whole_files import weights_file

CHECKPOINTS = 5
RANK = 16
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def write_unet(folder: Path, seed: int, **config: object) -> None:
    """A checkpoint in fp16 with the layers of this configuration and made-up weights, without building it."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    unet.save_config(folder / "unet")
    (folder / "model_index.json").write_text("{}")
    write_weights(folder / WEIGHTS, unet, seed)


def write_loras(folder: Path, unet: Path, people: int) -> None:
    """One LoRA a person on the attention of a UNet, at half its rank's strength."""
    torch.manual_seed(0)
    endings = tuple(f".{target}.weight" for target in TARGETS)
    specs = {
        kohya_name(name): spec for name, spec in read_header(unet / WEIGHTS).specs.items() if name.endswith(endings)
    }
    for person in range(people):
        layers = {
            name: LoraLayer(torch.randn(RANK, spec.shape[1]) / 50, torch.randn(spec.shape[0], RANK) / 50, RANK / 2)
            for name, spec in specs.items()
        }
        write_lora(folder / f"{unet.name}.lora{person}.safetensors", layers, {})


def write_inputs(folder: Path, width: int, people: int, *, sdxl: bool) -> None:
    """Everything that is merged."""
    for number in range(CHECKPOINTS):
        (folder / f"base{number}").mkdir()
        write_unet(
            folder / f"base{number}",
            number,
            block_out_channels=(width, 2 * width, 4 * width, 4 * width),
            cross_attention_dim=768,
            attention_head_dim=8,
            norm_num_groups=16,
        )
    write_loras(folder, folder / "base0", people)
    if sdxl:
        (folder / "xl").mkdir()
        write_unet(
            folder / "xl",
            9,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
            use_linear_projection=True,
        )
        write_loras(folder, folder / "xl", 1)


def fuse_with_diffusers(folder: Path) -> Callable[[], None]:
    """What diffusers does for a bake: load, fuse_lora, save."""
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel

    def run() -> None:
        unet = UNet2DConditionModel.from_pretrained(folder / "base0" / "unet", dtype=torch.float16)
        lora = folder / "base0.lora0.safetensors"
        layers, _ = StableDiffusionPipeline.lora_state_dict(lora, return_lora_metadata=False)
        unet.load_lora_adapter(layers, prefix="unet")
        unet.fuse_lora()
        unet.unload_lora()
        unet.save_pretrained(folder / "out" / "unet")

    return run


def merge_with_peft(folder: Path) -> Callable[[], None]:
    """What peft does for a bake: load the model and the adapter, merge_and_unload, save."""
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    def run() -> None:
        unet = UNet2DConditionModel.from_pretrained(folder / "base0" / "unet", dtype=torch.float16)
        paths = {kohya_name(name): name.removesuffix(".weight") for name, _ in unet.named_parameters()}
        model = get_peft_model(unet, LoraConfig(r=RANK, lora_alpha=RANK // 2, target_modules=list(TARGETS)))
        state = {}
        for name, layer in read_lora(folder / "base0.lora0.safetensors").items():
            state[f"base_model.model.{paths[name]}.lora_A.weight"] = layer.down
            state[f"base_model.model.{paths[name]}.lora_B.weight"] = layer.up
        set_peft_model_state_dict(model, state)
        model.merge_and_unload().save_pretrained(folder / "out" / "unet")

    return run


def mean_of_loras(folder: Path) -> Callable[[], None]:
    """The exact mean with every LoRA in memory."""
    from safetensors.torch import save_file

    def run() -> None:
        loras = [read_lora(path) for path in sorted(folder.glob("base0.lora*"))]
        mean = {}
        for name in loras[0]:
            ups = [one[name].up * (one[name].scale / len(loras)) for one in loras]
            mean[f"{name}.lora_down.weight"] = torch.cat([one[name].down for one in loras])
            mean[f"{name}.lora_up.weight"] = torch.cat(ups, dim=1)
        save_file(mean, folder / "out.safetensors")

    return run


def mean_in_memory(folder: Path) -> Callable[[], None]:
    """The mean with every checkpoint in memory, in float32."""
    from safetensors.torch import load_file, save_file

    def run() -> None:
        inputs = [load_file(folder / f"base{number}" / WEIGHTS) for number in range(CHECKPOINTS)]
        mean = {name: sum(one[name].float() for one in inputs).div(len(inputs)).half() for name in inputs[0]}
        save_file(mean, folder / "out.safetensors")

    return run


def mean_with_sd_mecha(folder: Path) -> Callable[[], None]:
    """sd-mecha's n_average, told the layers since it knows no UNet of SD 1.x in diffusers' names."""
    os.environ["TQDM_DISABLE"] = "1"
    import sd_mecha
    from sd_mecha.extensions.model_configs import StructuralModelConfig, register_aux
    from sd_mecha.streaming import TensorMetadata

    class PlainUNet(StructuralModelConfig):
        """Named, since it looks configs up by name."""

        @property
        def identifier(self) -> str:
            return "plain-unet"

    def run() -> None:
        specs = read_header(folder / "base0" / WEIGHTS).specs.values()
        config = PlainUNet({one.name: TensorMetadata(torch.Size(one.shape), torch.float16) for one in specs})
        register_aux(config)
        inputs = [sd_mecha.model(folder / f"base{number}" / WEIGHTS, config) for number in range(CHECKPOINTS)]
        sd_mecha.merge(
            sd_mecha.n_average(*inputs),
            merge_device="cpu",
            merge_dtype=torch.float32,
            output_dtype=torch.float16,
            output=folder / "out.safetensors",
        )

    return run


def copy(folder: Path, read: tuple[str, ...]) -> Callable[[], None]:
    """The floor: the same bytes read, every one of them, and those of one file written, with safetensors."""
    from safetensors.torch import load_file, save_file

    def run() -> None:
        for name in read:
            tensors = load_file(folder / name / WEIGHTS)
            for value in tensors.values():  # a mapped file is read when it is touched
                value.view(torch.int16).max()
        save_file(tensors, folder / "out.safetensors")

    return run


def our_bake(folder: Path, base: str) -> Callable[[], None]:
    """Ours."""
    return lambda: bake(folder / f"{base}.lora0.safetensors", folder / base, folder / "out")


def our_soup(folder: Path, bases: tuple[str, ...]) -> Callable[[], None]:
    """Ours."""
    return lambda: soup([folder / base for base in bases], [1.0] * len(bases), folder / "out")


def our_average(folder: Path, rank: int | None, method: str = "mean") -> Callable[[], None]:
    """Ours, of all people's LoRAs."""
    paths = sorted(folder.glob("base0.lora*"))
    return lambda: (
        average(paths, [1.0] * len(paths), folder / "out.safetensors", rank=rank, method=Method(method)),
        None,
    )[1]


FIVE = tuple(f"base{number}" for number in range(CHECKPOINTS))
STEPS: dict[str, Callable[[Path], Callable[[], None]]] = {
    "bake: ours": partial(our_bake, base="base0"),
    "bake: peft merge_and_unload": merge_with_peft,
    "bake: diffusers fuse_lora": fuse_with_diffusers,
    "bake: safetensors read and write": partial(copy, read=("base0",)),
    "mean of 5 UNets: ours": partial(our_soup, bases=FIVE),
    "mean of 5 UNets: sd-mecha": mean_with_sd_mecha,
    "mean of 5 UNets: all loaded": mean_in_memory,
    "mean of 5 UNets: safetensors read 5, write 1": partial(copy, read=FIVE),
    "mean of LoRAs: ours, exact": partial(our_average, rank=None),
    "mean of LoRAs: all loaded, exact": mean_of_loras,
    "mean of LoRAs: ours, rank 16": partial(our_average, rank=RANK),
    "mean of LoRAs: ours, trimmed, rank 16": partial(our_average, rank=RANK, method="trimmed-mean"),
    "SDXL bake: ours": partial(our_bake, base="xl"),
    "SDXL bake: safetensors read and write": partial(copy, read=("xl",)),
    "SDXL mean of 2: ours": partial(our_soup, bases=("xl", "xl")),
    "SDXL mean of 2: safetensors read 2, write 1": partial(copy, read=("xl", "xl")),
}


def measure(step: str, folder: Path) -> None:
    """Run one step in this process; prints seconds by the clock, of the processor, of fsync, and peak memory in MB."""
    waited = 0.0
    really = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal waited
        started = time.perf_counter()
        really(descriptor)
        waited += time.perf_counter() - started

    os.fsync = fsync
    run = STEPS[step](folder)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak that the imports left; what stays of them counts
    started, busy = time.perf_counter(), time.process_time()
    run()
    seconds = [time.perf_counter() - started - waited, time.process_time() - busy, waited]
    print(json.dumps([*seconds, memory("VmHWM")]))


def memory(what: str) -> float:
    """A figure of this process's memory, in MB, from Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def warm(step: str, folder: Path) -> None:
    """Read the step's checkpoints, so that they are in the page cache for whoever is measured."""
    for path in sorted(folder.glob("xl" if "SDXL" in step else "base*" if "5" in step else "base0")):
        if path.is_dir():
            with (path / WEIGHTS).open("rb", buffering=0) as file:
                while file.read(1 << 24):
                    pass


def run(step: str, folder: Path) -> list[float]:
    """One step in a fresh process; its output is removed."""
    os.sync()  # what was written before is not written back, and throttled, on this step's time
    warm(step, folder)
    command = [sys.executable, "-m", "benchmarks.merging", "--step", step, "--folder", str(folder)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out.safetensors").unlink(missing_ok=True)
    return [float(value) for value in json.loads(said.splitlines()[-1])]


def main() -> None:
    """Make the inputs, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=80)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sdxl", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--inputs", type=Path, help="a folder to make the inputs in, or where a run has left them")
    given = parser.parse_args()
    if given.step:
        measure(given.step, given.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = given.inputs or Path(name)
        if not folder.exists() or not any(folder.iterdir()):
            folder.mkdir(parents=True, exist_ok=True)
            write_inputs(folder, given.width, given.people, sdxl=given.sdxl)
        sizes = {one: weights_file(folder / one).stat().st_size / 1e6 for one in ("base0", *(["xl"] * given.sdxl))}
        loras = sum(path.stat().st_size for path in folder.glob("base0.lora*")) / 1e6
        print(f"UNets of {', '.join(f'{size:,.0f}' for size in sizes.values())} MB in fp16; "
              f"{given.people} LoRAs of rank {RANK}, {loras:,.0f} MB in fp32; medians of {given.repeats}")  # fmt: skip
        report(folder, given)


def report(folder: Path, given: argparse.Namespace) -> None:
    """Measure each step and print a line of it."""
    ours: dict[str, float] = {}
    for step in STEPS:
        task = step.split(":")[0]
        missing = ("SDXL" in step and not given.sdxl) or (
            "sd-mecha" in step and importlib.util.find_spec("sd_mecha") is None
        )
        if missing or given.only not in step:
            continue
        runs = [run(step, folder) for _ in range(given.repeats)]
        seconds, busy, waited, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        ratio = "" if ours.setdefault(task, seconds) == seconds else f"  {seconds / ours[task]:5.2f} x ours"
        disk = f" + {waited:.1f} s disk" if waited else ""
        print(f"{step:46} {seconds:7.2f} s{disk:14} {busy:7.2f} s busy {peak:7,.0f} MB{ratio}", flush=True)


if __name__ == "__main__":
    main()
