"""Every refusal is one sentence that says what to do, and its own exit code."""

import os
import re
import stat
import subprocess
import sys

import pytest

from mic import address, push
from mic.errors import Usage

SENTENCE = re.compile(r"mic: [^\n]+\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("status",), 1),
        (("diff",), 1),
        (("log",), 1),
        (("show", "@1"), 1),
        (("cat", "a"), 1),
        (("ls",), 1),
        (("session", "push"), 1),
        (("session", "land"), 1),
        (("session", "start", "a goal"), 1),
        (("clone", "nonsense"), 2),
        (("clone", "ftp://forge/a/b"), 2),
        (("nonsense",), 2),
        (("config", "missing.key"), 5),
        (("auth", "login", "--instance", "not an address", "--token", "x"), 2),
    ],
)
def test_refusals_outside_of_a_workspace(shell, words, code):
    ran = shell(*words)

    assert (ran.code, ran.out) == (code, "")
    assert SENTENCE.fullmatch(ran.err), ran.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("session", "push"), 1),
        (("session", "note", " "), 2),
        (("session", "show", "ffffffff"), 5),
        (("show", "@99"), 5),
        (("show", "nonsense"), 5),
        (("show", "@1:missing"), 5),
        (("cat", "missing"), 5),
        (("cat", "src"), 5),
        (("cat", "../outside"), 2),
        (("ls", "missing"), 5),
        (("diff", "missing"), 5),
        (("diff", "@1..@99"), 5),
        (("project", "show", "acme/missing"), 5),
        (("project", "create", "acme/notes"), 3),
        (("project", "create", "acme/other", "--init"), 1),
        (("project", "create", "acme"), 2),
        (("org", "create", "acme"), 3),
        (("clone", "acme/missing", "there"), 5),
        (("clone", "acme/notes", "src"), 2),
        (("session", "land", "ffffffff"), 5),
    ],
)
def test_refusals_in_a_workspace(notes, words, code):
    ran = notes(*words)

    assert (ran.code, ran.out) == (code, ""), ran.err
    assert SENTENCE.fullmatch(ran.err), ran.err
    assert not (notes.folder / "there").exists()


def test_a_file_that_is_too_large_is_refused_before_any_is_sent(notes, forge, monkeypatch):
    monkeypatch.setattr(push, "LARGEST_BLOB", 1 << 20)
    notes.ok("session", "start", "Too much")
    notes.write("small.txt", "x")
    notes.write("large.bin", bytes((1 << 20) + 1))
    before = list(forge.store.list(""))

    ran = notes("session", "push")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("mic: large.bin has more than 5 GiB, the most a file may have.")
    assert list(forge.store.list("")) == before


def test_argparse_mistakes_are_usage(notes):
    assert notes("session").code == notes("diff", "--nonsense").code == 2


def test_a_wrong_token_is_not_stored(shell, instance, home):
    ran = shell("auth", "login", "--instance", instance, "--token", "mic_wrong")

    assert ran.code == 4
    assert SENTENCE.fullmatch(ran.err)
    assert not (home / "credentials.json").exists()


def test_tokens_are_kept_for_their_owner_only_and_forgotten(as_ada, home, instance):
    assert stat.S_IMODE(os.stat(home / "credentials.json").st_mode) == 0o600
    assert "as ada" in as_ada.ok("auth", "status").out

    as_ada.ok("auth", "logout")

    ran = as_ada("auth", "status")
    assert (ran.code, "mic auth login" in ran.err) == (4, True)
    assert as_ada("auth", "logout").code == 4


def test_a_token_comes_from_standard_input_or_the_environment(
    shell, instance, token_of, ada, monkeypatch, tmp_path
):
    (tmp_path / "token").write_text(token_of(ada) + "\n")
    with open(tmp_path / "token") as file:
        monkeypatch.setattr(sys, "stdin", file)
        shell.ok("auth", "login", "--instance", instance, "--token-stdin")
    shell.ok("auth", "logout", "--instance", instance)

    monkeypatch.setenv("MICELIO_TOKEN", token_of(ada))
    monkeypatch.setenv("MICELIO_INSTANCE", instance)
    assert "MICELIO_TOKEN" in shell.ok("auth", "status").out


def test_an_unreachable_forge_is_a_sentence_of_its_own(notes, instance, monkeypatch):
    monkeypatch.setenv("MICELIO_INSTANCE", "http://127.0.0.1:1")

    for words in (("auth", "status"), ("project", "list"), ("session", "list")):
        ran = notes(*words)
        if words != ("auth", "status"):
            assert ran.code == 6
        assert SENTENCE.fullmatch(ran.err), ran.err
    assert notes("status").code == 0


def test_tokens_are_not_sent_in_the_clear_to_other_machines(shell, monkeypatch):
    from mic import client
    from mic.errors import Plaintext

    talk = client.Client("http://forge.example.org", token="mic_secret")
    monkeypatch.setattr(talk, "_grpc_url", lambda: "http://forge.example.org:4001")
    with pytest.raises(Plaintext, match="--insecure"):
        talk.channel()
    trusting = client.Client("http://forge.example.org", token="mic_secret", insecure=True)
    monkeypatch.setattr(trusting, "_grpc_url", lambda: "http://forge.example.org:4001")
    trusting.channel()
    trusting.close()


def test_private_projects_do_not_exist_for_others(notes, token_of, mallory, invoke, ada, monkeypatch):
    notes.ok("project", "create", "acme/secret")
    monkeypatch.setenv("MICELIO_TOKEN", token_of(mallory))

    secret, missing = notes("project", "show", "acme/secret"), notes("project", "show", "acme/missing")

    assert (secret.code, secret.err) == (missing.code, missing.err)


def test_output_that_nobody_reads_any_more_is_no_error(notes):
    command = f"{sys.executable} -m mic ls -r | true"
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ran = subprocess.run(command, shell=True, cwd=notes.folder, env=where, capture_output=True, check=False)

    assert ran.stderr == b""


@pytest.mark.parametrize(
    ("text", "instance", "name"),
    [
        ("https://forge.example.org/acme/notes", "https://forge.example.org", "acme/notes"),
        ("https://forge.example.org/acme/notes.git/", "https://forge.example.org", "acme/notes"),
        ("http://localhost:4000/acme/notes", "http://localhost:4000", "acme/notes"),
        ("forge.example.org/acme/notes", "https://forge.example.org", "acme/notes"),
        ("localhost:4000/acme/notes", "http://localhost:4000", "acme/notes"),
        ("acme/notes", "", "acme/notes"),
    ],
)
def test_addresses_of_projects(text, instance, name):
    found = address.clone_url(text)

    assert (found.instance, found.name) == (instance, name)


@pytest.mark.parametrize(
    "text", ["", "notes", "https://forge.example.org/acme", "https://a/b/c/d", "a//", "ssh://h/a/b"]
)
def test_what_is_no_address(text):
    with pytest.raises(Usage):
        address.clone_url(text)
