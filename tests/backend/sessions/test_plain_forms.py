"""Forms that browsers post without scripts."""

from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from httpx import ASGITransport, AsyncClient, Response

from backend.accounts import browsers
from backend.accounts.form_tokens import form_token
from backend.accounts.models import Account
from backend.core.context import Actor, Context
from backend.doors.routes import own_app
from backend.sessions.service import get_session

HOME = "http://forge.test"


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def post(forge, portal) -> Callable[..., Response]:
    """Post a form as somebody's browser does."""
    client = AsyncClient(transport=ASGITransport(own_app(forge)), base_url=HOME)

    def post(
        actor: Actor | None, address: str, origin: str = HOME, token: str | None = None, **fields
    ) -> Response:
        headers = {"origin": origin} if origin else {}
        if actor is not None:
            with Context(forge, actor).transaction() as ctx:
                cookie = browsers.open_browser(ctx, ctx.db.get(Account, actor.id))
            headers["cookie"] = f"{browsers.COOKIE}={cookie}"
            own = form_token(forge.settings, cookie.partition(".")[0])
            fields["form_token"] = own if token is None else token

        async def send() -> Response:
            return await client.post(address, data=fields, headers=headers)

        return portal.call(send)

    return post


def test_a_note_and_a_landing_lead_back_to_the_session(bench, ada, post):
    session = bench.start(ada).id
    bench.push(ada, session, {"a": b"1\n"})

    noted = post(ada, f"/_forms/sessions/{session}/note", text="Two\r\nlines")
    assert noted.status_code == 303
    assert noted.headers["location"] == f"/acme/notes/sessions/{session}?done=note"
    assert post(ada, f"/_forms/sessions/{session}/land", text="").status_code == 303
    found = bench.run(ada, get_session, session=session)
    assert (found.status, [note.text for note in found.conversation]) == ("landed", ["Two\nlines"])


def test_a_session_is_given_up(bench, ada, post):
    session = bench.start(ada).id

    assert post(ada, f"/_forms/sessions/{session}/abandon", text="").status_code == 303
    assert bench.run(ada, get_session, session=session).status == "abandoned"


class Page(HTMLParser):
    """What a refusal's page says and holds."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said = self.typed = self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.inside = (
            "alert" if ("role", "alert") in attrs else tag if tag in ("textarea", "script") else self.inside
        )

    def handle_endtag(self, tag):
        self.inside = "" if tag in ("textarea", "div") else self.inside

    def handle_data(self, data):
        self.said += data if self.inside == "alert" else ""
        self.typed += data if self.inside == "textarea" else ""


def test_a_refused_form_comes_back_with_its_reason_and_what_was_typed(bench, ada, grace, post):
    session = bench.start(ada).id
    typed = "</textarea><script>alert(1)</script>"

    refused = post(grace, f"/_forms/sessions/{session}/abandon", text=typed)
    page = Page(refused.text)
    assert refused.status_code == 403 and refused.headers["content-type"].startswith("text/html")
    assert "Only its author and admins" in page.said and page.typed.strip("\n") == typed
    assert "<script" not in refused.text


def test_no_other_page_posts_in_somebodys_name(bench, ada, grace, post):
    session = bench.start(ada).id
    address = f"/_forms/sessions/{session}/abandon"

    for origin in ("https://elsewhere.test", "null", ""):
        assert post(ada, address, origin, text="").status_code == 403
    for token in ("", "0" * 64, form_token(bench.forge.settings, grace.browser_id)):
        assert post(ada, address, token=token, text="").status_code == 403
    assert bench.run(ada, get_session, session=session).status == "active"


def test_a_stranger_is_sent_to_sign_in_and_another_form_is_none(bench, ada, post):
    session = bench.start(ada).id

    assert post(None, f"/_forms/sessions/{session}/land", text="").headers["location"] == "/signin"
    assert post(ada, f"/_forms/sessions/{session}/burn", text="").status_code == 404
    assert post(ada, "/_forms/sessions/00000000/note", text="x").status_code == 404
