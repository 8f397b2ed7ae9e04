"""Every operation, route and rpc, for everybody there could be, on every kind of project.

Whoever may not see a project is told what they would be told of none, and reads no word of it. An operation
about a project or a session, a route of the app or an rpc of the protocol that has no row here fails.

Operations run in the pipeline that all doors share (`test_parity` shows that doors agree); what they change
is taken back. Routes and rpcs are asked at the door itself.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc
import pytest

from backend.core.context import Context
from backend.core.errors import Kind, MicelioError
from backend.core.operations import Mode, invoke, operations
from backend.doors import catalogue, rpc, streams
from backend.doors.rest import RestRoute
from backend.doors.routes import own_app
from tests.backend.doors.cases import CASES, NOBODY
from tests.backend.doors.faces import Rest, rpc_door
from tests.backend.doors.grounds import (
    CHANGE,
    DELETE,
    MISSING,
    NOTE,
    PEOPLE,
    PROPOSE,
    READ,
    SETTINGS,
    VIEW,
    WORDS,
    Grounds,
    grounds_on,
    may,
    unseen,
)
from vcs.objects import Kind as ObjectKind
from vcs.objects import Object
from vcs.wire.projects_pb2 import BlobChunk, StreamBlobsRequest
from vcs.wire.sessions_pb2 import StageBlobsRequest, StageBlobsResponse, StageHeader

EMPTY = Object.of(ObjectKind.BLOB, b"").id
OPERATIONS = {op.name: op for op in catalogue.offered("any")}
WHERE = {
    "open": ("stranger", "outsider", "member", "operator"),
    "secret": PEOPLE,
    "vault": ("stranger", "reader", "owner"),
    "gone": ("stranger", "keeper", "owner", "operator"),
    MISSING: ("stranger", "owner"),
}
"""Who is asked where: everybody where their standing decides, some where it is decided already."""

SIGNED_IN = {**READ, "open": "outsider", "shut": "outsider"}
LEAST: dict[str, Mapping[str, str]] = {
    **dict.fromkeys(
        (
            *("get_project", "list_forks", "resolve_ref", "get_tree", "get_file", "list_blobs", "list_paths"),
            *("list_landings", "get_landing", "get_landing_diff", "compare_refs", "list_refs", "get_commit"),
            *("list_sessions",),
        ),
        READ,
    ),
    "fork_project": SIGNED_IN,
    "start_session": PROPOSE,
    "list_collaborators": dict.fromkeys(READ, "reader"),
    **dict.fromkeys(
        (
            *("invite_collaborator", "list_collaborator_invitations", "update_collaborator"),
            *("remove_collaborator", "update_project", "rename_project"),
            *("create_mirror", "list_mirrors", "update_mirror", "sync_mirror", "remove_mirror"),
        ),
        SETTINGS,
    ),
    **dict.fromkeys(("transfer_project", "delete_project"), DELETE),
    "restore_project": {"gone": "owner"},
    **dict.fromkeys(("get_session", "list_session_events", "get_session_file", "get_session_diff"), VIEW),
    **dict.fromkeys(("add_session_note", "add_session_decision", "append_session_events"), NOTE),
    **dict.fromkeys(
        (
            *("abandon_session", "put_session_file", "delete_session_file", "rename_session_file"),
            *("push_session", "missing_blobs", "land_session"),
        ),
        CHANGE,
    ),
}
"""How close one has to be, at least, for each operation about a project or a session of a member."""


ELSE: dict[str, Mapping[str, str]] = {
    "compare_refs": {"old": "@0", "new": "HEAD"},
    "update_collaborator": {"handle": "edith"},
    "remove_collaborator": {"handle": "katherine"},
}
"""What is asked for otherwise than in test_parity, as it is not in every project."""


class TakenBackError(Exception):
    """The operation worked; nothing of it stays."""


@pytest.fixture(scope="module")
def grounds(template, tmp_path_factory) -> Iterator[Grounds]:
    with grounds_on(template, tmp_path_factory.mktemp("grounds") / "data") as grounds:
        yield grounds


@pytest.fixture(scope="module")
def rest(grounds, portal) -> Rest:
    return Rest(grounds, portal)


def about_a_project(name: str) -> bool:
    fields = OPERATIONS[name].arguments.model_fields
    return "session" in fields or {"organization", "project"} <= set(fields)


def test_every_operation_about_a_project_has_a_row():
    about = {name for name in OPERATIONS if about_a_project(name)}

    assert about - set(LEAST) == {"create_project", "import_project", "list_imports"}
    assert set(LEAST) <= about


@pytest.mark.parametrize("name", sorted(LEAST))
def test_an_operation_is_for_whoever_is_close_enough(grounds, name):
    wrong = []
    for project, people in WHERE.items():
        for person in people:
            if OPERATIONS[name].mode is Mode.STEPS and may(person, project, LEAST[name]):
                continue  # It cannot be taken back, and test_parity runs it.
            ended, told = outcome(grounds, name, person, project)
            if ended not in expected(name, person, project):
                wrong.append(f"{person} in {project}: {ended}")
            hidden = set(unseen(person)) - {WORDS.get(project) if ended == "ok" else None}
            wrong += [f"{person} reads of {project}: {word}" for word in hidden if word in told]

    assert wrong == []


def outcome(grounds: Grounds, name: str, person: str, project: str) -> tuple[str, str]:
    """How it ended, and all that was said."""
    told = []

    def take_back(ctx: Context, result: Any) -> None:
        told.append(result.model_dump_json().lower())
        raise TakenBackError

    op = OPERATIONS[name]
    payload = grounds.said({**CASES[name].ok, **ELSE.get(name, {})}, project)
    if "project" in payload:
        payload["project"] = project
    try:
        result = invoke(
            grounds.forge,
            grounds.people[person],
            op,
            payload,
            after=None if op.mode is Mode.READS else take_back,
        )
    except TakenBackError:
        return "ok", told[0]
    except MicelioError as refusal:
        return refusal.kind.value, refusal.sentence.lower()
    return "ok", result.model_dump_json().lower()


def expected(name: str, person: str, project: str) -> set[str]:
    op, least = OPERATIONS[name], LEAST[name]
    sees = VIEW if "session" in op.arguments.model_fields else READ
    if name == "restore_project":
        sees = least  # Others are not told that it was there.
    if person == "stranger" and not op.anonymous:
        return {Kind.UNAUTHENTICATED.value}
    if may(person, project, least):
        return {"ok", Kind.CONFLICT.value} if project == "vault" else {"ok"}
    if not may(person, project, sees):
        return {Kind.NOT_FOUND.value}
    return {Kind.CONFLICT.value, Kind.FORBIDDEN.value} if project == "vault" else {Kind.FORBIDDEN.value}


@dataclass(frozen=True)
class Row:
    """A route about a project: an address, and who is answered with `status`.

    `stranger` is what is told to strangers who may not. `public`: it answers as to a stranger, whoever asks.
    A stream never ends for those who may read it, so only the others ask.
    """

    address: str
    least: Mapping[str, str]
    status: int = 200
    method: str = "GET"
    stranger: int = 404
    public: bool = False
    stream: bool = False
    accept: str = "*/*"
    git: bool = False
    parts: Mapping[str, Any] = field(default_factory=dict)


AT, API, FRAGMENTS = "/acme/{project}", "/api/v1/projects/acme/{project}", "/_fragments/acme/{project}"
PICTURED = dict.fromkeys(("open", "shut"), "stranger")
TEXT = {"accept": "text/plain"}
EDITED = {"content": b"more\n"}
ROWS = {
    "/og/{path:path}": Row(f"/og{AT}.png", PICTURED, public=True),
    "/oembed.json": Row("/oembed.json?url=http://forge.test" + AT, PICTURED, public=True),
    "/oembed.xml": Row("/oembed.xml?url=http://forge.test" + AT, PICTURED, public=True),
    "/{organization}/{project}/badge.svg": Row(AT + "/badge.svg", PICTURED, public=True),
    "/{organization}/{project}/landings.atom": Row(AT + "/landings.atom", PICTURED, public=True),
    "/{organization}/{project}/tree/{ref}/{path}": Row(AT + "/tree/HEAD/src", READ, **TEXT),
    "/{organization}/{project}/blob/{ref}/{path}": Row(AT + "/blob/HEAD/README.md", READ, **TEXT),
    "/{organization}/{project}/landings/{position}": Row(AT + "/landings/1", READ, **TEXT),
    "/{organization}/{project}/landings": Row(AT + "/landings", READ, **TEXT),
    "/{organization}/{project}/sessions/{session}": Row(AT + "/sessions/{draft}", VIEW, **TEXT),
    "/{organization}/{project}/sessions": Row(AT + "/sessions", READ, **TEXT),
    "/{organization}/{project}": Row(AT, READ, **TEXT),
    "/{organization}/{project}/raw/{ref}/{path}": Row(AT + "/raw/HEAD/README.md", READ),
    "/_fragments/{organization}/{project}/code/{ref}/{path}": Row(FRAGMENTS + "/code/HEAD/src/main.py", READ),
    "/_fragments/{organization}/{project}/readme/{ref}/{path}": Row(FRAGMENTS + "/readme/HEAD", READ),
    "/_fragments/{organization}/{project}/landings/{position}/diff": Row(
        FRAGMENTS + "/landings/1/diff", READ
    ),
    "/_fragments/{organization}/{project}/compare": Row(FRAGMENTS + "/compare?old=@0&new=HEAD", READ),
    "/_fragments/{organization}/{project}/edited": Row(
        FRAGMENTS + "/edited?path=fresh.txt&position=1", PROPOSE, method="POST", stranger=401, parts=EDITED
    ),
    "/_fragments/sessions/{session}/changes": Row("/_fragments/sessions/{draft}/changes", VIEW),
    "/_fragments/sessions/{session}/touched": Row("/_fragments/sessions/{draft}/touched", VIEW),
    "/api/v1/sessions/{session}/events/stream": Row(
        "/api/v1/sessions/{draft}/events/stream", VIEW, stream=True
    ),
    "/api/v1/events/stream": Row("/api/v1/events/stream?session={draft}", VIEW, stream=True),
    # Whoever may is told next that no files came.
    "/api/v1/sessions/{session}/blobs": Row(
        "/api/v1/sessions/{draft}/blobs", CHANGE, status=422, method="POST", stranger=401
    ),
    "/api/v1/imports/{import_id}/events/stream": Row(
        "/api/v1/imports/{import}/events/stream",
        {"open": "writer", "secret": "writer"},
        stranger=401,
        stream=True,
    ),
    "/api/v1/projects/{organization}/{project}/export.bundle": Row(API + "/export.bundle", READ),
    "/{organization}/{project}/archive/{path}": Row(AT + "/archive/main.zip", READ),
    "/api/v1/projects/{organization}/{project}/archive/{path}": Row(API + "/archive/main.zip", READ),
    "/{organization}/{project}/info/refs": Row(
        AT + "/info/refs?service=git-upload-pack", READ, stranger=401, git=True
    ),
    "/{organization}/{project}/git-upload-pack": Row(
        AT + "/git-upload-pack",
        READ,
        method="POST",
        stranger=401,
        git=True,
        parts={"content": b"0000", "headers": {"Content-Type": "application/x-git-upload-pack-request"}},
    ),
    # Nothing is pushed; what may be is decided ref by ref.
    "/{organization}/{project}/git-receive-pack": Row(
        AT + "/git-receive-pack",
        SIGNED_IN,
        method="POST",
        stranger=401,
        git=True,
        parts={"content": b"0000", "headers": {"Content-Type": "application/x-git-receive-pack-request"}},
    ),
}
OTHERS = {
    "/": ("/", TEXT),
    "/{organization}": ("/acme", TEXT),
    "/{organization}.atom": ("/grace.atom", {}),
    "/avatars/{name}": ("/avatars/acme.svg", {}),
    "/sitemap.xml": ("/sitemap.xml", {}),
    "/sitemap-{number:int}.xml": ("/sitemap-1.xml", {}),
    "/robots.txt": ("/robots.txt", {}),
    "/health": ("/health", {}),
    "/health/live": ("/health/live", {}),
    "/health/ready": ("/health/ready", {}),
    "/metrics": ("/metrics", {}),
    "/.well-known/micelio": ("/.well-known/micelio", {}),
    "/.well-known/security.txt": ("/.well-known/security.txt", {}),
    "/.well-known/oauth-authorization-server": ("/.well-known/oauth-authorization-server", {}),
    "/.well-known/oauth-protected-resource": ("/.well-known/oauth-protected-resource", {}),
    "/api/v1/openapi.json": ("/api/v1/openapi.json", {}),
    "/api/v1/docs": ("/api/v1/docs", {}),
    "/skill.md": ("/skill.md", {}),
    "/problems/{code}": ("/problems/not_found", {}),
    "/docs": ("/docs", {}),
    "/docs/{name:path}": ("/docs/first-hour", {}),
}
"""Routes about no one project: whoever asks is answered, and reads of no project that they may not see."""
_SIGNING = ("sign-in", "first", "link", "sign-up", "confirm", "forgot", "reset", "sign-out")
FORMS = {
    **dict.fromkeys(
        (f"/auth/{name}" for name in _SIGNING),
        "accounts: tests/backend/accounts",
    ),
    **dict.fromkeys(
        ("/oauth/device/code", "/oauth/token", "/oauth/revoke"), "accounts: tests/backend/doors, tests/mic"
    ),
    "/_forms/sessions/{session}/{deed}": "wants a form token before it looks for the session: below",
    "/_forms/settings/{deed}": "wants a form token before it does anything: tests/micelio_app",
    "/api/projects/import": "leads on to the operation",
    "/api/v1/projects/import/bundle": "makes a project: below",
    **dict.fromkeys(("/terms", "/privacy"), "lead on to the docs"),
    **dict.fromkeys(
        ("/{organization}/{project}.git/HEAD", "/{organization}/{project}.git/objects/{path}"),
        "old git without the smart protocol is told so, whatever the address",
    ),
}
"""Routes that answer the same whatever there is, and why."""


def test_every_route_has_a_row(grounds):
    routes = [each for each in own_app(grounds.forge).routes if getattr(each, "path", None)]
    of_operations = {op.path for op in operations().values()}
    silent = {
        each.path
        for each in routes
        if not isinstance(each, RestRoute) and each.path not in {*ROWS, *OTHERS, *FORMS}
    }
    unknown = {each.path for each in routes if isinstance(each, RestRoute) and each.path not in of_operations}

    assert (silent, unknown) == (set(), set())
    assert {*ROWS, *OTHERS, *FORMS} <= {each.path for each in routes}


@pytest.mark.parametrize("path", ROWS)
def test_a_route_answers_whoever_is_close_enough(grounds, rest, path):
    row, wrong = ROWS[path], []
    for project, people in WHERE.items():
        for person in people:
            sees = may("stranger" if row.public else person, project, row.least)
            if sees and row.stream:
                continue
            found = asked(grounds, rest, row, person, project)
            refused = {row.stranger} if person == "stranger" else {404}
            if may(person, project, VIEW if "{draft}" in row.address else READ) and not row.public:
                refused |= {403, 409}  # They see it, and have not the ability.
            if found.status_code not in ({row.status} if sees else refused):
                wrong.append(f"{person} in {project}: {found.status_code} {found.text[:200]}")
            read = found.content.decode("latin-1").lower()
            wrong += [f"{person} reads of {project}: {word}" for word in unseen(person) if word in read]

    assert wrong == []


@pytest.mark.parametrize("person", ["stranger", "outsider", "operator"])
@pytest.mark.parametrize("path", ROWS)
def test_a_route_tells_of_a_private_project_what_it_tells_of_none(grounds, rest, path, person):
    private, none = (asked(grounds, rest, ROWS[path], person, name) for name in ("secret", MISSING))

    assert (private.status_code, without_id(private)) == (none.status_code, without_id(none))


@pytest.mark.parametrize("path", OTHERS)
def test_a_route_about_no_one_project_tells_nothing_private(grounds, rest, path):
    address, options = OTHERS[path]
    for person in ("stranger", "outsider", "reader", "member", "operator"):
        found = rest.send("GET", address, grounds.tokens.get(person, ""), headers=dict(options))
        assert found.status_code == 200
        assert [word for word in unseen(person) if word in found.text.lower()] == []


def test_forms_and_uploads_say_nothing_before_they_know_who_asks(grounds, rest):
    for person in ("stranger", "outsider", "owner"):
        token = grounds.tokens.get(person, "")
        answers = [
            rest.send("POST", f"/_forms/sessions/{session}/note", token, data={"text": "x"})
            for session in (grounds.names["secret.draft"], NOBODY)
        ]
        assert len({(each.status_code, each.headers.get("location")) for each in answers}) == 1
        assert answers[0].status_code in (303, 403)
    for person, status in (("stranger", 401), ("outsider", 404), ("keeper", 404), ("operator", 404)):
        address = "/api/v1/projects/import/bundle?organization=acme&project=fresh"
        found = rest.send("POST", address, grounds.tokens.get(person, ""), content=b"no bundle")
        assert found.status_code == status, person


def asked(grounds: Grounds, rest: Rest, row: Row, person: str, project: str):
    names = {"draft": NOBODY, "import": NOBODY} | grounds.of(project)
    parts = {"headers": {}, **row.parts}
    headers = {"accept": row.accept, **parts.pop("headers")}
    token = grounds.tokens.get(person, "")
    if row.git and token:
        headers["authorization"] = "Basic " + base64.b64encode(f"x-token:{token}".encode()).decode()
        token = ""
    return rest.send(
        row.method, row.address.format(project=project, **names), token, headers=headers, **parts
    )


def without_id(answer) -> str:
    body = answer.json() if answer.headers.get("content-type", "").endswith("json") else answer.text
    return {**body, "request_id": "", "instance": ""} if isinstance(body, dict) else body


def test_every_rpc_is_an_operation_with_a_row_or_a_stream():
    there = {f"{service.name}.{method.name}" for service in rpc.services() for method in service.methods}
    bound = rpc.bound()

    assert there == {*bound, *streams.SERVED}
    assert {op.name for op in bound.values()} <= set(CASES)
    assert set(streams.SERVED) == {"ProjectService.StreamBlobs", "SessionService.StageBlobs"}


def test_contents_are_streamed_to_and_taken_from_whoever_is_close_enough(grounds):
    wrong = []
    with rpc_door(grounds) as door:
        send = door.channel.unary_stream(
            "/micelio.v1.ProjectService/StreamBlobs",
            request_serializer=StreamBlobsRequest.SerializeToString,
            response_deserializer=BlobChunk.FromString,
        )
        take = door.channel.stream_unary(
            "/micelio.v1.SessionService/StageBlobs",
            request_serializer=StageBlobsRequest.SerializeToString,
            response_deserializer=StageBlobsResponse.FromString,
        )
        for project, people in WHERE.items():
            names = {"shown": "0" * 64, "draft": NOBODY} | grounds.of(project)
            blob = names["shown"]
            for person in people:
                token = grounds.tokens.get(person, "")
                metadata = [("authorization", f"Bearer {token}")] if token else []
                wanted = StreamBlobsRequest(
                    organization_handle="acme", project_handle=project, blob_hashes=[blob]
                )
                header = StageBlobsRequest(header=StageHeader(session_id=names["draft"], id=EMPTY, size=0))
                calls = {
                    "sent": (partial(send, wanted, metadata=metadata, timeout=30), READ, READ),
                    "taken": (partial(take, iter([header]), metadata=metadata, timeout=30), CHANGE, VIEW),
                }
                for what, (call, least, sees) in calls.items():
                    ended = code_of(call)
                    fine = allowed(what, person, project, least, sees)
                    wrong += [] if ended in fine else [f"{what}: {person} in {project}: {ended}"]

    assert wrong == []


def allowed(what: str, person: str, project: str, least, sees) -> set[str]:
    if may(person, project, least):
        return {"OK"}
    if person == "stranger" and what == "taken":
        return {"UNAUTHENTICATED"}
    return {"PERMISSION_DENIED", "ABORTED"} if may(person, project, sees) else {"NOT_FOUND"}


def code_of(call) -> str:
    try:
        answer = call()
        if isinstance(answer, Iterator):
            list(answer)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"
