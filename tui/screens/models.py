"""Models: what was made, from whom, whether it may be used, and what its pictures look like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image, UnidentifiedImageError
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from core import models
from storage import artifacts, subjects
from storage.catalog import Catalog
from storage.records import Model, ModelState
from storage.safe_text import display
from tui import actions
from tui.screens.room import Room
from tui.terminal import Preview
from tui.widgets.picture import Picture, fitted
from tui.widgets.row_table import Cell, Column, ListTable, RowTable
from tui.widgets.signs import ROLES

PICTURES = (".png", ".jpg", ".jpeg")
MOST_PEOPLE = 30  # named as being in a model; the rest are counted


class ModelsRoom(Room):
    """Models on the left, the newest first; on the right what they are made of and what they draw."""

    ROOM = "models"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("models")
    DEFAULT_CSS = """
    ModelsRoom #facts { height: 1fr; }
    ModelsRoom #facts Static { height: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[int, Model] = {}
        self._sheets: list[Path] = []
        self._sheet = 0

    def body(self) -> ComposeResult:
        with Vertical(classes="split"):
            table: ListTable[int] = ListTable(
                [
                    Column("Model", 0),
                    Column("Kind", 8),
                    Column("State", 11),
                    Column("People", 6, right=True, optional=1),
                    Column("Made", 16, optional=2),
                ],
                empty="No model yet. From a shell: kyodaku train COHORT --base BASE --name NAME.",
                id="models",
            )
            table.add_class("list")
            yield table
            with Vertical(classes="pane"):
                yield Picture(self.kyodaku.preview, id="picture")
                with VerticalScroll(id="facts"):
                    yield Static("")

    @property
    def table(self) -> ListTable[int]:
        """The models."""
        return self.query_one("#models", ListTable)

    @property
    def model(self) -> Model | None:
        """The model under the cursor."""
        key = self.table.key
        return None if key is None else self._models.get(key)

    def on_mount(self) -> None:
        self.set_focus(self.table)

    async def load(self) -> None:
        found = await self.desk.read(with_people)
        self._models = {model.id: model for model, _ in found}
        self.table.fill([(model.id, model_cells(model, people)) for model, people in found])
        self.place(f"{len(found):,} models")

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self._sheet = 0
        self.moved()

    def rested(self) -> None:
        self.begin(self._look, group="look")

    async def _look(self) -> None:
        model, picture = self.model, self.query_one("#picture", Picture)
        pane = self.query_one("#facts Static", Static)
        if model is None:
            pane.update("")
            picture.say("")
            return
        text, self._sheets = await self.desk.read(partial(facts, model))
        pane.update(text)
        self.keys.look_again()
        if picture.preview.how == "off":
            picture.say("pictures are off (KYODAKU_PREVIEW)")
        elif not self._sheets:
            picture.say("no picture was made with it yet: kyodaku generate, kyodaku audit")
        else:
            path = self._sheets[self._sheet % len(self._sheets)]
            columns, lines = picture.cells
            try:
                drawn = await self.desk.picture(partial(sheet, path, picture.preview, columns, lines))
            except UnidentifiedImageError:
                picture.say(f"{path.name} is no picture")
            else:
                await picture.show(*drawn)

    # Actions

    def why_not(self, name: str) -> str | None:
        if name in ("verify", "sheet") and self.model is None:
            return "there is no model under the cursor"
        if name == "verify" and self.model is not None and self.model.state is not ModelState.OK:
            return f"{self.model.name} is {self.model.state}: {self.model.why or 'its file is gone'}"
        if name == "sheet" and len(self._sheets) < 2:
            return "there is no other picture of this model's"
        return None

    def do_sheet(self) -> None:
        self._sheet += 1
        self.begin(self._look, group="look")

    def do_verify(self) -> None:
        self.begin(self._verify, group="verify")

    async def _verify(self) -> None:
        model = self.model
        assert model is not None
        self.say(f"reading {model.name} …")
        problem = await self.desk.read(lambda catalog: models.file_problem(catalog, model))
        self.say(f"{model.name}: {problem or 'its file is the one that was recorded'}", error=problem is not None)


def with_people(catalog: Catalog) -> list[tuple[Model, int]]:
    """All models, the newest first, with the number of people in each."""
    return [(model, len(artifacts.shares_of(catalog, model.id))) for model in reversed(models.list_all(catalog))]


def model_cells(model: Model, people: int) -> Sequence[Cell]:
    """A model as the table writes it."""
    made = f"{model.created_at.astimezone():%Y-%m-%d %H:%M}"
    return model.name, model.kind, (model.state, ROLES[model.state]), str(people), made


def facts(model: Model, catalog: Catalog) -> tuple[Text, list[Path]]:
    """All that is known of a model: state, audit, lineage, people; and the pictures made with it."""
    text = Text(display(model.name) + "\n", style="bold")
    text.append(f"{model.kind}, {model.state}")
    text.append(f": {display(model.why)}\n" if model.why else "\n")
    if model.trigger:
        text.append(f"trigger {display(model.trigger)}\n")
    if model.energy_kept is not None:
        text.append(f"keeps {model.energy_kept:.2%} of the exact mean's energy\n")
    text.append(display(f"base {model.base}") + "\n", style="dim")
    text.append(f"file {display(model.path)}  blake3 {model.content_hash[:16]}…\n", style="dim")
    text.append("\nAudit\n", style="bold")
    for line in audit_lines(catalog, model):
        text.append(f"  {display(line)}\n")
    text.append("\nMade of\n", style="bold")
    for line in models.lineage(catalog, model.name).lines():
        text.append(f"  {display(line)}\n")
    shares = artifacts.shares_of(catalog, model.id)
    names = subjects.get_many(catalog, shares)
    text.append(f"\n{len(shares):,} people in it\n", style="bold")
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1], names[pair[0]].name))
    for number, share in ordered[:MOST_PEOPLE]:
        text.append(display(f"  {share:>6.1%}  {names[number].name}") + "\n")
    if len(ordered) > MOST_PEOPLE:
        text.append(f"          and {len(ordered) - MOST_PEOPLE} more\n", style="dim")
    return text, pictures_of(catalog, model)


def audit_lines(catalog: Catalog, model: Model) -> list[str]:
    """What the last audit of these very weights found, from its report; or that there was none."""
    for path in models.files_of(catalog, model):
        report = path / "report.json"
        if report.is_file():
            found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
            break
    else:
        return ["not audited yet: kyodaku audit"]
    lines = [f"verdict: {found['verdict']}", *found["why"]]
    if found["model_hash"] != model.content_hash:
        lines = ["the audit is of other weights than these: audit it again", *lines]
    lines.append(f"{found['faces']} faces in {found['images']} pictures, {found['rate']:.1%} like someone")
    lines.append(f"no more than {found['upper_bound95']:.1%} would be (95 %)")
    lines += [f"nearest: {one['subject']} at distance {one['distance']:.3f}" for one in found["nearest"][:3]]
    lines += [f"unchecked: {found['unchecked']}"] if found.get("unchecked") else []
    return lines


def pictures_of(catalog: Catalog, model: Model) -> list[Path]:
    """What lies beside a model and shows what it draws, sheets first."""
    found: list[Path] = []
    for path in models.files_of(catalog, model):
        if path.is_dir():
            found += [inside for inside in sorted(path.iterdir()) if inside.suffix.lower() in PICTURES]
        elif path.suffix.lower() in PICTURES and path.is_file():
            found.append(path)
    return sorted(found, key=lambda path: "sheet" not in path.name)


def sheet(path: Path, preview: Preview, columns: int, lines: int, _: Catalog) -> tuple[Image.Image, int, int]:
    """A picture of a model's, scaled to the cells there are. Raises UnidentifiedImageError, OSError."""
    with Image.open(path) as picture:
        return fitted(picture, preview, columns, lines)
