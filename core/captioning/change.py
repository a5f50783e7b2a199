"""Captions of a cohort's pictures, and changing many of them as one decision, which can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import cohort as cohorts
from core.captioning import edits
from core.captioning.edits import Edit
from core.counted import counted
from core.decisions import noting
from core.training.captions import Called, name_of, of_items
from core.training.recipe import Recipe
from storage import captions
from storage.captions import PictureKey
from storage.catalog import Catalog
from storage.records import CohortItem, DecisionKind


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done, or would be, to so many pictures: the captions that are others now, None where the template's."""

    told: str
    pictures: int
    changed: Mapping[PictureKey, str | None]

    def lines(self) -> list[str]:
        """For a person to read."""
        return [f"{self.told}: {counted(self.pictures, 'picture')}, {len(self.changed):,} changed"]


def listing(catalog: Catalog, cohort: str, recipe: Recipe | None = None) -> list[Called]:
    """What training would call each picture of a cohort: the frozen ones, else those that freezing would take now.

    Raises NoSuchRecord, ConsentLost, and BadRecipe and PromptRefused for the recipe's file.
    """
    return of_items(catalog, cohorts.training(catalog, cohort), recipe or Recipe())


def change(
    catalog: Catalog, items: Sequence[CohortItem], edit: Edit, recipe: Recipe | None = None, *, dry_run: bool = False
) -> Changed:
    """Change the captions of pictures; one without its own starts from the recipe's template, and has it then.

    All of them or none. Raises BadValue, PromptRefused, naming the first picture whose caption could not be.
    """
    start = (recipe or Recipe()).model_copy(update={"captions": None})
    with catalog.transaction():
        called = of_items(catalog, items, start)
        new: dict[PictureKey, str | None] = {}
        for one in called:
            text = edits.edited(one.text, edit)
            new[one.key] = None if edit.clear else text if one.own or text != one.text else None
        return write(catalog, new, edit.told(), dry_run=dry_run)


def write(catalog: Catalog, new: Mapping[PictureKey, str | None], told: str, *, dry_run: bool = False) -> Changed:
    """Give pictures captions of their own, or none (None), as one decision. Raises as `change`."""
    fine: set[str] = set()  # most pictures share theirs with others
    for key, caption in new.items():
        if caption is not None and caption not in fine:
            edits.check(caption, f"picture {name_of(key)}")
            fine.add(caption)
    with catalog.transaction():
        was = captions.of_pictures(catalog, new)
        changed = {key: caption for key, caption in new.items() if was.get(key) != caption}
        if changed and not dry_run:
            given = {key: caption for key, caption in changed.items() if caption is not None}
            gone = captions.behind(catalog, changed.keys() - given.keys())
            captions.put(catalog, changed)
            rows: list[tuple[int, int, str | None, str | None]] = [
                (*key, was.get(key), caption) for key, caption in given.items()
            ]
            rows += [(*key, caption, None) for key, caption in gone.items()]
            people = {subject_id for _, subject_id, _, _ in rows}
            noting.note(
                catalog, DecisionKind.CAPTIONS, f"{counted(len(changed), 'picture')} {told}", {"rows": rows}, people
            )
    return Changed(told, len(new), changed)
