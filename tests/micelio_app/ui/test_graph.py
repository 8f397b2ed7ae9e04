import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from micelio_app.ui.graph import Growing, Landed, thread_map

START = datetime(2026, 11, 1, tzinfo=UTC)


def landings(count, **changes):
    return [
        Landed(
            position=n,
            base=max(0, n - 3),
            at=START + timedelta(hours=n * n),
            by="ai",
            lines=n * 10,
            **changes,
        )
        for n in range(1, count + 1)
    ]


def test_an_empty_trunk_draws_nothing():
    assert thread_map([]) == ""


def test_the_map_is_one_well_formed_picture_with_a_label():
    svg = thread_map(landings(42), [Growing(base=41, name="a <b> & c", after="2 min")])
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == "The trunk: landings 3 to 42, and 1 session growing from it"
    assert "a <b> & c" in "".join(root.itertext())


def test_landings_stand_in_their_order_inside_the_picture():
    svg = thread_map(landings(100))
    places = [float(x) for x in re.findall(r'<circle class="ai" cx="([\d.]+)"', svg)]
    assert len(places) == 40
    assert places == sorted(set(places))
    assert places[0] > 0
    assert places[-1] < 1216


def test_the_newest_landing_is_always_numbered():
    assert 'class="strong">#7</text>' in thread_map(landings(7))
