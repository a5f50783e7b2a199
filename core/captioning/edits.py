"""What may be done to one caption. Pure: a caption is parts between commas, which taggers call tags."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import BadValue
from core.training.recipe import TRIGGER, check_caption
from storage.safe_text import display

LONGEST = 1000  # letters of a caption, as of a recipe's template


@dataclass(frozen=True, slots=True)
class Edit:
    """Changes to a caption, made in the order in which they stand here.

    `text` is put in its place; `replace` is a text and what stands for it; the others are parts. `clear` gives the
    caption up, so that the recipe's template counts again.
    """

    text: str | None = None
    replace: tuple[str, str] | None = None
    remove: tuple[str, ...] = ()
    prepend: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    clear: bool = False

    def __bool__(self) -> bool:
        """Whether it asks for anything."""
        return self != Edit()

    def told(self) -> str:
        """In a few words, safe to show."""
        said = ["called by the recipe again"] if self.clear else []
        said += [] if self.text is None else [f"called {self.text!r}"]
        said += [] if self.replace is None else ["{!r} becomes {!r}".format(*self.replace)]
        said += [f"without {tag!r}" for tag in self.remove]
        said += [f"{tag!r} in front" for tag in self.prepend]
        said += [f"with {tag!r}" for tag in self.add]
        return display(", ".join(said))


def edited(caption: str, edit: Edit) -> str:
    """The caption as the edit leaves it; one that is not touched stays letter for letter."""
    text = caption if edit.text is None else edit.text
    if edit.replace is not None:
        text = text.replace(*edit.replace)
    before = parts = parts_of(text)
    gone = {_same(part) for tag in (*edit.remove, *edit.prepend) for part in parts_of(tag)}
    parts = [part for part in parts if _same(part) not in gone]
    parts = [part for tag in edit.prepend for part in parts_of(tag)] + parts
    there = {_same(part) for part in parts}
    for part in (part for tag in edit.add for part in parts_of(tag)):
        if _same(part) not in there:
            parts.append(part)
            there.add(_same(part))
    return text if parts == before and text == caption else ", ".join(parts)


def parts_of(caption: str) -> list[str]:
    """What stands between the commas, with single blanks."""
    return [part for part in (" ".join(part.split()) for part in caption.split(",")) if part]


def holds(caption: str, tag: str) -> bool:
    """Whether a tag is one of the caption's parts, whatever the case of its letters."""
    return _same(" ".join(tag.split())) in {_same(part) for part in parts_of(caption)}


def check(caption: str, where: str) -> None:
    """Raises BadValue naming `where` for what is no caption, PromptRefused for what no prompt may ask for."""
    try:
        if display(caption) != caption:
            raise ValueError("holds what can't be printed")
        if len(caption) > LONGEST:
            raise ValueError(f"is of {len(caption):,} letters, and {LONGEST:,} are the most")
        check_caption(caption, where)
    except ValueError as error:
        raise BadValue(f"{where}: the caption {error}", f"write it with {TRIGGER} for the person's word") from error


def _same(part: str) -> str:
    return part.casefold()
