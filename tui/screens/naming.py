"""Saying whose faces they are, with a line at the bottom: what People does beside showing them.

A correction is committed before the cursor goes on, and `u` takes it back, so nothing is asked before it: but where it
would take models out of use for good, and then those are shown. Rows stay in their places until the list is read again.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical

from core import entries, people
from core.counted import counted
from core.entries import Entries, Key
from core.errors import KyodakuError
from core.people import Belongs
from storage import faces, subjects
from storage.catalog import Catalog
from storage.face_groups import Group
from storage.records import Face, Subject
from tui.screens.dialogs import Confirm
from tui.screens.room import Room
from tui.widgets.prompt import Prompt
from tui.widgets.row_table import Cell, ListTable

T = TypeVar("T")


class Act(Protocol):
    """A correction; unless `sure`, one that would take models out of use is only foreseen."""

    def __call__(self, catalog: Catalog, *, sure: bool) -> Belongs: ...


Shown = Callable[[Subject], None]
"""Shows a correction on the rows it is about, given the person whose the faces are now, or were."""


class NamingRoom(Room):
    """A room with a table of entries and one of faces, of which it is said whose they are."""

    DEFAULT_CSS = "NamingRoom #bottom { height: 1; }"

    def __init__(self) -> None:
        super().__init__()
        self.prompt = Prompt(self.keys)
        self.names: list[str] = []  # of the people on record, in order
        self.entries: Entries | None = None  # as they were read last, or as a correction left them
        self.listed: dict[Key, Group] = {}  # those shown, as they are now, by the key of their row
        self.shown: dict[int, Face] = {}  # the faces of the entry under the cursor
        self._given = ""  # the name given last

    def bottom(self) -> ComposeResult:
        with Vertical(id="bottom"):  # what hides or shows draws its parent anew: this line, and not the screen
            yield self.keys
            yield self.prompt

    @property
    def groups(self) -> ListTable[Key]:
        """The entries."""
        return self.query_one("#groups", ListTable)

    @property
    def faces(self) -> ListTable[int]:
        """The faces of the entry under the cursor."""
        return self.query_one("#faces", ListTable)

    @property
    def group(self) -> Group | None:
        """The entry under the cursor."""
        key = self.groups.key
        return None if key is None else self.listed.get(key)

    @property
    def face(self) -> Face | None:
        """The face under the cursor, where the faces have the keyboard, or had it before something was asked."""
        key = self.faces.key if (self.prompt.before or self.focused) is self.faces else None
        return None if key is None else self.shown.get(key)

    def group_cells(self, group: Group) -> tuple[Cell, ...]:
        """An entry as the table writes it."""
        raise NotImplementedError

    def face_cells(self, face: Face) -> tuple[Cell, ...]:
        """A face as the table writes it."""
        raise NotImplementedError

    async def decide(self, work: Callable[[Catalog], T]) -> T:
        """As any room: but what a correction moved is counted in the thread that writes, and nothing else."""
        before = self.entries
        if before is None:
            return await super().decide(work)
        done, self.entries = await self.desk.write(partial(entries.follow, before=before, act=work))
        return done

    def why_not(self, name: str) -> str | None:
        group, face = self.group, self.face
        if name in ("name", "merge") and group is None:
            return "there is no entry under the cursor"
        if name == "name" and group is not None and group.cluster is None:
            return "this entry is a person already; m joins it with another"
        if name in ("assign", "split") and face is None:
            return "choose a face first: Enter goes to the entry's faces"
        if name == "split" and face is not None and face.subject_id is None:
            return "nobody has said whose face this is"
        if name == "again":
            return self.why_not("assign" if face else "name") if self._given else "nobody was named yet"
        return super().why_not(name)

    def do_name(self) -> None:
        key, group = self._entry()
        answered = partial(self._name_group, key, group)
        self.prompt.ask(f"cluster {group.cluster} is", answered, names=self.names, value=group.subject or "")

    def do_merge(self) -> None:
        key, group = self._entry()
        who = group.subject or f"cluster {group.cluster}"
        others = [name for name in self.names if name != group.subject]
        self.prompt.ask(f"{who} is the same as", partial(self._merge_group, key, group), names=others)

    def do_assign(self) -> None:
        face = self.face
        assert face is not None
        self.prompt.ask(f"face {face.id} is", partial(self._assign_face, face), names=self.names)

    async def do_again(self) -> None:
        if self.face is not None:
            await self._assign_face(self.face, self._given)
        else:
            await self._name_group(*self._entry(), self._given)

    def _entry(self) -> tuple[Key, Group]:
        """The entry under the cursor: what is asked is of it, whatever is listed by the time it is answered."""
        key, group = self.groups.key, self.group
        assert key is not None
        assert group is not None
        return key, group

    async def do_split(self) -> None:
        face = self.face
        assert face is not None
        owner = face.subject_id
        assert owner is not None

        def act(catalog: Catalog, *, sure: bool) -> Belongs:
            return people.split(catalog, owner, [face.id], sure=sure)

        await self._correct(f"face {face.id} is not theirs", act, lambda _: self._leaves(face.id))

    def do_next_unnamed(self) -> None:
        table = self.groups
        for place in range(table.cursor + 1, table.count):
            group = self.listed[table.key_of(place)]
            if group.subject is None:
                table.move_to(place)
                return
        self.say("every entry below has a name")

    async def _name_group(self, key: Key, group: Group, name: str) -> bool:
        cluster = group.cluster
        assert cluster is not None
        self._given = name

        def act(catalog: Catalog, *, sure: bool) -> Belongs:
            return people.name(catalog, cluster, name, sure=sure)

        return await self._correct(f"cluster {cluster} is {name}", act, partial(self._renamed, [key]))

    async def _merge_group(self, key: Key, group: Group, name: str) -> bool:
        """The other name stays. An entry without a name takes one that is on record: `name` makes new people."""
        folded = group.subject_id
        if folded is None:
            if name not in self.names:
                self.say(f"nobody is called {name!r}; n gives a new name", error=True)
                return False
            return await self._name_group(key, group, name)

        def act(catalog: Catalog, *, sure: bool) -> Belongs:
            return people.merge(catalog, name, folded, sure=sure)

        theirs = [key for key, one in self.listed.items() if one.subject_id == folded]
        return await self._correct(f"{group.subject} is {name}", act, partial(self._renamed, theirs))

    async def _assign_face(self, face: Face, name: str) -> bool:
        self._given, after = name, face

        def act(catalog: Catalog, *, sure: bool) -> Belongs:
            nonlocal after
            done = people.assign(catalog, face.id, name, sure=sure)
            after = faces.get(catalog, face.id)
            return done

        return await self._correct(f"face {face.id} is {name}'s", act, lambda _: self._changed_hands(after))

    async def _correct(self, told: str, act: Act, show: Shown, *, sure: bool = False) -> bool:
        """Make a correction and show it; False where it can't be made, and the reason stands on the status line."""

        def work(catalog: Catalog) -> tuple[Belongs, Subject | None]:
            done = act(catalog, sure=sure)
            return done, subjects.get(catalog, done.subject) if done.done else None

        try:
            done, person = await self.decide(work)
        except KyodakuError as error:
            self.say(str(error), error=True)
            return False
        if person is None:
            self.ask(partial(self._ask_sure, told, act, show, done))
            return True
        new = person.name not in self.names
        if new:
            insort(self.names, person.name)
        show(person)
        self.say(f"{person.name}{', a new person' if new else ''}: {counted(done.faces, 'face')}   u undoes")
        if done.settled.lines():
            self.ask(partial(self.tell_settled, done.settled))
        return True

    async def _ask_sure(self, told: str, act: Act, show: Shown, foreseen: Belongs) -> None:
        """Models would go out of use: show which, and ask."""
        lines = [*foreseen.settled.lines(), "", "Undoing it does not bring these models back."]
        if await self.app.push_screen_wait(Confirm(f"{told}?", lines, yes="do it")):
            await self._correct(told, act, show, sure=True)

    def _renamed(self, keys: list[Key], person: Subject) -> None:
        """The entries of these rows are this person's now."""
        for key in self.listed.keys() & set(keys):
            self.listed[key] = replace(self.listed[key], subject_id=person.id, subject=person.name)
            self.groups.put(key, self.group_cells(self.listed[key]))
        if self.kyodaku.advances:
            self.groups.move_to(self.groups.cursor + 1)

    def _changed_hands(self, face: Face) -> None:
        """A face is somebody's now, by a person's word: the entry's own still, or none of it."""
        group = self.group
        if group is None or (face.cluster, face.subject_id) != (group.cluster, group.subject_id):
            self._leaves(face.id)
            return
        self.shown[face.id] = face
        self.faces.put(face.id, self.face_cells(face))
        if self.kyodaku.advances:
            self.faces.move_to(self.faces.cursor + 1)

    def _leaves(self, face_id: int) -> None:
        """A face is none of the entry's any more; the cursor stands on the next."""
        if self.shown.pop(face_id, None) is None:
            return
        self.faces.drop(face_id)
        key, group = self._entry()
        self.listed[key] = replace(group, faces=group.faces - 1)
        self.groups.put(key, self.group_cells(self.listed[key]))
