"""A few pictures of a finished LoRA, where its person allows pictures of themselves alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from core import consent, prompts
from core.base_model import Base
from core.composition import ONE_PERSON
from core.errors import Refused
from core.generate import checked_by, checks_of, contact_sheet, draw, guidance_of, permit_base
from core.generated_checks import Checker
from core.generated_marks import Origin, save
from core.training import captions
from core.training.recipe import TRIGGER, Recipe
from storage import ledger, subjects
from storage.catalog import Catalog
from storage.records import Purpose, Status

STEPS = 15  # of the sampler
SEED = 20_000


def path_of(catalog: Catalog, model: str) -> Path:
    """Where a model's preview lies, if it has one."""
    return catalog.models / f"{model}.preview.png"


def may_draw(catalog: Catalog, base_hash: str, subject_ids: Sequence[int]) -> bool:
    """Whether a LoRA of these people on this base may be drawn with.

    One of a single person needs their `train-individual`, and a base that is a model of the catalog what it needs.
    """
    try:
        permit_base(catalog, base_hash)
    except Refused:
        return False
    now = ledger.instant(catalog)
    people = subjects.get_many(catalog, subject_ids if len(subject_ids) * ONE_PERSON <= 1 else ())
    rulings = [
        consent.person_ruling(person, ledger.events_of(catalog, person.uid), Purpose.TRAIN_INDIVIDUAL, now)
        for person in people.values()
    ]
    return all(ruling.status is Status.GRANTED for ruling in rulings)


def draw_preview(
    base: Base, checker: Checker, path: Path | None, recipe: Recipe, model: str, trigger: str
) -> list[Image.Image]:
    """Draw with the LoRA that the UNet wears; what the checks let pass is given, and kept as one sheet at a path.

    The file carries no hash of the model: it is drawn before there is one. Raises PromptRefused.
    """
    text = captions.fill(recipe.caption, {}).replace(TRIGGER, trigger)
    prompts.check(text)
    kept, notes = [], []
    for batch in draw(base, [text] * recipe.previews, seed=SEED, steps=STEPS):
        for picture, seen in zip(batch, checker.look(batch), strict=True):
            if seen.withheld is None:
                kept.append(picture)
                notes.append(checks_of(seen, checker))
    if kept and path is not None:
        sheet = contact_sheet(kept, note=checker.unchecked)
        sampler = type(base.pipe.scheduler).__name__.removesuffix("Scheduler")
        origin = Origin(model, "", text, "", SEED, STEPS, guidance_of(base, None), sampler, sheet.size)
        save(sheet, path, origin, {"pictures": notes, **checked_by(checker)})
    return kept
