"""What browser tests are about: a served forge, its API, and a world with something of everything."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

PASSWORD = "moss grows on old stones"
LONG_GOAL = (
    "Touch very many files at once, because a generated tree came in and the names of its files are "
    "long enough to be cut in every list that shows them, on a phone before anywhere else"
)
UNBROKEN = "a_subject_without_a_single_space_is_in_every_history_and_may_be_longer_than_a_phone_is_wide"
PICTURE = Path(__file__).parents[2] / "assets" / "icon-192.png"
PLAN = ("Find what holds events", "A failing test for a slow reader", "Limit the batch", "Describe it")


@dataclass(frozen=True)
class Forge:
    """A served forge. `welcome` is the path of its first administrator's link."""

    url: str
    welcome: str
    environment: dict[str, str]
    folder: Path


@dataclass(frozen=True)
class Rest:
    """The REST API as somebody."""

    client: httpx.Client
    token: str

    def __call__(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """One call; a refusal fails the test with what it says."""
        answer = self.client.request(method, path, json=body or None)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def start(self, project: str, goal: str, agent: str = "", model: str = "") -> str:
        """Start a session in acme; its id."""
        asked = {"organization": "acme", "project": project, "goal": goal, "agent": agent, "model": model}
        return self("POST", "/sessions", **asked)["id"]

    def put(self, session: str, path: str, content: str | bytes, mode: str = "100644") -> None:
        """Save a file in a session."""
        data = content.encode() if isinstance(content, str) else content
        headers = {"Content-Type": "application/octet-stream", "X-Micelio-Mode": mode}
        address = f"/sessions/{session}/files/{quote(path)}"
        answer = self.client.put(address, content=data, headers=headers)
        assert answer.is_success, answer.text

    def tell(self, session: str, *events: dict[str, Any]) -> None:
        """Append events."""
        self("POST", f"/sessions/{session}/events", events=list(events))

    def note(self, session: str, text: str, role: str = "human") -> None:
        """Say something in a session."""
        self("POST", f"/sessions/{session}/notes", content=text, role=role)

    def decide(self, session: str, text: str) -> None:
        """Decide something in a session."""
        self("POST", f"/sessions/{session}/decisions", content=text, role="agent")

    def land(self, session: str, **how: Any) -> None:
        """Land a session."""
        self("POST", f"/sessions/{session}/land", **{"summary": "", **how})


@dataclass(frozen=True)
class World:
    """Sessions of acme/tools by their state, and the import of acme/moss, which is private as acme/vault is.
    acme/attic is archived, acme/empty is empty.
    """

    running: str
    fresh: str
    many: str
    waiting: str
    abandoned: str
    landed: str
    imported: str


def furnish(rest: Rest) -> World:
    """Make the world."""
    rest("POST", "/orgs", handle="acme", name="Acme", description="Tools for small teams")
    for project, visibility in (
        ("tools", "public"),
        ("attic", "public"),
        ("empty", "public"),
        ("vault", "private"),
    ):
        rest(
            "POST",
            "/projects",
            organization="acme",
            project=project,
            visibility=visibility,
            name=project.title(),
        )
    told = {"description": "Small tools, each in one file", "session_visibility": "anyone"}
    rest("PATCH", "/projects/acme/tools", **told)
    old = rest.start("attic", "Keep what we no longer use")
    rest.put(old, "old.txt", "old\n")
    rest.land(old)
    rest("PATCH", "/projects/acme/attic", archived=True)
    landed = _trunk(rest)
    return World(
        running=_running(rest),
        fresh=rest.start("tools", "Nothing done yet"),
        many=_many(rest),
        waiting=_waiting(rest),
        abandoned=_abandoned(rest),
        landed=landed,
        imported=_imported(rest),
    )


def _imported(rest: Rest) -> str:
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", UNBROKEN], check=True)
        asked = {"organization": "acme", "project": "moss", "source_url": folder}
        id = rest("POST", "/projects/import", **asked)["id"]
        # The stream ends with the import.
        told = rest.client.get(f"/imports/{id}/events/stream").text
    assert '"done"' in told, told
    return id


def _trunk(rest: Rest) -> str:
    first = rest.start("tools", "Start a README")
    rest.put(
        first, "README.md", "# Tools\n\nRun one with `python count.py`.\n\n- [The counter](src/count.py)\n"
    )
    rest.put(first, "src/count.py", _counter(1))
    rest.put(first, "src/large.py", "".join(f"value_{n} = {n}\n" for n in range(6_000)))
    rest.put(first, "logo.png", PICTURE.read_bytes())
    rest.put(first, "data.bin", bytes(range(256)))
    rest.put(first, "empty.txt", "")
    rest.put(first, "link", "README.md", "120000")
    rest.put(first, "docs/a folder/with spaces.md", "# Deep\n")
    rest.land(first)
    session = first
    for step in range(2, 5):
        session = rest.start("tools", f"Count in {step} parts", "claude-code", "opus")
        rest.put(session, "src/count.py", _counter(step))
        rest.note(session, "I will look at how others count first.", "agent")
        rest.decide(session, "One file stays one file\nA package would need an installer.")
        rest.note(session, "Keep it short.")
        rest.land(session, summary="It reads in blocks, so a large file costs no memory.")
    return session


def _counter(parts: int) -> str:
    return "".join(f"def part_{n}(path):\n    return {n} * {parts}\n\n\n" for n in range(6))


def _running(rest: Rest) -> str:
    session = rest.start("tools", "Cut slow readers with a cursor they can resume", "claude-code", "opus")
    steps = [
        {"text": text, "state": "done" if n < 2 else "running" if n == 2 else "pending"}
        for n, text in enumerate(PLAN)
    ]
    rest.tell(
        session,
        {"kind": "thinking", "body": {"text": "Where are events held?"}},
        {"kind": "plan", "body": {"steps": steps}},
        {"kind": "tool_call", "body": {"name": "Run", "command": "pytest -q"}, "client_id": "red"},
        {"kind": "output", "body": {"text": "test_a_slow_reader FAILED\n"}, "parent": "red"},
        {"kind": "tool_result", "body": {"name": "Run", "ok": False, "text": "1 failed"}, "parent": "red"},
        {"kind": "usage", "body": {"input_tokens": 18200, "output_tokens": 410, "cost_micros": 120_000}},
    )
    rest.decide(session, "Read from the table, keep no queue\nA queue per watcher is memory we do not own.")
    rest.put(session, "src/count.py", _counter(9).replace("return 3 * 9", "limit = 3\n    return limit * 9"))
    rest.note(session, "Say the cursor in the error.")
    rest.tell(
        session,
        {"kind": "tool_call", "body": {"name": "Run", "command": "pytest -q"}, "client_id": "green"},
        {"kind": "output", "body": {"text": "31 passed in 8.4s\n"}, "parent": "green"},
        {"kind": "tool_result", "body": {"name": "Run", "ok": True, "text": "31 passed"}, "parent": "green"},
        {"kind": "error", "body": {"text": "The connection was reset once."}},
        {"kind": "progress", "body": {"text": "Restarting 36 of 100"}},
    )
    return session


def _many(rest: Rest) -> str:
    session = rest.start("tools", LONG_GOAL, "codex", "gpt-5")
    for n in range(12):
        rest.put(
            session, f"generated/a/rather/long/path/that/does/not/fit/module_{n:03}.py", f"VALUE = {n}\n"
        )
    return session


def _waiting(rest: Rest) -> str:
    session = rest.start("tools", "Spell out every exit code", "codex", "gpt-5")
    rest.put(session, "docs/exit.md", "# Exit codes\n")
    rest.land(session, require_approval=True)
    return session


def _abandoned(rest: Rest) -> str:
    session = rest.start("tools", "Rewrite everything in one evening")
    rest.put(session, "src/all.py", "print('all')\n")
    rest("POST", f"/sessions/{session}/abandon", reason="Too much at once.")
    return session
