"""What taggers propose for captions, and taking it: a person decides what is said of people, never a model.

A picture is looked at as it trains, once by each tagger: what was written stays when the rest is stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import cohort as cohorts
from core.captioning import change, edits
from core.captioning.change import Changed
from core.captioning.edits import Edit
from core.captioning.tag_rules import why_not
from core.counted import counted
from core.errors import BadImage, BadValue, PromptRefused
from core.progress import Report, Step, silent
from core.training.captions import key_of, name_of, of_items
from core.training.pictures import picture_of
from core.training.recipe import Recipe
from core.watch import Watch
from storage import photos, proposals
from storage.captions import PictureKey
from storage.catalog import Catalog
from storage.records import CohortItem, Job

if TYPE_CHECKING:  # each loads a library that nobody else needs
    from core.captioning.clip import Clip
    from core.captioning.wd14 import Wd14

BATCH = 8  # pictures looked at together
THRESHOLD = 0.35  # probability from which on a tag is taken, as the WD14 taggers' author has it
MOST = 15  # tags a caption is given, unless more are asked for: CLIP's text encoders read 75 tokens


@dataclass(frozen=True, slots=True)
class Looked:
    """What a tagger did: pictures looked at now and before, tags never proposed by why, pictures left out by why."""

    tagger: str
    pictures: int
    before: int
    dropped: Mapping[str, int]
    left_out: Mapping[str, str]

    def lines(self) -> list[str]:
        """For a person to read."""
        told = [f"{counted(self.pictures, 'picture')} looked at" + (f", {self.before:,} before" if self.before else "")]
        told += [f"{counted(count, 'tag')} left out: each {why}" for why, count in sorted(self.dropped.items())]
        return told + [f"picture {name} is left out: {why}" for name, why in self.left_out.items()]


@dataclass(frozen=True, slots=True)
class Taking:
    """Which proposals are taken: from a probability on, so many a picture, only some tags or without some."""

    threshold: float
    most: int = MOST
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    tagger: str | None = field(default=None)

    def of(self, proposed: Mapping[str, float]) -> list[str]:
        """The tags that are taken of those proposed, the surest first."""
        fits = [
            tag
            for tag, probability in sorted(proposed.items(), key=lambda pair: (-pair[1], pair[0]))
            if probability >= self.threshold
            and (not self.only or tag in self.only)
            and tag not in self.without
            and why_not(tag) is None
        ]
        return fits[: self.most]


def open_tagger(wd14: Path | None, clip: Path | None, words: Path | None, device: str = "auto") -> Wd14 | Clip:
    """The WD14 tagger of a folder, or the CLIP model of one, which chooses among a file's words on a device.

    Raises BadValue unless it is one of the two, whole; BadBase for a device that is not there; MissingDependency.
    """
    if wd14 is not None and clip is None and words is None:
        from core.captioning.wd14 import Wd14

        return Wd14(wd14)
    if wd14 is None and clip is not None and words is not None:
        from core.base_model import pick_device
        from core.captioning.clip import Clip

        return Clip(clip, words, str(pick_device(device)))
    raise BadValue("which tagger is not said", "name a WD14 tagger's folder, or a CLIP model's with a file of words")


def run_job(catalog: Catalog, job: Job, report: Report) -> Mapping[str, Any]:
    """Run a `propose` job: args `cohort`, and `wd14`, or `clip` and `words`, which are paths. As `propose`."""
    wd14, clip, words = (Path(job.args[name]) if job.args.get(name) else None for name in ("wd14", "clip", "words"))
    return asdict(propose(catalog, job.args["cohort"], open_tagger(wd14, clip, words), report=report))


def propose(
    catalog: Catalog, cohort: str, tagger: Wd14 | Clip, *, batch: int = BATCH, report: Report = silent
) -> Looked:
    """Let a tagger look at a cohort's pictures, and keep what it proposes; those it has looked at are passed over.

    Pictures of somebody who withdraws meanwhile are not read. Raises NoSuchRecord, ConsentLost, BadValue.
    """

    items: Sequence[CohortItem] = ()
    allowed: set[PictureKey] = set()

    def look() -> None:
        nonlocal items, allowed
        items = cohorts.training(catalog, cohort)
        allowed = {key_of(item) for item in items}

    watch = Watch(catalog, look)
    look()
    seen = proposals.of_pictures(catalog, allowed, tagger.name)
    left = [item for item in items if key_of(item) not in seen]
    known = {photo.id: photo for photo in photos.get_many(catalog, sorted({item.photo_id for item in left}))}
    left_out: dict[str, str] = {}
    looked = 0
    for start in range(0, len(left), batch):
        watch()
        pictures = []
        for item in left[start : start + batch]:
            try:
                if key_of(item) in allowed:
                    pictures.append((key_of(item), picture_of(known[item.photo_id], item, (tagger.side,) * 2)[0]))
            except BadImage as error:
                left_out[name_of(key_of(item))] = error.message
        found = tagger.look([picture for _, picture in pictures])
        proposals.put(catalog, tagger.name, dict(zip((key for key, _ in pictures), found, strict=True)))
        looked += len(pictures)
        report(Step("tags", min(start + batch, len(left)), len(left)))
    return Looked(tagger.name, looked, len(seen), dict(tagger.dropped), left_out)


def take(
    catalog: Catalog,
    items: Sequence[CohortItem],
    wanted: Taking,
    recipe: Recipe | None = None,
    *,
    dry_run: bool = False,
) -> Changed:
    """Add to captions what was proposed, as one decision; a tag with which a caption could not be is left out.

    Raises BadValue where nothing was proposed for any of the pictures.
    """
    start = (recipe or Recipe()).model_copy(update={"captions": None})
    with catalog.transaction():
        proposed = proposals.of_pictures(catalog, map(key_of, items), wanted.tagger)
        if not proposed:
            raise BadValue("no tagger has looked at these pictures", "let one: kyodaku captions propose -h")
        new: dict[PictureKey, str | None] = {}
        refused = 0
        for one in of_items(catalog, items, start):
            tags = wanted.of(proposed.get(one.key, {}))
            text, left_out = _with(one.text, tags)
            refused += left_out
            new[one.key] = text if one.own or text != one.text else None
        told = "with tags proposed" + (f" ({refused:,} left out by the rule of prompts)" if refused else "")
        return change.write(catalog, new, told, dry_run=dry_run)


def _with(text: str, tags: Sequence[str]) -> tuple[str, int]:
    """The text with these tags, and how many were left out because it could be no caption with them."""
    whole = edits.edited(text, Edit(add=tuple(tags)))
    if _fits(whole):
        return whole, 0
    left_out = 0
    for tag in tags:
        longer = edits.edited(text, Edit(add=(tag,)))
        text, left_out = (longer, left_out) if _fits(longer) else (text, left_out + 1)
    return text, left_out


def _fits(text: str) -> bool:
    try:
        edits.check(text, "")
    except (BadValue, PromptRefused):
        return False
    return True
