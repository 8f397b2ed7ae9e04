"""A project or an organization that moved, at every door: git, REST, gRPC and pages lead to where it is."""

import asyncio

import grpc
import httpx

from backend.core.context import Actor
from backend.doors import rpc
from micelio_app import head, pages, state  # noqa: F401  the pages register their heads
from tests.backend.doors.git.pushes import clone
from vcs.wire import MOVED, MOVED_FROM, organizations_pb2, organizations_pb2_grpc
from vcs.wire import projects_pb2 as p
from vcs.wire import projects_pb2_grpc as stubs


def test_every_door_leads_to_where_a_project_is(own, git, monkeypatch):
    old = clone(own, "open", git, "open", "grace")
    own.run("rename_project", "ada", organization="acme", project="open", handle="moved")
    own.run("rename_project", "ada", organization="acme", project="secret", handle="hidden")
    api = f"{own.url}/api/v1/projects/acme"
    signed = {"Authorization": f"Bearer {own.world.tokens['ada']}"}

    # git: clients follow, fetch and push.
    (old_url,) = git.ok("remote", "get-url", "origin", at="open").split()
    assert httpx.get(f"{own.url}/acme/open.git/info/refs?service=git-upload-pack").status_code == 301
    git.ok("fetch", "--all", at="open")
    old.write({"more.txt": "more\n"})
    old.ok("add", ".")
    old.ok("commit", "-m", "More")
    old.ok("push", old_url, "HEAD:main")
    assert own.run("get_project", organization="acme", project="moved")["position"] == 3

    # REST: reads are sent on, writes are done.
    read = httpx.get(f"{api}/open/tree/HEAD/src?x=1")
    assert read.status_code == 422  # nothing is redirected that would be refused
    read = httpx.get(f"{api}/open/landings?limit=1")
    assert (read.status_code, read.headers["location"]) == (
        308,
        "/api/v1/projects/acme/moved/landings?limit=1",
    )
    written = httpx.patch(f"{api}/open", json={"description": "On"}, headers=signed)
    assert (written.status_code, written.json()["description"]) == (200, "On")
    assert written.headers["content-location"] == "/api/v1/projects/acme/moved"

    # What is private moves without a trace.
    assert httpx.get(f"{api}/secret").status_code == httpx.get(f"{api}/nothing").status_code == 404

    # Pages.
    monkeypatch.setattr(state._Instance, "forge", own.forge)
    monkeypatch.setattr(state._Instance, "identify", lambda forge, session, address: Actor())
    page = asyncio.run(head.head_for("/acme/open/landings/1", None))
    assert (page.status, page.location) == (308, "/acme/moved/landings/1")
    assert asyncio.run(head.head_for("/acme/secret", None)).status == 404

    # gRPC: resolved, and told.
    server, port = rpc.start_grpc(own.forge, "127.0.0.1:0")
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            get = stubs.ProjectServiceStub(channel).GetProject
            request = p.GetProjectRequest(organization_handle="acme", project_handle="open")
            found, call = get.with_call(request)
            assert found.handle == "moved"
            assert dict(call.trailing_metadata())[MOVED] == "acme/moved"
    finally:
        server.stop(0).wait()


def test_every_door_leads_to_where_an_organization_is(own, git, monkeypatch):
    old = clone(own, "open", git, "open", "grace")
    api = f"{own.url}/api/v1"
    signed = {"Authorization": f"Bearer {own.world.tokens['ada']}"}
    tag = httpx.get(f"{api}/orgs/acme", headers=signed).headers["etag"]
    for wanted, status in (('"other"', 412), (tag, 200)):
        renamed = httpx.post(
            f"{api}/orgs/acme/rename", json={"handle": "zenith"}, headers={**signed, "If-Match": wanted}
        )
        assert renamed.status_code == status
    assert httpx.get(f"{api}/orgs/zenith", headers=signed).headers["etag"] == renamed.headers["etag"]

    # git: clients follow, fetch and push.
    (old_url,) = git.ok("remote", "get-url", "origin", at="open").split()
    git.ok("fetch", "--all", at="open")
    old.write({"more.txt": "more\n"})
    old.ok("add", ".")
    old.ok("commit", "-m", "More")
    old.ok("push", old_url, "HEAD:main")
    assert own.run("get_project", organization="zenith", project="open")["position"] == 3

    # REST.
    for path in ("/orgs/{}/projects?limit=1", "/projects/{}/open/landings?limit=1"):
        read = httpx.get(api + path.format("acme"))
        assert (read.status_code, read.headers["location"]) == (308, "/api/v1" + path.format("zenith"))
    written = httpx.patch(f"{api}/orgs/acme", json={"name": "Zenith"}, headers=signed)
    assert (written.status_code, written.json()["handle"]) == (200, "zenith")
    assert written.headers["content-location"] == "/api/v1/orgs/zenith"
    assert httpx.get(f"{api}/orgs/acme/members").status_code == 404
    assert httpx.get(f"{api}/projects/acme/secret").status_code == 404

    # Pages, and text for terminals.
    monkeypatch.setattr(state._Instance, "forge", own.forge)
    monkeypatch.setattr(state._Instance, "identify", lambda forge, session, address: Actor())
    for path in ("/{}", "/{}/open/landings/1"):
        page = asyncio.run(head.head_for(path.format("acme"), None))
        assert (page.status, page.location) == (308, path.format("zenith"))
    assert "# Zenith" in httpx.get(f"{own.url}/acme", headers={"Accept": "text/plain"}).text
    assert "/zenith/open/landings/1" in httpx.get(f"{own.url}/acme.atom").text

    # gRPC: resolved, and told.
    server, port = rpc.start_grpc(own.forge, "127.0.0.1:0")
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            get = organizations_pb2_grpc.OrganizationServiceStub(channel).GetOrganization
            found, call = get.with_call(organizations_pb2.GetOrganizationRequest(organization_handle="acme"))
            told = dict(call.trailing_metadata())
            assert (found.handle, told[MOVED_FROM], told[MOVED]) == ("zenith", "acme", "zenith")
    finally:
        server.stop(0).wait()
