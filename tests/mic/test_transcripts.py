"""What `docs/cli` shows is what happens; every command is shown, also when it fails."""

import subprocess
from argparse import ArgumentParser, _SubParsersAction
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from backend.invitations import answering
from backend.invitations import service as invitations
from backend.organizations.service import create_organization
from mic import main
from mic.parsing import parser
from tests.mic import transcripts
from tests.mic.transcripts import FORGE

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs/cli"
PAGES = transcripts.pages(DOCS)
GUIDES = [path for path in transcripts.pages(CHECKOUT / "docs/guides") if "<!-- begins" in path.read_text()]


@pytest.mark.parametrize("path", [*PAGES, *GUIDES], ids=lambda path: path.stem)
def test_a_page_shows_what_happens(path, request, forge, instance, answering, token_of, ada):
    # Links are made for the public address, which is not where this forge listens.
    forge.settings = replace(forge.settings, url=FORGE)
    page = path.read_text()
    shell = request.getfixturevalue(
        {"nobody": "shell", "ada": "as_ada", "workspace": "notes", "team": "team"}[transcripts.setting(page)]
    )
    request.getfixturevalue("acme")
    known = {"token": token_of(ada)}
    steps = transcripts.steps(page)
    assert steps, "the page has no commands"
    for step in steps:
        by_code = step.command.startswith("mic auth login") and "--token" not in step.command
        with answering() if by_code else nullcontext():
            code, printed = run(shell, step.command.replace(FORGE, instance), known)
        printed = printed.replace(instance, FORGE).replace(str(shell.folder), "~/code")
        wrong = transcripts.mismatch(step, printed, known)
        assert wrong is None, f"{path.name}:{step.line}: $ {step.command}\n{wrong}"
        assert code == step.code, f"{path.name}:{step.line}: $ {step.command} ended with {code}"
        if step.command.startswith("cd "):
            shell = shell.at(step.command[3:])


@pytest.fixture
def team(notes, forge, invoke, grace, ada, arrive):
    """Linus works on acme/notes; grace has invited ada to two organizations of hers."""
    linus = arrive("linus")
    asked = {"organization": "acme", "project": "notes", "invitee": "linus"}
    made = invoke(ada, invitations.invite_collaborator, **asked)
    invoke(linus, answering.accept_team_invitation, invitation_id=made.id)
    for handle in ("moss", "crew"):
        invoke(grace, create_organization, handle=handle)
        invoke(grace, invitations.invite_member, organization=handle, invitee="ada")
    return notes


def run(shell, command, known):
    if command.startswith("mic ") or command == "mic":
        ran = shell(*transcripts.words(command, known))
        return ran.code, ran.out + ran.err
    if command.startswith("curl "):
        return fetched(transcripts.words(command, known))
    if command.startswith("cd "):
        return 0, ""
    ran = subprocess.run(command, shell=True, cwd=shell.folder, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def fetched(words):
    """What curl would print, which not every machine has."""
    headers = {"user-agent": "curl/8.5.0", "accept": "*/*"}
    while words[0] == "-H":
        _, header, *words = words
        name, _, value = header.partition(": ")
        headers[name.lower()] = value
    # A prompt stands on a line of its own.
    return 0, httpx.get(*words, headers=headers).text.removesuffix("\n") + "\n"


def test_every_command_is_shown_once_working_and_once_failing():
    shown = {True: set(), False: set()}
    for path in PAGES:
        for step in transcripts.steps(path.read_text()):
            words = step.command.split()
            if words[0] == "mic" and "--help" not in words:
                for command in (" ".join(words[1:2]), " ".join(words[1:3])):
                    shown[step.code == 0].add(command)

    assert commands() - shown[True] == set()
    assert commands() - shown[False] == set()


def commands():
    found = set()
    for word in main.COMMANDS:
        module = main._module(word)
        made = parser(f"mic {word}", "x", module)
        verbs = verbs_of(made)
        found |= {f"{word} {verb}" for verb in verbs} or {word}
    return found


def verbs_of(made: ArgumentParser) -> list[str]:
    for action in made._actions:
        if isinstance(action, _SubParsersAction):
            return list(action.choices)
    return []


def test_every_command_has_help_with_an_example(shell):
    for command in commands():
        ran = shell(*command.split(), "--help")
        assert ran.code == 0
        assert "example" in ran.out and f"mic {command}" in ran.out, command
        assert "--json" in ran.out, command
