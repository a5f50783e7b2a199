"""Pictures from a model or a base: asked for decently, looked at before they are kept, and marked as generated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file

from core import base_model, credentials, hypernetwork, portraits, prompts, textual_inversion
from core.base_model import Base
from core.composition import CHECKPOINTS, permit
from core.credentials import Credentials
from core.errors import BadLora, BadValue, NoSuchRecord, Tainted, UnreadablePath
from core.generated_checks import Checker, Seen
from core.generated_marks import Origin, save
from core.inpaint import staying
from core.models import samples_of
from core.progress import Report, Step, silent
from core.start_picture import STRENGTH, Start, start_picture
from core.training.recipe import SHARED_TRIGGER
from core.watch import Watch
from storage import artifacts, generated, whole_files
from storage.catalog import Catalog
from storage.records import Job, Model

BATCH = 8
ADAPTER = "drawn"
LARGE = 256  # pixels: bases below it are toys
GUIDANCE = 7.5  # of classifier-free guidance, what Stable Diffusion is used with
GUIDANCE_SMALL = 1.5  # measured on the sample base: from 2.5 on its faces break up
TILE = 128  # pixels of a picture on a contact sheet, at least


Kept = tuple[Path, Image.Image, Origin, dict[str, object]]
"""A picture, where it goes, how it came to be, and what the checks saw."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A base ready to draw, with the model's LoRA in its weights if there is one."""

    name: str
    base: Base
    model: Model | None
    trigger: str
    file_hash: str | None = None  # of another's hypernetwork

    @property
    def content_hash(self) -> str:
        return self.model.content_hash if self.model is not None else self.file_hash or self.base.unet_hash

    def prompt(self, template: str) -> str:
        """A prompt with `{trigger}` made this model's word; nothing for a base."""
        return " ".join(template.replace("{trigger}", self.trigger).split())


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came out: files in order of their seeds, the contact sheet, and why pictures were withheld."""

    images: list[Path]
    sheet: Path | None
    withheld: list[str]
    model: str
    model_hash: str
    prompt: str
    seed: int
    unchecked: str | None = None  # why nobody can say that they are decent; None where a safety checker looked


def permit_base(catalog: Catalog, unet_hash: str) -> None:
    """`permit` for a base that is one of the catalog's own models, by its UNet's hash; others are nobody's."""
    own = artifacts.with_content(catalog, unet_hash)
    if own is not None:
        permit(catalog, own)


def permit_opened(catalog: Catalog, opened: Opened) -> None:
    """`permit` for what was opened before, as it stands now. Raises Tainted where it was made anew since."""
    permit_base(catalog, opened.base.unet_hash)
    if opened.model is None:
        return
    now = artifacts.get_model(catalog, opened.model.id)
    permit(catalog, now)
    if now.content_hash != opened.model.content_hash:
        raise Tainted(f"model {now.name!r} was made anew meanwhile", "draw with it again")


def run_job(catalog: Catalog, job: Job, report: Report) -> Mapping[str, Any]:
    """Run a `generate` job: args `model`, `prompt`, `n`, `seed`, `steps`, `negative`, `device`.

    The pictures lie beside the model, in a folder of the job's number: so whatever erases what the model drew
    erases them. Gives `images`, `sheet`, `withheld` and `unchecked`.
    """
    args = job.args
    model = artifacts.get_model(catalog, args["model"])
    drawn = generate(
        catalog,
        model.name,
        args["prompt"],
        out=samples_of(catalog, model) / str(job.id),
        n=args.get("n", 8),
        seed=args.get("seed", 0),
        steps=args.get("steps", 25),
        negative=args.get("negative", ""),
        device=args.get("device", "auto"),
        report=report,
    )
    return {
        "images": [str(path) for path in drawn.images],
        "sheet": None if drawn.sheet is None else str(drawn.sheet),
        "withheld": drawn.withheld,
        "unchecked": drawn.unchecked,
    }


def open_model(catalog: Catalog, name: str, device: str = "auto", on: Path | None = None) -> Opened:
    """A model of the catalog by name, a base by path, or another's hypernetwork by path `on` a base, ready to draw.

    A base by path may be a model of the catalog, and is then one. Raises NoSuchRecord, Tainted, Refused, BadBase,
    BadLora, BadValue.
    """
    try:
        model = artifacts.get_model(catalog, name)
    except NoSuchRecord:
        if not Path(name).exists():
            raise
        if hypernetwork.is_one(Path(name)):
            return _open_hypernetwork(catalog, Path(name), device, on)
        base = base_model.load(Path(name), device)
        permit_base(catalog, base.unet_hash)
        return Opened(Path(name).name, base, None, "")
    permit(catalog, model)
    weights = catalog.models / model.path
    trigger = model.trigger or SHARED_TRIGGER
    if model.kind in CHECKPOINTS:
        return Opened(name, base_model.load(weights, device), model, trigger)
    base = base_model.load(Path(model.base), device)
    permit_base(catalog, base.unet_hash)
    add_lora(base, weights, model.content_hash)
    return Opened(name, base, model, trigger)


def _open_hypernetwork(catalog: Catalog, path: Path, device: str, on: Path | None) -> Opened:
    """Another's hypernetwork, of whom nobody knows who is in it, as of a base that is not the catalog's own."""
    if on is None:
        raise BadValue(f"{path} is a hypernetwork, which is drawn with on a base", "name it: --base")
    digest = whole_files.file_hash(path)
    if (own := artifacts.with_content(catalog, digest)) is not None:
        raise BadValue(f"{path} is the catalog's own {own.name!r}", "take it by its name")
    network = hypernetwork.read(path)
    base = base_model.load(on, device)
    permit_base(catalog, base.unet_hash)
    hypernetwork.put_on(base.pipe.unet, network.to(base.device))
    return Opened(path.name, base, None, "", digest)


def add_lora(base: Base, weights: Path, content_hash: str) -> None:
    """Merge a LoRA file into the loaded base, or put a hypernetwork or a learned token on it.

    Raises BadLora when it is not the file that was registered.
    """
    if not weights.is_file() or whole_files.file_hash(weights) != content_hash:
        raise BadLora(f"{weights} is not the file that was made", "restore it from a backup, or train again")
    if hypernetwork.is_one(weights):
        hypernetwork.put_on(base.pipe.unet, hypernetwork.read(weights).to(base.device))
        return
    if textual_inversion.is_one(weights):
        textual_inversion.put_on(base.pipe, *textual_inversion.read(weights))
        return
    tensors, words = textual_inversion.unbundle(load_file(weights))
    for word, vectors in words.items():
        textual_inversion.put_on(base.pipe, word, vectors)
    lora: Any = tensors if words else weights  # the file tells more than its tensors, but diffusers refuses a bundle
    base.pipe.load_lora_weights(lora, adapter_name=ADAPTER, local_files_only=True)
    base.pipe.fuse_lora(adapter_names=[ADAPTER])
    base.pipe.unload_lora_weights()


def draw(
    base: Base,
    texts: Sequence[str],
    *,
    seed: int,
    steps: int,
    size: int | None = None,
    negative: str = "",
    guidance: float | None = None,
    start: Start | None = None,
    before_step: Callable[[], None] = lambda: None,
) -> Iterator[list[Image.Image]]:
    """One picture for each prompt, in batches; picture i starts from the noise of `seed` + i. Nothing is checked.

    What `before_step` raises, called at each step of the sampler, stops it.
    """

    def stepped(pipe: Any, step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        before_step()
        return tensors if stays is None else {"latents": stays.put_back(pipe, step, tensors["latents"])}

    pipe: Any = base.pipe
    extra: dict[str, Any] = {"height": size or base.resolution, "width": size or base.resolution}
    if start is not None:
        from diffusers import AutoPipelineForImage2Image

        pipe = AutoPipelineForImage2Image.from_pipe(base.pipe)
        pipe.set_progress_bar_config(disable=True)
        extra = {"image": start.picture, "strength": start.strength}
    for first in range(0, len(texts), BATCH):
        part = list(texts[first : first + BATCH])
        seeds = range(seed + first, seed + first + len(part))
        noise = [torch.Generator().manual_seed(one) for one in seeds]
        stays = None if start is None or start.mask is None else staying(base, start.picture, start.mask, seeds)
        dtype = pipe.unet.dtype
        halved = torch.autocast(base.device.type, dtype=dtype, enabled=dtype is not torch.float32)
        with torch.inference_mode(), halved:
            drawn = pipe(
                part,
                negative_prompt=[negative] * len(part),
                num_inference_steps=steps,
                guidance_scale=guidance_of(base, guidance),
                generator=noise,
                callback_on_step_end=stepped,
                **extra,
            )
        pictures = [picture.convert("RGB") for picture in drawn.images]
        if start is not None and start.mask is not None:
            pictures = [Image.composite(picture, start.picture, start.mask) for picture in pictures]
        yield pictures


def guidance_of(base: Base, given: float | None) -> float:
    """The strength of classifier-free guidance: as given, or what suits the base's size."""
    if given is not None:
        return given
    return GUIDANCE if base.resolution >= LARGE else GUIDANCE_SMALL


def generate(
    catalog: Catalog,
    model: str,
    prompt: str,
    *,
    out: Path,
    base: Path | None = None,
    n: int = 8,
    seed: int = 0,
    steps: int = 25,
    size: int | None = None,
    negative: str = "",
    guidance: float | None = None,
    image: Path | None = None,
    mask: Path | None = None,
    strength: float = STRENGTH,
    device: str = "auto",
    safety: Path | None = None,
    signer: tuple[Path, Path] | None = None,
    report: Report = silent,
) -> Drawn:
    """Draw `n` pictures of a model (by name) or base (by path) into `out`, with a contact sheet.

    Another's hypernetwork, by path, is drawn with on `base`. `{trigger}` in the prompt stands for the model's word.
    `image` is what to start from, if whoever is in it allows it (`core.start_picture`); where `mask` is black it stays
    as it is. Pictures that the checks withhold are not written; without a safety checker, the base's or the one in the
    folder `safety`, they are marked as unchecked. They are signed with the certificate and key of `signer`, else of
    `core.credentials.in_use`, if there is one. Raises MissingDependency, PromptRefused, NoSuchRecord, Tainted, Refused,
    BadBase, BadLora, BadValue, BadImage, UnreadablePath.
    """
    prompts.check(prompt, negative)
    _require_sense(image, mask, steps, strength)
    files = signer or credentials.in_use(catalog)
    signing = None if files is None else credentials.load(*files)
    watch = Watch(catalog, lambda: permit_opened(catalog, opened))
    opened = open_model(catalog, model, device, base)
    text = opened.prompt(prompt)
    prompts.check(text)  # as it is drawn: the model's word may stand in the middle of another
    side = _check_size(opened.base, size)
    checker = Checker(str(opened.base.device), opened.base.path, safety)
    start = None
    if image is not None:
        start = replace(start_picture(catalog, image, checker, mask), strength=strength).square(side)
    _make_folder(out)
    told = Origin(
        opened.name, opened.content_hash, text, negative, seed, steps, guidance_of(opened.base, guidance),
        type(opened.base.pipe.scheduler).__name__.removesuffix("Scheduler"), (side, side),
        None if start is None else start.content_hash, None if start is None else start.strength,
    )  # fmt: skip
    kept: list[Kept] = []
    withheld: list[str] = []
    done = 0
    watched = watch.reporting(report)
    watched(Step("drawing", 0, n))
    for batch in draw(
        opened.base, [text] * n, seed=seed, steps=steps, size=side, negative=negative,
        guidance=guidance, start=start, before_step=watch,
    ):  # fmt: skip
        shown: list[Kept] = []
        for number, (picture, seen) in enumerate(zip(batch, checker.look(batch), strict=True), seed + done):
            if seen.withheld is not None:
                withheld.append(f"seed {number}: {seen.withheld}")
            else:
                path = out / f"{number:06d}.png"
                shown.append((path, picture, replace(told, seed=number), checks_of(seen, checker)))
        _keep(catalog, opened, shown, signing)
        kept += shown
        done += len(batch)
        watched(Step("drawing", done, n))
    sheet = None
    if kept:
        sheet = out / "contact-sheet.png"
        together = contact_sheet([picture for _, picture, *_ in kept], note=checker.unchecked)
        _keep(catalog, opened, [(sheet, together, told, {"pictures": len(kept), **checked_by(checker)})], signing)
    images = [path for path, *_ in kept]
    return Drawn(images, sheet, withheld, opened.name, opened.content_hash, text, seed, checker.unchecked)


def _require_sense(image: Path | None, mask: Path | None, steps: int, strength: float) -> None:
    if mask is not None and image is None:
        raise BadValue("a mask without a picture", "--image names what it lies over")
    if image is not None and int(steps * strength) < 1:  # so many of the steps are drawn
        raise BadValue(f"{steps} steps at strength {strength:g} draw nothing", "give more steps, or more strength")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnreadablePath(f"{out} can't be made: {error.strerror}", "name another folder") from error


def _keep(
    catalog: Catalog,
    opened: Opened,
    shown: Sequence[Kept],
    signing: Credentials | None,
) -> None:
    """Write pictures and put them down as the model's, if it may still be drawn with; none of a model of nobody's."""
    own = opened.model or artifacts.with_content(catalog, opened.base.unet_hash)
    with catalog.transaction():
        # A withdrawal comes before this and is seen here, or after and finds the rows.
        permit_opened(catalog, opened)
        for path, picture, origin, checks in shown:
            save(picture, path, origin, checks, signing)
        if own is not None:
            drawn = [(path, whole_files.file_hash(path)) for path, *_ in shown]
            generated.add(catalog, own.id, drawn, datetime.now(UTC))


def checks_of(seen: Seen, checker: Checker) -> dict[str, object]:
    """What the checks saw, as it is written into a picture."""
    return {"nsfw": round(seen.nsfw, 4), "ages": [round(age, 1) for age in seen.ages], **checked_by(checker)}


def checked_by(checker: Checker) -> dict[str, object]:
    """The safety checker that looked, by its hash, or that a picture is unchecked."""
    return {"unchecked": True} if checker.safety_hash is None else {"safety_checker": checker.safety_hash}


def contact_sheet(pictures: Sequence[Image.Image], columns: int = 8, note: str | None = None) -> Image.Image:
    """Pictures side by side, small ones enlarged, with a line above them if there is something to say of all."""
    side = max(TILE, min(LARGE, pictures[0].width))
    return portraits.sheet(
        [picture.resize((side, side), Image.Resampling.BICUBIC) for picture in pictures], columns, note=note
    )


def _check_size(base: Base, size: int | None) -> int:
    levels = len(base.pipe.unet.config.block_out_channels) - 1
    grain = base.pixels_a_latent * 2**levels
    if size is not None and size % grain:
        raise BadValue(f"pictures of {size} pixels can't be drawn with this base", f"give a multiple of {grain}")
    return size or base.resolution
