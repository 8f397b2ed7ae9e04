"""Sending a workspace's changes to its session: contents the forge lacks, then the list of paths.

The list is always the whole of what differs from the base, so a push that got lost or came
twice leaves nothing wrong behind; contents are what weighs, and they travel once.
"""

import os
from collections.abc import Callable, Iterable, Iterator

from mic import files, scan, transfer
from mic.client import Client
from mic.errors import KeepsChanging, Refused
from mic.render import Progress
from mic.workspace import Workspace
from vcs.errors import FileTooLarge
from vcs.objects import Hasher, Kind, object_id
from vcs.segments import BIG_BLOB, LARGEST_BLOB
from vcs.wire import CHUNK, packing
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
    for change in by_id.values():
        if change.size > LARGEST_BLOB:
            raise FileTooLarge(file=change.path, limit=LARGEST_BLOB)
    outgoing = _Outgoing(workspace, client, session)
    missing = outgoing.lacking(list(by_id.values()))
    if not missing:
        return True
    # The longest first: a large one at the end would leave the other streams idle.
    missing.sort(key=lambda change: change.size < transfer.BATCH_BYTES)
    with Progress("Sending", sum(change.size for change in missing)) as progress:
        groups = transfer.batches_of(missing, lambda change: change.size)
        try:
            transfer.move(client, [_Batch(outgoing, group, progress) for group in groups])
        except Refused:
            if outgoing.rested:
                raise
    return outgoing.rested


class _Batch:
    """Contents that are staged together."""

    def __init__(self, outgoing: "_Outgoing", changes: list[scan.Change], progress: Progress) -> None:
        self.outgoing = outgoing
        self.left = changes
        self.progress = progress
        self.moved = 0
        self.sent: int | None = None

    def move(self) -> None:
        """Stage them; after the connection was lost, those that the forge lacks still."""
        if self.sent is not None:
            before = sum(change.size for change in self.left)
            self.left = self.outgoing.lacking(self.left)
            stored = before - sum(change.size for change in self.left)
            self.moved += stored
            self.progress.add(stored - self.sent)
        self.sent = 0
        if self.left:
            self.outgoing.client.upload(self._counted())

    def _counted(self) -> Iterator[s.StageBlobsRequest]:
        for message, size in self.outgoing.messages(self.left):
            self.sent = (self.sent or 0) + size
            self.progress.add(size)
            yield message


class _Outgoing:
    """Contents on their way. `rested` turns False when one of them changed meanwhile."""

    def __init__(self, workspace: Workspace, client: Client, session: str) -> None:
        self.workspace = workspace
        self.client = client
        self.session = session
        self.rested = True

    def lacking(self, changes: list[scan.Change]) -> list[scan.Change]:
        """Those whose contents the forge does not have."""
        by_id = {change.id: change for change in changes}
        if not by_id:
            return []
        asked = s.MissingBlobsRequest(session_id=self.session, blobs=list(by_id))
        return [by_id[id] for id in self.client.sessions.MissingBlobs(asked).blobs]

    def messages(self, changes: Iterable[scan.Change]) -> Iterator[tuple[s.StageBlobsRequest, int]]:
        """What to send, and how much content each message brings. A small content is checked before it
        goes, a large one while it does.
        """
        squeeze = packing.Squeezer()
        headers: list[s.StageHeader] = []
        contents: list[bytes] = []
        for change in changes:
            header = self._header(change)
            if change.size >= BIG_BLOB:
                yield s.StageBlobsRequest(header=header), 0
                yield from _pieces(packing.pieces(self._large(change)), squeeze)
                continue
            content = self._small(change)
            if content is None:
                continue
            if len(content) > packing.SMALL:
                yield s.StageBlobsRequest(header=header), 0
                yield from _pieces(packing.pieces([content]), squeeze)
                continue
            if sum(map(len, contents)) + len(content) > CHUNK or len(headers) == packing.PACK_BLOBS:
                yield _pack(headers, contents, squeeze)
                headers, contents = [], []
            headers.append(header)
            contents.append(content)
        if headers:
            yield _pack(headers, contents, squeeze)

    def _header(self, change: scan.Change) -> s.StageHeader:
        path = os.fsencode(change.path)
        return s.StageHeader(session_id=self.session, id=change.id, size=change.size, path=path)

    def _small(self, change: scan.Change) -> bytes | None:
        try:
            content = b"".join(files.pieces_of(self.workspace.file(change.path), change.mode))
        except OSError:
            self.rested = False
            return None
        if len(content) != change.size or object_id(Kind.BLOB, content) != change.id:
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
                yield sent
                if not left:
                    break
        except OSError:
            self.rested = False
            return
        # The forge refuses what is not what it was announced as; this tells why.
        if left or hasher.hexdigest() != change.id:
            self.rested = False


def _pieces(pieces: Iterable[bytes], squeeze: packing.Squeezer) -> Iterator[tuple[s.StageBlobsRequest, int]]:
    for piece in pieces:
        squeezed = squeeze(piece)
        message = s.StageBlobsRequest(data=piece) if squeezed is None else s.StageBlobsRequest(zstd=squeezed)
        yield message, len(piece)


def _pack(
    headers: list[s.StageHeader], contents: list[bytes], squeeze: packing.Squeezer
) -> tuple[s.StageBlobsRequest, int]:
    data = b"".join(contents)
    squeezed = squeeze(data)
    pack = s.StagePack(headers=headers, data=squeezed or data, zstd=squeezed is not None)
    return s.StageBlobsRequest(pack=pack), len(data)
