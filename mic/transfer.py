"""Moving contents: several streams over one connection, and only what the other side lacks.

What came is kept at once, so whatever ends a transfer, the next one begins where it stopped; a
large content goes on in its middle. A connection that is lost meanwhile is waited for.
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Protocol, TypeVar

from mic.client import Client, Incoming
from mic.contents import Contents
from mic.errors import Refused, Unreachable
from mic.render import Progress
from vcs.errors import Kind

STREAMS = 4
BATCH_BYTES = 4 << 20
BATCH_BLOBS = 2000

ATTEMPTS = 8
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0

Each = TypeVar("Each")


class Batch(Protocol):
    """Some contents that one stream moves. `moved` grows with what needs no repeating."""

    moved: int

    def move(self) -> None:
        """Move what is left of it; called again after the connection was lost."""


def move(client: Client, batches: Sequence[Batch]) -> None:
    """Move all of them, a few at a time. The first failure ends the others."""
    stopped = threading.Event()
    if len(batches) == 1:
        return _patiently(batches[0], stopped)
    with ThreadPoolExecutor(STREAMS, thread_name_prefix="transfer") as pool:
        moving = [pool.submit(_patiently, batch, stopped) for batch in batches]
        try:
            for done in as_completed(moving):
                done.result()
        except BaseException:
            stopped.set()
            for each in moving:
                each.cancel()
            client.cancel()
            raise


def _patiently(batch: Batch, stopped: threading.Event) -> None:
    """Try until it is moved, or until nothing moved for a while."""
    failed = 0
    while not stopped.is_set():
        moved = batch.moved
        try:
            return batch.move()
        except (Unreachable, Refused) as error:
            failed = 1 if batch.moved > moved else failed + 1
            if failed > ATTEMPTS or not _passes(error):
                raise
        wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**failed)
        # Not everybody at once, when a forge comes back.
        stopped.wait(wait * random.uniform(0.5, 1))


def _passes(error: Refused | Unreachable) -> bool:
    """Whether it may work later."""
    return isinstance(error, Unreachable) or error.refused_as is Kind.UNAVAILABLE


def batches_of(items: Iterable[Each], size: Callable[[Each], int]) -> Iterator[list[Each]]:
    """Items in groups that are worth a stream each."""
    group: list[Each] = []
    total = 0
    for item in items:
        if group and (total + size(item) > BATCH_BYTES or len(group) == BATCH_BLOBS):
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item)
    if group:
        yield group


def receive(client: Client, project: str, contents: Contents, wanted: Iterable[tuple[str, int]]) -> None:
    """Bring contents (id, size) that are not kept yet."""
    sizes = dict(wanted)
    missing = contents.missing(sizes)
    if not missing:
        return
    # The longest first: a large one at the end would leave the other streams idle.
    missing.sort(key=lambda id: sizes[id] < BATCH_BYTES)
    total = sum(sizes.values())
    here = total - sum(sizes[id] - contents.begun(id) for id in missing)
    with Progress("Receiving", total, here) as progress:
        groups = batches_of(missing, sizes.__getitem__)
        move(client, [_Wanted(client, project, contents, group, progress) for group in groups])


class _Wanted:
    """Contents that are asked for together."""

    def __init__(
        self, client: Client, project: str, contents: Contents, ids: list[str], progress: Progress
    ) -> None:
        self.client = client
        self.project = project
        self.contents = contents
        self.left = dict.fromkeys(ids)
        self.progress = progress
        self.moved = 0
        self.spoiled: set[str] = set()

    def move(self) -> None:
        """Ask for what is left of them."""
        while self.left:
            before = len(self.left), len(self.spoiled)
            wanted = [(id, self.contents.begun(id)) for id in self.left]
            for incoming in self.client.download(self.project, wanted):
                if not self._kept(incoming):
                    break
            if before == (len(self.left), len(self.spoiled)):
                raise self.client.strange("it did not send what it was asked for")

    def _kept(self, incoming: Incoming) -> bool:
        """Keep one; False when it must be asked for again, from its beginning."""
        if incoming.id not in self.left:
            raise self.client.strange("it sent a blob that nobody asked for")
        try:
            self.contents.keep(incoming.id, incoming.size, self._counted(incoming.pieces), incoming.offset)
        except ValueError as error:
            if not incoming.offset or incoming.id in self.spoiled:
                raise self.client.strange(str(error)) from None
            # What was here from before was not the beginning of it.
            self.spoiled.add(incoming.id)
            self.progress.add(-incoming.size)
            return False
        del self.left[incoming.id]
        return True

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.moved += len(piece)
            self.progress.add(len(piece))
            yield piece
