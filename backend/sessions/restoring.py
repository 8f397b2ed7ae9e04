"""Restoring: rows of landed sessions made again from their records, summaries and archives.

What was said comes from the archive, event by event, with every id and hash. A session that was
never archived, because the forge died right after it landed, gets back what its summary tells.
Whose it was is kept in words: the accounts are gone, and a handle may be somebody else's by now.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import zstandard
from sqlmodel import col, select

from backend.accounts.models import Account
from backend.core.context import SYSTEM, Context, Forge
from backend.projects import code, diffs
from backend.projects.models import Landing, Project
from backend.sessions import live
from backend.sessions.models import SessionEvent, SessionFile, Status, WorkSession
from vcs.diff import Status as Change
from vcs.diff import TreeChange, diff_trees
from vcs.log import Record, RecordKind
from vcs.objects import EMPTY_TREE, Entry, new_id, parse_time
from vcs.repository import Repository
from vcs.session import event_hash

LARGEST_ARCHIVE = 1 << 31
PUSHED_FILES = 300
"""Of so many files that a push changed the session's page tells each."""


def restore_sessions(forge: Forge, project: Project, repository: Repository) -> int:
    """Write the rows of every session that landed in this project; those that are there stay."""
    ctx = Context(forge, SYSTEM)
    restored = 0
    for sequence, _, record in repository.records():
        if record.session is None or record.positions is None or record.project != project.id:
            continue
        told = code.told(repository, record)
        with ctx.transaction() as tx:
            landing = tx.db.exec(
                select(Landing)
                .where(Landing.project == project.id, Landing.sequence == sequence)
                .order_by(col(Landing.position).desc())
            ).first()
            if landing is not None and tx.db.get(WorkSession, record.session) is None:
                _restore(tx, project, repository, record, told, landing)
                restored += 1
    return restored


def begin_landed(
    ctx: Context, project: Project, record: Record, told: dict[str, Any], landing: Landing
) -> WorkSession:
    """Write the row of a session that began and landed in one push. Whoever pushed it is here."""
    repository = code.repository(ctx.forge, project.id, project.pool)
    return _restore(ctx, project, repository, record, told, landing, author=record.actor)


def _restore(
    ctx: Context,
    project: Project,
    repository: Repository,
    record: Record,
    told: dict[str, Any],
    landing: Landing,
    *,
    author: str | None = None,
) -> WorkSession:
    handle = told.get("author", "")
    known = "" if handle == SYSTEM.handle else handle
    position, commit, tree = _base(repository, told, landing)
    files = _files(repository, record, tree, landing)
    counted = told.get("changed") or [
        len(files),
        sum(row.additions for row in files),
        sum(row.deletions for row in files),
    ]
    events = ([] if author else _archived(ctx, record)) or _retold(record, told, landing)
    assert record.session is not None
    row = WorkSession(
        id=record.session,
        project_id=project.id,
        author_id=author if author and ctx.db.get(Account, author) else None,
        author_handle=known,
        author_name=told.get("authors", {}).get(known, ""),
        goal=told.get("goal", ""),
        status=Status.LANDED,
        agent=told.get("agent", ""),
        model=told.get("model", ""),
        metadata_=json.loads(told.get("metadata", "{}")),
        base_position=position,
        base_commit=commit,
        base_tree=tree,
        revision=record.revision or 0,
        summary=told.get("summary", ""),
        files=counted[0],
        additions=counted[1],
        deletions=counted[2],
        events=events[-1].sequence,
        last_event=event_hash(events[-1].previous or None, live.as_event(events[-1])),
        landed_position=landing.position,
        landing_id=record.landing,
        started_at=_time(told.get("started_at"), record.at),
        updated_at=record.at,
        ended_at=record.at,
    )
    ctx.db.add(row)
    ctx.db.flush()
    ctx.db.add_all([*files, *events])
    ctx.db.flush()
    return row


def _base(repository: Repository, told: dict[str, Any], landing: Landing) -> tuple[int, str | None, str]:
    """Where the session stood; as the log has that position now, since a purge may have rewritten it."""
    position = told["base"] if "base" in told else landing.position - 1
    commit = repository.commit_at(position)
    return position, commit, repository.commit(commit).tree if commit else EMPTY_TREE


def _files(repository: Repository, record: Record, base: str, landing: Landing) -> list[SessionFile]:
    """What landed, path by path, against what the session stood on."""
    assert record.session is not None and record.positions is not None
    before = repository.commit_at(record.positions[0] - 1)
    old = repository.commit(before).tree if before else EMPTY_TREE
    rows = []
    changes: Iterator[TreeChange] = diff_trees(repository, old, landing.tree)
    if record.kind is RecordKind.PUSH:
        # A whole history may be pushed, and rows are written while others wait.
        changes = islice(changes, PUSHED_FILES)
    for change in changes:
        stood = repository.entry(base, change.path) if base != EMPTY_TREE else None
        stood = None if stood is not None and stood.is_tree else stood
        counts = diffs.counts_of(
            repository, TreeChange(change.path, _kind(stood, change.new), stood, change.new)
        )
        rows.append(
            SessionFile(
                session_id=record.session,
                path=change.path,
                status=counts.status.value,
                mode=counts.new_mode,
                blob=counts.new,
                additions=counts.additions,
                deletions=counts.deletions,
                binary=counts.binary,
                changed_at=record.at,
            )
        )
    return rows


def _kind(old: Entry | None, new: Entry | None) -> Change:
    if old is None:
        return Change.ADDED
    if new is None:
        return Change.DELETED
    return Change.MODIFIED if old.is_link == new.is_link else Change.TYPE_CHANGED


def _archived(ctx: Context, record: Record) -> list[SessionEvent]:
    """The events as they were put beside the code; none when they never were."""
    for listed in ctx.forge.store.list(f"archives/{record.project}/{record.session}/"):
        body = ctx.forge.store.get(listed.key)
        lines = zstandard.decompress(body, max_output_size=LARGEST_ARCHIVE).splitlines()
        return [_event(json.loads(line)) for line in lines]
    return []


def _event(line: dict[str, Any]) -> SessionEvent:
    return SessionEvent(
        session_id=line["session"],
        sequence=line["sequence"],
        id=line["id"],
        time=datetime.fromisoformat(line["time"]),
        kind=line["kind"],
        actor=line["actor"],
        parent=line["parent"],
        client_id=line["client_id"],
        body=line["body"],
        previous=line["previous"],
    )


def _retold(record: Record, told: dict[str, Any], landing: Landing) -> Sequence[SessionEvent]:
    """A short chain that says what the summary says: goal, notes, decisions, landed."""
    author = told.get("author", "")
    said: list[tuple[str, str, datetime, dict[str, Any]]] = []
    began = _time(told.get("started_at"), record.at)
    said.append(("prompt", author, began, {"text": told.get("goal", ""), "role": "human"}))
    for decision, notes in ((False, told.get("conversation", [])), (True, told.get("decisions", []))):
        for note in notes:
            body = {"text": note["text"], "role": note["role"], "decision": decision}
            said.append(("message", note["actor"], parse_time(note["at"]), body))
    said.sort(key=lambda each: each[2])
    landed = {"state": "landed", "position": landing.position}
    said.append(("status", SYSTEM.handle, record.at, landed))
    events: list[SessionEvent] = []
    previous = ""
    for kind, actor, time, body in said:
        assert record.session is not None
        event = SessionEvent(
            session_id=record.session,
            sequence=len(events) + 1,
            id=new_id(),
            time=time,
            kind=kind,
            actor=actor,
            body=body,
            previous=previous,
        )
        previous = event_hash(previous or None, live.as_event(event))
        events.append(event)
    return events


def _time(text: str | None, otherwise: datetime) -> datetime:
    return parse_time(text) if text else otherwise
