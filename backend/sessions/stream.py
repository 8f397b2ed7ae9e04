"""Streams: the events of a session as they come, for every watcher of this process.

However many watch a session, its new rows are read once (`Tail`): a watcher takes what it has
not sent yet, and goes to the table only for what is older than the tail. Rings carry no data,
so a watcher that was not woken is late by a heartbeat at most and never misses a row. Whoever may see
less from now on is rung for too (`core/bell.reach_of`), and their streams end within a second.
"""

import base64
import binascii
import json
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from anyio import to_thread
from sqlmodel import col, select

from backend.accounts.identity import still_good
from backend.core.bell import reach_of
from backend.core.context import Actor, Context, Forge
from backend.core.errors import InvalidInput, MicelioError
from backend.projects import code
from backend.sessions import access, live
from backend.sessions.models import SessionEvent, WorkSession

HEARTBEAT = 15.0
TRUSTED_FOR = 1.0
TAIL = 512
TAIL_BYTES = 2 << 20
"""What is kept of one session for those who watch it: whoever is further behind reads from the database."""
REMEMBERED_WATCHERS = 1000
"""Watchers of one session beyond whom those whose trust has run out are forgotten."""
BATCH = 200

Credential = tuple[str, str | None, str | None, str | None]
"""What somebody is asked about by: how they came, the account, and the token or browser."""


@dataclass(frozen=True)
class Frame:
    """One event as it goes over the wire."""

    session: str
    sequence: int
    data: str


class Tail:
    """The newest events of one session, read once for all who watch it here."""

    def __init__(self, session: str) -> None:
        self.watchers = 0
        self._session = session
        self._frames: deque[Frame] = deque()
        self._size = 0
        self._read_at = 0.0
        self._lock = threading.Lock()
        self._trusted: dict[Credential, float] = {}
        self._asking = threading.Lock()

    def after(self, ctx: Context, sequence: int, asked: float) -> list[Frame]:
        """Frames after a sequence that were stored when it was `asked` (monotonic), at most a batch."""
        with self._lock:
            if self._frames:
                # Whoever waited here while another read after they asked need not read again.
                if self._read_at <= asked:
                    read_at = time.monotonic()
                    new = self._read(ctx, self._frames[-1].sequence, TAIL)
                    self._keep(new)
                    # A full read may have left rows behind: then nobody relies on it.
                    self._read_at = read_at if len(new) < TAIL else 0.0
                # Looked at after the new ones pushed old ones out.
                if sequence >= self._frames[0].sequence - 1:
                    return [held for held in self._frames if held.sequence > sequence][:BATCH]
            frames = self._read(ctx, sequence, BATCH)
            if not self._frames and len(frames) < BATCH:
                self._keep(frames)
            return frames

    def _keep(self, new: Sequence[Frame]) -> None:
        self._frames.extend(new)
        self._size += sum(len(one.data) for one in new)
        # The last one stays: it says up to where everything was read.
        while len(self._frames) > 1 and (len(self._frames) > TAIL or self._size > TAIL_BYTES):
            self._size -= len(self._frames.popleft().data)

    def require_seen_by(self, ctx: Context, actor: Actor) -> None:
        """NotFound or WrongCredentials once somebody may not read the session; asked once a second."""
        credential = (actor.via.value, actor.id, actor.token_id, actor.browser_id)
        with self._asking:
            now = time.monotonic()
            if now < self._trusted.get(credential, 0.0):
                return
            with ctx.transaction(write=False) as tx:
                access.session(tx.acting_as(still_good(tx, actor)), self._session)
            if len(self._trusted) >= REMEMBERED_WATCHERS:
                self._trusted = {who: until for who, until in self._trusted.items() if until > now}
            self._trusted[credential] = now + TRUSTED_FOR

    def _read(self, ctx: Context, after: int, limit: int) -> list[Frame]:
        # A transaction of its own: it must not see less than there is at this moment.
        with ctx.transaction(write=False) as tx:
            return [frame(row) for row in live.events_after(tx, self._session, after, limit)]


class Tails:
    """The tails of the sessions that somebody in this process watches."""

    def __init__(self) -> None:
        self._tails: dict[str, Tail] = {}
        self._lock = threading.Lock()

    def of(self, session: str) -> Tail:
        """The tail of a session that is watched."""
        return self._tails[session]

    @contextmanager
    def watched(self, sessions: Iterable[str]) -> Iterator[None]:
        """Keep the tails of these sessions while the block runs."""
        names = list(sessions)
        with self._lock:
            for name in names:
                self._tails.setdefault(name, Tail(name)).watchers += 1
        try:
            yield
        finally:
            with self._lock:
                for name in names:
                    self._tails[name].watchers -= 1
                    if not self._tails[name].watchers:
                        del self._tails[name]


@dataclass
class Watcher:
    """One reader of one or several sessions: who it is and how far it got in each."""

    forge: Forge
    actor: Actor
    cursors: dict[str, int]

    def read(self) -> list[Frame]:
        """What is new, oldest first in each session. NotFound once it may no longer be seen."""
        asked = time.monotonic()
        frames: list[Frame] = []
        ctx = Context(self.forge, self.actor)
        for session, sequence in self.cursors.items():
            tail = self.tails().of(session)
            tail.require_seen_by(ctx, self.actor)
            frames += tail.after(ctx, sequence, asked)
        for one in frames:
            self.cursors[one.session] = one.sequence
        return frames

    def topics(self) -> list[str]:
        """What is rung when there is something new, or when the watcher may see less."""
        asked = select(WorkSession.project_id).where(col(WorkSession.id).in_(list(self.cursors))).distinct()
        with Context(self.forge, self.actor).transaction(write=False) as tx:
            reaches = [reach_of(project) for project in tx.db.exec(asked)]
        who = self.actor
        own = {"browser": who.browser_id, "token": who.token_id}
        reaches += [f"{kind}:{id}" for kind, id in own.items() if id]
        reaches += [reach_of(who.id)] if who.id else []
        return [*(f"session:{session}" for session in self.cursors), *reaches]

    def tails(self) -> Tails:
        """The tails of this process."""
        return self.forge.part(Tails, Tails)


async def follow(watcher: Watcher, *, several: bool) -> AsyncIterator[bytes]:
    """Server-sent events without end: frames as they come, a comment each 15 s.

    With `several`, `id:` is an opaque cursor over all sessions, else the event's sequence.
    """
    yield b"retry: 1000\n\n"
    topics = await to_thread.run_sync(watcher.topics)
    rung = False
    with watcher.forge.bell.listen(*topics) as ear, watcher.tails().watched(watcher.cursors):
        while True:
            try:
                frames = await to_thread.run_sync(watcher.read)
            except MicelioError as gone:
                yield f"event: gone\ndata: {json.dumps({'code': gone.code})}\n\n".encode()
                return
            if frames:
                yield b"".join(_written(frames, watcher.cursors, several=several))
            # A ring that came while this read is remembered; a full batch may have more behind it.
            if len(frames) == BATCH:
                continue
            # It may have rung for what the watcher may see, which was asked a moment ago: ask again then.
            patience = TRUSTED_FOR if rung and not frames else HEARTBEAT
            rung = await ear.wait(patience)
            if not rung and patience == HEARTBEAT:
                yield b": still here\n\n"


def frame(row: SessionEvent) -> Frame:
    """An event as it is sent."""
    return Frame(row.session_id, row.sequence, live.shown(row).model_dump_json())


def cursor_of(sequences: Mapping[str, int]) -> str:
    """An opaque cursor over several sessions."""
    return base64.urlsafe_b64encode(json.dumps(dict(sequences)).encode()).decode()


def read_cursor(text: str) -> dict[str, int]:
    """What `cursor_of` wrote; InvalidInput for anything else."""
    try:
        value = json.loads(base64.urlsafe_b64decode(text.encode("ascii")))
    except (ValueError, RecursionError, binascii.Error):
        value = None
    if not isinstance(value, dict) or not all(_is_sequence(each) for each in value.values()):
        raise InvalidInput(problem="This cursor is not one of ours. Start again without Last-Event-ID.")
    return value


def _is_sequence(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < code.MOST


def _written(frames: list[Frame], reached: Mapping[str, int], *, several: bool) -> Iterable[bytes]:
    sequences = dict(reached)
    # The cursor of a frame must not claim the frames of its batch that come after it.
    for one in frames:
        sequences[one.session] = min(sequences[one.session], one.sequence - 1)
    for one in frames:
        sequences[one.session] = one.sequence
        id = cursor_of(sequences) if several else str(one.sequence)
        yield f"id: {id}\ndata: {one.data}\n\n".encode()
