"""Badges, feeds, oEmbed and sitemaps, read by parsers."""

import json
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import pytest

from backend.embedding import crawlers, licences
from backend.embedding.badges import badge
from backend.projects.service import update_project
from tests.backend.workbench import Workbench

ATOM = "{http://www.w3.org/2005/Atom}"
SVG = "{http://www.w3.org/2000/svg}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
HOSTILE = "</title>]]><script>alert(\"1\" & '2')</script>\x0b\ufffe --> <!-- 中文 \u202e"
MIT = b"MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\n"


def told(answer) -> str:
    """What a badge says."""
    tree = ElementTree.fromstring(answer.content)
    assert {element.tag.removeprefix(SVG) for element in tree.iter()} <= {
        *("svg", "title", "clipPath", "rect", "g", "text")
    }
    return tree.find(f"{SVG}title").text


def test_badges_tell_one_fact(get, bench, ada):
    bench.landed(ada, {"LICENSE": MIT})
    bench.run(ada, update_project, **bench.where, session_visibility="anyone")
    bench.start(ada)

    first = get("/acme/notes/badge.svg")
    assert told(first) == "landings: 1"
    assert told(get("/acme/notes/badge.svg?show=sessions")) == "sessions: 1 open"
    assert told(get("/acme/notes/badge.svg?show=licence")) == "licence: MIT"
    assert get("/acme/notes/badge.svg?show=stars").status_code == 422

    # What a proxy for pictures asks for: a type, a time to keep it, a tag, nothing about cookies.
    assert first.headers["content-type"].startswith("image/svg+xml")
    assert "public" in first.headers["cache-control"] and "max-age" in first.headers["cache-control"]
    assert "cookie" not in first.headers.get("vary", "").lower() and "set-cookie" not in first.headers
    assert get("/acme/notes/badge.svg", if_none_match=first.headers["etag"]).status_code == 304


def test_a_private_project_has_no_badge_for_anybody(get, bench, ada):
    missing, private = get("/acme/none/badge.svg"), get("/acme/plans/badge.svg")

    assert private.status_code == missing.status_code == 404
    assert get("/acme/plans/badge.svg", ada).status_code == 404
    alike = ("type", "title", "status", "detail")
    assert [private.json().get(k) for k in alike] == [missing.json().get(k) for k in alike]


def test_a_badge_shows_what_it_is_given_and_nothing_more():
    tree = ElementTree.fromstring(badge("licence", "<script>&\"'"))

    assert [element.text for element in tree.iter(f"{SVG}text")] == ["licence", "<script>&\"'"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MIT.decode(), "MIT"),
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007", "GPL-3.0"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\n Version 3", "AGPL-3.0"),
        ("SPDX-License-Identifier: EUPL-1.2\n", "EUPL-1.2"),
        ("Redistributions in binary form must reproduce the above copyright notice", "BSD-2-Clause"),
        ("All rights reserved.", "other"),
        ("", "other"),
    ],
)
def test_a_licence_is_known_by_its_words(text, name):
    assert licences.named(text) == name


def test_a_projects_feed_is_valid(get, bench, ada):
    bench.run(ada, update_project, **bench.where, description=HOSTILE)
    for number in range(2):
        bench.landed(ada, {"a": b"%d\n" % number}, goal=f"{number} {HOSTILE.replace(chr(0x0B), '')}")

    answer = get("/acme/notes/landings.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = checked_feed(answer.content)
    titles = [entry.find(f"{ATOM}title").text for entry in feed.iter(f"{ATOM}entry")]
    assert [title[0] for title in titles] == ["1", "0"], "newest first"
    assert "<script>" in titles[0], "as text"

    own = next(link for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self")
    assert own.get("href") == "http://forge.test/acme/notes/landings.atom"
    assert get("/acme/notes/landings.atom", if_none_match=answer.headers["etag"]).status_code == 304


def checked_feed(content: bytes) -> ElementTree.Element:
    """The feed, once it has what RFC 4287 asks of one."""
    feed = ElementTree.fromstring(content)
    assert feed.tag == f"{ATOM}feed"
    ids = []
    for node in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(node.findall(f"{ATOM}{name}")) == 1, name
        ids.append(node.find(f"{ATOM}id").text)
        assert urlsplit(ids[-1]).scheme == "urn"
        for name in ("updated", "published"):
            for moment in node.findall(f"{ATOM}{name}"):
                assert datetime.fromisoformat(moment.text).tzinfo is not None
        assert all(author.find(f"{ATOM}name").text for author in node.findall(f"{ATOM}author"))
        assert node.find(f"{ATOM}author") is not None
        alternates = [link for link in node.findall(f"{ATOM}link") if link.get("rel") == "alternate"]
        assert len(alternates) == 1 and alternates[0].get("href").startswith("http://forge.test/")
    assert len(set(ids)) == len(ids)
    return feed


def test_a_feed_of_nothing_is_a_feed(get, bench, ada):
    assert checked_feed(get("/acme/notes/landings.atom").content).findall(f"{ATOM}entry") == []
    assert get("/acme/plans/landings.atom", ada).status_code == 404
    assert get("/acme/none/landings.atom").status_code == 404


def test_a_person_has_a_feed_of_what_they_landed_in_public(get, bench, ada, grace):
    bench.landed(ada, {"a": b"1\n"}, goal="By ada")
    bench.landed(grace, {"b": b"1\n"}, goal="By grace")
    bench.on("acme/plans").landed(ada, {"a": b"1\n"}, goal="In private")

    feed = checked_feed(get("/ada.atom", ada).content)
    assert [entry.find(f"{ATOM}title").text for entry in feed.iter(f"{ATOM}entry")] == ["acme/notes: By ada"]
    ours = checked_feed(get("/acme.atom").content)
    assert len(ours.findall(f"{ATOM}entry")) == 2
    assert get("/nobody.atom").status_code == 404

    project = checked_feed(get("/acme/notes/landings.atom").content)
    ids = [[entry.find(f"{ATOM}id").text for entry in each.iter(f"{ATOM}entry")] for each in (feed, project)]
    assert set(ids[0]) < set(ids[1]), "a landing is one entry everywhere"


class _Quoted(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


def test_a_landing_is_embedded_as_a_quotation(get, bench, ada):
    goal = HOSTILE.replace("\x0b", "")
    bench.landed(ada, {"a": b"1\n"}, goal=goal)
    page = "http://forge.test/acme/notes/landings/1"

    answer = get(f"/oembed.json?url={quote(page, safe='')}")
    told = answer.json()
    assert (told["type"], told["version"], told["provider_name"]) == ("rich", "1.0", "Micelio")
    assert told["title"] == goal and isinstance(told["width"], int) and isinstance(told["height"], int)
    quoted = _Quoted()
    quoted.feed(told["html"])
    assert set(quoted.tags) == {"blockquote", "p", "a", "footer"} and quoted.links == [page]
    assert "<script>" in quoted.text
    assert get(urlsplit(told["thumbnail_url"]).path).status_code == 200

    tree = ElementTree.fromstring(get(f"/oembed.xml?url={quote(page, safe='')}").content)
    assert tree.tag == "oembed"
    assert {node.tag: node.text for node in tree}["html"] == told["html"].replace("\ufffe", "\ufffd")


def test_an_owner_is_embedded_with_their_picture(get, bench):
    told = get(f"/oembed.json?url={quote('http://forge.test/acme', safe='')}").json()
    picture = get(told["thumbnail_url"].removeprefix("http://forge.test"))

    assert (told["title"], told["author_url"]) == ("Acme", "http://forge.test/acme")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content[:8] == b"\x89PNG\r\n\x1a\n"


def test_an_embedding_fits_where_it_is_asked_for(get, bench):
    page = quote("http://forge.test/acme/notes", safe="")

    small = get(f"/oembed.json?url={page}&maxwidth=300&maxheight=90").json()
    assert (small["width"], small["height"]) == (300, 90) and "thumbnail_url" not in small
    assert get(f"/oembed.json?url={page}&maxwidth=wide").status_code == 422
    assert get(f"/oembed.json?url={page}&format=xml").status_code == 501
    assert get("/oembed.json").status_code == 422


@pytest.mark.parametrize(
    "page",
    [
        "http://forge.test/acme/plans",
        "http://forge.test/acme/none",
        "http://elsewhere.test/acme/notes",
        "notes",
    ],
)
def test_what_strangers_do_not_see_is_not_embedded(get, bench, ada, page):
    assert get(f"/oembed.json?url={quote(page, safe='')}", ada).status_code == 404


def test_sitemaps_hold_what_is_public_in_pages(get, bench: Workbench, ada, monkeypatch):
    for number in range(4):
        bench.on(f"acme/p{number}").create(ada, visibility="public")
    monkeypatch.setattr(crawlers, "PAGE", 4)

    index = ElementTree.fromstring(get("/sitemap.xml").content)
    assert index.tag == f"{MAP}sitemapindex"
    pages = [place.text for place in index.iter(f"{MAP}loc")]
    found = []
    for page in pages:
        tree = ElementTree.fromstring(get(urlsplit(page).path).content)
        assert tree.tag == f"{MAP}urlset"
        found += [place.text for place in tree.iter(f"{MAP}loc")]
    projects = {f"http://forge.test/acme/{name}" for name in ("notes", "p0", "p1", "p2", "p3")}
    assert set(found) == {"http://forge.test/", "http://forge.test/acme"} | projects
    assert len(pages) == 3
    assert get("/sitemap-9.xml").status_code == 404


def test_robots_leave_alone_what_is_expensive(get, bench):
    rules = get("/robots.txt").text.splitlines()
    refused = [rule.removeprefix("Disallow: ") for rule in rules if rule.startswith("Disallow: ")]

    assert {"/*/*/raw/", "/*/*/archive/", "/*/*/compare", "/_fragments/", "/api/"} <= set(refused)
    assert "/" not in refused and "Sitemap: http://forge.test/sitemap.xml" in rules


def test_answers_are_json_where_they_say_so(get, bench):
    page = quote("http://forge.test/acme/notes", safe="")
    answer = get(f"/oembed.json?url={page}")

    assert json.loads(answer.content)["title"] == "notes"
    assert answer.headers["content-type"] == "application/json"
