"""Captions from the command line: shown, counted, changed, by file, proposed by a tagger, undone, and trained on."""

from __future__ import annotations

import stat
from pathlib import Path

from core.captioning import change
from storage import catalog as catalogs
from tests import small_archive
from tests.journeys.driver import Kyodaku
from tests.tiny_tagger import write_wd14

PLAIN = "photo of {trigger} person"


def test_captions_are_changed_by_commands_and_by_file(kyodaku: Kyodaku, tmp_path: Path) -> None:
    with catalogs.open_catalog(kyodaku.catalog) as catalog:
        small_archive.build(catalog, tmp_path / "archive", people=2, pictures=2).freeze("friends")

    def said() -> list[str]:
        with catalogs.open_catalog(kyodaku.catalog, readonly=True) as catalog:
            return [one.caption for one in sorted(change.listing(catalog, "friends"), key=lambda one: one.key[::-1])]

    shown = kyodaku.json("captions", "show", "friends")
    assert [row["caption"] for row in shown] == said() == [PLAIN] * 4
    first = shown[0]["picture"]
    foreseen = kyodaku.json("captions", "edit", "friends", "--add", "hat", "--dry-run")
    assert (foreseen["pictures"], len(foreseen["changed"]), foreseen["dry_run"]) == (4, 4, True)
    done = kyodaku("captions", "edit", "friends", "--add", "hat", "--picture", first)
    assert done.out.splitlines() == ["with 'hat': 1 picture, 1 changed", f"  {first}: {PLAIN}, hat"]
    assert kyodaku("captions", "edit", "friends", "--holding", "hat", "--replace", "hat", "red hat").status == 0
    assert kyodaku("captions", "edit", "friends", "--subject", "Person 1", "--prepend", "sea").status == 0
    assert said() == [f"{PLAIN}, red hat", PLAIN, f"sea, {PLAIN}", f"sea, {PLAIN}"]
    assert kyodaku.json("captions", "tags", "friends") == {PLAIN: 4, "sea": 2, "red hat": 1}
    refused = kyodaku("captions", "edit", "friends", "--add", "schoolgirl")
    assert (refused.status, refused.out) == (1, "")
    assert "it names a minor" in refused.err
    assert "has no picture 9.9" in kyodaku("captions", "edit", "friends", "--add", "hat", "--picture", "9.9").err

    lines = tmp_path / "captions.tsv"
    assert kyodaku.json("captions", "export", "friends", "-o", lines)["captions"] == 4
    lines.write_text(lines.read_text().replace("sea, ", ""))
    assert len(kyodaku.json("captions", "import", "friends", lines)["changed"]) == 2
    assert said() == [f"{PLAIN}, red hat", *[PLAIN] * 3]
    texts = tmp_path / "texts"
    assert kyodaku("captions", "export", "friends", "--sidecars", texts, "--trigger", "ohwx").status == 0
    assert (texts / "0-0.txt").read_text() in ("photo of ohwx person", "photo of ohwx person, red hat")
    assert stat.S_IMODE((texts / "0-0.txt").stat().st_mode) == 0o600
    (texts / "0-0.txt").write_text("ohwx by the sea\n")
    assert list(kyodaku.json("captions", "import", "friends", texts, "--trigger", "ohwx")["changed"].values()) == [
        "{trigger} by the sea"
    ]
    assert kyodaku("undo", "-n", "5").status == 0
    assert said() == [PLAIN] * 4

    write_wd14(tmp_path / "wd")
    looked = kyodaku.json("captions", "propose", "friends", "--wd14", tmp_path / "wd")
    assert (looked["pictures"], looked["before"]) == (4, 0)
    assert kyodaku("captions", "propose", "friends", "--clip", tmp_path).status == 2
    taken = kyodaku("captions", "accept", "friends", "--tag", "^_^")
    assert taken.out.splitlines()[0] == "with tags proposed: 4 pictures, 4 changed"
    assert said() == [f"{PLAIN}, ^_^"] * 4
