import re
from datetime import date

from micelio_app.ui import days


def test_a_spark_says_how_much_landed_and_draws_a_bar_a_day():
    drawn = days.spark([0, 1, 4])

    assert 'aria-label="5 landings in 3 days"' in drawn
    assert re.findall(r'data-n="(\d)" style="--v:([\d.]+)"', drawn) == [
        ("0", "0.00"),
        ("1", "0.25"),
        ("1", "1.00"),
    ]


def test_nothing_landed_is_no_spark():
    assert days.spark([0, 0]) == days.spark([]) == ""


def test_a_calendar_has_a_column_a_week_and_a_sentence():
    drawn = days.calendar(date(2026, 3, 2), [0, 1, 2, 5, 9, 0, 0, 1])

    assert 'aria-label="18 landings in 2 weeks; most on 2026-03-06: 9"' in drawn
    assert re.findall(r'data-n="(\d)"', drawn) == list("01234001")
    assert drawn.count("<span>") == 2
    assert 'title="2026-03-09: 1 landing"' in drawn


def test_an_empty_calendar_says_so():
    assert "No landings in 1 weeks" not in days.calendar(date(2026, 3, 2), [0] * 8)
    assert 'aria-label="No landings in 2 weeks"' in days.calendar(date(2026, 3, 2), [0] * 8)
