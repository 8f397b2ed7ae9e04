"""Two web, two gRPC and two worker processes on PostgreSQL, Redis and S3 act as one forge."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from mic.client import Client
from mic.errors import Unreachable
from tests.forges import PASSWORD
from tests.scale.page import STATE, Tab
from tests.vcs.buckets import patient
from vcs.objects import new_id
from vcs.wire import sessions_pb2

PATIENCE = 60
WHERE = {"organization": "ada", "project": "notes"}
LANDING = f"{STATE}.micelio_app___state____app_state.micelio_app___pages___landings____landing_state"


def at(url: str, token: str = "", **headers: str) -> httpx.Client:
    """A caller at one address."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return httpx.Client(base_url=url, headers=headers, timeout=PATIENCE)


@pytest.fixture(scope="module")
def ada(stage):
    with at(stage.fleet.url, stage.tokens["ada"]) as ada:
        made = ada.post("/api/v1/projects", json={**WHERE, "visibility": "public"})
        assert made.status_code == 201, made.text
        session = start(ada, "Begin")
        put(ada, session, "README.md", b"# Notes\n")
        assert ada.post(f"/api/v1/sessions/{session}/land", json={}).json()["position"] == 1
        yield ada


def start(client: httpx.Client, goal: str) -> str:
    answer = client.post("/api/v1/sessions", json={**WHERE, "goal": goal})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def put(client: httpx.Client, session: str, path: str, content: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return client.put(f"/api/v1/sessions/{session}/files/{path}", content=content, headers=headers)


def test_who_signs_in_at_one_node_is_signed_in_at_the_other_and_out_everywhere_at_once(stage, ada):
    origin = stage.fleet.url
    with at(stage.fleet.node("a"), Origin=origin) as a, at(stage.fleet.node("b"), Origin=origin) as b:
        signed = a.post("/auth/sign-in", json={"handle": "ada", "password": PASSWORD})
        assert signed.status_code == 200, signed.text
        b.cookies.set("micelio_session", a.cookies["micelio_session"])
        assert b.get("/api/v1/user").json()["handle"] == "ada"
        assert b.delete("/api/v1/user/devices").status_code == 200
        assert [each.get("/api/v1/user").status_code for each in (a, b)] == [401, 401]


def test_a_reader_at_one_node_sees_what_is_said_at_the_other(stage, ada):
    session, token = start(ada, "Talk"), stage.tokens["ada"]
    address = f"/api/v1/sessions/{session}/events/stream"
    for reader, writer in ((stage.fleet.node("a"), stage.fleet.node("b")), (stage.fleet.url,) * 2):
        words = [f"{writer} says {number}" for number in range(20)]
        with at(reader, token) as reads, at(writer, token) as writes, reads.stream("GET", address) as stream:
            lines = stream.iter_lines()
            heard = []
            for said in words:
                answer = writes.post(f"/api/v1/sessions/{session}/notes", json={"content": said})
                assert answer.status_code == 201, answer.text
                while not heard or heard[-1] != said:
                    line = next(lines)
                    if line.startswith("data: "):
                        heard.append(json.loads(line.removeprefix("data: "))["body"].get("text"))
            assert [each for each in heard if each in words] == words


def test_calls_are_counted_once_over_all_nodes_and_per_caller_behind_the_balancer(stage, ada):
    wrong = {"handle": "grace", "password": "not hers"}
    origin = stage.fleet.url
    with at(stage.fleet.node("a"), Origin=origin) as a, at(stage.fleet.node("b"), Origin=origin) as b:
        answers = [(a, b)[number % 2].post("/auth/sign-in", json=wrong).status_code for number in range(12)]
        assert answers == [401] * 10 + [429] * 2

        left = [
            int(each.get("/api/v1/projects/ada/notes").headers["X-RateLimit-Remaining"])
            for each in (a, b, a, b)
        ]
        assert left == list(range(left[0], left[0] - 4, -1))
    with at(stage.fleet.url) as outside:
        # The balancer is believed about who calls, the caller is not.
        forged = outside.get("/api/v1/projects/ada/notes", headers={"X-Forwarded-For": "192.0.2.1"})
        again = outside.get("/api/v1/projects/ada/notes", headers={"X-Forwarded-For": "192.0.2.2"})
    told = [int(each.headers["X-RateLimit-Remaining"]) for each in (forged, again)]
    assert told == [told[0], told[0] - 1]


def test_a_page_goes_on_at_the_other_node_as_it_was(stage, ada):
    path = "/ada/notes/landings/1"
    tab = Tab(stage.fleet.url, path, {"org": "ada", "project": "notes", "position": "1"}, LANDING)
    tab.connect(stage.fleet.node("a"))
    tab.load()
    tab.value("goal", "Begin")
    tab.fire("show_split", split=True)
    tab.value("wanted", "view=split")
    tab.close()

    tab.values.clear()
    tab.connect(stage.fleet.node("b"))
    tab.fire("hide_whitespace", hide=True)
    tab.value("wanted", "view=split&whitespace=hide")
    tab.close()

    tab.connect(stage.fleet.url)
    tab.fire("show_split", split=False)
    tab.value("wanted", "view=unified&whitespace=hide")
    tab.close()


class Load:
    """Writers who land one session after the other, and ask once more when no answer came."""

    def __init__(self) -> None:
        self.landed: dict[str, int] = {}
        self.repeated: Counter[str] = Counter()
        self.failed: list[str] = []
        self.changed = threading.Condition()

    def once_more(self, what: str, call: Callable[[], Any]) -> Any:
        """The answer of a call that may be repeated once."""
        try:
            return call()
        except (httpx.TransportError, Unreachable, Gone):
            self.repeated[what] += 1
            return call()

    def tell(self, session: str, position: int) -> None:
        """A session has landed."""
        with self.changed:
            self.landed[session] = position
            self.changed.notify_all()

    def wait(self, count: int) -> None:
        """Until so many have landed, or somebody failed."""
        with self.changed:
            self.changed.wait_for(lambda: self.failed or len(self.landed) >= count, PATIENCE * 3)
        assert not self.failed and len(self.landed) >= count, (self.failed, len(self.landed))

    def run(self, sessions: list[str], land: Callable[[str], int]) -> threading.Thread:
        """One writer."""

        def work() -> None:
            try:
                for session in sessions:
                    self.tell(session, land(session))
            except BaseException as error:
                self.failed.append(repr(error))
                with self.changed:
                    self.changed.notify_all()

        thread = threading.Thread(target=work)
        thread.start()
        return thread


class Gone(Exception):
    """The balancer's answer when a node died on the way."""


def answered(response: httpx.Response) -> Any:
    if response.status_code in (502, 504):
        raise Gone
    assert response.is_success, response.text
    return response.json()


def rest_writer(load: Load, client: httpx.Client) -> Callable[[str], int]:
    def land(session: str) -> int:
        note = {"content": "Landing it.", "client_id": new_id()}
        landing = new_id()
        content = session.encode()
        load.once_more("file", lambda: answered(put(client, session, f"rest/{session}", content)))
        address = f"/api/v1/sessions/{session}"
        load.once_more("note", lambda: answered(client.post(f"{address}/notes", json=note)))
        asked = {"landing": landing, "summary": "Done."}
        done = load.once_more("land", lambda: answered(client.post(f"{address}/land", json=asked)))
        return int(done["position"])

    return land


def grpc_writer(load: Load, client: Client) -> Callable[[str], int]:
    def land(session: str) -> int:
        service = client.sessions
        note = sessions_pb2.AddSessionNoteRequest(
            session_id=session, content="Landing it.", client_id=new_id()
        )
        asked = sessions_pb2.LandSessionRequest(session_id=session, summary="Done.", landing=new_id())
        load.once_more("note", lambda: service.AddSessionNote(note))
        return int(load.once_more("land", lambda: service.LandSession(asked)).position)

    return land


def test_any_process_killed_under_load_costs_one_retry_and_nothing_is_lost_or_doubled(stage, ada):
    fleet, each = stage.fleet, 8
    before = stage.system("get_project", **WHERE).position
    sessions = {name: [start(ada, f"{name} {n}") for n in range(each)] for name in ("one", "two", "rpc")}
    for n, session in enumerate(sessions["rpc"]):
        assert put(ada, session, f"rpc/{n}", session.encode()).is_success
    load = Load()
    with (
        at(fleet.url, stage.tokens["ada"]) as one,
        at(fleet.url, stage.tokens["ada"]) as two,
        closing(Client(fleet.url, token=stage.tokens["ada"])) as rpc,
    ):
        threads = [
            load.run(sessions["one"], rest_writer(load, one)),
            load.run(sessions["two"], rest_writer(load, two)),
            load.run(sessions["rpc"], grpc_writer(load, rpc)),
        ]
        load.wait(3)
        fleet.kill("a", "web")
        load.wait(7)
        fleet.kill("b", "worker")
        fleet.start("a", "web")
        patient(lambda: fleet.ready("a") and fleet.chosen("a"), PATIENCE)
        fleet.kill("b", "grpc")
        load.wait(12)
        fleet.kill("b", "web")
        for thread in threads:
            thread.join()
    assert load.failed == []
    assert_whole(stage, before, sessions, load)


def assert_whole(stage, before, sessions, load):
    """Everything acknowledged is there once, and every job has run once."""
    every = [session for row in sessions.values() for session in row]
    assert sorted(load.landed) == sorted(every)
    assert sorted(load.landed.values()) == list(range(before + 1, before + 1 + len(every)))
    listed = stage.system("list_landings", **WHERE, limit=100).items
    assert {one.session: one.position for one in listed if one.position > before} == load.landed
    for session in every:
        said = stage.system("list_session_events", session=session).items
        assert [event.sequence for event in said] == list(range(1, len(said) + 1))
        notes = [event for event in said if event.body.get("text") == "Landing it."]
        landed = [event for event in said if event.body.get("state") == "landed"]
        assert (len(notes), len(landed)) == (1, 1), session
    project = stage.system("get_project", **WHERE).id

    def archives() -> Counter[str]:
        listed = stage.forge.store.list(f"archives/{project}/")
        return Counter(each.key.split("/")[2] for each in listed)

    patient(lambda: set(every) <= set(archives()), PATIENCE * 2)
    assert {archives()[session] for session in every} == {1}
    query = "SELECT status, count(*) FROM dbos.workflow_status GROUP BY status"
    patient(lambda: _unfinished(stage, query) == {"SUCCESS"}, PATIENCE * 2)


def _unfinished(stage, query):
    with stage.forge.db.engine.connect() as connection:
        return {status for status, _ in connection.execute(text(query))}
