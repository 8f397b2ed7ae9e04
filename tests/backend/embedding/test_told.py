"""Pages as text, for terminals and agents."""

import pytest

from backend.embedding.told import kind_of, wants_text

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CURL = {"accept": "*/*", "user_agent": "curl/8.5.0"}


@pytest.mark.parametrize(
    ("accept", "agent", "wanted"),
    [
        ("*/*", "curl/8.5.0", True),
        ("", "Wget/1.21", True),
        ("text/markdown, text/html;q=0.5", "an agent", True),
        ("text/plain", "Mozilla/5.0", True),
        (BROWSER, "Mozilla/5.0", False),
        (BROWSER, "curl/8.5.0", False),
        ("*/*", "Twitterbot/1.0", False),
        ("text/html, text/plain;q=0.5", "curl/8.5.0", False),
        ("application/json", "curl/8.5.0", False),
        ("text/plain;q=nonsense", "x", False),
    ],
)
def test_text_is_for_those_who_want_no_html(accept, agent, wanted):
    assert wants_text(accept, agent) is wanted


def test_markdown_is_called_so_when_it_is_asked_for():
    assert kind_of("text/markdown") == "text/markdown"
    assert kind_of("*/*") == kind_of("text/plain, text/markdown;q=0.1") == "text/plain"


@pytest.fixture
def filled(bench, ada):
    files = {"README.md": b"# Notes\n\n\x1b[31mred\x1b[0m\n", "src/a.py": b"x = 1\n", "b.bin": b"\0\1"}
    bench.landed(ada, files, goal="Begin")
    bench.landed(ada, {"src/a.py": b"x = 2\n"}, goal="Go on")
    return bench


def test_a_project_says_how_to_clone_it_and_shows_its_readme(get, filled):
    answer = get("/acme/notes", **CURL)

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert {"accept", "user-agent"} <= {part.strip().lower() for part in answer.headers["vary"].split(",")}
    lines = answer.text.splitlines()
    assert lines[0] == "# acme/notes"
    assert "    git clone http://forge.test/acme/notes" in lines
    assert "- src/" in lines and "## README.md" in lines
    assert any(line.startswith("- #2 Go on") for line in lines)
    assert "\x1b" not in answer.text, "a terminal obeys nobody's README"
    assert get("/acme/notes", **CURL, if_none_match=answer.headers["etag"]).status_code == 304


def test_files_landings_and_sessions_are_told(get, filled, ada):
    assert get("/acme/notes/blob/HEAD/src/a.py", **CURL).text == "x = 2\n"
    assert "/acme/notes/raw/HEAD/b.bin" in get("/acme/notes/blob/HEAD/b.bin", **CURL).text
    assert "- a.py" in get("/acme/notes/tree/HEAD/src", **CURL).text

    landing = get("/acme/notes/landings/2", **CURL).text
    assert landing.startswith("# Go on\n")
    assert "--- a/src/a.py\n+++ b/src/a.py\n@@ -1,1 +1,1 @@\n-x = 1\n+x = 2\n" in landing
    assert "Go on" in get("/acme/notes/landings", **CURL).text
    session = filled.start(ada, goal="Work on it")
    told = get(f"/acme/notes/sessions/{session.id}", ada, **CURL).text
    assert told.startswith("# Work on it\n") and "No file changed." in told
    assert "Work on it" in get("/acme/notes/sessions", ada, **CURL).text


def test_owners_and_the_forge_are_told(get, filled):
    assert "- http://forge.test/acme/notes" in get("/acme", **CURL).text
    assert get("/", **CURL).text.startswith("# Micelio\n")
    assert get("/acme", accept="text/markdown").headers["content-type"].startswith("text/markdown")


def test_what_may_not_be_seen_is_missing_in_a_sentence(get, filled, ada):
    private, missing = get("/acme/plans", **CURL), get("/acme/none", **CURL)

    assert private.status_code == missing.status_code == 404
    assert private.text == missing.text and private.text.endswith(".\n") and "{" not in private.text
    assert get("/acme/plans", ada, **CURL).text.startswith("# acme/plans")
    assert get("/acme/plans", **CURL, authorization="Bearer mic_wrong").status_code == 401


@pytest.mark.parametrize("address", ["/skill.md", "/robots.txt", "/api/v1/projects", "/avatars/ada.svg"])
def test_addresses_that_are_no_pages_are_what_they_are_for_curl_too(get, filled, address):
    assert get(address, **CURL).content == get(address, accept=BROWSER).content
