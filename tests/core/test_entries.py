"""Entries kept through corrections are those that counting all faces gives, and cost what was moved."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from core import entries, people, tagging
from core.decisions import undo as undoing
from core.errors import KyodakuError
from storage import faces, subjects
from storage.catalog import Catalog, open_catalog
from storage.records import FaceMark
from tests.core.test_people import add_photos

NAMES = ("Ann", "Ben", "Kim")


@pytest.fixture
def seen(catalog: Catalog) -> list[int]:
    """Faces of six people, clustered; one is in no cluster."""
    ids = add_photos(catalog, [0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5])
    people.cluster(catalog, 1.0)
    return ids


def listed(catalog: Catalog) -> list[tuple[object, ...]]:
    """The entries as the command line lists them."""
    return [(one.cluster, one.subject_id, one.subject, one.faces, one.photos) for one in people.listing(catalog)]


def kept(now: entries.Entries) -> list[tuple[object, ...]]:
    ordered = now.ordered().values()
    return [(one.cluster, one.subject_id, one.subject, one.faces, one.photos) for one in ordered]


def acts(catalog: Catalog, seen: list[int], draws: random.Random) -> Callable[[Catalog], object]:
    """A correction, or one undone or done again; some can't be made."""
    face, name = draws.choice(seen), draws.choice(NAMES)
    owner = faces.get(catalog, face).subject_id
    some: list[Callable[[Catalog], object]] = [
        lambda catalog: people.name(catalog, draws.randint(1, 8), name),
        lambda catalog: people.assign(catalog, face, name),
        lambda catalog: people.split(catalog, owner or 0, [face]),
        lambda catalog: people.merge(catalog, name, draws.choice(NAMES)),
        lambda catalog: people.ignore(catalog, face, draws.choice([None, FaceMark.NOT_A_FACE]), "why", "me"),
        undoing.undo,
        undoing.redo,
    ]
    return draws.choice(some)


@pytest.mark.parametrize("seed", range(4))
def test_entries_followed_through_any_corrections_are_those_that_all_faces_give(
    catalog: Catalog, seen: list[int], seed: int
) -> None:
    draws, now, made = random.Random(seed), entries.read(catalog), 0
    for step in range(60):
        if step % 20 == 19:  # which moves faces that decisions tell of
            people.cluster(catalog, draws.choice([0.3, 1.0, 9.9]), whole=True)
            now = entries.read(catalog, now)
        with suppress(KyodakuError):
            _, now = entries.follow(catalog, now, acts(catalog, seen, draws))
            made += 1
        assert kept(now) == listed(catalog)
        assert entries.read(catalog, now) is now, "it is known to be so, without counting again"
    assert made > 20


@pytest.mark.usefixtures("seen")
def test_after_a_correction_only_what_it_moved_is_counted(catalog: Catalog) -> None:
    now, said = entries.read(catalog), []
    catalog.connection.set_trace_callback(said.append)
    _, now = entries.follow(catalog, now, lambda catalog: people.name(catalog, 1, "Ann"))
    _, now = entries.follow(catalog, now, undoing.undo)
    entries.read(catalog, now)
    counts = [one for one in said if "count(DISTINCT" in one]
    assert counts
    assert all("f.cluster = " in one or "f.subject_id = " in one for one in counts), counts


@pytest.mark.usefixtures("seen")
def test_what_another_program_did_meanwhile_is_counted_too(catalog: Catalog) -> None:
    now = entries.read(catalog)

    def act(catalog: Catalog) -> None:
        with open_catalog(catalog.folder) as other:
            people.name(other, 2, "Ben")
        people.name(catalog, 1, "Ann")

    _, after = entries.follow(catalog, now, act)
    assert after is now, "it is not known what else was moved"
    now = entries.read(catalog, after)
    assert kept(now) == listed(catalog)
    with open_catalog(catalog.folder) as other:
        people.name(other, 3, "Kim")
    _, now = entries.follow(catalog, now, undoing.undo)
    assert kept(entries.read(catalog, now)) == listed(catalog)


def test_what_is_not_about_faces_counts_none_and_a_new_name_shows(catalog: Catalog, seen: list[int]) -> None:
    people.name(catalog, 1, "Ann")
    before = entries.read(catalog)
    tagging.give_keyword(catalog, [faces.get(catalog, seen[0]).photo_id], "told")
    assert entries.read(catalog, before) is before
    subjects.edit(catalog, subjects.sound(subjects.get(catalog, "Ann")))
    subjects.add(catalog, "Ben")
    assert entries.read(catalog, before).groups == before.groups
    catalog.connection.execute("UPDATE subjects SET name = 'Anna' WHERE name = 'Ann'")
    assert kept(entries.read(catalog, before)) == listed(catalog)
    assert "Anna" in entries.read(catalog, before).people.values()
