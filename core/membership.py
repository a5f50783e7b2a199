"""Can a model be told to have been trained on somebody? A loss-gap test, before and after they are taken out.

A model denoises what it was trained on a little better than its base does. How much better depends on the picture too,
so the base's loss on the same picture with the same noise is taken off (Watson et al., "On the Importance of Difficulty
Calibration in Membership Inference Attacks", 2022), and what is left is compared with that of people who are not in the
model. A person is the unit: their pictures are alike. Whether one person stands out from so few others is asked of
Crawford and Howell's test for single cases ("Comparing an individual's test score against norms derived from small
samples", 1998).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import t as student

from core import base_model, consent, framing
from core.audit_stats import Floats, nearer_share
from core.base_model import Base
from core.composition import NO_AGE
from core.counted import counted
from core.errors import BadImage, Refused
from core.generate import open_model
from core.models import require_in_use
from core.progress import Report, Step, silent
from core.selection import People, photographs
from core.training.pictures import picture_of
from core.training.words import Words, encode_each
from storage import artifacts, faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.records import CohortItem, Purpose, Status, Subject

CAPTION = "photo of {trigger} person"
LEVELS = 16  # noise levels that each picture is looked at, spread over all
MOST_PICTURES = 12  # of a person
MOST_OTHERS = 40  # people compared with
LEAST_OTHERS = 5  # fewer say nothing of how people differ
LEAST_PICTURES = 3
CHANCE = 0.05
TELLS, DOES_NOT_TELL, NOT_ENOUGH = "distinguishable", "not distinguishable", "not enough evidence"


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether a person's photographs stand out in a model as those that it was trained on.

    `gap` is by what share of the base's loss the model's is lower on the person's `pictures`, `others` the mean of the
    same over `other_people` who are not in the model, `others_sd` how they differ. `p` is the chance of a gap as large
    in somebody who is not in it, `auc` that of one of the person's pictures to have a larger one than another's.
    `share` is what the catalog says the person has in the model.
    """

    model: str
    subject: str
    verdict: str
    share: float
    pictures: int
    other_people: int
    gap: float | None
    others: float | None
    others_sd: float | None
    p: float | None
    auc: float | None

    def lines(self) -> Iterator[str]:
        """For a person to read."""
        yield f"{self.model}: {self.subject}'s photographs are {self.verdict} as trained on"
        pictures, others = counted(self.pictures, "picture"), counted(self.other_people, "other")
        yield f"  share on record {self.share:.1%}; {pictures}, beside those of {others}"
        if self.gap is not None and self.others is not None and self.p is not None and self.auc is not None:
            yield (
                f"  the model's loss is {self.gap:.2%} below the base's, on others' {self.others:.2%} "
                f"± {self.others_sd:.2%}"
            )
            yield f"  chance of such a gap in somebody who is not in it: {self.p:.3f}; AUC over pictures {self.auc:.2f}"


def membership(
    catalog: Catalog, model: str, subject: int | str, *, seed: int = 0, device: str = "auto", report: Report = silent
) -> Membership:
    """Ask it of a model of the catalog and a person in it, or who was; nothing of theirs is kept.

    Raises NoSuchRecord, Tainted, Refused for a minor, BadBase.
    """
    person = subjects.get(catalog, subject)
    own_model = artifacts.get_model(catalog, model)
    shares = artifacts.shares_of(catalog, own_model.id)
    _require_adult(catalog, person)
    require_in_use(own_model)
    base = base_model.load(Path(own_model.base), device)
    own = _own(catalog, person, base.resolution)
    others = dict(_others(catalog, shares, person, base.resolution))
    if len(own) < LEAST_PICTURES or len(others) < LEAST_OTHERS:
        return _told(model, person, shares, len(own), others, None)
    groups = [own, *others.values()]
    trigger = own_model.trigger or ""
    before = losses(base, groups, trigger, seed, report, "the base's loss")
    del base
    opened = open_model(catalog, model, device)
    after = losses(opened.base, groups, trigger, seed, report, "the model's loss")
    gaps = [(old - new) / old for old, new in zip(before, after, strict=True)]
    return _told(model, person, shares, len(own), others, gaps)


def stands_out(own: Floats, others: Sequence[Floats]) -> float:
    """The chance of a mean as large as `own`'s in another person, whose means are those of `others`; one side."""
    means = np.array([values.mean() for values in others])
    spread = means.std(ddof=1)
    if spread == 0:
        return 0.0 if own.mean() > means.mean() else 1.0
    score = (own.mean() - means.mean()) / (spread * math.sqrt(1 + 1 / len(means)))
    return float(student.sf(score, len(means) - 1))


def _told(
    model: str,
    person: Subject,
    shares: Mapping[int, float],
    pictures: int,
    others: Mapping[int, Sequence[Image.Image]],
    gaps: Sequence[Floats] | None,
) -> Membership:
    share = shares.get(person.id, 0.0)
    if gaps is None:
        return Membership(model, person.name, NOT_ENOUGH, share, pictures, len(others), None, None, None, None, None)
    p = stands_out(gaps[0], gaps[1:])
    means = np.array([values.mean() for values in gaps[1:]])
    auc = nearer_share(-gaps[0], -np.concatenate(gaps[1:]))
    return Membership(
        model, person.name, TELLS if p < CHANCE else DOES_NOT_TELL, share, pictures, len(others),
        float(gaps[0].mean()), float(means.mean()), float(means.std(ddof=1)), p, auc,
    )  # fmt: skip


def _require_adult(catalog: Catalog, person: Subject) -> None:
    now = ledger.instant(catalog)
    events = ledger.events_of(catalog, person.uid)
    if consent.person_ruling(person, events, Purpose.TRAIN_COMPOSITE, now).status in NO_AGE:
        raise Refused(
            f"{person.name} is not on record as an adult", "their photographs go into no model, not even here"
        )


def _others(
    catalog: Catalog, shares: Mapping[int, float], person: Subject, side: int
) -> Iterator[tuple[int, list[Image.Image]]]:
    """People who are not in the model and allow composites, with pictures that they allow to be in one."""
    found = 0
    for other in subjects.list_all(catalog):
        if other.id in shares or other.id == person.id or found == MOST_OTHERS:
            continue
        pictures = _read(catalog, _cut(catalog, other, {Status.GRANTED}), side)
        if len(pictures) >= LEAST_PICTURES:
            found += 1
            yield other.id, pictures


def _own(catalog: Catalog, person: Subject, side: int) -> list[Image.Image]:
    """The person's pictures, those first that were frozen for training; whatever they allow today, for it is asked for
    them whether they are still in there.
    """
    frozen = {
        item.photo_id: item
        for one in artifacts.cohorts_of_subject(catalog, person.id)
        for item in artifacts.cohort_items(catalog, one.id, person.id)
    }
    more = (item for item in _cut(catalog, person, set(Status) - NO_AGE) if item.photo_id not in frozen)
    return _read(catalog, chain(frozen.values(), more), side)


def _cut(catalog: Catalog, person: Subject, allowed: Collection[Status]) -> Iterator[CohortItem]:
    """What a cohort would cut of each photograph that shows the person alone and has one of these statuses."""
    now, people = ledger.instant(catalog), People(catalog)
    for photo, shown in photographs(catalog, faces.photos_of_subject(catalog, person.id), people):
        if len(shown) != 1 or photo.content_hash is None or not photo.width or not photo.height:
            continue
        ruling = people.ruling(shown[0], photo, Purpose.TRAIN_COMPOSITE, now)
        if ruling is not None and ruling.status in allowed:
            crop = framing.whole_crop(shown[0].box, photo.width, photo.height)
            yield CohortItem(photo.id, shown[0].id, person.id, person.uid, photo.content_hash, crop, (), "", "", "")


def _read(catalog: Catalog, items: Iterable[CohortItem], side: int) -> list[Image.Image]:
    """The pictures, RGB, `side` pixels a side, at most `MOST_PICTURES`."""
    found: list[Image.Image] = []
    for item in items:
        if len(found) == MOST_PICTURES:
            break
        (photo,) = photos.get_many(catalog, [item.photo_id])
        try:
            found.append(picture_of(photo, item, (side, side))[0])
        except BadImage:  # gone or changed since: the others tell
            continue
    return found


def losses(
    base: Base, groups: Sequence[Sequence[Image.Image]], trigger: str, seed: int, report: Report, what: str
) -> list[Floats]:
    """Each picture's mean denoising loss [n] of each group, over the same noise for every model."""
    words = CAPTION.replace("{trigger}", trigger)
    text = " ".join(words.split())
    caption = encode_each(base, [text])[text]
    levels = base.pipe.scheduler.alphas_cumprod.float()
    when = torch.linspace(0, len(levels) - 1, LEVELS + 2).long()[1:-1]
    total, done = sum(len(group) for group in groups), 0
    found = []
    for group in groups:
        losses = []
        for picture in group:
            report(Step(what, done, total))
            losses.append(_loss(base, picture, caption, when, levels, seed + done))
            done += 1
        found.append(np.array(losses))
    return found


def _loss(
    base: Base, picture: Image.Image, caption: Words, when: torch.Tensor, levels: torch.Tensor, seed: int
) -> float:
    pixels = torch.from_numpy(np.asarray(picture, dtype=np.float32).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    vae = base.pipe.vae
    with torch.inference_mode():
        latent = vae.encode(pixels.to(base.device, vae.dtype)).latent_dist.mean
        latent = (latent - (getattr(vae.config, "shift_factor", None) or 0.0)) * vae.config.scaling_factor
        noise = torch.randn((len(when), *latent.shape[1:]), generator=torch.Generator().manual_seed(seed))
        noise, signal = noise.to(base.device), levels[when].to(base.device).view(-1, 1, 1, 1)
        noisy = signal.sqrt() * latent + (1 - signal).sqrt() * noise
        words = caption.tokens.expand(len(when), -1, -1)
        added = None
        if caption.pooled is not None:  # SDXL is told sizes too: those of a whole picture as it is
            frame = torch.tensor([[picture.height, picture.width, 0, 0, picture.height, picture.width]])
            frames = frame.expand(len(when), -1).to(base.device, words.dtype)
            added = {"text_embeds": caption.pooled.expand(len(when), -1), "time_ids": frames}
        told = base.pipe.unet(noisy, when.to(base.device), words, added_cond_kwargs=added).sample
        aim = {"epsilon": noise, "sample": latent.expand_as(noise)}.get(
            base.predicts, signal.sqrt() * noise - (1 - signal).sqrt() * latent
        )
        return float((told.float() - aim).square().mean())
