"""The script of the demo: from the steps a person wrote to the requests an agent sends.

Each beat is at most one file and exactly one event with a name of its own (`client_id`), so the
events of a session tell how far it was played. A file is sent before its event: sending the same
content twice changes nothing, and the event says that it need not be sent again.
"""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.core.errors import InvalidInput

SCRIPT = Path(__file__).with_name("demo.toml")
AT_ONCE = 3
"""Lines of output in one event."""
LINE_SECONDS = 0.25
RUN_SECONDS = 1.2
READ_SECONDS = 0.4


@dataclass(frozen=True)
class Beat:
    """One event, the file that goes before it, and the seconds to wait before either."""

    client_id: str
    after: float
    kind: str
    body: Mapping[str, Any]
    parent: str | None = None
    path: str = ""
    content: bytes = b""
    shown: str = ""
    """What the terminal of whoever plays it says; nothing for what goes along."""


@dataclass(frozen=True)
class Script:
    """What one session says and does. `version` changes when anything of it does."""

    goal: str
    agent: str
    model: str
    summary: str
    version: str
    beats: tuple[Beat, ...]


def read_script(text: str, run: str = "{run}") -> Script:
    """The script as session `run` plays it; InvalidInput for a step that cannot be played."""
    told = tomllib.loads(text.replace("{run}", run))
    writer = _Writer(told["plan"])
    beats = [beat for number, step in enumerate(told["step"], 1) for beat in writer.beats(number, step)]
    return Script(
        goal=told["goal"].strip(),
        agent=told["agent"],
        model=told["model"],
        summary=told["summary"].strip(),
        version=hashlib.sha256(text.encode()).hexdigest()[:16],
        beats=tuple(beats),
    )


@dataclass
class _Writer:
    """Turns steps into beats; remembers the files, because edits build on one another."""

    plan: list[str]
    files: dict[str, str] = field(default_factory=dict)

    def beats(self, number: int, step: Mapping[str, Any]) -> Iterator[Beat]:
        name, after = f"demo-{number:03}", float(step["after"])
        verb = next((verb for verb in _VERBS if verb in step), None)
        if verb is None:
            raise InvalidInput(problem=f"Step {number} of the demo does nothing it knows: {', '.join(step)}.")
        if verb in _WORDS:
            kind, extra = _WORDS[verb]
            text = step[verb].strip()
            yield Beat(name, after, kind, {"text": text, **extra}, shown=f"{verb}: {text.splitlines()[0]}")
        elif verb == "plan":
            yield Beat(name, after, "plan", {"steps": self._plan(step["plan"])})
        elif verb == "save":
            yield self._save(name, after, number, step)
        else:
            yield from _tool(name, after, verb, step)

    def _plan(self, now: int) -> list[dict[str, str]]:
        states = ["done" if at < now else "running" if at == now else "pending" for at in self._numbers]
        return [{"text": text, "state": state} for text, state in zip(self.plan, states, strict=True)]

    @property
    def _numbers(self) -> range:
        return range(1, len(self.plan) + 1)

    def _save(self, name: str, after: float, number: int, step: Mapping[str, Any]) -> Beat:
        path = step["save"]
        self.files[path] = step["text"] if "text" in step else self._edited(number, path, step)
        tokens_in, tokens_out = step["tokens"]
        return Beat(
            name,
            after,
            "usage",
            {"input_tokens": tokens_in, "output_tokens": tokens_out},
            path=path,
            content=self.files[path].encode(),
            shown=f"save: {path}",
        )

    def _edited(self, number: int, path: str, step: Mapping[str, Any]) -> str:
        old, new = step["old"].removesuffix("\n"), step["new"].removesuffix("\n")
        before = self.files.get(path, "")
        if before.count(old) != 1:
            raise InvalidInput(problem=f"Step {number} of the demo edits what is not there once: {old!r}.")
        return before.replace(old, new)


def _tool(name: str, after: float, verb: str, step: Mapping[str, Any]) -> Iterator[Beat]:
    """A tool is called, prints a few lines at a time, and ends."""
    title, argument = _TOOLS[verb]
    ok = step.get("ok", True)
    called = {"name": title, "input": {argument: step[verb]}}
    yield Beat(name, after, "tool_call", called, shown=f"{verb}: {step[verb]}")
    lines = step.get("output", "").splitlines(keepends=True)
    pause = RUN_SECONDS if lines else READ_SECONDS
    for at in range(0, len(lines), AT_ONCE):
        body = {"text": "".join(lines[at : at + AT_ONCE]), "stream": "stdout"}
        yield Beat(f"{name}-{at:03}", pause, "output", body, parent=name)
        pause = LINE_SECONDS * AT_ONCE
    # Checks go by the name of what was run; the same command again is the same check.
    result = {"name": step[verb], "ok": ok, "text": step["result"]}
    yield Beat(f"{name}-end", pause, "tool_result", result, parent=name, shown=f"      {step['result']}")


_WORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "think": ("thinking", {}),
    "progress": ("progress", {}),
    "ask": ("prompt", {"role": "human"}),
    "say": ("message", {"role": "agent", "decision": False}),
    "note": ("message", {"role": "human", "decision": False}),
    "decide": ("message", {"role": "agent", "decision": True}),
}
_TOOLS = {"read": ("Read", "path"), "run": ("Run", "command")}
_VERBS = (*_WORDS, *_TOOLS, "plan", "save")
