"""gRPC: every rpc reaches its operation, refusals keep their sentence, content is streamed."""

import json
import random
import socket
from contextlib import closing
from threading import Event

import grpc
import pytest
import zstandard
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from backend.accounts.service import create_access_token
from backend.core.errors import InvalidInput
from backend.doors import messages, rpc, streams
from backend.projects.service import create_project
from vcs import wire
from vcs.objects import Kind, object_id
from vcs.wire import (
    auth_pb2,
    auth_pb2_grpc,
    organizations_pb2,
    packing,
    projects_pb2,
    projects_pb2_grpc,
    sessions_pb2_grpc,
)
from vcs.wire import sessions_pb2 as s

BLOB = b"bytes \x00 and more\n" * 40_000


@pytest.fixture
def address(forge):
    server, port = rpc.start_grpc(forge, "127.0.0.1:0")
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


@pytest.fixture
def channel(address):
    with grpc.insecure_channel(address) as channel:
        yield channel


@pytest.fixture
def token(invoke):
    """Metadata that proves somebody."""

    def token(actor, *scopes):
        made = invoke(actor, create_access_token, name="test", scopes=scopes or ALL)
        return (("authorization", f"Bearer {made.token}"),)

    return token


ALL = ("project:read", "project:write", "session:read", "session:write", "org:read", "user")


@pytest.fixture
def notes(invoke, ada, acme):
    return invoke(ada, create_project, organization="acme", project="notes", visibility="public")


def test_every_rpc_has_its_operation_or_stream_and_every_operation_its_rpc():
    named = {f"{service.name}.{method.name}" for service in rpc.services() for method in service.methods}

    assert named == rpc.bound().keys() | streams.SERVED.keys()


def test_every_response_carries_all_that_its_operation_answers():
    bound = rpc.bound()
    lost = {
        f"{service.name}.{method.name}": messages.unanswered(
            messages.message_class(method.output_type), bound[f"{service.name}.{method.name}"].result
        )
        for service in rpc.services()
        for method in service.methods
        if f"{service.name}.{method.name}" in bound
    }

    assert {name: fields for name, fields in lost.items() if fields} == {}


def test_health_says_serving(channel):
    stub = health_pb2_grpc.HealthStub(channel)

    for name in ("", "micelio.v1.SessionService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_tools_can_ask_which_services_there_are(channel):
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")

    answer = next(stub.ServerReflectionInfo(iter([asked])))

    names = {service.name for service in answer.list_services_response.service}
    assert {service.full_name for service in rpc.services()} < names


def test_a_session_travels_from_its_start_to_its_landing(channel, token, ada, notes):
    as_ada = token(ada)
    sessions = sessions_pb2_grpc.SessionServiceStub(channel)
    projects = projects_pb2_grpc.ProjectServiceStub(channel)
    started = sessions.StartSession(
        s.StartSessionRequest(organization_handle="acme", project_handle="notes", goal="Say hello"),
        metadata=as_ada,
    )
    blob, empty = object_id(Kind.BLOB, BLOB), object_id(Kind.BLOB, b"")
    missing = s.MissingBlobsRequest(session_id=started.short_id, blobs=[blob, empty])
    assert sessions.MissingBlobs(missing, metadata=as_ada).blobs == [blob, empty]

    parts = [
        s.StageBlobsRequest(header=s.StageHeader(session_id=started.id, id=blob, size=len(BLOB))),
        *(s.StageBlobsRequest(data=BLOB[at : at + wire.CHUNK]) for at in range(0, len(BLOB), wire.CHUNK)),
        s.StageBlobsRequest(header=s.StageHeader(session_id=started.id, id=empty, size=0, path=b"e")),
    ]
    assert sessions.StageBlobs(iter(parts), metadata=as_ada).blobs == [blob, empty]
    assert sessions.MissingBlobs(missing, metadata=as_ada).blobs == []

    odd = b"caf\xe9\n\\x"
    pushed = sessions.PushSession(
        s.PushSessionRequest(
            session_id=started.id,
            files=[
                s.FilePut(path=odd, blob=blob, mode="100755"),
                s.FilePut(path=b"e", blob=empty, mode="100644"),
            ],
            conversation=[s.NoteIn(text="on the way", role="agent")],
        ),
        metadata=as_ada,
    )
    assert [(change.path, change.status) for change in pushed.changes] == [(odd, "added"), (b"e", "added")]
    assert [note.text for note in pushed.conversation] == ["on the way"]

    landed = sessions.LandSession(s.LandSessionRequest(session_id=started.id, summary="Hi"), metadata=as_ada)
    assert (landed.position, landed.status) == (1, "landed")

    tree = projects_pb2.TreeResponse()
    for part in projects.GetProjectTree(
        projects_pb2.GetProjectTreeRequest(organization_handle="acme", project_handle="notes")
    ):
        tree.MergeFrom(part)
    assert [(item.path, item.mode, item.size) for item in tree.items] == [
        (odd, "100755", len(BLOB)),
        (b"e", "100644", 0),
    ]
    assert content(projects, tree.project.id, [blob, empty, blob]) == [BLOB, b"", BLOB]


def content(projects, project, ids):
    found = []
    for part in projects.StreamBlobs(projects_pb2.StreamBlobsRequest(project_id=project, blob_hashes=ids)):
        if part.WhichOneof("part") == "header":
            found.append(b"")
        else:
            assert len(part.data) <= wire.CHUNK
            found[-1] += part.data
    return found


def test_a_push_without_incremental_takes_back_what_it_does_not_name(channel, token, ada, notes):
    as_ada = token(ada)
    sessions = sessions_pb2_grpc.SessionServiceStub(channel)
    request = s.StartSessionRequest(organization_handle="acme", project_handle="notes", goal="Try")
    id = sessions.StartSession(request, metadata=as_ada).id
    empty = object_id(Kind.BLOB, b"")
    header = s.StageBlobsRequest(header=s.StageHeader(session_id=id, id=empty, size=0))
    sessions.StageBlobs(iter([header]), metadata=as_ada)

    def push(*paths, incremental):
        files = [s.FilePut(path=path, blob=empty) for path in paths]
        request = s.PushSessionRequest(session_id=id, files=files, incremental=incremental)
        return [change.path for change in sessions.PushSession(request, metadata=as_ada).changes]

    assert push(b"a", incremental=True) == [b"a"]
    assert push(b"b", incremental=True) == [b"a", b"b"]
    assert push(b"b", incremental=False) == [b"b"]


@pytest.mark.parametrize("header", ["Bearer mic_wrong", "Basic abc", "mic"])
def test_wrong_credentials_are_unauthenticated_even_for_public_things(channel, notes, header):
    projects = projects_pb2_grpc.ProjectServiceStub(channel)
    request = projects_pb2.GetProjectRequest(organization_handle="acme", project_handle="notes")

    assert projects.GetProject(request).handle == "notes"
    with pytest.raises(grpc.RpcError) as refusal:
        projects.GetProject(request, metadata=(("authorization", header),))
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_private_and_missing_projects_are_refused_alike(channel, token, invoke, ada, mallory, acme):
    invoke(ada, create_project, organization="acme", project="secret")
    projects = projects_pb2_grpc.ProjectServiceStub(channel)

    for metadata in ((), token(mallory)):
        answers = []
        for handle in ("secret", "missing"):
            with pytest.raises(grpc.RpcError) as refusal:
                projects.GetProject(
                    projects_pb2.GetProjectRequest(project_handle=f"acme/{handle}"), metadata=metadata
                )
            document = problem(refusal.value)
            document.pop("request_id")
            answers.append((refusal.value.code(), refusal.value.details(), document))
        assert answers[0] == answers[1]
        assert answers[0][0] is grpc.StatusCode.NOT_FOUND


def problem(error):
    return json.loads(dict(error.trailing_metadata())[wire.PROBLEM])


@pytest.mark.parametrize(
    ("scopes", "request_", "code"),
    [
        ((), s.StartSessionRequest(project_handle="acme/notes"), grpc.StatusCode.INVALID_ARGUMENT),
        (
            ("project:read",),
            s.StartSessionRequest(project_handle="acme/notes", goal="x"),
            grpc.StatusCode.PERMISSION_DENIED,
        ),
        (None, s.StartSessionRequest(project_handle="acme/notes", goal="x"), grpc.StatusCode.UNAUTHENTICATED),
        (
            (),
            s.StartSessionRequest(project_handle="acme/notes", goal="x", metadata="{"),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
    ],
)
def test_refusals_have_their_code_and_their_problem(channel, token, ada, notes, scopes, request_, code):
    sessions = sessions_pb2_grpc.SessionServiceStub(channel)

    with pytest.raises(grpc.RpcError) as refusal:
        sessions.StartSession(request_, metadata=() if scopes is None else token(ada, *scopes))

    assert refusal.value.code() is code
    assert problem(refusal.value)["detail"] == refusal.value.details()


def test_content_that_is_not_what_it_says_is_refused(channel, token, ada, notes):
    as_ada = token(ada)
    sessions = sessions_pb2_grpc.SessionServiceStub(channel)
    request = s.StartSessionRequest(organization_handle="acme", project_handle="notes", goal="Try")
    id = sessions.StartSession(request, metadata=as_ada).id
    header = s.StageBlobsRequest(header=s.StageHeader(session_id=id, id=object_id(Kind.BLOB, b"abc"), size=3))

    for parts in (
        [header, s.StageBlobsRequest(data=b"abd")],
        [header, s.StageBlobsRequest(data=b"ab")],
        [header, s.StageBlobsRequest(data=b"abcd")],
        [s.StageBlobsRequest(data=b"abc")],
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            sessions.StageBlobs(iter(parts), metadata=as_ada)
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    # One that is too large is refused by its header, while nothing else was sent.
    waiting = Event()
    too_large = s.StageBlobsRequest(header=s.StageHeader(session_id=id, id="0" * 64, size=(5 << 30) + 1))
    with pytest.raises(grpc.RpcError) as refusal:
        sessions.StageBlobs(_and_then(too_large, waiting), metadata=as_ada)
    waiting.set()
    assert problem(refusal.value)["code"] == "file.too_large"


def _and_then(first, waiting):
    yield first
    waiting.wait(30)


@pytest.fixture
def landed(token, ada, notes, channel):
    """Blobs in acme/notes: of a few bytes, of more than a pack takes, of several frames; id -> content."""
    chance = random.Random(5)
    contents = [b"%d\n" % n * n for n in range(300)] + [b"text\n" * 60_000, chance.randbytes(5_000_000)]
    blobs = {object_id(Kind.BLOB, content): content for content in contents}
    as_ada = token(ada)
    sessions = sessions_pb2_grpc.SessionServiceStub(channel)
    request = s.StartSessionRequest(organization_handle="acme", project_handle="notes", goal="Many")
    id = sessions.StartSession(request, metadata=as_ada).id
    parts = []
    for blob, data in blobs.items():
        parts.append(s.StageBlobsRequest(header=s.StageHeader(session_id=id, id=blob, size=len(data))))
        parts += [s.StageBlobsRequest(data=piece) for piece in packing.pieces([data])]
    sessions.StageBlobs(iter(parts), metadata=as_ada)
    files = [s.FilePut(path=blob.encode(), blob=blob) for blob in blobs]
    sessions.PushSession(s.PushSessionRequest(session_id=id, files=files), metadata=as_ada)
    sessions.LandSession(s.LandSessionRequest(session_id=id), metadata=as_ada)
    return blobs


def test_blobs_come_packed_and_compressed_to_who_asks_for_it(channel, notes, landed):
    projects = projects_pb2_grpc.ProjectServiceStub(channel)
    ids = list(landed)
    request = projects_pb2.StreamBlobsRequest(project_id=str(notes.id), blob_hashes=ids, packed=True)

    found, sizes, kinds = [], [], set()
    for part in projects.StreamBlobs(request):
        kinds.add(part.WhichOneof("part"))
        sizes.append(part.ByteSize())
        if part.pack.headers:
            data = packing.unsqueezed(part.pack.data) if part.pack.zstd else part.pack.data
            assert len(data) <= wire.CHUNK
            found += packing.split(data, [header.size for header in part.pack.headers])
        elif part.WhichOneof("part") == "header":
            found.append(b"")
        else:
            found[-1] += packing.unsqueezed(part.zstd) if part.zstd else part.data

    assert dict(zip(ids, found, strict=True)) == landed
    assert kinds == {"pack", "header", "zstd", "data"}
    assert len(sizes) < 40 and sum(sizes) < 5_200_000


def test_a_blob_comes_from_a_byte_on(channel, notes, landed):
    projects = projects_pb2_grpc.ProjectServiceStub(channel)
    small, large = list(landed)[9], list(landed)[-1]
    request = projects_pb2.StreamBlobsRequest(
        project_id=str(notes.id), blob_hashes=[large, small, small], offsets=[0, 3], packed=True
    )
    for offset in (0, 1, 1 << 20, (1 << 20) + 1, 4_999_999, 5_000_000):
        request.offsets[0] = offset

        parts = list(projects.StreamBlobs(request))

        assert (parts[0].header.size, parts[0].header.offset) == (5_000_000, offset)
        assert b"".join(part.data for part in parts[1:-3]) == landed[large][offset:]
        assert parts[-2].data == landed[small][3:]
        assert [header.id for header in parts[-1].pack.headers] == [small]

    request.offsets[0] = 5_000_001
    with pytest.raises(grpc.RpcError) as refusal:
        list(projects.StreamBlobs(request))
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_frame_that_would_be_longer_than_a_chunk_is_refused_undecoded(channel, token, ada, notes):
    as_ada = token(ada)
    sessions = sessions_pb2_grpc.SessionServiceStub(channel)
    request = s.StartSessionRequest(organization_handle="acme", project_handle="notes", goal="Bomb")
    id = sessions.StartSession(request, metadata=as_ada).id
    content = bytes(100 << 20)
    header = s.StageHeader(session_id=id, id=object_id(Kind.BLOB, content), size=len(content))
    bomb = zstandard.compress(content)
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(b"abc" * 100)

    for parts in (
        [s.StageBlobsRequest(header=header), s.StageBlobsRequest(zstd=bomb)],
        [s.StageBlobsRequest(header=header), s.StageBlobsRequest(zstd=silent)],
        [s.StageBlobsRequest(header=header), s.StageBlobsRequest(zstd=b"no frame")],
        [s.StageBlobsRequest(pack=s.StagePack(headers=[header], data=bomb, zstd=True))],
        [s.StageBlobsRequest(pack=s.StagePack(headers=[header], data=b"short"))],
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            sessions.StageBlobs(iter(parts), metadata=as_ada)
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_long_tree_comes_in_parts(channel, landed, monkeypatch):
    monkeypatch.setattr(messages, "PART_ITEMS", 100)
    projects = projects_pb2_grpc.ProjectServiceStub(channel)
    request = projects_pb2.GetProjectTreeRequest(organization_handle="acme", project_handle="notes")

    parts = list(projects.GetProjectTree(request))

    assert [len(part.items) for part in parts] == [100, 100, 100, 2]
    assert [part.project.handle for part in parts] == ["notes", "", "", ""]
    assert [item.id for part in parts for item in part.items] == sorted(landed)


def test_long_problems_are_cut_for_callers_that_take_little_metadata(forge):
    details = {"paths": [{"path": f"file-{n}"} for n in range(5000)]}
    long = rpc.problems.problem_of(InvalidInput("Too many.", **details), forge.settings, "id")

    assert len(rpc._fitting(long, wire.SMALL_PROBLEM)) <= wire.SMALL_PROBLEM
    assert json.loads(rpc._fitting(long, wire.LARGEST_PROBLEM))["details"] == details


def test_a_taken_port_is_a_sentence(forge):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InvalidInput, match="GRPC_PORT"):
            rpc.start_grpc(forge, f"127.0.0.1:{taken.getsockname()[1]}")


def test_people_and_their_organizations_are_told(channel, token, ada, acme):
    user = auth_pb2_grpc.AuthServiceStub(channel).GetCurrentUser(
        auth_pb2.GetCurrentUserRequest(), metadata=token(ada)
    )

    assert (user.handle, [each.handle for each in user.organizations]) == ("ada", ["acme", "ada"])
    assert organizations_pb2.DESCRIPTOR.services_by_name["OrganizationService"].methods
