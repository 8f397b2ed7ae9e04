import asyncio
import json
import re
from html.parser import HTMLParser

import pytest

from backend.core.errors import InvalidInput, NotFound, Unavailable
from micelio_app import head as heads
from micelio_app import routes
from micelio_app.head import MISSING, Head


def head_of(path, session):
    return asyncio.run(heads.head_for(path, session))


@pytest.fixture
def pages(monkeypatch):
    monkeypatch.setattr(routes, "PAGES", ["/", "/[org]/[project]"])
    monkeypatch.setattr(heads, "_makers", {})


def test_what_people_wrote_cannot_leave_its_tag():
    tags = Head(title='</title><script>"', description='"><script>', json_ld={"name": "</script><b>&"}).tags(
        ""
    )
    assert tags.count("<script") == 1
    assert "&lt;/title&gt;" in tags
    data = re.search(r'<script type="application/ld\+json">(.*)</script>', tags)[1]
    assert "<" not in data
    assert json.loads(data)["name"] == "</script><b>&"


def test_addresses_in_the_head_are_absolute():
    tags = Head(title="x", path="/ada/notes", image="/og/ada.png").tags("https://forge.example")
    assert '<link rel="canonical" href="https://forge.example/ada/notes">' in tags
    assert 'content="https://forge.example/og/ada.png"' in tags


def test_the_site_is_named_once_in_a_title():
    assert Head(title="Sign in").full_title == "Sign in · Micelio"
    assert Head(title="Micelio").full_title == "Micelio"


def test_a_head_is_made_for_whoever_asks(pages):
    @heads.head("/[org]/[project]")
    async def project(session, *, org, project):
        return Head(title=f"{org} {project} {session}")

    found = head_of("/ada/a%2Fb", "s1")
    assert found.title == "ada a/b s1"


@pytest.mark.parametrize("refusal", [NotFound(what="project"), InvalidInput(problem="no")])
def test_refused_missing_and_unknown_are_the_same_page(pages, refusal):
    @heads.head("/[org]/[project]")
    async def project(session, *, org, project):
        raise refusal

    assert head_of("/ada/notes", None) is MISSING
    assert head_of("/a/b/c/d", None) is MISSING


def test_a_forge_in_trouble_is_not_a_missing_page(pages):
    @heads.head("/")
    async def home(session):
        raise Unavailable(problem="The database is away.")

    with pytest.raises(Unavailable):
        head_of("/", None)


def test_a_page_says_how_it_looks_elsewhere():
    head = Head(title="x", path="/ada/a b", image="/og/ada/notes.png?v=1", feed="/ada.atom", embeds=True)
    tags = _Tags()
    tags.feed(head.tags("https://forge.example"))

    assert tags.meta["og:image"] == tags.meta["twitter:image"] == "https://forge.example/og/ada/notes.png?v=1"
    assert (tags.meta["og:image:width"], tags.meta["og:image:height"]) == ("1200", "630")
    assert tags.meta["twitter:card"] == "summary_large_image"
    assert tags.links["application/atom+xml"] == "https://forge.example/ada.atom"
    asked = "?url=https%3A%2F%2Fforge.example%2Fada%2Fa%20b"
    assert tags.links["application/json+oembed"] == f"https://forge.example/oembed.json{asked}"
    assert tags.links["text/xml+oembed"] == f"https://forge.example/oembed.xml{asked}"


def test_a_page_that_is_nobodys_business_says_nothing_for_elsewhere():
    tags = _Tags()
    tags.feed(Head(title="x", path="/ada/notes", description="long " * 200).tags(""))

    assert not any(name.startswith("og:image") for name in tags.meta) and "twitter:image" not in tags.meta
    assert set(tags.links) == {"canonical"}
    assert len(tags.meta["description"]) <= 300 and tags.meta["description"].endswith("…")


class _Tags(HTMLParser):
    """Metas by name, links by type."""

    def __init__(self):
        super().__init__()
        self.meta, self.links = {}, {}

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "meta":
            self.meta[given.get("property") or given["name"]] = given["content"]
        if tag == "link":
            self.links[given.get("type") or given["rel"]] = given["href"]
