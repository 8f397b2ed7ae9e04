import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.accounts import handles
from micelio_app import head, pages, routes

names = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1
)


@pytest.fixture
def some_pages(monkeypatch):
    every = [v for k, v in vars(routes).items() if k.isupper() and isinstance(v, str) and v.startswith("/")]
    monkeypatch.setattr(routes, "PAGES", every)


def test_handles_that_are_addresses_are_reserved():
    assert pages.ALL
    firsts = {p.split("/")[1] for p in routes.PAGES} - {"", "[org]"}
    assert firsts <= routes.RESERVED
    assert routes.RESERVED <= handles.RESERVED


def test_every_page_has_a_head():
    assert pages.ALL
    assert set(routes.PAGES) == set(head._makers)


def test_a_literal_segment_beats_a_slug(some_pages):
    assert routes.match("/ada/notes/landings")[0] == routes.LANDINGS
    assert routes.match("/ada/notes/landings/7") == (
        routes.LANDING,
        {"org": "ada", "project": "notes", "position": "7"},
    )


def test_a_reserved_word_is_never_a_handle(some_pages):
    assert routes.match("/signin") == (routes.SIGN_IN, {})
    assert routes.match("/api") is None
    assert routes.match("/assets/x") is None


def test_a_trailing_slash_changes_nothing(some_pages):
    assert routes.match("/ada/") == routes.match("/ada")
    assert routes.match("/") == (routes.HOME, {})


@given(ref=names, parts=st.lists(names.filter(lambda n: "/" not in n and n not in (".", "..")), min_size=1))
def test_a_link_to_a_file_leads_back_to_it(ref, parts):
    path = "/".join(parts)
    routes_before, routes.PAGES[:] = list(routes.PAGES), [routes.FILE, routes.TREE, routes.PROJECT]
    try:
        pattern, slugs = routes.match(routes.file("ada", "notes", ref, path))
    finally:
        routes.PAGES[:] = routes_before
    assert pattern == routes.FILE
    assert (slugs["ref"], slugs["splat"]) == (ref, path)


def test_going_on_after_sign_in_keeps_the_path():
    assert routes.sign_in("/ada/a b?x") == "/signin?next=/ada/a%20b%3Fx"
    assert routes.sign_in() == "/signin"
