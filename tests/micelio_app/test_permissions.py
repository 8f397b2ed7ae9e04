"""Every page, for everybody there could be, on every kind of project: what the server answers, and what the
page's States load afterwards. Nobody reads a word of what they may not see, in a title, a card, structured
data, a body without scripts, or the State of a tab.

A page without a row here fails.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from backend.doors import identify
from micelio_app import pages, routes, state
from micelio_app.head import MISSING, Head
from tests.backend.doors.grounds import (
    MISSING as NOTHING,
)
from tests.backend.doors.grounds import (
    PEOPLE,
    READ,
    SETTINGS,
    VIEW,
    Grounds,
    grounds_on,
    may,
    unseen,
)
from tests.micelio_app.visiting import Visit, shown, visited

WHERE = {
    "open": ("stranger", "outsider", "writer", "member", "keeper", "operator"),
    "secret": PEOPLE,
    "shut": ("stranger", "member", "owner"),
    "vault": ("outsider", "reader", "keeper", "operator"),
    "gone": ("stranger", "reader", "owner", "operator"),
    NOTHING: ("outsider",),
}
"""Who is asked where: everybody where their standing decides, some where it is decided already."""
SOME = {"secret": ("outsider", "reader", "operator"), "open": ("stranger",)}


@dataclass(frozen=True)
class Page:
    """A page of a project, and who is shown it, asked `where`. To `change`, strangers sign in first."""

    address: str
    least: dict[str, str]
    change: bool = False
    where: dict[str, tuple[str, ...]] | None = None


EVERY = "/acme/{project}"
OF_PROJECTS = {
    routes.PROJECT: [Page(EVERY, READ)],
    routes.TREE: [Page(EVERY + "/tree/HEAD/src", READ)],
    routes.FILE: [Page(EVERY + "/blob/HEAD/README.md", READ)],
    routes.EDIT: [Page(EVERY + "/edit/README.md", READ, change=True)],
    routes.NEW_FILE: [Page(EVERY + "/new/src", READ, change=True, where=SOME)],
    routes.UPLOAD: [Page(EVERY + "/upload/src", READ, change=True, where=SOME)],
    routes.RENAME: [Page(EVERY + "/rename/README.md", READ, change=True, where=SOME)],
    routes.DELETE: [Page(EVERY + "/delete/README.md", READ, change=True, where=SOME)],
    routes.COMMIT: [Page(EVERY + "/commit/HEAD?show=changes", READ)],
    routes.LANDINGS: [Page(EVERY + "/landings", READ)],
    routes.LANDING: [Page(EVERY + "/landings/{position}?show=changes", READ)],
    routes.SESSIONS: [Page(EVERY + "/sessions", READ)],
    routes.SESSION: [
        Page(EVERY + "/sessions/{draft}?show=changes", VIEW),
        Page(EVERY + "/sessions/{landed}?show=events", READ),
    ],
    routes.FORKS: [Page(EVERY + "/forks", READ, where={**SOME, "gone": ("owner",)})],
    routes.SETTINGS: [Page(EVERY + "/settings", SETTINGS)],
}

ANYBODY, SOMEBODY = PEOPLE, PEOPLE[1:]
INSIDE, ADMINS, OWNERS = ("member", "admin", "owner"), ("admin", "owner"), ("owner",)
OTHERS = {
    routes.HOME: [("/", ANYBODY)],
    routes.SIGN_IN: [("/signin", ANYBODY)],
    routes.WELCOME: [("/welcome?token=x", ANYBODY)],
    routes.LINK: [("/link?token=x", ANYBODY)],
    routes.SIGN_UP: [("/signup", ANYBODY)],
    routes.CONFIRM: [("/confirm?token=x", ANYBODY)],
    routes.FORGOT: [("/forgot", ANYBODY)],
    routes.SENT: [("/sent", ANYBODY)],
    routes.RESET: [("/reset?token=x", ANYBODY)],
    routes.SEARCH: [("/search?q=cut", ANYBODY), ("/search?q=all&kind=project", ANYBODY)],
    routes.EXPLORE: [("/explore", ANYBODY)],
    routes.OWNER: [("/acme", ANYBODY), ("/grace", ANYBODY)],
    routes.INVITATION: [("/invite/{invited.linus}", ANYBODY)],
    routes.DEVICE: [("/device", SOMEBODY)],
    routes.ACCOUNT: [("/settings", SOMEBODY)],
    routes.TOKENS: [("/settings/tokens", SOMEBODY)],
    routes.NEW_PROJECT: [("/new?fork=acme/secret", SOMEBODY)],
    routes.NEW_IMPORT: [("/import", SOMEBODY)],
    routes.NEW_ORGANIZATION: [("/orgs/new", SOMEBODY)],
    routes.IMPORT: [
        ("/imports/{open.import}", ("writer", "member", "keeper", "admin", "owner")),
        ("/imports/{secret.import}", ("writer", "member", "keeper", "admin", "owner")),
    ],
    routes.MEMBERS: [("/orgs/acme/members", INSIDE)],
    routes.ORGANIZATION_SETTINGS: [("/orgs/acme/settings", ADMINS)],
    routes.DELETED: [("/orgs/acme/deleted", OWNERS)],
    routes.ADMINISTRATION: [("/admin", ("operator",))],
} | {
    pattern: [(pattern, ("operator",))]
    for pattern in map(routes.administration, ("people", "organizations", "projects", "jobs", "audit"))
}
TO_SIGN_IN = {
    routes.DEVICE,
    routes.ACCOUNT,
    routes.TOKENS,
    routes.NEW_PROJECT,
    routes.NEW_IMPORT,
    routes.NEW_ORGANIZATION,
}
TELLS_ALL = {"/admin/projects", "/admin/audit"}
"""What runs the instance sees which projects there are, and nothing of what is in them."""


@pytest.fixture(scope="module")
def grounds(template, tmp_path_factory) -> Iterator[Grounds]:
    folder = tmp_path_factory.mktemp("grounds") / "data"
    with grounds_on(template, folder) as grounds, pytest.MonkeyPatch.context() as patch:
        patch.setattr(state._Instance, "forge", grounds.forge)
        patch.setattr(state._Instance, "identify", identify.from_browser_id)
        yield grounds


@pytest.fixture(scope="module")
def visit(grounds):
    """Head, Visit and the words read there that this person must not read."""
    with asyncio.Runner() as loop:

        def visit(address: str, person: str) -> tuple[Head, Visit, list[str]]:
            browser = grounds.people[person].browser_id
            head = loop.run(shown(address, browser))
            visit = loop.run(visited(address, browser))
            read = (head.tags("") + head.plain_body(signed_in=bool(browser))).lower() + visit.held
            return head, visit, [word for word in unseen(person) if word in read]

        yield visit


def test_every_page_has_a_row():
    assert pages.ALL
    assert {*OF_PROJECTS, *OTHERS} == set(routes.PAGES)


@pytest.mark.parametrize("route", OF_PROJECTS)
def test_a_page_of_a_project_is_shown_to_whoever_may_see_it(grounds, visit, route):
    wrong = []
    for page in OF_PROJECTS[route]:
        for project, people in (page.where or WHERE).items():
            at = {"position": "1", "draft": "01a00000", "landed": "01a00000"} | grounds.of(project)
            for person in people:
                head, visited, leaked = visit(page.address.format(project=project, **at), person)
                sees = may(person, project, page.least)
                ends = "sign in" if page.change and person == "stranger" and sees else "ok"
                if not sees and (head is not MISSING or visited.ended != "missing"):
                    wrong.append(f"{person} is told of {project}: {head.status} {visited.ended}")
                if sees and (head.status, visited.ended) != (200, ends):
                    wrong.append(f"{person} does not see {project}: {head.status} {visited.ended}")
                wrong += [f"{person} reads of {project}: {word}" for word in leaked]

    assert wrong == []


@pytest.mark.parametrize("route", OTHERS)
def test_any_other_page_says_nothing_that_is_private(grounds, visit, route):
    wrong = []
    for address, sees in OTHERS[route]:
        for name in ("invited.linus", "open.import", "secret.import"):
            address = address.replace(f"{{{name}}}", grounds.names[name])
        for person in PEOPLE:
            head, visited, leaked = visit(address, person)
            found = (head.status, visited.ended)
            if person in sees:
                fine = found == (200, "ok")
            elif person == "stranger" and route in TO_SIGN_IN:
                fine = found in ((303, "ok"), (303, "sign in"), (200, "sign in"))
            else:
                fine = head is MISSING and visited.ended != "ok"
            wrong += [] if fine else [f"{person} at {address}: {found}"]
            if not (person == "operator" and address in TELLS_ALL):
                wrong += [f"{person} reads at {address}: {word}" for word in leaked]

    assert wrong == []
