"""The demo, played on a real forge from the outside and killed on its way."""

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from backend.core.errors import InvalidInput
from backend.instance.demo import Api, NoSuchProject, Player
from backend.instance.demo_script import SCRIPT, read_script
from tests.services import free_port

CHECKOUT = Path(__file__).parents[3]
PATIENCE = 120.0


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    data = tmp_path_factory.mktemp("forge")
    mine = {"MICELIO_DATA": str(data), "PORT": str(free_port()), "GRPC_PORT": str(free_port())}
    return os.environ | mine


@pytest.fixture(scope="module")
def served(environment):
    """A forge as `micelio serve` starts it, where nobody is administrator yet."""
    command = [sys.executable, "-m", "micelio_app", "serve"]
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True) as forge:
        line = ""
        while "Ctrl-C" not in line:
            line = forge.stdout.readline()
            assert line, "serve ended before it was ready"
        yield forge
        forge.terminate()
        forge.wait(PATIENCE)


@pytest.fixture(scope="module")
def ada(served, environment):
    made = micelio(environment, "create-admin", "--email", "ada@example.org", "--handle", "ada", "--token")
    return made.stdout.split()[-1]


@pytest.fixture
def read(environment, ada):
    """What ada reads at an address of the forge; strangers may not ask as often as these tests do."""

    def read(path):
        connection = http.client.HTTPConnection("127.0.0.1", int(environment["PORT"]), timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {ada}"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 200, text
        return json.loads(text)

    return read


def micelio(environment, *words):
    return subprocess.run(
        [sys.executable, "-m", "micelio_app", *words],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def demos(read):
    """Sessions of the demo, newest first."""
    found = read("/api/v1/projects/micelio/micelio/sessions")["items"]
    return [session for session in found if session["agent"] == "demo"]


def events_of(read, session):
    return read(f"/api/v1/sessions/{session}/events?limit=1000")["items"]


def play_until_killed(environment, read, events):
    command = [sys.executable, "-m", "micelio_app", "demo", "--speed", "60"]
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.DEVNULL) as playing:
        deadline = monotonic() + PATIENCE
        while not (found := demos(read)) or found[0]["events"] < events:
            assert playing.poll() is None and monotonic() < deadline
            sleep(0.05)
        playing.send_signal(signal.SIGKILL)
        playing.wait()
    return found[0]["id"]


def test_its_code_fails_and_passes_where_the_script_says_so(tmp_path):
    checks = []
    for beat in read_script(SCRIPT.read_text(), run="0a1b2c3d").beats:
        if beat.path:
            path = tmp_path / beat.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(beat.content)
        if beat.kind == "tool_result" and beat.body["name"].startswith("python "):
            words = beat.body["name"].split()[1:]
            checked = subprocess.run([sys.executable, "-B", *words], cwd=tmp_path, capture_output=True)
            checks.append((beat.body["ok"], checked.returncode == 0))

    assert checks == [(True, True), (False, False), (True, True)]


def test_it_takes_two_to_three_minutes():
    assert 120 < sum(beat.after for beat in read_script(SCRIPT.read_text()).beats) < 180


def test_every_event_of_the_script_has_a_name_of_its_own():
    names = [beat.client_id for beat in read_script(SCRIPT.read_text()).beats]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("step", ["save = 'a'\nold = 'x'\nnew = 'y'\ntokens = [1, 1]", "dance = 1"])
def test_a_step_that_cannot_be_played_is_named(step):
    with pytest.raises(InvalidInput, match="Step 1 of the demo"):
        read_script(f"plan = []\ngoal = ''\nagent = ''\nmodel = ''\n[[step]]\nafter = 1\n{step}")


def test_a_forge_that_does_not_answer_is_one_sentence(environment):
    refused = micelio(environment | {"PORT": str(free_port())}, "demo")

    assert refused.returncode == 1
    assert refused.stderr.startswith("micelio: No forge answers at http://127.0.0.1:")
    assert len(refused.stderr.splitlines()) == 1


def test_without_an_administrator_it_says_how_to_get_one(served, environment):
    refused = micelio(environment, "demo")

    assert refused.returncode == 1
    assert "micelio create-admin" in refused.stderr and "sign-in link" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_project_that_is_not_there_is_one_sentence(ada, environment):
    api = Api(f"http://127.0.0.1:{environment['PORT']}", ada)

    with pytest.raises(NoSuchProject, match="hosts no micelio/micelio"):
        Player(api, project="micelio/elsewhere").play()
    api.close()


def test_a_token_that_is_not_good_is_one_sentence(ada, environment):
    refused = micelio(environment, "demo", "--token", "mic_nothing")

    assert refused.returncode == 1
    assert refused.stderr.startswith("micelio: The forge refused: ")
    assert len(refused.stderr.splitlines()) == 1


def test_killed_on_the_way_it_goes_on_with_the_same_session_and_says_nothing_twice(ada, environment, read):
    ids = {play_until_killed(environment, read, events) for events in (2, 25, 48)}
    finished = micelio(environment, "demo", "--speed", "10000")
    session = demos(read)[0]
    script = read_script(SCRIPT.read_text(), run=session["short_id"])
    events = events_of(read, session["id"])

    assert finished.returncode == 0, finished.stderr
    assert ids == {session["id"]} and session["status"] == "landed"
    assert [e["sequence"] for e in events] == list(range(1, len(events) + 1))
    assert [e["client_id"] for e in events if e["client_id"]] == [beat.client_id for beat in script.beats]
    assert [e["body"]["path"] for e in events if e["kind"] == "diff"] == [
        beat.path for beat in script.beats if beat.path
    ]


def test_it_lands_again_and_again_what_the_script_wrote(ada, environment, read):
    before = read("/api/v1/projects/micelio/micelio/landings")["items"][0]["position"]
    again = micelio(environment, "demo", "--speed", "10000", "--token", ada)
    session = demos(read)[0]
    written = {
        beat.path: beat.content.decode()
        for beat in read_script(SCRIPT.read_text(), run=session["short_id"]).beats
        if beat.path
    }
    landed = read(f"/api/v1/projects/micelio/micelio/landings/{before + 1}/diff")

    assert again.returncode == 0, again.stderr
    assert session["landed_position"] == before + 1
    assert f"Landed as #{before + 1}." in again.stdout
    assert {
        f["path"]: "".join(line["text"] + "\n" for hunk in f["hunks"] for line in hunk["lines"])
        for f in landed["files"]
    } == written
