"""Imports read from where they may, as whom they may, and keep no secret."""

import json
import logging
import socket
import subprocess
from dataclasses import replace

import pytest
from sqlmodel import text

from backend.core.context import Forge
from backend.core.errors import MicelioError
from backend.portability.models import ImportState
from backend.portability.sources import check_url, is_public
from tests.backend.doors.git.conftest import until
from tests.backend.portability.imports import Imports, dot_git, objects_of, refs_of
from tests.git_servers import elsewhere
from tests.services import free_port
from tests.vcs.git.sources import generated, odd


@pytest.fixture
def settings(settings):
    return replace(settings, import_private=True)


@pytest.fixture
def there(tmp_path):
    with elsewhere(tmp_path) as server:
        yield server


def ended(imports, actor, asked):
    imports.work()
    return imports.look(actor, asked)


def test_a_history_is_read_over_http(imports, ada, tmp_path, there):
    git = odd(tmp_path / "odd")
    (dot_git(git) / "info/grafts").unlink()
    git.run(
        "update-ref", "-d", git.run("for-each-ref", "--format=%(refname)", "refs/replace").decode().strip()
    )

    done = imports.done(ada, f"{there.url}/odd/.git")

    assert refs_of(imports.repository()) == refs_of(dot_git(git))
    assert objects_of(imports.repository()) == objects_of(dot_git(git))
    assert (done.source, done.default_branch) == (f"{there.url}/odd/.git", "trunk")


def test_a_history_is_read_over_git_s_own_protocol(imports, ada, tmp_path):
    git, port = generated(tmp_path / "made", 4), free_port()
    listening = ["--export-all", "--listen=127.0.0.1", f"--port={port}", f"--base-path={tmp_path}"]
    with subprocess.Popen(["git", "-c", "safe.directory=*", "daemon", *listening]) as daemon:
        try:
            until(lambda: listens(port))
            imports.done(ada, f"git://127.0.0.1:{port}/made/.git")
        finally:
            daemon.terminate()

    assert refs_of(imports.repository()) == refs_of(dot_git(git))


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_private_sources_take_user_and_token_once_and_nothing_keeps_them(
    imports, ada, tmp_path, there, caplog
):
    caplog.set_level(logging.DEBUG)
    git = generated(tmp_path / "made", 1)
    there.want("ada", "hunter-two-secret")

    refused = imports.ask(ada, f"{there.url}/made/.git", username="ada", token="wrong-secret-too")
    assert "hunter" not in refused.model_dump_json()
    told = ended(imports, ada, refused)
    assert told.state is ImportState.FAILED and "401" in told.problem

    asked = imports.ask(ada, f"{there.url}/made/.git", username="ada", token="hunter-two-secret")
    assert "hunter-two-secret" not in dumped(imports.forge)
    assert ended(imports, ada, asked).state is ImportState.DONE

    assert refs_of(imports.repository()) == refs_of(dot_git(git))
    for secret in ("hunter-two-secret", "wrong-secret-too"):
        assert secret not in dumped(imports.forge) and secret not in caplog.text
    with imports.forge.db.transaction(write=False) as db:
        assert db.execute(text("SELECT count(*) FROM imports WHERE secret IS NOT NULL")).scalar_one() == 0
    assert [path for path, given in there.asked if given is None] == []


def dumped(forge: Forge) -> str:
    """Every row of every table, as text."""
    with forge.db.transaction(write=False) as db:
        listing = "SELECT name FROM sqlite_schema WHERE type = 'table'"
        if not forge.db.is_sqlite:
            listing = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        names = [name for (name,) in db.execute(text(listing)).all()]
        return json.dumps(
            [[str(row) for row in db.execute(text(f'SELECT * FROM "{name}"')).all()] for name in names]
        )


def test_a_redirect_is_followed_and_checked_and_a_token_stays_behind(imports, ada, tmp_path, there):
    generated(tmp_path / "made", 2)
    with elsewhere(tmp_path) as other:
        there.moved["/old"] = f"{other.url}/made/.git"
        assert (
            ended(imports, ada, imports.ask(ada, f"{there.url}/old", token="a-token-of-there")).state
            is ImportState.DONE
        )
        assert [given for _, given in other.asked if given] == []

    there.moved["/loop"] = "/loop"
    told = ended(imports, ada, imports.ask(ada, f"{there.url}/loop", "acme/loop"))
    assert "redirects more than" in told.problem


def test_private_addresses_are_refused_however_they_are_reached(imports, ada, forge, there):
    strict = Imports(Forge.open(replace(forge.settings, import_private=False), clock=forge.clock))
    try:
        for url in (
            f"{there.url}/x",
            "http://localhost/x",
            "http://[::1]/x",
            "http://0x7f000001/x",
            "git://127.1/x",
        ):
            told = ended(strict, ada, strict.ask(ada, url, "acme/inside"))
            assert told.state is ImportState.FAILED and "public address" in told.problem, url
        assert there.asked == []
    finally:
        strict.forge.close()


@pytest.mark.parametrize("address", [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1",
    "240.0.0.1",
])  # fmt: skip
def test_these_are_no_public_addresses(address):
    assert not is_public(address)


def test_these_are():
    assert is_public("140.82.121.4") and is_public("2606:50c0:8000::153")


@pytest.mark.parametrize("url", [
    "ssh://git@github.com/a/b", "git@github.com:a/b.git", "file:///etc", "ext::sh -c id", "http://", "https://ada:pw@x.org/a",
    "http://x.org/a b", "http://x.org:99999/a", "-uhttp://x",
])  # fmt: skip
def test_what_is_no_source_is_refused_before_anything_begins(imports, ada, url):
    with pytest.raises(MicelioError) as refusal:
        imports.ask(ada, url)

    assert "pw" not in refusal.value.sentence


def test_an_address_is_stored_without_what_could_be_secret():
    assert check_url("https://X.org:443/a/b.git/?token=1#x") == "https://x.org/a/b.git"


def test_a_web_page_is_told_apart_from_a_repository(imports, ada, there):
    told = ended(imports, ada, imports.ask(ada, f"{there.url}/nothing"))

    assert told.state is ImportState.FAILED and "no repository" in told.problem


def test_a_source_beyond_the_limit_is_stopped(imports, ada, tmp_path, there, monkeypatch):
    from backend.portability import fetching

    generated(tmp_path / "made", 3)
    monkeypatch.setattr(fetching, "_MEASURE", 0.0)
    monkeypatch.setattr(fetching, "_LOOK", 0.0)
    small = Imports(Forge.open(replace(imports.forge.settings, import_limit=10), clock=imports.forge.clock))
    try:
        told = ended(small, ada, small.ask(ada, f"{there.url}/made/.git"))
    finally:
        small.forge.close()

    assert told.state is ImportState.FAILED and "larger than" in told.problem
