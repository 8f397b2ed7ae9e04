"""What `--json` answers is what docs/cli/json.md says: no field more, none less, for every command.

The page is the specification: its table says what each command answers, in a notation that this reads. A
command that is not in the table, or a shape on the page that no answer had, fails.
"""

import re
from argparse import _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest

from mic.main import COMMANDS, _module
from mic.parsing import parser
from tests.mic.conftest import Shell
from vcs.git.process import run_git

PAGE = Path(__file__).resolve().parents[2] / "docs/cli/json.md"


class Shapes:
    """The shapes that the page defines, and which parts of them were answered."""

    def __init__(self, text: str) -> None:
        self.named = {
            name: _read(shape) for name, shape in re.findall(r"^- `(\w+)`: `(.*)`$", text, re.MULTILINE)
        }
        rows = re.findall(r"^\| `(mic [^`]*)` \| `(.*)` \|$", text, re.MULTILINE)
        self.commands = {command: _read(shape) for command, shape in rows}
        self.seen: set[int] = set()

    def differing(self, shape, value, where: str) -> list[str]:
        """In what a value is not of this shape."""
        if value is None or shape == "*":
            return []
        if isinstance(shape, tuple):
            found = [self.differing(each, value, where) for each in shape if not self._differs(each, value)]
            return found[0] if found else [f"{where} is none of its shapes"]
        if isinstance(shape, str):
            shape = self.named[shape]
        self.seen.add(id(shape))
        if isinstance(shape, list):
            if not isinstance(value, list):
                return [f"{where} is no list"]
            return [each for item in value for each in self.differing(shape[0], item, f"{where}[]")]
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        lacks = [f"{where} lacks {name}" for name in shape.keys() - value.keys()]
        more = [f"{where}.{name} is not on the page" for name in value.keys() - shape.keys()]
        inside = [
            each
            for name in shape.keys() & value.keys()
            for each in self.differing(shape[name], value[name], f"{where}.{name}")
        ]
        return lacks + more + inside

    def _differs(self, shape, value) -> bool:
        seen = set(self.seen)
        differs = bool(self.differing(shape, value, ""))
        self.seen = seen
        return differs

    def unseen(self) -> list[str]:
        """Parts of the page that nothing answered."""
        found = []

        def look(shape, where: str):
            if isinstance(shape, str):
                return
            if isinstance(shape, tuple):
                return [look(each, where) for each in shape]
            if id(shape) not in self.seen:
                found.append(where)
            parts = shape.items() if isinstance(shape, dict) else [("[]", shape[0])]
            for name, part in parts:
                look(part, f"{where}.{name}")

        for name, shape in (*self.named.items(), *self.commands.items()):
            look(shape, name)
        return found


def _read(text: str):
    """A shape: `{a, b: shape}`, `[shape]`, a name of another, `*` for whatever; or one of several."""
    if " or " in text:
        return tuple(_read(each) for each in text.split(" or "))
    words = re.findall(r"[\w-]+|[{}\[\],:*]", text)

    def shape():
        word = words.pop(0)
        if word == "[":
            made = [shape()]
            assert words.pop(0) == "]", text
            return made
        if word != "{":
            return word
        fields = {}
        while (name := words.pop(0)) != "}":
            if name == ",":
                continue
            fields[name] = "*"
            if words[0] == ":":
                words.pop(0)
                fields[name] = shape()
        return fields

    made = shape()
    assert not words, text
    return made


def commands() -> Iterator[str]:
    def leaves(made, name):
        nouns = [each for each in made._actions if isinstance(each, _SubParsersAction)]
        if not nouns:
            yield name
        for word, below in nouns[0].choices.items() if nouns else ():
            yield from leaves(below, f"{name} {word}")

    for word in COMMANDS:
        yield from leaves(parser(f"mic {word}", "x", _module(word)), f"mic {word}")


@pytest.fixture
def said(notes, tmp_path, monkeypatch, token_of, instance, arrive):
    """Every command run once or more: its name and the document it answered."""
    answers: list[tuple[str, object]] = []

    def run(line: str, *more: str, shell: Shell = notes):
        name = max((each for each in commands() if f"{line} ".startswith(f"{each} ")), key=len)
        answer = shell.ok(*line.split()[1:], *more, "--json").json
        answers.append((name, answer))
        return answer

    _daily(run, notes, instance)
    _projects(run)
    _repositories(run, tmp_path)
    _teams(run, monkeypatch, token_of, arrive)
    run("mic auth token create --name ci --agent --project acme/notes")
    kept = run("mic auth token list")["items"]
    run("mic auth token revoke", kept[0]["id"])
    run("mic auth setup-git")
    run("mic auth status")
    run("mic config")
    run("mic auth login", "--instance", instance, "--token", token_of(arrive("linus")))
    run("mic auth logout")
    return answers


def _daily(run, notes, instance) -> None:
    session = run("mic session start", "Say more")["id"]
    run("mic session note", "Ask grace")
    run("mic session decide", "In one file")
    notes.write("README.md", "# Notes\n\nFour.\n")
    notes.write("more.md", "More\n")
    for line in ("mic status", "mic diff", "mic session push", "mic show session", "mic session status"):
        run(line)
    run("mic session show", session)
    run("mic session list")
    run("mic session land --summary Said.")
    for line in ("mic log", "mic show @2", "mic show @2:README.md", "mic cat README.md"):
        run(line)
    run("mic ls")
    run("mic ls -r -l")
    run("mic session start", "Never mind")
    run("mic session abandon --reason Enough")
    run("mic project show")
    run("mic clone", f"{instance}/acme/notes", "../copy")


def _projects(run) -> None:
    run("mic project create acme/old")
    run("mic project fork acme/notes ada/notes")
    run("mic project forks acme/notes")
    run("mic project update acme/old --description Old")
    run("mic project archive acme/old")
    run("mic project rename acme/old older")
    run("mic project transfer acme/older ada")
    run("mic project delete ada/older --yes ada/older")
    run("mic project restore ada/older")
    run("mic project list")


def _repositories(run, tmp_path) -> None:
    run("mic export git ../out.git --project acme/notes")
    run("mic export bundle ../out.bundle --project acme/notes")
    run("mic import git ../out.bundle acme/again")
    mirror = run("mic mirror add push http://127.0.0.1:9/copy.git")["id"]
    run("mic mirror set", mirror, "--minutes", "30")
    run("mic mirror sync", mirror)
    for deed in ("list", "pause " + mirror, "resume " + mirror, "remove " + mirror):
        run(f"mic mirror {deed}")
    run_git(tmp_path / "elsewhere.git", "init", "-q", "--bare")
    run(f"mic remote add hub {tmp_path / 'elsewhere.git'}")
    run("mic push hub")
    run("mic fetch hub")
    run("mic remote list")
    run("mic remote show hub")
    run("mic remote rename hub hut")
    run(f"mic remote set-url hut {tmp_path / 'other.git'}")
    run("mic remote remove hut")


def _teams(run, monkeypatch, token_of, arrive) -> None:
    run("mic org create compilers --name Compilers")
    run("mic org list")
    run("mic org members acme")
    run("mic org projects acme")
    mallory = arrive("mallory")
    run("mic org invite compilers mallory")
    run("mic org invite acme edith@example.org")
    run("mic project invite acme/notes mallory --role write")
    run("mic org invitations compilers")
    run("mic org invitations acme --revoke edith@example.org")
    run("mic org invite acme mallory")
    with monkeypatch.context() as patch:
        patch.setenv("MICELIO_TOKEN", token_of(mallory))
        run("mic org invitations")
        run("mic org accept compilers")
        run("mic org accept acme/notes")
        run("mic org decline acme")
    run("mic project collaborators acme/notes")
    run("mic project collaborators acme/notes --set mallory=read")
    run("mic org role compilers mallory admin")
    run("mic org remove compilers mallory")
    run("mic org rename compilers compiler-club")


def test_every_command_answers_the_json_that_its_page_says(said, notes):
    shapes = Shapes(PAGE.read_text())
    wrong = [each for name, answer in said for each in shapes.differing(shapes.commands[name], answer, name)]

    wrong += shapes.differing("refusal", notes("show", "@99", "--json").json, "a refusal")

    assert wrong == []
    assert shapes.unseen() == []
    assert set(commands()) == set(shapes.commands) == {name for name, _ in said}
