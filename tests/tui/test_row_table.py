"""The table: widths, cutting text, and turning pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from tui.widgets.row_table import GAP, Column, ListTable, fit, shorten

TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40)


@given(TEXTS, st.integers(1, 30), st.booleans())
def test_text_is_cut_to_its_width_in_cells(text: str, width: int, keep_end: bool) -> None:
    assert cell_len(shorten(text, width, keep_end=keep_end)) == width


def test_combining_letters_take_no_cell_and_wide_ones_two() -> None:
    assert shorten("ສະບາຍດີ", 8) == "ສະບາຍດີ" + " " * (8 - cell_len("ສະບາຍດີ"))
    assert shorten("写真の名前", 6) == "写真… "
    assert shorten("a long name", 6, keep_end=True) == "… name"


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), min_size=1, max_size=8), st.integers(10, 200))
def test_columns_fit(drawn: list[tuple[int, int]], width: int) -> None:
    columns = [Column("x", wide, optional=optional) for wide, optional in drawn]
    widths = fit(columns, width)
    shown = [wide for wide in widths if wide]
    if all(column.optional for column in columns) or sum(shown) + GAP * (len(shown) - 1) <= width:
        return
    needed = [column for column, wide in zip(columns, widths, strict=True) if wide]
    assert not any(column.optional for column in needed), "an optional column stayed where there was no room"


class Hundred(App[None]):
    """A table of a hundred rows alone on a screen of 12 lines."""

    def compose(self) -> ComposeResult:
        yield ListTable([Column("Number", 0)], empty="nothing", id="table")

    def on_mount(self) -> None:
        table: ListTable[int] = self.query_one(ListTable)
        table.fill([(n, (f"row {n}",)) for n in range(100)])
        table.focus()


async def test_the_cursor_turns_pages_and_stays_in_view() -> None:
    app = Hundred()
    async with app.run_test(size=(40, 12)) as pilot:
        table: ListTable[int] = app.query_one(ListTable)
        await pilot.press(*["down"] * 11)
        assert table.cursor == 11
        assert table.first_and_last() == (11, 22), "crossing the edge turns a whole page"
        await pilot.press("end")
        assert (table.cursor, table.first_and_last()) == (99, (89, 100))
        await pilot.press("pageup", "k", "home")
        assert (table.cursor, table.first_and_last()) == (0, (0, 11))


async def test_the_cursor_stays_on_its_row_when_rows_are_filled_in_anew() -> None:
    app = Hundred()
    async with app.run_test(size=(40, 12)):
        table: ListTable[int] = app.query_one(ListTable)
        table.move_to(50)
        table.fill([(n, (f"row {n}",)) for n in range(30, 100)])
        assert table.key == 50
        table.fill([])
        assert (table.key, table.count) == (None, 0)


async def test_a_step_draws_two_lines() -> None:
    app = Hundred()
    async with app.run_test(size=(40, 12)) as pilot:
        table: ListTable[int] = app.query_one(ListTable)
        await pilot.pause()
        drawn: list[int] = []
        render = table.render_line
        table.render_line = lambda y: (drawn.append(y), render(y))[1]  # type: ignore[func-returns-value]
        await pilot.press("down")
        await pilot.pause()
        assert sorted(set(drawn)) == [1, 2]
