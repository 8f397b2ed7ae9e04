"""`mic auth login` by code, tokens that renew themselves once for everybody, and token commands."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlmodel import select

from backend.accounts import grants
from backend.accounts.models import RefreshToken, TokenFamily
from backend.accounts.service import change_password
from tests.forges import PASSWORD
from tests.mic.conftest import until

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(home):
    """Of `mic` as a process of its own."""
    return {**os.environ, "PYTHONPATH": str(CHECKOUT)}


def kept(home):
    return json.loads((home / "credentials.json").read_text())


def aged(home, instance, seconds):
    """The credentials as they are some seconds before their end."""
    entries = kept(home)
    entries[instance]["expires_at"] = time.time() + seconds
    (home / "credentials.json").write_text(json.dumps(entries))


@pytest.fixture
def let_in(shell, instance, answering, home):
    """A machine that ada let in."""
    with answering():
        shell.ok("auth", "login", "--instance", instance)
    return shell


def test_a_machine_signs_in_with_a_code(shell, instance, answering, home, invoke, ada):
    with answering():
        ran = shell.ok("auth", "login", "--instance", instance)

    assert re.search(rf"Open {instance}/device\?user_code=([A-Z]{{4}}-[A-Z]{{4}})\n.*is \1\.", ran.err)
    assert ran.out == f"Signed in to {instance} as ada.\n"
    entry = kept(home)[instance]
    assert entry["token"].startswith("mic_") and entry["refresh_token"].startswith("micr_")
    assert (home / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert "renews itself" in shell.ok("auth", "status", "--instance", instance).out


def test_no_in_the_browser_stores_nothing(shell, instance, answering, home):
    with answering(grants.deny_device_request):
        ran = shell("auth", "login", "--instance", instance)

    assert (ran.code, "The answer in the browser was no" in ran.err) == (4, True)
    assert not (home / "credentials.json").exists()


def test_mic_waits_as_long_as_it_is_told_to(shell, instance, answering, answered, clock, home):
    def look_once():
        # It has asked once and was told to wait; time goes on here while it does.
        until(lambda: [told for path, told in answered if path == "/oauth/token"])
        clock.advance(seconds=30)

    with answering(before=look_once):
        shell.ok("auth", "login", "--instance", instance)

    asked = [told for path, told in answered if path == "/oauth/token"]
    assert [told.get("error") for told in asked] == ["authorization_pending", None]


def test_twenty_processes_renew_a_token_once(let_in, instance, home, answered, forge, environment):
    before = kept(home)[instance]
    aged(home, instance, 30)
    answered.clear()
    # Most are the helper that git calls, which takes the token the same way and starts faster.
    (home / "asked").write_text(f"protocol=http\nhost={instance.removeprefix('http://')}\n")
    git = [sys.executable, "-m", "mic.git_credential", "get"]
    status = [sys.executable, "-m", "mic", "auth", "status", "--json", "--instance", instance]
    how = {"env": environment, "cwd": CHECKOUT, "text": True, "stdout": subprocess.PIPE}
    running = []
    for command in [git] * 16 + [status] * 4:
        with open(home / "asked") as asked:
            running.append(subprocess.Popen(command, stdin=asked, **how))
    said = [process.communicate(timeout=300)[0] for process in running]

    assert [process.returncode for process in running] == [0] * 20
    after = kept(home)[instance]
    assert said[:16] == [f"username=ada\npassword={after['token']}\n"] * 16
    assert {json.loads(text)["user"]["handle"] for text in said[16:]} == {"ada"}
    assert [path for path, _ in answered] == ["/oauth/token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert "renewing" not in after
    with forge.db.transaction(write=False) as db:
        assert db.exec(select(TokenFamily)).one().revoked_at is None
        assert len(db.exec(select(RefreshToken)).all()) == 2


def test_a_killed_renewal_is_finished_by_the_next_process(let_in, instance, home, environment):
    aged(home, instance, 30)
    before = kept(home)[instance]
    # It writes the key down, asks, and is gone before it can write the answer.
    script = (
        "import os\nfrom mic import credentials, fetching\nasked = fetching.post\n"
        "def post(*args, **named):\n    asked(*args, **named)\n    os._exit(9)\n"
        f"fetching.post = post\ncredentials.token_for({instance!r})\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], env=environment, cwd=CHECKOUT, timeout=60)
    assert killed.returncode == 9
    assert kept(home)[instance] == before | {"renewing": kept(home)[instance]["renewing"]}

    let_in.ok("auth", "status", "--instance", instance)
    after = kept(home)[instance]
    assert after["refresh_token"] != before["refresh_token"] and "renewing" not in after


def test_a_sign_in_that_was_ended_elsewhere_says_so(let_in, instance, home, invoke, ada):
    invoke(ada, change_password, current=PASSWORD, new="lichen eats the north wall")
    ended = let_in("auth", "status", "--instance", instance)
    assert ended.code == 4

    aged(home, instance, -5)
    ended = let_in("auth", "status", "--instance", instance)
    assert (ended.code, "mic auth login" in ended.err) == (4, True)


def test_signing_out_ends_the_tokens_at_the_forge(let_in, instance, home, forge):
    assert let_in.ok("auth", "logout", "--instance", instance).out == f"Signed out of {instance}.\n"

    assert kept(home) == {}
    with forge.db.transaction(write=False) as db:
        assert db.exec(select(TokenFamily)).one().revoked_at is not None


def test_codes_are_not_asked_for_over_an_open_network(shell, home):
    refused = shell("auth", "login", "--instance", "http://192.0.2.1:4000")
    assert refused.code == 6


def test_tokens_are_made_listed_and_revoked(as_ada, instance):
    made = as_ada.ok(
        "auth", "token", "create", "--name", "ci", "--scope", "project:read,session:read", "--json"
    )
    assert made.json["scopes"] == ["project:read", "session:read"]
    listed = as_ada.ok("auth", "token", "list", "--json").json["items"]
    (row,) = [token for token in listed if token["name"] == "ci"]
    assert row["id"] == made.json["id"] and "token" not in row

    as_ada.ok("auth", "token", "revoke", row["id"][-8:])
    assert "ci" not in [t["name"] for t in as_ada.ok("auth", "token", "list", "--json").json["items"]]
    assert as_ada("auth", "token", "revoke", row["id"][-8:]).code == 2
    assert as_ada("auth", "token", "create", "--name", "x", "--expires", "367").code == 2
    assert as_ada("auth", "token", "create", "--name", "x", "--scope", "everything").code == 1
