"""One model from its people's pictures: encoded, trained, watched, drawn with, and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from core.base_model import Base
from core.errors import BadValue, Refused
from core.generated_checks import Checker
from core.training import headers, latent_cache, preview
from core.training.adapter import take_off
from core.training.batches import Group
from core.training.dataset import Picture, prepare
from core.training.fit import Fit, Told
from core.training.likeness import Likeness
from core.training.order import permutation
from core.training.prior import prepare as prior_pictures
from core.training.recipe import SHARED_TRIGGER, Recipe, trigger_of
from core.training.task import Settings, Task
from core.training.team import Team
from core.training.watching import Clock, figures_of
from core.training.words import Words, kept_words, text_at
from core.training.workers import Message
from core.watch import Watch
from storage import whole_files
from storage.catalog import Catalog
from storage.records import CohortItem

PREVIEWS = "previews"  # folder in the job's
DRAWS = 4  # noise levels that each held-out picture is looked at with
SHORT = 8  # letters of a pseudonym that tell people apart in figures


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Pictures of one group that are never learned from, to see over-fitting by."""

    group: int
    pictures: list[Picture]
    captions: list[str]


@dataclass(slots=True)
class Made:
    """The pictures a LoRA learns from, and those it doesn't."""

    groups: list[Group] = field(default_factory=list)
    held_out: list[HeldOut] = field(default_factory=list)


def train_one(
    catalog: Catalog,
    settings: Settings,
    base: Base,
    checker: Checker | None,
    task: Task,
    team: Team,
    look_at_consent: Callable[[], None],
    unregistered: ExitStack,
) -> Iterator[Message]:
    """Train a task's model and tell of each step; at the end where it is staged, until `unregistered` is closed.

    Of a team only the one that leads tells, draws and writes; each looks at consent by itself.
    `look_at_consent` raises ConsentLost unless all that the task trains on is still permitted, Refused for its base.
    """
    recipe = settings.recipe
    resolution = recipe.resolution or base.resolution
    figures: Mapping[str, Any] = {"loss": 0.0}
    watch = Watch(catalog, look_at_consent)
    try:
        take_off(base)  # what is drawn and encoded now is the bare base's
        prior = None
        with team.leader_first():
            if recipe.prior_weight:
                looker = checker or Checker(str(base.device), base.path)
                prior = prior_pictures(catalog, base, recipe, resolution, looker)
            made = _encoded(catalog, base, recipe, task, resolution, look_at_consent)
        fit = Fit(base, recipe, made.groups, task.key, prior, team, task.trigger)
        eye = _Eye(catalog, settings, base, checker, task, fit, made)
        for told in fit.steps(before_epoch=look_at_consent, kept=settings.checkpoint(task)):
            if team.leads:
                figures = eye.figures(told)
                yield Message(task.name, told.step, figures)
            watch()
        look_at_consent()
    except Refused:
        for _, uid in task.people:  # what a withdrawal erased may have been written again since
            latent_cache.erase_subject(catalog, uid)
        raise
    if not team.leads:
        yield Message(task.name, recipe.steps, figures, True, aside=True)
        return
    # What is made stays under a name of nobody's until it is registered: a run that dies leaves what is swept.
    weights = unregistered.enter_context(whole_files.staged(catalog.models / settings.weights(task)))
    with fit.written():
        fit.adapter.write(weights, headers.metadata(base, settings, task))
    drawn = None
    if eye.may_draw and checker is not None:
        drawn = unregistered.enter_context(whole_files.staged(preview.path_of(catalog, task.name)))
        with fit.written():
            if not preview.draw_preview(base, checker, drawn, recipe, task.name, task.trigger):
                drawn = None
    yield Message(task.name, recipe.steps, figures, True, base.unet_hash, weights, drawn)


class _Eye:
    """What is seen of a run beside its loss: validation, previews on the way, likeness."""

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        base: Base,
        checker: Checker | None,
        task: Task,
        fit: Fit,
        made: Made,
    ) -> None:
        self._base, self._checker, self._task, self._fit, self._made = base, checker, task, fit, made
        self._recipe, self._clock = settings.recipe, Clock()
        self._names = {number: group.uid[:SHORT] for number, group in enumerate(made.groups)}
        self._folder = None if settings.folder is None else settings.folder / PREVIEWS
        people = [subject_id for subject_id, _ in task.people]
        self.may_draw = checker is not None and preview.may_draw(catalog, base.unet_hash, people)
        self._likeness: Likeness | None = None
        if self.may_draw and self._recipe.preview_every:
            try:
                self._likeness = Likeness(catalog, str(base.device), task.subject_id)
            except BadValue:
                if self._recipe.keep == "likeness":
                    raise

    def figures(self, told: Told) -> dict[str, Any]:
        """A step's numbers, with `validation` (loss of held-out pictures) and `likeness` (a distance) where due."""
        found = figures_of(told, self._names, self._clock.lap())
        recipe, last = self._recipe, told.step == self._recipe.steps
        if self._made.held_out and (last or told.step % recipe.validate_every == 0):
            found["validation"] = self._validation()
            if recipe.keep == "validation":
                self._fit.note(found["validation"])
        if self.may_draw and recipe.preview_every and (last or told.step % recipe.preview_every == 0):
            distance = self._preview(told.step)
            if distance is not None and self._likeness is not None:
                found["likeness"] = distance
                if recipe.keep == "likeness":
                    self._fit.note(self._likeness.score(distance))
        return found

    def _validation(self) -> float:
        errors = [
            error
            for held in self._made.held_out
            for rows in self._fit.batches.held_out(held.group, held.pictures, held.captions, DRAWS)
            for error in self._fit.error_of(rows)
        ]
        return sum(errors) / len(errors)

    def _preview(self, step: int) -> float | None:
        """Draw with the weights in use, keep the sheet in the job's folder, and say how like they are."""
        if self._checker is None:
            return None
        path = None
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"{self._task.name}-{step:06d}.png"
        with self._fit.in_use():
            kept = preview.draw_preview(
                self._base, self._checker, path, self._recipe, self._task.name, self._task.trigger
            )
        return None if self._likeness is None or not kept else self._likeness.distance(kept)


def _encoded(
    catalog: Catalog, base: Base, recipe: Recipe, task: Task, resolution: int, look_at_consent: Callable[[], None]
) -> Made:
    """Each person's pictures, encoded; consent is looked at before anything of theirs is read."""
    made = Made()
    for subject_id, uid in task.people:
        look_at_consent()
        own = [place for place, item in enumerate(task.items) if item.subject_id == subject_id]
        items, called = [task.items[place] for place in own], [task.captions[place] for place in own]
        pictures = prepare(
            catalog, base, items, resolution, recipe.background, buckets=recipe.buckets, mirrored=recipe.flip
        )
        trigger = task.trigger if task.personal else trigger_of(uid)
        words: dict[str, Words] = {}
        if not recipe.words_change and not recipe.caption_shuffle:
            texts = [text_at(caption, word, recipe) for caption in called for word in (trigger, SHARED_TRIGGER)]
            words = kept_words(catalog, base, uid, [*texts, ""])
        held = _held_out(items, recipe)
        learned = [at for at in range(len(items)) if at not in held]
        made.held_out.append(HeldOut(len(made.groups), [pictures[at] for at in held], [called[at] for at in held]))
        leaves = tuple(items[at].leaf for at in learned)
        made.groups.append(
            Group(uid, trigger, [pictures[at] for at in learned], [called[at] for at in learned], leaves, words)
        )
    made.held_out = [held for held in made.held_out if held.pictures]
    return made


def _held_out(items: list[CohortItem], recipe: Recipe) -> list[int]:
    """Which of a person's pictures are held out: at least one where any are asked for, never the last one."""
    if not recipe.validation:
        return []
    count = min(len(items) - 1, max(1, round(recipe.validation * len(items))))
    return sorted(permutation(len(items), items[0].subject_uid, recipe.seed, "held out")[:count])
