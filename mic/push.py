"""Sending a workspace's changes to its session: contents the forge lacks, then the list of paths.

The list is always the whole of what differs from the base, so a push that got lost or came
twice leaves nothing wrong behind; contents are what weighs, and they travel once.
"""

import os
from collections.abc import Callable, Iterable, Iterator

from mic import files, scan
from mic.client import Client
from mic.errors import KeepsChanging, Refused
from mic.render import Progress
from mic.workspace import Workspace
from vcs.objects import Hasher, Kind
from vcs.segments import BIG_BLOB
from vcs.wire import sessions_pb2 as s

ATTEMPTS = 5


def push(
    workspace: Workspace,
    client: Client,
    found: list[scan.Change] | None = None,
    *,
    look: Callable[[], list[scan.Change]] | None = None,
    message: str = "",
) -> s.SessionResponse:
    """Make the session's changes equal to the workspace's; the session as it is then.

    `found` spares the first look, `look` says what counts as changes. A file that changes while
    it is read is looked at again; KeepsChanging when it never rests.
    """
    session = workspace.require_session()
    for _ in range(ATTEMPTS):
        found = (look or workspace.changes)() if found is None else found
        if _send(workspace, client, session["id"], found):
            request = s.PushSessionRequest(session_id=session["id"], files=map(_put, found), message=message)
            session_now: s.SessionResponse = client.sessions.PushSession(request)
            return session_now
        found = None
    raise KeepsChanging


def _put(change: scan.Change) -> s.FilePut:
    path = os.fsencode(change.path)
    if not change.mode:
        return s.FilePut(path=path)
    return s.FilePut(path=path, blob=change.id, mode=f"{change.mode:o}")


def _send(workspace: Workspace, client: Client, session: str, changes: Iterable[scan.Change]) -> bool:
    """Send what the forge lacks; False when a file was not what the scan saw any more."""
    by_id = {change.id: change for change in changes if change.mode}
    if not by_id:
        return True
    asked = s.MissingBlobsRequest(session_id=session, blobs=list(by_id))
    missing = [by_id[id] for id in client.sessions.MissingBlobs(asked).blobs]
    if not missing:
        return True
    with Progress("Sending", sum(change.size for change in missing)) as progress:
        outgoing = _Outgoing(workspace, missing, progress)
        try:
            client.upload(session, outgoing.blobs())
        except Refused:
            if outgoing.rested:
                raise
    return outgoing.rested


class _Outgoing:
    """Contents on their way. `rested` turns False when one of them changed meanwhile."""

    def __init__(self, workspace: Workspace, changes: list[scan.Change], progress: Progress) -> None:
        self.workspace = workspace
        self.changes = changes
        self.progress = progress
        self.rested = True

    def blobs(self) -> Iterator[tuple[str, int, bytes, Iterable[bytes]]]:
        """Each content; a small one is checked before it goes, a large one while it does."""
        for change in self.changes:
            path = os.fsencode(change.path)
            if change.size < BIG_BLOB:
                content = self._small(change)
                if content is not None:
                    self.progress.add(len(content))
                    yield change.id, len(content), path, [content]
            else:
                yield change.id, change.size, path, self._large(change)

    def _small(self, change: scan.Change) -> bytes | None:
        try:
            content = b"".join(files.pieces_of(self.workspace.file(change.path), change.mode))
        except OSError:
            self.rested = False
            return None
        if _id(content) != change.id:
            self.rested = False
            return None
        return content

    def _large(self, change: scan.Change) -> Iterator[bytes]:
        hasher, left = Hasher(Kind.BLOB, change.size), change.size
        try:
            for piece in files.pieces_of(self.workspace.file(change.path), change.mode):
                sent = piece[:left]
                left -= len(sent)
                hasher.update(sent)
                self.progress.add(len(sent))
                yield sent
                if not left:
                    break
        except OSError:
            self.rested = False
            return
        # The forge refuses what is not what it was announced as; this tells why.
        if left or hasher.hexdigest() != change.id:
            self.rested = False


def _id(content: bytes) -> str:
    hasher = Hasher(Kind.BLOB, len(content))
    hasher.update(content)
    return hasher.hexdigest()
