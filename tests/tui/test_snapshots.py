"""What each room looks like on the sample, to the letter. After a wanted change: pytest --snapshot-update."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.pilot import Pilot

from storage import artifacts, jobs
from storage.catalog import open_catalog
from storage.records import CohortRules, GroupRule, JobState, Model, ModelKind, ModelState, Purpose
from tests.tui.conftest import Settle
from tui import actions
from tui.app import KyodakuApp

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
WIDE, NARROW = (120, 34), (80, 24)


@pytest.fixture
def furnished(sample: Path) -> Path:
    """The sample with a cohort, three models and two jobs."""
    with open_catalog(sample) as catalog:
        rules = CohortRules(Purpose.TRAIN_INDIVIDUAL, min_subjects=1, group=GroupRule.EXCLUDE)
        artifacts.add_cohort(catalog, "friends", "taken:2019..2020", rules, AT)
        for number, (name, kind, state) in enumerate(
            (
                ("friends.00000001", ModelKind.LORA, ModelState.OK),
                ("friends.00000004", ModelKind.LORA, ModelState.QUARANTINED),
                ("nobody", ModelKind.AVERAGE, ModelState.TAINTED),
            )
        ):
            why = None if state is ModelState.OK else "山田 花子 withdrew"
            made = Model(
                id=0,
                name=name,
                kind=kind,
                path=f"{name}.safetensors",
                content_hash=f"{number:064x}",
                base="/bases/tiny",
                base_hash="0" * 64,
                trigger="kyoabc" if kind is ModelKind.LORA else None,
                cohort_id=1,
                recipe={},
                created_at=AT,
                state=state,
                why=why,
            )
            artifacts.add_model(catalog, made, shares={1: 1.0} if number != 2 else {1: 0.5, 4: 0.5})
        done = jobs.add(catalog, "train", {"cohort": "friends", "name": "friends"}, AT)
        jobs.ended(catalog, done.id, JobState.DONE, AT, result={"models": ["friends.00000001"]})
        stopped = jobs.add(catalog, "audit", {"model": "nobody"}, AT)
        jobs.progressed(catalog, stopped.id, 0.4, "drawing", None)
    return sample


Compare = Callable[..., bool]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("info", actions.ROOMS, ids=lambda info: info.name)
def test_room(
    info: actions.RoomInfo,
    size: tuple[int, int],
    furnished: Path,
    app: KyodakuApp,
    settle: Settle,
    snap_compare: Compare,
) -> None:
    assert app.desk.folder == furnished

    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press(f"f{info.key}")
        await settle(pilot)

    assert snap_compare(app, run_before=look, terminal_size=size)


@pytest.mark.parametrize(
    ("room", "key"), [("archive", "question_mark"), ("consent", "Y"), ("cohorts", "c"), ("jobs", "x")]
)
def test_dialog(room: str, key: str, furnished: Path, app: KyodakuApp, settle: Settle, snap_compare: Compare) -> None:
    assert app.desk.folder == furnished

    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press(next(f"f{info.key}" for info in actions.ROOMS if info.name == room))
        await settle(pilot)
        await pilot.press(key)
        await settle(pilot)

    assert snap_compare(app, run_before=look, terminal_size=WIDE)


@pytest.mark.parametrize("theme", ["light", "high contrast"])
def test_theme(theme: str, app: KyodakuApp, settle: Settle, snap_compare: Compare) -> None:
    async def look(pilot: Pilot[None]) -> None:
        await settle(pilot)
        pilot.app.theme = theme
        await settle(pilot)

    assert snap_compare(app, run_before=look, terminal_size=WIDE)
