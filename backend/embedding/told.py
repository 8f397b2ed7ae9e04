"""Told: pages as plain text in Markdown, for terminals and agents.

    curl forge.example/acme/notes

What people wrote may hold codes that a terminal obeys, so controls other than tabs and line breaks are
left out; the bytes as they are come from the raw address that each file's text names.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from backend.core.addresses import address_of
from backend.core.context import Actor, Forge
from backend.core.operations import invoke
from backend.embedding.licences import licence_of
from backend.instance.service import get_overview
from backend.organizations.service import get_organization
from backend.projects.landings import get_landing, get_landing_diff, list_landings
from backend.projects.schemas import DiffPage, EntryType, FileChange, LandingSummary, Said, TreeEntry
from backend.projects.service import list_projects
from backend.projects.tree import get_file, get_tree
from backend.sessions.schemas import SessionSummary
from backend.sessions.service import get_session, list_sessions

LONGEST = 256 * 1024
"""Letters of a diff or file that are told."""

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

At = Mapping[str, str]
Told = Callable[[Forge, Actor, str, At], str]


def home(forge: Forge, actor: Actor, origin: str, at: At) -> str:
    """What this forge is, how one gets in, and its newest projects."""
    page: Any = invoke(forge, actor, get_overview, {})
    projects = [f"- {origin}/{each.organization}/{each.handle}  {each.description}" for each in page.projects]
    return _joined(
        "# Micelio",
        "A git forge that keeps the prompt, the plan and every tool call beside the change they made.",
        _code(f"mic auth login --instance {origin}", f"curl {origin}/skill.md"),
        _list("Projects", projects, "No project here that you may see."),
    )


def owner(forge: Forge, actor: Actor, origin: str, at: At) -> str:
    """A person or an organization with their projects."""
    found: Any = invoke(forge, actor, get_organization, at)
    page: Any = invoke(forge, actor, list_projects, {**at, "limit": 100})
    projects = [f"- {origin}/{each.organization}/{each.handle}  {each.description}" for each in page.items]
    return _joined(
        f"# {found.name or found.handle}",
        found.description,
        _list("Projects", projects, "No project here that you may see."),
        f"Feed: {origin}/{found.handle}.atom",
    )


def project(forge: Forge, actor: Actor, origin: str, at: At) -> str:
    """A project: what it is, how to clone it, its files, newest landings and README."""
    page: Any = invoke(forge, actor, get_tree, at)
    landed: Any = invoke(forge, actor, list_landings, {**at, "limit": 10})
    found = page.project
    base = f"{origin}/{found.organization}/{found.handle}"
    facts = [_counted(found.position, "landing"), _counted(found.open_sessions, "open session")]
    if licence := licence_of(forge, actor, found.organization, found.handle):
        facts.append(licence)
    if found.archived:
        facts.append("archived: nothing can be changed")
    return _joined(
        f"# {found.organization}/{found.handle}",
        found.description,
        " · ".join(facts),
        "## Clone",
        _code(f"mic clone {base}", f"git clone {base}"),
        _list("Files", _entries(page.entries, base, "HEAD"), "No file yet."),
        _list("Newest landings", [_landing_line(each, base) for each in landed.items], "Nothing landed yet."),
        _readme(forge, actor, at, page),
    )


def folder(forge: Forge, actor: Actor, origin: str, at: At) -> str:
    """A folder at a ref, and its README."""
    page: Any = invoke(forge, actor, get_tree, at)
    found = page.project
    base = f"{origin}/{found.organization}/{found.handle}"
    return _joined(
        f"# {found.organization}/{found.handle}: {page.path}/ at {page.ref}",
        _list("Files", _entries(page.entries, base, page.ref), "No file here."),
        _readme(forge, actor, at, page),
    )


def file(forge: Forge, actor: Actor, origin: str, at: At) -> str:
    """A file's text and nothing else; of what is no text, where its bytes are."""
    page: Any = invoke(forge, actor, get_file, at)
    found = page.project
    raw = f"{origin}/{found.organization}/{found.handle}/raw/{_part(page.ref)}/{address_of(page.path)}"
    if page.text is None:
        return f"{page.path} holds {page.size} bytes that are no text. They are at {raw}\n"
    cut = page.cut or len(page.text) > LONGEST
    rest = f"\n[This is not all of it. The whole file is at {raw}]\n" if cut else ""
    return _tame(page.text[:LONGEST]) + rest


def landings(forge: Forge, actor: Actor, origin: str, at: At) -> str:
    """The trunk, newest first."""
    page: Any = invoke(forge, actor, list_landings, {**at, "limit": 100})
    base = f"{origin}/{at['organization']}/{at['project']}"
    lines = [_landing_line(each, base) for each in page.items]
    return _list(f"Landings of {at['organization']}/{at['project']}", lines, "Nothing landed yet.", level=1)


def landing(forge: Forge, actor: Actor, origin: str, at: At) -> str:
    """One landing: why it came about, and its patch."""
    found: Any = invoke(forge, actor, get_landing, at)
    page: Any = invoke(forge, actor, get_landing_diff, at)
    who = f"{found.agent} for {found.author_name}" if found.agent else found.author_name
    return _joined(
        f"# {found.goal}",
        f"Landing #{found.position} of {found.organization}/{found.project} · {who} · "
        f"{found.landed_at:%Y-%m-%d %H:%M} UTC · +{found.additions} -{found.deletions}",
        found.summary,
        _said("Conversation", found.conversation),
        _said("Decisions", found.decisions),
        _changes(found.changes),
        "## Patch",
        _fenced(patch(page), "diff"),
    )


def sessions(forge: Forge, actor: Actor, origin: str, at: At) -> str:
    """The sessions that one may see, newest first."""
    page: Any = invoke(forge, actor, list_sessions, {**at, "limit": 100})
    base = f"{origin}/{at['organization']}/{at['project']}"
    lines = [_session_line(each, base) for each in page.items]
    return _list(f"Sessions of {at['organization']}/{at['project']}", lines, "No session yet.", level=1)


def session(forge: Forge, actor: Actor, origin: str, at: At) -> str:
    """One session: goal, state, what was said and decided, what it changes."""
    found: Any = invoke(forge, actor, get_session, {"session": at["session"]})
    who = f"{found.agent} for {found.author_name}" if found.agent else found.author_name
    base = f"{origin}/{found.organization}/{found.project}"
    landed = f"Landed as {base}/landings/{found.landed_position}" if found.landed_position else ""
    steps = [f"- [{'x' if step.state == 'done' else ' '}] {_one_line(step.text)}" for step in found.plan]
    return _joined(
        f"# {found.goal}",
        f"Session {found.short_id} of {found.organization}/{found.project} · "
        f"{found.status.value.replace('_', ' ')} · {who} · from landing #{found.base_position}",
        landed,
        found.summary,
        _list("Plan", steps, "") if steps else "",
        _said("Conversation", found.conversation),
        _said("Decisions", found.decisions),
        _changes(found.changes),
    )


PAGES: tuple[tuple[str, Told, bool], ...] = (
    ("/{organization}/{project}/tree/{ref}/{path}", folder, True),
    ("/{organization}/{project}/blob/{ref}/{path}", file, False),
    ("/{organization}/{project}/landings/{position}", landing, False),
    ("/{organization}/{project}/landings", landings, False),
    ("/{organization}/{project}/sessions/{session}", session, False),
    ("/{organization}/{project}/sessions", sessions, False),
    ("/{organization}/{project}", project, False),
    ("/{organization}", owner, False),
    ("/", home, False),
)
"""Addresses that are told as text, what tells them, and whether their path may be missing."""


def patch(page: DiffPage) -> str:
    """A comparison as a unified diff. What is binary or too large is named and not shown."""
    parts: list[str] = []
    for each in page.files:
        before, after = each.previous or each.path, each.path
        old = "/dev/null" if each.old is None else f"a/{before}"
        new = "/dev/null" if each.new is None else f"b/{after}"
        parts.append(f"--- {old}\n+++ {new}\n")
        if each.binary or (each.cut and not each.hunks):
            parts.append("# binary, or too large to show\n")
        for hunk in each.hunks:
            section = f" {hunk.section}" if hunk.section else ""
            parts.append(
                f"@@ -{hunk.old_start},{hunk.old_count} +{hunk.new_start},{hunk.new_count} @@{section}\n"
            )
            for line in hunk.lines:
                parts.append(f"{line.kind}{line.text}\n")
                if line.no_newline:
                    parts.append("\\ No newline at end of file\n")
        if each.cut and each.hunks:
            parts.append("# the rest is too large to show\n")
    text = "".join(parts)
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n# the rest is too large to show\n"


def wants_text(accept: str, user_agent: str) -> bool:
    """Whether a page is wanted as text: by an `Accept` that puts text/markdown or text/plain above
    text/html, or by a terminal's program that takes anything.
    """
    weights = dict(_weights(accept))
    text = max(weights.get("text/markdown", 0.0), weights.get("text/plain", 0.0))
    html = weights.get("text/html", weights.get("application/xhtml+xml", 0.0))
    if text or html:
        return text > html
    anything = not accept.strip() or weights.get("*/*", 0.0) > 0
    return anything and user_agent.lower().startswith(TERMINALS)


TERMINALS = ("curl/", "wget/", "httpie/", "xh/")
"""How programs begin their User-Agent that write what they get to a terminal."""


def kind_of(accept: str) -> str:
    """The media type to answer with: Markdown when it is asked for by name, else plain text."""
    weights = dict(_weights(accept))
    wanted = weights.get("text/markdown", 0.0)
    return "text/markdown" if wanted and wanted >= weights.get("text/plain", 0.0) else "text/plain"


def _weights(accept: str) -> Iterable[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = (piece.strip() for piece in part.lower().split(";"))
        given = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            yield name, float(given)
        except ValueError:
            yield name, 0.0


def _entries(entries: Iterable[TreeEntry], base: str, ref: str) -> list[str]:
    lines = []
    for entry in entries:
        folder = entry.type is EntryType.FOLDER
        lines.append(f"- {entry.name}{'/' if folder else ''}")
    return lines


def _readme(forge: Forge, actor: Actor, at: At, page: Any) -> str:
    if page.readme is None:
        return ""
    where = {**at, "path": page.readme.path}
    found: Any = invoke(forge, actor, get_file, where)
    name = page.readme.path.rpartition("/")[2]
    return _joined(f"## {name}", found.text or "It is no text.")


def _landing_line(landing: LandingSummary, base: str) -> str:
    who = landing.agent or landing.written_by or landing.author
    return f"- #{landing.position} {_one_line(landing.goal)} ({who}, {landing.landed_at:%Y-%m-%d})"


def _session_line(session: SessionSummary, base: str) -> str:
    state = session.status.value.replace("_", " ")
    return f"- {session.short_id} {_one_line(session.goal)} ({state}, {session.agent or session.author})"


def _said(title: str, said: Iterable[Said]) -> str:
    lines = [f"- {each.author}, {each.at:%H:%M}: {_indented(each.text)}" for each in said]
    return _list(title, lines, "") if lines else ""


def _changes(changes: Iterable[FileChange]) -> str:
    lines = [f"- {each.status.value} {each.path} +{each.additions} -{each.deletions}" for each in changes]
    return _list("Changes", lines, "No file changed.")


def _list(title: str, lines: list[str], nothing: str, *, level: int = 2) -> str:
    return _joined(f"{'#' * level} {title}", "\n".join(map(_tame, lines)) or nothing)


def _code(*lines: str) -> str:
    return "\n".join(f"    {line}" for line in lines)


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}{fence}"


def _joined(*parts: str) -> str:
    return "\n\n".join(_tame(part.strip("\n")) for part in parts if part.strip()) + "\n"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _indented(text: str) -> str:
    return text.strip().replace("\n", "\n  ")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _tame(text: str) -> str:
    return CONTROLS.sub("", text.replace("\r\n", "\n"))


_part = partial(quote, safe="@")
