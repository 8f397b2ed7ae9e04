"""Pages for readers without scripts: what their heads bring, on a real forge."""

import asyncio
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from sqlmodel import select

import micelio_app.pages
from backend.accounts.form_tokens import form_token
from backend.doors import identify
from backend.projects.models import Project, Ref
from backend.projects.service import update_project
from micelio_app import head, state
from micelio_app.callers import caller
from tests.backend.workbench import bench  # noqa: F401
from tests.micelio_app.visiting import visited

assert micelio_app.pages.ALL
HOSTILE = "</noscript><script>alert(1)</script> \"'&"


class Read(HTMLParser):
    """What a page without scripts has: tags, texts, addresses and forms."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.fields: dict[str, str] = {}
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "a":
            self.links.append(given["href"])
        if tag == "form":
            self.forms.append(given)
        if tag == "input":
            self.fields[given["name"]] = given.get("value", "")

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def database(migrated_sqlite, tmp_path):
    """One database is enough: no SQL is tested here."""
    shutil.copyfile(migrated_sqlite, tmp_path / "micelio.db")
    return f"sqlite:///{tmp_path / 'micelio.db'}"


@pytest.fixture
def read(forge, monkeypatch):
    """A page as somebody's browser gets it without scripts."""
    monkeypatch.setattr(state._Instance, "forge", forge)
    monkeypatch.setattr(state._Instance, "identify", identify.from_browser_id)

    def read(path: str, actor=None) -> Read:
        address, _, query = path.partition("?")
        browser = actor.browser_id if actor else None
        made = asyncio.run(head.head_for(address, browser, query))
        assert made.status == 200, path
        return Read(made.plain_body(signed_in=actor is not None))

    return read


@pytest.fixture
def filled(bench, ada):  # noqa: F811
    """acme/notes with a hostile landing, and a session that goes on."""
    bench.landed(ada, {"README.md": f"# Notes\n\n{HOSTILE}\n".encode(), "a/b.py": b"x = 1\n"}, goal=HOSTILE)
    return bench


def test_what_people_wrote_stays_text(filled, read, ada):
    session = filled.start(ada, goal=HOSTILE)
    paths = [
        *("", "/tree/HEAD/a", "/blob/HEAD/README.md", "/blob/HEAD/README.md?show=code"),
        *("/landings", "/landings/1", "/landings/1?show=changes", "/sessions"),
        *(f"/sessions/{session.id}?show={show}" for show in ("", "changes", "events")),
    ]
    for path in paths:
        page = read(f"/acme/notes{path}", ada)
        assert "script" not in page.tags and page.tags.count("noscript") == 1, path
        assert page.links and not any(link.lower().startswith("javascript") for link in page.links), path


def test_a_stranger_goes_from_the_project_to_the_session_behind_a_file(filled, read):
    home = read("/")
    assert {"/acme/notes", "/explore"} <= set(home.links)
    assert "/acme/plans" not in home.links and "script" not in home.tags
    front = read("/acme/notes")
    assert {"/acme/notes/blob/HEAD/README.md", "/acme/notes/landings/1"} <= set(front.links)
    assert "/signin?next=/acme/notes" in front.links
    assert "Notes" in front.text and front.forms == []

    landing = read("/acme/notes/landings/1")
    assert "?show=changes" in landing.links
    assert "x = 1" in read("/acme/notes/landings/1?show=changes").text
    behind = next(link for link in landing.links if "/sessions/" in link)
    assert "Conversation" in read(behind).text


def test_the_forms_of_a_session_are_those_one_may_use(filled, forge, read, ada, mallory):
    filled.run(ada, update_project, **filled.where, session_visibility="anyone")
    session = filled.start(ada)
    page = read(f"/acme/notes/sessions/{session.id}", ada)

    posted = [form["action"].rpartition("/")[2] for form in page.forms if "_forms" in form["action"]]
    assert posted == ["note", "land", "abandon"]
    assert page.fields["form_token"] == form_token(forge.settings, ada.browser_id)
    others = read(f"/acme/notes/sessions/{session.id}", mallory)
    assert [form["action"] for form in others.forms] == ["/auth/sign-out"]


def test_a_refused_sign_in_says_why_and_where_one_was_going(read):
    page = read("/signin?error=sign_in.wrong&next=/acme/vault")
    assert "No account has this handle" in page.text and page.fields["next"] == "/acme/vault"

    assert read("/signin?next=https://elsewhere.test/").fields["next"] == "/"


def test_strangers_are_counted_by_their_address(forge, read, filled):
    rates = replace(forge.settings.rates, anonymous=6)
    forge.settings = replace(forge.settings, rates=rates)
    caller.set("192.0.2.1")
    while asyncio.run(head.head_for("/acme/notes", None)).status == 200:
        pass
    refused = asyncio.run(head.head_for("/acme/notes", None))
    assert (refused.status, refused.indexed) == (429, True) and refused.retry_after > 0
    caller.set("192.0.2.2")
    assert asyncio.run(head.head_for("/acme/notes", None)).status == 200


def test_whoever_reads_a_page_is_looked_up_once(filled, read, ada, monkeypatch):
    asked = []

    def identified(forge, browser, address):
        asked.append(browser)
        return identify.from_browser_id(forge, browser, address)

    monkeypatch.setattr(state._Instance, "identify", identified)
    for path in ("/acme/notes?show=readme", "/acme/notes/landings/1?show=changes"):
        read(path, ada)

    assert asked == [ada.browser_id] * 2


def test_a_trunk_is_called_by_its_name(filled, read, ada):
    with filled.forge.db.transaction(write=True) as db:
        project = db.exec(select(Project.id).where(Project.handle == "notes")).one()
        db.add(Ref(project=project, name="HEAD", target="ref: refs/heads/trunk"))

    assert '"trunk_rx_state_": "trunk"' in asyncio.run(visited("/acme/notes/landings", ada.browser_id)).held
