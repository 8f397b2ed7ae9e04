"""Home and settings without scripts: what is read there, and every form filled in and sent."""

from html import escape
from html.parser import HTMLParser

import pytest

from backend.accounts.browsers import COOKIE
from backend.accounts.service import get_current_user, list_access_tokens
from backend.core.context import Forge
from backend.doors.routes import own_app
from backend.invitations.service import invite_member
from backend.organizations.service import get_organization, list_members, list_organizations
from backend.portability.mirrors import list_mirrors
from backend.projects.deleting import delete_project
from backend.projects.service import get_project
from tests.backend.accounts.conftest import Site, letters  # noqa: F401
from tests.forges import PASSWORD
from tests.micelio_app.test_plain import HOSTILE, Read


@pytest.fixture
def database(migrated_sqlite, tmp_path):
    """One database is enough: no SQL is tested here."""
    (tmp_path / "micelio.db").write_bytes(migrated_sqlite.read_bytes())
    return f"sqlite:///{tmp_path / 'micelio.db'}"


class Forms(HTMLParser):
    """The forms of a page: where each goes, and what stands in its fields; and which fields each has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.fields: list[set[str]] = []
        self.filling = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self.forms.append((given["action"], {}))
            self.fields.append(set())
        if tag in ("input", "select", "textarea"):
            self.fields[-1].add(given["name"])
        if tag in ("select", "textarea"):
            self.filling = given["name"]
        if given.get("type") == "checkbox" and "checked" not in given:
            return
        if tag == "input" or (tag == "option" and "selected" in given):
            self.forms[-1][1][given.get("name") or self.filling] = given.get("value", "")

    def handle_endtag(self, tag):
        if tag == "textarea":
            self.filling = ""

    def handle_data(self, data):
        if self.filling and data.strip():
            self.forms[-1][1].setdefault(self.filling, data[1:])

    def deeds(self) -> list[str]:
        return [action.rpartition("/")[2] for action, _ in self.forms]


class Browser:
    """Somebody signed in, whose browser has no scripts."""

    def __init__(self, forge: Forge, head_of, handle: str) -> None:
        self.site, self.head_of = Site(forge), head_of
        self.site.app = own_app(forge)
        self.site.submit("/auth/sign-in", handle=handle, password=PASSWORD)
        self.browser_id = self.site.cookies[COOKIE].partition(".")[0]

    def open(self, path: str) -> str:
        return self.head_of(path, self).body

    def send(self, path: str, deed: str, **typed: str):
        found = Forms(self.open(path))
        at = found.deeds().index(deed)
        action, fields = found.forms[at]
        assert set(typed) <= found.fields[at]
        return self.site.post(action, data={**fields, **typed})

    def done(self, path: str, deed: str, **typed: str) -> str:
        answer = self.send(path, deed, **typed)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]


@pytest.fixture
def browser(forge, bench, ada, head_of):
    return lambda handle: Browser(forge, head_of, handle)


def test_an_account_is_looked_after_by_forms_alone(bench, ada, browser):
    desk = browser("ada")
    links = "https://a.example.org\r\n\r\nhttps://b.example.org"
    done = desk.done("/settings", "profile", name=f"Ada {HOSTILE}", links=links)
    me = bench.run(ada, get_current_user)

    assert done == "/settings?done=profile" and "Saved." in desk.open(done)
    assert me.links == ["https://a.example.org", "https://b.example.org"]
    assert "script" not in Read(desk.open("/settings")).tags
    refused = desk.send("/settings", "password", current="not my password", new=PASSWORD + "!")
    assert refused.status_code >= 400 and 'role="alert"' in refused.text
    assert "not my password" not in refused.text
    assert "Changed." in desk.open(desk.done("/settings", "password", current=PASSWORD, new=PASSWORD + "!"))
    assert desk.done("/settings", "everywhere") == "/signin"
    assert desk.head_of("/settings", desk).status == 303


def test_a_token_is_shown_once_and_revoked_by_forms_alone(bench, ada, browser):
    desk = browser("ada")
    made = desk.send("/settings/tokens", "token", name=HOSTILE)
    (token,) = bench.run(ada, list_access_tokens).items

    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    assert "mic_" in made.text and token.name == HOSTILE and "session:write" in token.scopes
    assert "mic_" not in desk.open("/settings/tokens").replace(escape(token.hint), "")
    desk.done("/settings/tokens", "revoke-token")
    assert bench.run(ada, list_access_tokens).items == []


def test_an_organization_is_looked_after_by_forms_alone(bench, ada, grace, mallory, browser):
    desk = browser("ada")
    members = desk.done("/orgs/new", "new-organization", handle="guild", name="Guild")
    assert members == "/orgs/guild/members?done=new-organization"
    desk.done(members, "invite", invitee="mallory", role="admin")
    assert "Send again" in desk.open("/orgs/guild/members")
    desk.done("/orgs/guild/members", "revoke")
    assert "Send again" not in desk.open("/orgs/guild/members")
    desk.done("/orgs/guild/settings", "organization", description="Of the\r\nmoss")
    assert bench.run(ada, get_organization, organization="guild").description == "Of the\nmoss"
    renamed = desk.done("/orgs/guild/settings", "rename-organization", handle="moss")
    assert renamed == "/orgs/moss/settings?done=rename-organization"
    refused = desk.send("/orgs/moss/settings", "delete-organization", confirm="guild")
    assert (refused.status_code, "Type moss to confirm" in refused.text) == (422, True)
    assert desk.done("/orgs/moss/settings", "delete-organization", confirm="moss") == "/"

    desk.done("/orgs/acme/members", "role", handle="grace", role="admin")
    assert [each.role.value for each in bench.run(ada, list_members, organization="acme").items] == [
        "owner",
        "admin",
    ]
    bench.run(ada, delete_project, organization="acme", project="plans")
    assert desk.done("/orgs/acme/deleted", "restore") == "/acme/plans"
    assert browser("grace").done("/orgs/acme/members", "remove", handle="grace") == "/acme"
    assert [each.handle for each in bench.run(grace, list_organizations).items] == ["grace"]


def test_a_project_is_looked_after_by_forms_alone(bench, ada, mallory, browser, head_of):
    desk = browser("ada")
    here = {"organization": "acme", "project": "notes"}
    settings = "/acme/notes/settings"
    assert f'href="{settings}"' in head_of("/acme/notes", desk).tabs
    assert desk.done(settings, "project", description=HOSTILE) == f"{settings}?done=project"
    desk.done(settings, "project-access", visibility="public", protect_main_branch="on")
    desk.done(settings, "project-access")
    found = bench.run(ada, get_project, **here)
    assert (found.description, found.visibility.value) == (HOSTILE, "public")
    assert found.protect_main_branch, "what is ticked stays ticked"
    assert "script" not in Read(desk.open(settings)).tags
    for archived in (True, False):
        desk.done(settings, "archive")
        assert bench.run(ada, get_project, **here).archived is archived

    desk.done(settings, "invite-collaborator", invitee="eve@example.org")
    revoked = desk.done(settings, "revoke")
    assert revoked == f"{settings}?done=revoke" and "Revoked." in desk.open(revoked)
    desk.done(settings, "invite-collaborator", invitee="mallory", role="read")
    assert browser("mallory").done("/", "accept") == "/acme/notes"
    desk.done(settings, "collaborator-role", role="admin")
    assert "delete-project" not in Forms(browser("mallory").open(settings)).deeds()
    assert browser("mallory").done(settings, "remove-collaborator") == "/"

    assert desk.done(settings, "rename-project", handle="moss") == "/acme/moss/settings?done=rename-project"
    for deed, typed in (("transfer-project", {"into": "ada"}), ("delete-project", {})):
        refused = desk.send("/acme/moss/settings", deed, confirm="acme/notes", **typed)
        assert (refused.status_code, "Type acme/moss to confirm" in refused.text) == (422, True)
    moved = desk.done("/acme/moss/settings", "transfer-project", into="ada", confirm="acme/moss")
    assert moved == "/ada/moss"
    assert desk.done("/ada/moss/settings", "delete-project", confirm="ada/moss") == "/orgs/ada/deleted"


def test_mirrors_are_looked_after_by_forms_alone(bench, ada, browser):
    desk = browser("ada")
    settings = "/acme/notes/settings"
    given = {"direction": "pull", "refs": "trunk", "url": "https://example.org/a", "token": "hunter two"}
    desk.done(settings, "mirror", **given)
    refused = desk.send(settings, "mirror", **given)
    assert refused.status_code == 409 and "follows https://example.org/a already" in refused.text
    assert "hunter two" not in refused.text + desk.open(settings)

    for paused in (True, False):
        desk.done(settings, "pause-mirror")
        (mirror,) = bench.run(ada, list_mirrors, organization="acme", project="notes").items
        assert mirror.paused is paused
    desk.done(settings, "mirror-now")
    desk.done(settings, "remove-mirror")
    assert bench.run(ada, list_mirrors, organization="acme", project="notes").items == []


def test_an_invitation_is_answered_on_its_own_page(
    bench,
    ada,
    grace,
    mallory,
    browser,
    head_of,
    letters,  # noqa: F811
):
    made = bench.run(ada, invite_member, organization="acme", invitee="mallory@example.org")
    page = f"/invite/{made.id}"
    link = f"{page}?token={letters()[0].token}"
    stranger = head_of(page, None).body

    assert stranger == head_of("/invite/01a00000-0000-7000-8000-000000000000", None).body.replace(
        "01a00000-0000-7000-8000-000000000000", made.id
    )
    assert "acme" not in stranger + browser("grace").open(page)
    assert "invites you to acme" in head_of(link, None).body
    assert "another address than that of grace" in browser("grace").open(link)
    assert Forms(browser("mallory").open(page)).deeds() == ["accept", "decline"]
    assert browser("mallory").done(page, "decline") == "/settings?done=decline"


def test_an_invitation_is_seen_at_home_and_answered_there(bench, ada, mallory, browser):
    bench.run(ada, invite_member, organization="acme", invitee="mallory")

    assert browser("mallory").done("/", "accept") == "/acme"
    assert [each.handle for each in bench.run(mallory, list_organizations).items] == ["acme", "mallory"]


def test_forms_are_those_one_may_use_and_nothing_is_done_without_their_token(bench, ada, grace, browser):
    theirs, desk = browser("grace"), browser("ada")

    assert Forms(theirs.open("/orgs/acme/members")).deeds() == ["remove"]
    assert theirs.head_of("/orgs/acme/settings", theirs).status == 404
    for token in ("", Forms(theirs.open("/orgs/acme/members")).forms[0][1]["form_token"]):
        given = {"organization": "acme", "handle": "grace", "form_token": token}
        assert desk.site.post("/_forms/settings/remove", data=given).status_code == 403
    assert desk.site.post("/_forms/settings/nothing", data={}).status_code == 404
    assert len(bench.run(ada, list_members, organization="acme").items) == 2


def test_ones_desk_is_read(bench, ada, grace, browser):
    bench.landed(grace, {"a": b"1\n"}, goal="Begin <it>")
    running = bench.start(ada, goal=HOSTILE)
    bench.start(grace, goal="Somebody else's")
    page = Read(browser("ada").open("/"))

    assert f"/acme/notes/sessions/{running.short_id}" in page.links and "/acme/notes/landings/1" in page.links
    assert "Somebody else's" in page.text and "script" not in page.tags
    assert {"/acme/notes", "/acme/plans"} <= set(page.links)
