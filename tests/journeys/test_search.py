"""Searching from the command line: what is found, how many by what, and what a mistake says."""

from __future__ import annotations

from tests.journeys.driver import SAMPLE, Kyodaku


def test_a_search_its_count_and_its_facets_agree(kyodaku: Kyodaku) -> None:
    indexed = kyodaku.json("index", SAMPLE / "photos")
    everything = kyodaku.json("find", "", "--limit", "1000")
    counted = kyodaku.json("find", "", "--facets", "year,camera,status,subject")
    assert len(everything) == indexed["new"] == counted["count"]
    assert list(counted["facets"]) == ["year", "camera", "status", "subject"]
    cameras = counted["facets"]["camera"]
    assert sum(facet["count"] for facet in cameras) == counted["count"]
    assert len(cameras) > 2
    for facet in cameras:
        asked = "camera:none" if facet["value"] is None else f'camera:"={facet["value"]}"'
        assert kyodaku.json("find", asked, "--count") == {"count": facet["count"]}
    said = kyodaku("find", "camera:any", "--facets", "year")
    assert said.status == 0
    assert said.out.splitlines()[0] == f"{counted['count'] - _of(cameras, None):,} photographs"


def _of(facets: list[dict[str, object]], value: object) -> int:
    (found,) = [facet["count"] for facet in facets if facet["value"] == value] or [0]
    assert isinstance(found, int)
    return found


def test_a_facet_or_an_order_that_is_none_lists_what_there_is(kyodaku: Kyodaku) -> None:
    for option, wrong in (("--facets", "year,beauty"), ("--sort", "beauty")):
        said = kyodaku("find", "", option, wrong)
        assert said.status == 2
        assert "'beauty'" in said.err
        assert "camera" in said.err
        assert said.out == ""
