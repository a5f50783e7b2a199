from __future__ import annotations

from core.places import Place, nearest


def test_towns_near_and_nothing_out_at_sea() -> None:
    found = nearest([(17.97, 102.6), (59.33, 18.06), (0.0, -30.0), (-16.42, 179.4), (-16.42, 179.4 - 360)])
    assert found[:3] == [Place("Vientiane", "LA"), Place("Stockholm", "SE"), None]
    assert found[3:] == [Place("Lambasa", "FJ")] * 2


def test_nothing_asked_nothing_loaded() -> None:
    assert nearest([]) == []
