"""Proposing: `git push origin HEAD:refs/for/main` opens a session in front of a reviewer, without a fork.

What was pushed is staged as it is, so the session can land the very commits. A later push finds its
session again by what it says (option, trailers) or by the commits it brings, and makes a new revision
of it; each push holds all its session needs, so of what an earlier one brought nothing is kept.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from sqlmodel import col, delete, select

from backend.accounts.identity import still_good
from backend.core.context import Context
from backend.core.errors import Conflict, Forbidden, MicelioError
from backend.projects import access as project_access
from backend.projects import diffs
from backend.projects.access import Ability, Standing
from backend.projects.schemas import FileChange
from backend.sessions import access, content, files, live
from backend.sessions.models import SessionCommit, SessionFile, StagedFile, Status, WorkSession
from backend.sessions.pushing import (
    FOR,
    NOTES,
    Pushing,
    fork_point,
    option,
    prompts_of,
)
from backend.sessions.redaction import redact
from backend.sessions.schemas import EventIn, Speaker
from vcs.diff import diff_trees
from vcs.git.messages import Message, read_message
from vcs.git.receive import Command, Quarantine
from vcs.git.taking import Received, give_up
from vcs.objects import EMPTY_TREE, new_id
from vcs.paths import unquote

MOST_COMMITS = 1_000
MOST_FILES = 100_000
OPEN = (Status.ACTIVE, Status.PENDING_REVIEW)


@dataclass(frozen=True)
class _Work:
    """One proposal, read and compared before any transaction."""

    messages: Sequence[Message]
    prompts: Sequence[str]
    sha1s: Sequence[bytes]
    commits: Sequence[SessionCommit]
    changes: Sequence[FileChange]
    base: tuple[int, str | None, str]
    keys: Sequence[tuple[str, int]]


def propose(pushing: Pushing, command: Command, held: Quarantine, received: Received) -> None:
    """Make a session of what was pushed, or a new revision of the one it belongs to."""
    keys = [(key, 0) for key in received.keys]
    tip, sha1s, messages = _commits(pushing, command, held)
    prompts = [*prompts_of(pushing.request, messages[0]), *_noted(pushing, held, sha1s)]
    with pushing.ctx.transaction(write=False) as tx:
        # Asked before anything is staged, and once more below.
        project_access.by_id(tx, pushing.project.id, Ability.PROPOSE)
        _find(tx, pushing, messages, sha1s, locked=False)
    repository = pushing.repository
    staged: list[str] = []
    try:
        if received.objects:
            staged = repository.stage(received.objects, hints=received.hints)
            keys += [(key, received.size) for key in staged]
        rows = _rows(sha1s, messages, received.ids)
        changes, base = _compared(pushing, held, received.ids[tip], tip, [key for key, _ in keys])
        _write(pushing, command, _Work(messages, prompts, sha1s, rows, changes, base, keys))
    except MicelioError:
        give_up(repository, staged)
        raise
    pushing.kept = True


def _write(pushing: Pushing, command: Command, work: "_Work") -> None:
    with pushing.ctx.transaction() as tx:
        ctx = tx.acting_as(still_good(tx, tx.actor))
        project, _ = project_access.by_id(ctx, pushing.project.id, Ability.PROPOSE)
        found, why = _find(ctx, pushing, work.messages, work.sha1s, locked=True)
        begun = found is None
        if found is None:
            found = _begin(ctx, pushing, work)
        _revise(ctx, found, pushing, work)
        ctx.audit("session.propose", pushing.address, session=found.id, revision=found.revision)
        ctx.ring(f"project:{project.id}")
        id, revision = found.id, found.revision
    name = f"refs/sessions/{id}"
    pushing.verdicts[command.name].became = name
    if NOTES in pushing.verdicts and pushing.verdicts[NOTES].became == FOR:
        pushing.verdicts[NOTES].became = name
    what = (
        f"Session {access.short(id)} waits for review"
        if begun
        else f"Revision {revision} of session {access.short(id)}"
    )
    pushing.tell(f"{what}: {why}.")
    pushing.tell(pushing.url(id))


def _commits(
    pushing: Pushing, command: Command, held: Quarantine
) -> tuple[bytes, list[bytes], list[Message]]:
    """The tip, and all commits that the trunk lacks, newest first, with what they say."""
    tip, trunk = command.new, pushing.refs.get(pushing.trunk)
    if tip is None or held.has(tip) != b"commit":
        raise Forbidden(problem="A proposal is a commit, and this is none.")
    since = [f"^{trunk.hex()}"] if trunk else []
    listed = held.source.run("rev-list", "--topo-order", f"--max-count={MOST_COMMITS}", tip.hex(), *since)
    sha1s = [bytes.fromhex(line) for line in listed.decode().split()]
    if not sha1s:
        raise Conflict(problem="The default branch has all of this already, so there is nothing to propose.")
    contents = held.contents(sha1s)
    return tip, sha1s, [read_message(contents[sha1][1]) for sha1 in sha1s]


def _rows(
    sha1s: Sequence[bytes], messages: Sequence[Message], ids: Mapping[bytes, str]
) -> list[SessionCommit]:
    return [
        SessionCommit(
            session_id="",
            number=number,
            commit=ids.get(sha1, ""),
            sha1=sha1.hex(),
            change_id=(message.values("Change-Id") or [""])[-1][:200],
        )
        for number, (sha1, message) in enumerate(zip(sha1s, messages, strict=True))
    ]


def _compared(
    pushing: Pushing, held: Quarantine, commit: str, tip: bytes, keys: Sequence[str]
) -> tuple[list[FileChange], tuple[int, str | None, str]]:
    """What the tip changes against the newest position it goes on from, and that position."""
    repository = pushing.repository
    sha1, behind = fork_point(repository, held, pushing.refs.get(pushing.trunk), tip)
    base = repository.id_of_sha1(sha1) if sha1 else None
    tree = repository.commit(base).tree if base else EMPTY_TREE
    position = repository.remembered()[0].position - behind if base else 0
    reader = repository.with_staged(keys)
    differing = list(islice(diff_trees(reader, tree, reader.commit(commit).tree), MOST_FILES + 1))
    if not differing:
        raise Conflict(problem="These commits change no file, so there is nothing to propose.")
    if len(differing) > MOST_FILES:
        raise Conflict(problem=f"A session changes {MOST_FILES} files at most; this changes more.")
    return [diffs.counts_of(reader, change) for change in differing], (position, base, tree)


def _noted(pushing: Pushing, held: Quarantine, sha1s: Sequence[bytes]) -> list[str]:
    """What `refs/notes/micelio` of the same push says about the pushed commits."""
    verdict = pushing.verdicts.get(NOTES)
    if verdict is None or verdict.refused or verdict.command.new is None:
        return []
    listed = held.source.run("ls-tree", "-r", "-z", verdict.command.new.hex())
    notes: dict[str, str] = {}
    for line in listed.split(b"\0")[:-1]:
        entry, _, path = line.partition(b"\t")
        notes[path.replace(b"/", b"").decode("latin-1")] = entry.split(b" ")[2].decode()
    found = []
    for sha1 in reversed(sha1s):
        if blob := notes.get(sha1.hex()):
            text = held.source.run("cat-file", "blob", blob)[:100_000].decode("utf-8", "replace")
            if text := text.replace("\0", "").strip():
                found.append(text)
    return found


def _find(
    ctx: Context, pushing: Pushing, messages: Sequence[Message], sha1s: Sequence[bytes], *, locked: bool
) -> tuple[WorkSession | None, str]:
    """The session this push belongs to, and why; None for a new one."""
    if named := option(pushing.request, "session"):
        return _changeable(ctx, pushing, named, locked=locked), "-o session names it"
    for named in reversed(messages[0].values("Micelio-Session")):
        # Somebody else's, or over: a commit that was picked from elsewhere still carries the trailer.
        with suppress(MicelioError):
            return _changeable(ctx, pushing, named, locked=locked), "its Micelio-Session trailer names it"
    mine = select(WorkSession.id).where(
        WorkSession.project_id == pushing.project.id,
        WorkSession.author_id == ctx.actor.id,
        col(WorkSession.status).in_(OPEN),
    )
    query = select(SessionCommit.session_id).where(col(SessionCommit.session_id).in_(mine))
    if change_id := (messages[0].values("Change-Id") or [""])[-1]:
        same = set(ctx.db.exec(query.where(SessionCommit.change_id == change_id[:200])).all())
        if len(same) == 1:
            return _changeable(ctx, pushing, same.pop(), locked=locked), "its Change-Id is the same"
    known = col(SessionCommit.sha1).in_([sha1.hex() for sha1 in sha1s])
    holding = set(ctx.db.exec(query.where(known)).all())
    if len(holding) == 1:
        why = "it is your only open session with one of these commits"
        return _changeable(ctx, pushing, holding.pop(), locked=locked), why
    if holding:
        return (
            None,
            f"it is new, since {len(holding)} of your sessions have these commits; -o session= names one",
        )
    return None, "it is new; push again with one of its commits, or -o session=, to revise it"


def _changeable(ctx: Context, pushing: Pushing, text: str, *, locked: bool) -> WorkSession:
    """An open session of this project that the asker may change, at rest."""
    found, project, _ = access.session(ctx, text, locked=locked)
    if project.id != pushing.project.id:
        raise Conflict(problem=f"Session {access.short(found.id)} belongs to another project.")
    if found.status not in OPEN:
        raise access.SessionOver(short=access.short(found.id), status=found.status.value, deed="revised")
    own = found.author_id == ctx.actor.id
    if not own and project_access.standing_of(ctx, project) < Standing.ADMIN:
        raise Forbidden(problem="Only its author and admins of the project revise this session.")
    access.at_rest(found)
    return found


def _begin(ctx: Context, pushing: Pushing, work: _Work) -> WorkSession:
    now = ctx.now()
    position, base, tree = work.base
    row = WorkSession(
        id=new_id(),
        project_id=pushing.project.id,
        author_id=ctx.actor.id,
        goal=_goal(pushing, work),
        agent=option(pushing.request, "agent")[:100],
        model=option(pushing.request, "model")[:100],
        base_position=position,
        base_commit=base,
        base_tree=tree,
        started_at=now,
        updated_at=now,
    )
    ctx.db.add(row)
    ctx.db.flush()
    live.append(ctx, row, EventIn(kind="prompt", body={"text": row.goal, "role": "human"}))
    return row


def _goal(pushing: Pushing, work: _Work) -> str:
    return redact(option(pushing.request, "goal") or work.messages[0].subject or "Proposed with git")[:2000]  # type: ignore[no-any-return]


def _revise(ctx: Context, found: WorkSession, pushing: Pushing, work: _Work) -> None:
    """Put what was pushed in the place of what the session held."""
    if option(pushing.request, "goal"):
        found.goal = _goal(pushing, work)
    found.base_position, found.base_commit, found.base_tree = work.base
    found.summary = redact(work.messages[0].body)[:10_000]
    events = _replace_files(ctx, found, work)
    ctx.db.exec(delete(SessionCommit).where(col(SessionCommit.session_id) == found.id))
    ctx.db.exec(delete(StagedFile).where(col(StagedFile.session_id) == found.id))
    ctx.db.add_all([SessionCommit(**{**row.model_dump(), "session_id": found.id}) for row in work.commits])
    for key, size in work.keys:
        content.keep(ctx, found.id, found.project_id, key, size)
    found.revision += 1
    found.updated_at = ctx.now()
    told = [
        live.said(text, Speaker.HUMAN, client_id=f"prompt-{hashlib.sha256(text.encode()).hexdigest()[:40]}")
        for text in work.prompts
    ]
    told.append(EventIn(kind="checkpoint", body={"text": work.messages[0].subject or found.goal}))
    told += files.few_events(events)
    if found.status is not Status.PENDING_REVIEW:
        found.status = Status.PENDING_REVIEW
        told.append(EventIn(kind="status", body={"state": "pending_review", "text": ""}))
    ctx.db.add(found)
    live.append_all(ctx, found, told, bounded=False)


def _replace_files(ctx: Context, found: WorkSession, work: _Work) -> list[EventIn]:
    """Write a row for each changed path; the events of those that are not as they were."""
    query = select(SessionFile).where(SessionFile.session_id == found.id)
    before = {row.path: (row.mode, row.blob) for row in ctx.db.exec(query).all()}
    ctx.db.exec(delete(SessionFile).where(col(SessionFile.session_id) == found.id))
    ctx.db.expire_all()
    events = []
    for change in work.changes:
        path = unquote(change.path)
        row = SessionFile(
            session_id=found.id,
            path=path,
            status=change.status.value,
            mode=change.new_mode,
            blob=change.new,
            additions=change.additions,
            deletions=change.deletions,
            binary=change.binary,
            changed_at=ctx.now(),
        )
        ctx.db.add(row)
        if before.get(path) != (row.mode, row.blob):
            events.append(files.change_event(change))
    found.files = len(work.changes)
    found.additions = sum(change.additions for change in work.changes)
    found.deletions = sum(change.deletions for change in work.changes)
    return events
