"""What an instance tells machines that ask by convention."""

import json
import logging
from dataclasses import replace

import pytest

from backend.core import observe
from backend.core.config import LogFormat, Settings
from backend.core.errors import InvalidInput
from tests.backend.doors.faces import Rest


@pytest.fixture
def door(world, portal) -> Rest:
    return Rest(world, portal)


@pytest.mark.parametrize("address", ["/health", "/health/live", "/health/ready"])
def test_a_well_instance_says_so(door, address):
    answer = door.send("GET", address)

    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_an_instance_without_its_database_lives_and_is_not_ready(door, world, monkeypatch, tmp_path):
    world.forge.db.close()
    monkeypatch.setattr(world.forge, "db", type(world.forge.db)(f"sqlite:///{tmp_path}", locks=tmp_path))

    assert door.send("GET", "/health/live").status_code == 200
    ready = door.send("GET", "/health/ready")
    assert ready.status_code == 503
    assert "did not answer" in ready.json()["checks"]["database"]


def test_without_redis_the_bell_is_not_ready(door, world):
    world.forge.settings = replace(world.forge.settings, redis_url="redis://127.0.0.1:1/0")

    assert door.send("GET", "/health/ready").json()["checks"]["bell"].startswith("Redis did not answer")


def test_metrics_count_operations(door):
    door.send("GET", "/api/v1/projects/acme/open")

    assert (
        'micelio_operations_total{operation="get_project",outcome="ok"}' in door.send("GET", "/metrics").text
    )


def test_clients_learn_where_to_go(door):
    told = door.send("GET", "/.well-known/micelio").json()

    assert told["api_url"] == "http://forge.test/api/v1"
    assert told["grpc_url"] == "http://forge.test:4001"
    prd = {"version", "instance_name", "instance_url", "public_key", "capabilities"}
    assert prd | {"projects_endpoint", "events_endpoint", "minimum_client"} <= set(told)


def test_a_public_address_beats_the_host_that_was_asked(world, portal):
    world.forge.settings = replace(world.forge.settings, url="https://forge.example.org")

    told = Rest(world, portal).send("GET", "/.well-known/micelio").json()

    assert told["instance_url"] == "https://forge.example.org"
    assert told["grpc_url"] == "https://forge.example.org:4001"


def test_grpc_may_have_an_address_of_its_own(world, portal, tmp_path):
    environ = {"MICELIO_DATA": str(tmp_path), "SECRET_KEY_BASE": "not a secret"}
    named = Settings.from_environ({**environ, "MICELIO_GRPC_URL": "https://grpc.example.org:443/"})
    world.forge.settings = replace(world.forge.settings, grpc_url=named.grpc_url)

    told = Rest(world, portal).send("GET", "/.well-known/micelio").json()

    assert told["grpc_url"] == "https://grpc.example.org:443"
    for wrong in ("grpc.example.org:443", "https://grpc.example.org", "https://grpc.example.org:port"):
        with pytest.raises(InvalidInput, match="with its port"):
            Settings.from_environ({**environ, "MICELIO_GRPC_URL": wrong})


def test_finders_of_holes_know_whom_to_tell(door):
    lines = door.send("GET", "/.well-known/security.txt").text.splitlines()

    assert {line.partition(":")[0] for line in lines} >= {"Contact", "Expires", "Canonical"}


def test_log_lines_are_json_when_the_operator_wants_it(world, capsys):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        observe.configure(replace(world.forge.settings, log_format=LogFormat.JSON))
        observe.request_id.set("a-request-id")
        logging.getLogger("micelio.test").warning("a token mic_abcdefghijkl in a sentence")
        line = json.loads(capsys.readouterr().err)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        observe.request_id.set("")

    assert line["request_id"] == "a-request-id"
    assert line["message"] == "a token mic_abcd… in a sentence"
