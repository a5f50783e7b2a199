"""`people cluster`, `nearest` and `suggest`, as scripts and people read them."""

from __future__ import annotations

import numpy as np

from storage import catalog as catalogs
from storage import faces
from storage.faces import NewFace
from tests.journeys.driver import Kyodaku

PEOPLE, EACH = 12, 5


def take_photographs(kyodaku: Kyodaku) -> list[int]:
    """Five faces each of twelve people, in turn; their ids."""
    draws = np.random.default_rng(3)
    centres = draws.normal(size=(PEOPLE, 128)) / 16
    with catalogs.open_catalog(kyodaku.catalog) as catalog:
        with catalog.transaction() as db:
            db.execute("INSERT INTO folders(id, path) VALUES (1, ?)", (b"/a",))
            for number in range(1, PEOPLE * EACH + 1):
                db.execute(
                    "INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)"
                    " VALUES (?, 1, ?, ?, 1, 1, 1, 1)",
                    (number, b"%d.jpg" % number, f"/a/{number}.jpg"),
                )
        for number in range(1, PEOPLE * EACH + 1):
            vector = centres[number % PEOPLE] + draws.normal(size=128) / 80
            found = NewFace((0, 0, 90, 90), 0.99, vector.astype("f4"))
            faces.replace_faces(catalog, number, [found], "dlib-resnet-v1")
        return [face.id for face in faces.page(catalog)]


def test_the_nearest_of_a_face_and_who_somebody_could_be(kyodaku: Kyodaku) -> None:
    ids = take_photographs(kyodaku)
    told = kyodaku.json("people", "cluster")
    assert (told["clusters"], told["faces"], told["looked_at"]) == (PEOPLE, PEOPLE * EACH, PEOPLE * EACH)
    near = kyodaku.json("people", "nearest", str(ids[0]), "--limit", "4")
    assert {one["face"] for one in near} == set(ids[PEOPLE::PEOPLE])
    assert near[0].keys() == {"face", "distance", "photo", "path", "subject", "cluster"}
    cluster = near[0]["cluster"]
    kyodaku.json("people", "name", str(cluster), "Anna")
    split = kyodaku.json("people", "split", "Anna", str(ids[0]))
    assert split["faces"] == EACH - 1
    assert kyodaku.json("people", "suggest", "Anna") == []  # a person said that it is not hers
    other = kyodaku.json("people", "list", "--unnamed")[0]["cluster"]
    assert kyodaku.json("people", "suggest", str(other)) == []  # like nobody known
    assert kyodaku.json("people", "cluster", "--only-new")["looked_at"] == 0
    said = kyodaku("people", "nearest", str(ids[0]), "--limit", "2")
    assert said.out.splitlines()[0].split() == ["face", "distance", "subject", "cluster", "photograph"]
    assert len(said.out.splitlines()) == 3


def test_what_is_not_there_is_bad_input(kyodaku: Kyodaku) -> None:
    for command in (("nearest", "7"), ("suggest", "7"), ("suggest", "Nobody")):
        said = kyodaku("people", *command)
        assert said.status == 2
        assert said.err.startswith("kyodaku: there is no")
