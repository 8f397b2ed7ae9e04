"""`mic auth setup-git`: from then on git needs no typing."""

import os
import sys
from pathlib import Path

import pytest

from mic import credentials
from mic.main import main


@pytest.fixture
def signed_in(place, git, monkeypatch):
    """Grace's git, after `mic auth login` and `mic auth setup-git`."""
    for name in ("MICELIO_INSTANCE", "MICELIO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MIC_HOME", str(git.home / "mic"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(git.home / ".gitconfig"))
    credentials.store(place.url, place.world.tokens["grace"], "grace")
    assert main(["auth", "setup-git", "--instance", place.url]) == 0
    return git


def words(signed_in):
    beside = Path(sys.executable).parent
    return {"MIC_HOME": str(signed_in.home / "mic"), "PATH": f"{beside}:{os.environ['PATH']}"}


def test_a_private_project_is_cloned_and_pushed_to_without_a_word(place, signed_in):
    signed_in.ok("clone", "-q", place.of("secret"), "a", **words(signed_in))
    told = signed_in("push", "--dry-run", "origin", "HEAD:refs/heads/side", at="a", **words(signed_in))

    assert signed_in.ok("rev-parse", "HEAD", at="a").strip() == place.shas("secret")[-1]
    assert told.code == 0 and "[new branch]" in told.err
    assert "mic_" not in (signed_in.home / "a/.git/config").read_text()


def test_a_token_that_is_refused_is_forgotten(place, signed_in):
    credentials.store(place.url, "mic_ended", "grace")
    assert signed_in("clone", place.of("secret"), "a", **words(signed_in)).code == 128

    assert credentials.token_for(place.url) == ""


def test_a_token_typed_into_git_is_kept_once_it_was_good(place, signed_in, tmp_path):
    credentials.forget(place.url)
    token = place.world.tokens["grace"]
    asks = tmp_path / "asks"
    asks.write_text(f'#!/bin/sh\ncase "$1" in User*) echo grace;; *) echo {token};; esac\n')
    asks.chmod(0o755)
    signed_in.ok("clone", "-q", place.of("secret"), "a", **words(signed_in), GIT_ASKPASS=str(asks))

    assert credentials.token_for(place.url) == token
    assert credentials.handle_for(place.url) == "grace"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("protocol=https\nhost=forge.example.org\n", "username=ada\npassword=mic_a\n"),
        ("protocol=https\nhost=forge.example.org\nusername=x-token\n", "username=x-token\npassword=mic_a\n"),
        ("protocol=https\nhost=forge.example.org\nusername=grace\n", ""),
        ("protocol=https\nhost=other.example.org\n", ""),
        ("protocol=http\nhost=far.example.org\n", ""),
        ("protocol=ssh\nhost=forge.example.org\n", ""),
        ("protocol=https\nhost=a b\n", ""),
        ("", ""),
    ],
)
def test_it_answers_only_for_what_it_knows_and_never_in_the_clear(place, signed_in, asked, answered):
    credentials.store("https://forge.example.org", "mic_a", "ada")
    credentials.store("http://far.example.org", "mic_b", "ada")
    helper = Path(sys.executable).parent / "git-credential-mic"
    alone = ("-c", "credential.helper=", "-c", f"credential.helper={helper}")
    ran = signed_in(*alone, "credential", "fill", input=asked + "\n", **words(signed_in), GIT_ASKPASS="false")
    got = ran.out if ran.code == 0 else ""

    assert [line for line in answered.splitlines() if line not in got.splitlines()] == []
    assert ("mic_" in got) == bool(answered)
