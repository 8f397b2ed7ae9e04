"""What readers without scripts get of a search, and that what people wrote stays text."""

from backend.projects.service import update_project
from micelio_app import routes
from micelio_app.pages import search


def test_a_search_without_scripts_lists_what_was_found_with_marks(bench, ada, head_of):
    bench.run(ada, update_project, organization="acme", project="notes", description="Notes <b>& more")

    found = head_of("/search?q=note")

    assert found.status == 200
    assert found.title == "note · Search"
    assert '<a href="/acme/notes" dir="auto">acme/<mark>notes</mark></a>' in found.body
    assert "<mark>Notes</mark> &lt;b&gt;&amp; more" in found.body
    assert 'value="note"' in found.body


def test_a_search_says_when_it_found_nothing_and_asks_when_nothing_was_asked(head_of):
    assert "Nothing found." in head_of("/search?q=zzz").body
    assert "<ul" not in head_of("/search").body
    assert head_of("/search?q=%00").title == "Search"


def test_what_is_asked_cannot_leave_its_field(head_of):
    assert '"><script>' not in head_of("/search?q=%22%3E%3Cscript%3E").body
    assert head_of("/search?q=a&kind=stone&cursor=").status == 200


def test_texts_are_cut_where_words_are_marked(bench, ada):
    found = bench.run(ada, search.operations.search_forge, q="note").items[0]

    assert search.parts(found, "address") == [search.Part("acme/", False), search.Part("notes", True)]


def test_addresses_of_searches_keep_the_question():
    assert routes.search("a b&c", "session") == "/search?q=a+b%26c&kind=session"
    assert search.clean("  a\0b  ") == "ab"
