"""What people and programs are told after a forge came back from its store: every address says what it said.

Asked as a stranger and as ada, who owns acme and is given an account and her places again.
"""

import asyncio
import json
import re
import shutil

import pytest
from anyio.from_thread import start_blocking_portal
from sqlmodel import select

from backend.accounts.models import Account
from backend.accounts.service import create_access_token
from backend.core import jobs
from backend.core.context import SYSTEM, Context
from backend.instance.recovery import recover
from backend.organizations.models import Membership, Organization, Role
from backend.projects import code
from backend.projects.service import get_project, update_project
from backend.sessions.live import add_session_note
from micelio_app import pages, routes, state
from micelio_app.head import head_for
from tests.backend.doors.faces import Rest
from tests.backend.doors.worlds import World
from tests.backend.instance.test_recovery import PROJECTS, emptied, filled  # noqa: F401  fixtures
from vcs.landing import Batcher
from vcs.log import RefChange
from vcs.objects import new_id
from vcs.pushes import Push

SCOPES = ["project:read", "session:read", "org:read"]
README = b"# Notes\n\nSee [the code](src/a.py) & `more`.\n"


@pytest.fixture(scope="module")
def portal():
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def database(tmp_path, migrated_sqlite):
    # Rows are compared on both databases beside this; here the doors are.
    shutil.copyfile(migrated_sqlite, tmp_path / "micelio.db")
    return f"sqlite:///{tmp_path / 'micelio.db'}"


@pytest.fixture
def told(filled, ada, grace):  # noqa: F811
    """The forge of test_recovery with a branch, a tag, an archived project and an agent's landing."""
    project = filled.run(ada, get_project, **filled.where)
    refs = [
        RefChange("refs/tags/v1.0", None, project.commit),
        RefChange("refs/heads/next", None, project.commit),
    ]
    push = Push(landing=new_id(), actor=None, summary={}, refs=refs)
    Batcher(code.repository(filled.forge, project.id, project.id), still_wanted=set).land(push)
    session = filled.start(grace, goal="Write <it> & more", agent="claude", model="opus").id
    filled.run(grace, add_session_note, session=session, content="I *read* first.", role="agent")
    filled.push(grace, session, {"README.md": README, "data.bin": bytes(range(256)), "p/ä ö.txt": b"x\n"})
    filled.land(ada, session, summary="Better.\n\nMuch.")
    plans = {"organization": "acme", "project": "plans"}
    filled.run(ada, update_project, **plans, archived=True, session_visibility="anyone", description="Old")
    filled.run(ada, update_project, **filled.where, who_may_propose="members", visibility="public")
    jobs.drain(filled.forge)
    return filled


class Face:
    """Every address of code, as somebody hears it."""

    def __init__(self, forge, portal, token="", browser=None):
        self.rest, self.forge = Rest(World(forge, {}, {}), portal), forge
        self.token, self.actor = token, browser

    def get(self, address):
        answer = self.rest.send("GET", address, self.token)
        said = re.sub(rb'"request_id":"[^"]+"', b"", answer.content)
        return answer.status_code, answer.headers["content-type"], answer.headers.get("etag"), said

    def page(self, path):
        state.serve_from(self.forge, lambda forge, session, address: self.actor)
        found = asyncio.run(head_for(path, None))
        return found.status, found.full_title, found.tags("http://forge.test"), found.body

    def json(self, address):
        status, _, _, content = self.get(address)
        return json.loads(content) if status == 200 else {}


def heard(face):
    """What each address answers; addresses come out of the answers themselves."""
    said = {}
    for address in PROJECTS:
        org, name = address.split("/")
        api = f"/api/v1/projects/{address}"
        here = [api, f"{api}/landings", f"{api}/sessions", f"{api}/blobs"]
        refs = ["HEAD", "@1", "v1.0", "next", "refs%2Fheads%2Fnext"]
        for ref in refs:
            here += [
                f"{api}/tree/{ref}/",
                f"{api}/resolve?ref={ref}",
                routes.fragment(org, name, "readme", ref),
            ]
        for blob in face.json(f"{api}/blobs").get("items", []):
            path = blob["path"]
            here += [
                f"{api}/files/HEAD/{routes.address_of(path)}",
                routes.fragment(org, name, "code", "HEAD", path),
                routes.raw(org, name, "HEAD", path),
            ]
            said[routes.file(org, name, "HEAD", path)] = face.page(routes.file(org, name, "HEAD", path))
        for landing in face.json(f"{api}/landings").get("items", []):
            at = landing["position"]
            here += [f"{api}/landings/{at}", f"{api}/landings/{at}/diff"]
            here += [routes.landing_diff(org, name, at), routes.comparison(org, name, f"@{at - 1}", f"@{at}")]
            said[routes.landing(org, name, at)] = face.page(routes.landing(org, name, at))
        for session in face.json(f"{api}/sessions").get("items", []):
            id = session["id"]
            here += [f"/api/v1/sessions/{id}{part}" for part in ("", "/events?limit=1000", "/diff")]
            here += [f"/_fragments/sessions/{id}/{part}" for part in ("changes", "touched")]
            said[routes.session(org, name, id)] = face.page(routes.session(org, name, id))
        said |= {each: face.get(each) for each in here}
        for path in (f"/{org}", f"/{address}", routes.landings(org, name), routes.sessions(org, name)):
            said[path] = face.page(path)
    for each in ("/", "/api/v1/projects", "/api/v1/orgs/acme/projects", "/sitemap.xml"):
        said[each] = face.page(each) if each == "/" else face.get(each)
    return said


def come_back(bench, actor):
    """Accounts of those that there were, ada's with her id and places in organizations. They are not in the
    store, so that somebody is a person comes back with them.
    """
    with Context(bench.forge, SYSTEM).transaction() as tx:
        for id, handle in ((actor.id, "ada"), (new_id(), "mallory")):
            row = {"id": id, "handle": handle, "name": handle.title(), "email": f"{handle}@example.org"}
            tx.db.add(Account(**row, password_hash="", admin=id == actor.id, created_at=tx.now()))
            own = tx.db.exec(select(Organization).where(Organization.handle == handle)).one()
            own.personal = True
            tx.db.add(own)
        tx.db.flush()
        for found in tx.db.exec(select(Organization).where(Organization.handle.in_(["acme", "ada"]))).all():
            row = {"organization_id": found.id, "account_id": actor.id, "role": Role.OWNER}
            tx.db.add(Membership(**row, joined_at=tx.now()))


def test_every_address_says_what_it_said(told, emptied, ada, stranger, portal):  # noqa: F811
    assert pages.ALL
    token = told.run(ada, create_access_token, name="t", scopes=SCOPES).token
    before = heard(Face(told.forge, portal, browser=stranger)), heard(Face(told.forge, portal, token, ada))

    recover(emptied.forge)
    come_back(emptied, ada)

    token = emptied.run(ada, create_access_token, name="t", scopes=SCOPES).token
    after = (
        heard(Face(emptied.forge, portal, browser=stranger)),
        heard(Face(emptied.forge, portal, token, ada)),
    )
    for was, now in zip(before, after, strict=True):
        assert now.keys() == was.keys()
        assert [
            (address, was[address], now[address]) for address in was if was[address] != now[address]
        ] == []
    strangers, adas = before
    assert len(adas) > len(strangers) > 60
    answered = [said[0] for said in adas.values()]
    assert answered.count(200) > 120 and set(answered) <= {200, 404}, "the crawl met what is there"
    assert strangers["/api/v1/projects/acme/plans"][0] == 404
    assert adas["/api/v1/projects/acme/plans"][0] == 200
