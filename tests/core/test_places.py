from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import places
from core.places import Place, nearest


def test_towns_near_and_nothing_out_at_sea() -> None:
    found = nearest([(17.97, 102.6), (59.33, 18.06), (0.0, -30.0), (-16.42, 179.4), (-16.42, 179.4 - 360)])
    assert found[:3] == [Place("Vientiane", "LA"), Place("Stockholm", "SE"), None]
    assert found[3:] == [Place("Lambasa", "FJ")] * 2


@pytest.mark.parametrize(
    ("position", "country", "towns"),
    [
        ((19.885, 102.135), "LA", {"Louangphabang"}),
        ((14.118, 105.857), "LA", {"Muang Khong", "Khong"}),
        ((18.787, 98.993), "TH", {"Chiang Mai"}),
        ((17.88, 102.742), "TH", {"Nong Khai"}),  # across the river from Lao PDR
        ((35.0, 135.768), "JP", {"Kyoto"}),
        ((43.06, 141.35), "JP", {"Sapporo"}),
        ((26.212, 127.68), "JP", {"Naha", "Naha-shi"}),
    ],
)
def test_towns_of_lao_thailand_and_japan(position: tuple[float, float], country: str, towns: set[str]) -> None:
    (found,) = nearest([position])
    assert found is not None
    assert found.country == country
    assert found.town in towns


def test_the_poles_and_the_date_line_are_no_special_case() -> None:
    poles = [(90.0, 0.0), (90.0, 135.0), (-90.0, 0.0), (-90.0, -180.0)]
    assert nearest(poles) == [None] * 4
    assert nearest([(66.32, -179.12), (66.32, 179.95), (66.32, -180.05)]) == [Place("Egvekinot", "RU")] * 3
    assert nearest([(0.0, 180.0), (0.0, -180.0), (52.0, -160.0)]) == [None] * 3


def test_nothing_asked_nothing_loaded() -> None:
    assert nearest([]) == []


# Zones ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "local", "minutes"),
    [
        ((17.97, 102.6), "2019-04-05T10:30", 420),  # Vientiane
        ((27.7, 85.3), "2019-04-05T10:30", 345),  # Kathmandu
        ((59.33, 18.06), "2019-01-05T10:30", 60),  # Stockholm, winter and summer
        ((59.33, 18.06), "2019-07-05T10:30", 120),
        ((59.33, 18.06), "2019-03-31T02:30", 60),  # skipped: a clock not put forward yet
        ((59.33, 18.06), "2019-10-27T02:30", 120),  # shown twice: the first
        ((40.7, -74.0), "2019-07-05T10:30", -240),
        ((-33.87, 151.2), "2019-01-05T10:30", 660),
        ((1.87, -157.4), "2019-01-05T10:30", 840),  # Kiritimati
        ((-14.28, -170.7), "2019-01-05T10:30", -660),  # Pago Pago
        ((0.0, -30.0), "2019-01-05T10:30", None),  # at sea
        ((90.0, 0.0), "2019-01-05T10:30", None),
        ((17.97, 102.6), "1890-01-05T10:30", None),  # mean time, which has seconds
    ],
)
def test_the_clocks_of_a_place(where: tuple[float, float], local: str, minutes: int | None) -> None:
    assert places.offset(*where, datetime.fromisoformat(local)) == minutes


@settings(deadline=None, max_examples=300)
@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),
)
def test_any_place_at_any_time_has_an_offset_or_none(lat: float, lon: float, local: datetime) -> None:
    minutes = places.offset(lat, lon, local)
    assert minutes is None or -16 * 60 <= minutes <= 16 * 60
