"""Any history of consent, faces, files, cohorts, models and withdrawals, held against a slow reading of the rules.

The parts are the real ones: files are indexed, cohorts frozen, LoRAs trained on a tiny base (one step each, through
every look at consent that a long run takes), averaged, baked, and remade. After each step nothing may have been
used that was not allowed at that instant, nothing usable may hold anybody who may not be in it, and the table of
statuses says what the rules say.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import piexif
import pytest
from hypothesis import HealthCheck, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from PIL import Image, ImageDraw

from core import cohort as cohorts
from core import consent_actions, doctor, erasure, generate, people, scan, statuses, withdrawal
from core.errors import KyodakuError
from core.merging import catalogued
from core.readers import Readers
from core.training import dataset, loop
from core.training.recipe import Recipe
from storage import artifacts, faces, ledger, photos, subjects
from storage import catalog as catalogs
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import (
    TRAIN_PURPOSES,
    Box,
    CohortItem,
    CohortRules,
    Event,
    Face,
    FaceMark,
    GroupRule,
    Model,
    ModelKind,
    ModelState,
    Photo,
    Purpose,
    Rights,
    Subject,
)
from storage.rights import put as put_rights
from tests.core import consent_oracle as oracle
from tests.tiny_base import write_tiny_base

SPACE = "dlib-resnet-v1"
ROOMS = f"rules-{os.getpid()}-"  # several runs may be under way
START = datetime(2030, 1, 1, tzinfo=UTC)
LEFT, RIGHT, MIDDLE = (12, 10, 44, 50), (84, 10, 116, 50), (48, 10, 80, 50)
PICTURES: tuple[tuple[tuple[Box, int | None], ...], ...] = (
    ((MIDDLE, 0),),
    ((MIDDLE, 1),),
    ((MIDDLE, 2),),
    ((LEFT, 0), (RIGHT, 1)),
    ((LEFT, 2), (RIGHT, None)),
    ((LEFT, 3), (RIGHT, 0)),
    (),
)
"""Who is in each picture, and where: people by number, None for one whom nobody has named."""
TAKEN = ("2019:05:01 12:00:00", "2029:06:15 08:30:00", None, "2029:12:31 23:30:00", "2020:02:29 00:00:00")
BORN = (date(1980, 1, 1), date(2012, 1, 1), date(2011, 6, 15), date(2015, 3, 3), None)
PARTS = 4  # of the long run
RECIPE = Recipe(rank=1, steps=1, batch=1, warmup=0, previews=0)
NEVER = ("minor", "age-unsettled")
LOST = (*NEVER, "withdrawn", "refused")
PEOPLE = st.integers(0, 3)
GRANTS = st.lists(st.sampled_from([*Purpose, *TRAIN_PURPOSES, *TRAIN_PURPOSES]), min_size=1, max_size=4, unique=True)


@cache
def tiny_base() -> Path:
    """A base of random weights that lives as long as the tests run."""
    return write_tiny_base(Path(tempfile.mkdtemp(prefix="tiny-base-")) / "tiny")


def room() -> Path:
    """A folder in memory where there is one: a history of a hundred steps syncs some thousand times."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix=ROOMS, dir=memory if memory.is_dir() else None))


@pytest.fixture(scope="module", autouse=True)
def _one_reader() -> Iterator[None]:
    """A process that reads files for all histories: to start one each time would take half of the time."""
    with Readers(1) as readers, patch.object(scan, "Readers", lambda _: nullcontext(readers)):
        yield


def take(path: Path, number: int, take_again: int = 0) -> None:
    """Write the picture of this number; another `take_again`, another content."""
    picture = Image.new("RGB", (128, 64), (40 + 9 * number, 80 + 5 * take_again % 100, 130))
    pen = ImageDraw.Draw(picture)
    for box, who in PICTURES[number]:
        pen.ellipse(box, fill=(200, 150 - 20 * (who or 0), 120))
    taken = TAKEN[number % len(TAKEN)]
    exif = piexif.dump({"Exif": {piexif.ExifIFD.DateTimeOriginal: taken}} if taken else {})
    picture.save(path, "JPEG", quality=95, exif=exif)


class Rules(RuleBasedStateMachine):
    """One photographer's catalog, lived through."""

    steps = 0  # of all histories together
    did: ClassVar[Counter[str]] = Counter()

    @initialize()
    def move_in(self) -> None:
        self.room = room()
        self.archive = self.room / "archive"
        self.archive.mkdir()
        self.catalog: Catalog = catalogs.create(self.room / "catalog")
        self.now = START
        self.retakes = 0
        self.made = 0
        self.ingredients: dict[str, list[str]] = {}
        self.trained_on: dict[str, set[int]] = {}
        self.head, self.told = "", list[Event]()
        self.ever_lost: set[int] = set()  # to composites: who comes back is not put back
        for number in range(len(PICTURES)):
            take(self.path(number), number)
        scan.index(self.catalog, [self.archive])
        new = [
            Subject(0, f"{number + 1:x}" * 32, f"Person {number}.", date(1980, 1, 1 + number)) for number in range(4)
        ]
        self.subjects = [person.id for person in subjects.add_many(self.catalog, new, at=self.now)]
        self.names = {key: [person.name] for key, person in zip(self.subjects, new, strict=True)}
        self.clock = subjects.add(self.catalog, "Clock", at=self.now).id  # in no picture: an event of theirs is time
        for number in range(len(PICTURES)):
            self.find_faces(number)
        first = self.subjects[:3]
        consent_actions.grant(self.catalog, first, sorted(TRAIN_PURPOSES), by="me", at=self.now)

    # What people do ------------------------------------------------------------------------------

    @rule(
        who=PEOPLE,
        purposes=GRANTS,
        begins=st.sampled_from([None, None, 0, 3]),
        runs=st.sampled_from([None, None, 2, 40]),
    )
    def grant(self, who: int, purposes: list[Purpose], begins: int | None, runs: int | None) -> None:
        begin = None if begins is None else self.now + timedelta(days=begins)
        end = None if runs is None else (begin or self.now) + timedelta(days=runs)
        person = subjects.get(self.catalog, self.subjects[who])
        by = person.guardian or "me"
        self.attempt(
            lambda: consent_actions.grant(
                self.catalog, [person.id], purposes, by=by, valid_from=begin, valid_until=end, at=self.now
            )
        )

    @rule(who=PEOPLE, purposes=GRANTS)
    def refuse(self, who: int, purposes: list[Purpose]) -> None:
        consent_actions.refuse(self.catalog, [self.subjects[who]], purposes, by="me", at=self.now)

    @rule(who=PEOPLE, purposes=GRANTS, remake=st.booleans())
    def withdraw(self, who: int, purposes: list[Purpose], remake: bool) -> None:
        withdrawal.withdraw(self.catalog, self.subjects[who], purposes, by="me", remake=remake, at=self.now)

    @rule(who=PEOPLE, born=st.sampled_from(BORN), attested=st.booleans(), minor=st.sampled_from([False] * 5 + [True]))
    def correct_age(self, who: int, born: date | None, attested: bool, minor: bool) -> None:
        known = subjects.get(self.catalog, self.subjects[who])
        vouched = ("a witness", "saw a passport") if attested else (None, None)
        told = Subject(known.id, known.uid, known.name, born, *vouched, minor, "a parent" if minor else None)
        self.attempt(lambda: withdrawal.edit_subject(self.catalog, told, by="me", at=self.now))

    @rule(who=PEOPLE)
    def rename(self, who: int) -> None:
        known = subjects.get(self.catalog, self.subjects[who])
        self.made += 1
        self.names[known.id].append(f"Known as {self.made}.")
        withdrawal.edit_subject(self.catalog, replace(known, name=self.names[known.id][-1]), by="me", at=self.now)

    @rule()
    def everybody_is_grown_and_grants(self) -> None:
        for person in self.subjects:
            known = subjects.get(self.catalog, person)
            grown = Subject(known.id, known.uid, known.name, date(1980, 1, 1), "a witness", "saw a passport")
            self.attempt(lambda grown=grown: withdrawal.edit_subject(self.catalog, grown, by="me", at=self.now))
        consent_actions.grant(self.catalog, self.subjects, sorted(TRAIN_PURPOSES), by="me", at=self.now)

    @rule(days=st.sampled_from([1, 3, 30, 400]))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.tick()

    # What happens to faces and files -------------------------------------------------------------

    @rule(which=st.integers(0, 20), who=PEOPLE)
    def assign(self, which: int, who: int) -> None:
        self.with_face(which, lambda face: people.assign(self.catalog, face.id, self.subjects[who]))

    @rule(which=st.integers(0, 20))
    def split(self, which: int) -> None:
        def apart(face: Face) -> None:
            if face.subject_id is not None:
                people.split(self.catalog, face.subject_id, [face.id])

        self.with_face(which, apart)

    @rule(which=st.integers(0, 20), who=PEOPLE)
    def taken_for(self, which: int, who: int) -> None:
        """What clustering does to a face that no person has decided on."""

        def taken(face: Face) -> None:
            if not face.assigned_by_person:
                faces.assign(self.catalog, [face.id], self.subjects[who], by_person=False)

        self.with_face(which, taken)

    @rule()
    def cluster(self) -> None:
        people.cluster(self.catalog)

    @rule(kept=PEOPLE, folded=PEOPLE)
    def merge_people(self, kept: int, folded: int) -> None:
        if kept != folded:
            self.attempt(lambda: people.merge(self.catalog, self.subjects[kept], self.subjects[folded]))

    @rule(who=PEOPLE, remake=st.booleans(), seen_again=st.booleans())
    def erase(self, who: int, remake: bool, seen_again: bool) -> None:
        """Somebody is erased; another takes their place, of whom there may be new pictures."""
        person = subjects.get(self.catalog, self.subjects[who])
        erasure.erase(self.catalog, person.id, by="me", remake=remake, at=self.now)
        type(self).did["erase"] += 1
        for path in self.catalog.folder.rglob("*"):
            held = path.read_bytes() if path.is_file() else b""
            assert not [name for name in self.names[person.id] if name.encode() in held], path
        self.ever_lost.add(person.id)
        self.made += 1
        new = Subject(0, f"{self.made:032x}", f"Somebody else {self.made}.", date(1990, 1, 1))
        self.subjects[who] = subjects.add_many(self.catalog, [new], at=self.now)[0].id
        self.names[self.subjects[who]] = [new.name]
        for number in range(len(PICTURES)) if seen_again else ():
            if any(one == who for _, one in PICTURES[number]):
                self.take_another(number)

    @rule(which=st.integers(0, 20), mark=st.sampled_from([None, FaceMark.NOT_A_FACE, FaceMark.UNRECOGNISABLE]))
    def mark(self, which: int, mark: FaceMark | None) -> None:
        self.with_face(which, lambda face: people.ignore(self.catalog, face.id, mark, "a statue", "me"))

    @rule(number=st.integers(0, len(PICTURES) - 1))
    def take_another(self, number: int) -> None:
        """A file is replaced under the same name."""
        self.retakes += 1
        take(self.path(number), number, self.retakes)
        scan.index(self.catalog, [self.archive])

    @rule(number=st.integers(0, len(PICTURES) - 1))
    def lose(self, number: int) -> None:
        self.path(number).unlink(missing_ok=True)
        scan.index(self.catalog, [self.archive])

    @rule(number=st.integers(0, len(PICTURES) - 1))
    def bring_back(self, number: int) -> None:
        if not self.path(number).exists():
            take(self.path(number), number)
            scan.index(self.catalog, [self.archive])

    @rule(number=st.integers(0, len(PICTURES) - 1))
    def find_faces(self, number: int) -> None:
        """Faces are sought; whoever was seen before at that place is known again by the person who named them."""
        photo = photos.by_path(self.catalog, str(self.path(number)).encode())
        if photo is None or photo.content_hash is None:
            return
        draws = np.random.default_rng(number)
        rows = [NewFace(box, 0.99, draws.normal(size=128).astype(np.float32)) for box, _ in PICTURES[number]]
        faces.replace_faces(self.catalog, photo.id, rows, SPACE)
        for face in faces.of_photo(self.catalog, photo.id):
            who = next(who for box, who in PICTURES[number] if box == face.box)
            if who is not None and face.subject_id is None and not face.assigned_by_person:
                faces.assign(self.catalog, [face.id], self.subjects[who], by_person=True)

    @rule(number=st.integers(0, len(PICTURES) - 1), rights=st.sampled_from(list(Rights)))
    def say_rights(self, number: int, rights: Rights) -> None:
        photo = photos.by_path(self.catalog, str(self.path(number)).encode())
        if photo is not None:
            put_rights(self.catalog, [photo.id], rights)

    # What is made of them ------------------------------------------------------------------------

    @rule(
        purpose=st.sampled_from(sorted(TRAIN_PURPOSES)), group=st.sampled_from(list(GroupRule)), least=st.integers(1, 3)
    )
    def freeze(self, purpose: Purpose, group: GroupRule, least: int) -> None:
        self.made += 1
        name = f"c{self.made}"
        cohorts.create(self.catalog, name, "", CohortRules(purpose, min_subjects=least, group=group))
        if self.attempt(lambda: cohorts.freeze(self.catalog, name, at=self.now)):
            for item in artifacts.cohort_items(self.catalog, artifacts.get_cohort(self.catalog, name).id):
                self.check_used(item, purpose, group)

    @rule(purpose=st.sampled_from(sorted(TRAIN_PURPOSES)), group=st.sampled_from(list(GroupRule)), data=st.data())
    def train_of_everybody(self, purpose: Purpose, group: GroupRule, data: st.DataObject) -> None:
        """From word to average in one go, so that most histories have models to lose."""
        self.everybody_is_grown_and_grants()
        for number in range(len(PICTURES)):
            self.bring_back(number)
            self.find_faces(number)
        self.freeze(purpose, group, 1)
        leaves = data.draw(st.none() | st.tuples(PEOPLE, st.integers(0, 3)))
        if self.frozen():
            self.train(len(self.frozen()) - 1, data.draw(st.booleans()), leaves)
        if len(self.usable(ModelKind.LORA)) > 1:
            self.average([0, 1, 2])

    @precondition(lambda self: self.frozen())
    @rule(which=st.integers(0, 9), pooled=st.booleans(), leaves=st.none() | st.tuples(PEOPLE, st.integers(0, 3)))
    def train(self, which: int, pooled: bool, leaves: tuple[int, int] | None) -> None:
        """A frozen cohort is trained, and maybe somebody withdraws when so many steps are done."""
        frozen = self.frozen()
        cohort = frozen[which % len(frozen)]
        self.made += 1

        def reported(step: Any) -> None:
            if leaves is not None and step.done == leaves[1]:
                person = self.subjects[leaves[0]]
                withdrawal.withdraw(self.catalog, person, sorted(TRAIN_PURPOSES), by="me", at=self.now)

        known = {model.name for model in artifacts.all_models(self.catalog)}
        with self.watched(cohort.rules.purpose, cohort.rules.group):
            self.attempt(
                lambda: loop.train(
                    self.catalog,
                    cohort.name,
                    tiny_base(),
                    f"m{self.made}",
                    mode="pooled" if pooled else "per-subject",
                    recipe=RECIPE,
                    device="cpu",
                    processes=1,
                    report=reported,
                )
            )
        for model in artifacts.all_models(self.catalog):
            if model.name not in known:
                self.trained_on[model.name] = set(artifacts.shares_of(self.catalog, model.id))

    @precondition(lambda self: len(self.usable(ModelKind.LORA, ModelKind.POOLED, ModelKind.AVERAGE)) > 1)
    @rule(chosen=st.lists(st.integers(0, 9), min_size=2, max_size=4, unique=True))
    def average(self, chosen: list[int]) -> None:
        usable = self.usable(ModelKind.LORA, ModelKind.POOLED, ModelKind.AVERAGE)
        names = list(dict.fromkeys(usable[number % len(usable)].name for number in chosen))
        self.made += 1
        if self.attempt(lambda: catalogued.merge_average(self.catalog, names, f"a{self.made}")):
            self.ingredients[f"a{self.made}"] = names
            self.check_merged(f"a{self.made}")

    @precondition(lambda self: self.usable(ModelKind.AVERAGE))
    @rule(which=st.integers(0, 9))
    def bake(self, which: int) -> None:
        usable = self.usable(ModelKind.AVERAGE)
        name = usable[which % len(usable)].name
        self.made += 1
        if self.attempt(lambda: catalogued.merge_bake(self.catalog, name, tiny_base(), f"b{self.made}")):
            self.ingredients[f"b{self.made}"] = [name]
            self.check_merged(f"b{self.made}")

    @rule()
    def settle(self) -> None:
        withdrawal.settle(self.catalog)

    # What must hold ------------------------------------------------------------------------------

    @invariant()
    def statuses_are_the_rules(self) -> None:
        if not hasattr(self, "catalog"):
            return
        type(self).steps += 1
        statuses.refresh(self.catalog, self.now)
        everyone, events, shown = self.everyone(), self.events(), self.photographs()
        told = statuses.of_photos(self.catalog, [photo.id for photo in shown])
        for photo in shown:
            seen = self.seen(photo)
            for purpose in Purpose:
                wanted = oracle.photo_status(photo, seen, everyone, events, purpose, self.now)
                assert told[photo.id][purpose] == wanted, (photo.path_text, purpose)

    @invariant()
    def nothing_usable_holds_anybody_who_may_not_be_in_it(self) -> None:
        if not hasattr(self, "catalog"):
            return
        for person in self.subjects:
            if self.person_status(person, Purpose.TRAIN_COMPOSITE) in LOST:
                self.ever_lost.add(person)
        for model in artifacts.all_models(self.catalog):
            weights = self.catalog.models / model.path
            if model.state is not ModelState.OK:
                assert not weights.exists(), f"{model.name} is {model.state} and on disk"
                self.refused(model)
                continue
            shares = set(artifacts.shares_of(self.catalog, model.id))
            inside = self.people_in(model.name)
            assert inside - self.ever_lost <= shares <= inside, self.story(model)
            purpose = self.purpose(model, shares)
            for person in shares:
                standing = self.person_status(person, purpose)
                assert standing not in LOST, f"{model.name} holds {person}, who is {standing} for {purpose}"

    def teardown(self) -> None:
        if not hasattr(self, "catalog"):
            return
        wrong = [one for one in doctor.examine(self.catalog) if not one.ok and "tainted" not in one.what]
        self.catalog.close()
        shutil.rmtree(self.room)
        assert not wrong

    # Reading the world, slowly -------------------------------------------------------------------

    def path(self, number: int) -> Path:
        return self.archive / f"{number}.jpg"

    def tick(self) -> None:
        """Gates ask the ledger what time it is: an event brings it there."""
        consent_actions.grant(self.catalog, [self.clock], [Purpose.CATALOGUE], by="me", at=self.now)

    def attempt(self, act: Callable[[], object]) -> bool:
        """Do it, or be refused in words."""
        try:
            act()
        except KyodakuError as error:
            note(f"refused: {error.message}")
            return False
        type(self).did[act.__qualname__.split(".")[1]] += 1
        return True

    def with_face(self, which: int, act: Callable[[Face], object]) -> None:
        found = faces.page(self.catalog)
        if found:
            face = found[which % len(found)]
            note(f"face {face.id} of photograph {face.photo_id}, subject {face.subject_id}")
            self.attempt(lambda: act(face))

    def photographs(self) -> list[Photo]:
        return photos.page(self.catalog, limit=100)

    def seen(self, photo: Photo) -> list[Face]:
        return faces.of_photo(self.catalog, photo.id)

    def everyone(self) -> list[Subject]:
        return subjects.list_all(self.catalog)

    def events(self) -> list[Event]:
        """All of the ledger, read anew when it has grown."""
        head = ledger.head(self.catalog)
        if head != self.head:
            self.head, self.told = head, list(ledger.all(self.catalog))
        return self.told

    def frozen(self) -> list[Any]:
        return [one for one in artifacts.all_cohorts(self.catalog) if one.merkle_root is not None]

    def usable(self, *kinds: ModelKind) -> list[Model]:
        return [one for one in artifacts.all_models(self.catalog, [ModelState.OK]) if one.kind in kinds]

    def person_status(self, person: int, purpose: Purpose) -> str:
        """Where a person stands, as in a picture taken now."""
        face = Face(0, 0, (0, 0, 1, 1), 1.0, SPACE, b"", subject_id=person, assigned_by_person=True)
        taken = self.now.replace(tzinfo=None)
        photo = Photo(0, b"/", "/", 0, 0, 0, 0, taken_at=taken, taken_offset=0, faces_space=SPACE)
        return oracle.face_status(face, self.everyone(), photo, self.events(), purpose, self.now)

    def people_in(self, name: str) -> set[int]:
        """Whose pictures are in a model, by what this test saw it being made of; what is out of use is not in it."""
        if name in self.trained_on:
            return self.trained_on[name]
        usable = {model.name for model in artifacts.all_models(self.catalog, [ModelState.OK])}
        return {person for one in self.ingredients[name] if one in usable for person in self.people_in(one)}

    def story(self, model: Model) -> str:
        """What a model was made of, with what became of each."""
        below = [artifacts.get_model(self.catalog, name) for name in self.ingredients.get(model.name, ())]
        told = [f"{one.name} {one.state} of {artifacts.shares_of(self.catalog, one.id)}: {one.why}" for one in below]
        return f"{model.name} of {artifacts.shares_of(self.catalog, model.id)}, made of {told}"

    def purpose(self, model: Model, shares: set[int]) -> Purpose:
        """What a model is a use for: of several people a composite, of one what the cohort below was frozen for."""
        if len(shares) > 1:
            return Purpose.TRAIN_COMPOSITE
        below = model
        while below.cohort_id is None:
            [below] = artifacts.get_models(self.catalog, [artifacts.inputs_of(self.catalog, below.id)[0].input_id])
        return artifacts.get_cohort(self.catalog, below.cohort_id).rules.purpose

    # Holding it against the rules ----------------------------------------------------------------

    def check_used(self, item: CohortItem, purpose: Purpose, group: GroupRule) -> None:
        """An item's pixels are allowed at this instant, by everybody who can be recognised in them."""
        photo = photos.get(self.catalog, item.photo_id)
        assert photo.content_hash == item.content_hash
        assert photo.error is None
        by_id = {face.id: face for face in self.seen(photo)}
        everyone, events = self.everyone(), self.events()
        standing = {
            key: oracle.face_status(face, everyone, photo, events, purpose, self.now) for key, face in by_id.items()
        }
        assert standing[item.face_id] == "granted", (item, standing)
        assert not set(standing.values()) & set(NEVER), (item, standing)
        others = [by_id[key].box for key, said in standing.items() if key != item.face_id and said != "ignored"]
        if group is GroupRule.EXCLUDE:
            assert not others
        for box in others:
            for x in range(max(box[0], item.crop[0]), min(box[2], item.crop[2])):
                for y in (max(box[1], item.crop[1]), min(box[3], item.crop[3]) - 1):
                    hidden = any(m[0] <= x < m[2] and m[1] <= y < m[3] for m in item.masks)
                    assert hidden or not item.crop[1] <= y < item.crop[3], (item, box)

    def check_merged(self, name: str) -> None:
        model = artifacts.get_model(self.catalog, name)
        shares = set(artifacts.shares_of(self.catalog, model.id))
        for person in shares:
            assert self.person_status(person, self.purpose(model, shares)) == "granted", (name, person)

    def refused(self, model: Model) -> None:
        """Every way of using a model refuses this one."""
        with pytest.raises(KyodakuError):
            generate.permit(self.catalog, model)
        with pytest.raises(KyodakuError):
            catalogued.merge_average(self.catalog, [model.name], "never")

    def watched(self, purpose: Purpose, group: GroupRule) -> Any:
        """Every photograph that training reads is one that it may read at that instant."""
        read = dataset.picture_of

        def looked_at(photo: Photo, item: CohortItem, resolution: int) -> Any:
            self.check_used(item, purpose, group)
            return read(photo, item, resolution)

        return patch.object(dataset, "picture_of", looked_at)


def run(histories: int, steps: int, first: int = 0) -> None:
    """Live through so many histories of so many steps; with another `first`, through others."""
    Rules.steps = 0
    Rules.did.clear()
    run_state_machine_as_test(
        seed(first)(Rules),
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(autouse=True)
def _rooms_are_emptied() -> Iterator[None]:
    yield
    for left in Path("/dev/shm").glob(f"{ROOMS}*"):
        with suppress(OSError):
            shutil.rmtree(left)


def test_some_histories() -> None:
    run(8, 40)
    assert Rules.did["freeze"]
    assert Rules.did["train"]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_fifty_thousand_steps(part: int) -> None:
    """In parts, each of its own histories, so that one can be run again alone."""
    run(660 // PARTS, 100, first=1 + part)
    assert Rules.steps >= 50_000 / PARTS
    assert all(Rules.did[act] >= 40 / PARTS for act in ("freeze", "train", "average", "bake"))
