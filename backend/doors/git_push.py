"""The door of `git push`: what it sends is read whole into a file, looked at, and answered ref by ref.

A client that goes away in the middle leaves nothing behind: no child was started and nothing was
looked at. Not signed in, nobody pushes; what somebody may not see is not there.
"""

import logging
import tempfile
import zlib
from functools import partial
from typing import BinaryIO

from anyio import CapacityLimiter, to_thread
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from backend.core.context import Context
from backend.core.errors import MicelioError
from backend.core.operations import operation_of, permit
from backend.doors.git import NEVER_CACHED, SERVICES, MalformedRequest, Opened, RequestTooLarge, Service
from backend.organizations.models import Organization
from backend.projects import access, git
from backend.projects.models import Project
from backend.sessions import proposing, pushing
from backend.sessions.landing import land_session
from vcs.git.receive import MalformedPush, advertisement, read_request, report
from vcs.git.receive import Request as Push

_IN_MEMORY = 1 << 20
_RATIO = 1000
_PUSHES = 8

log = logging.getLogger(__name__)


async def advertise_push(opened: Opened, request: Request) -> Response:
    """Which refs there are."""
    begin = partial(pushing.begin, opened.forge, opened.actor, opened.project)
    _, refs = await to_thread.run_sync(begin, limiter=_limiter(opened))
    return Response(
        advertisement(refs),
        media_type="application/x-git-receive-pack-advertisement",
        headers=NEVER_CACHED,
    )


async def serve_push(opened: Opened, request: Request) -> Response:
    """What a push asks for."""
    with _spool(opened) as body:
        await _read(request, body)
        answer = await to_thread.run_sync(partial(_answer, opened, body), limiter=_limiter(opened))
    return Response(
        answer,
        media_type="application/x-git-receive-pack-result",
        headers=NEVER_CACHED,
        # Whoever reads or pushes next does not wait for what this push brought.
        background=BackgroundTask(_show, opened),
    )


def _show(opened: Opened) -> None:
    try:
        git.show(opened.forge, opened.actor, opened.project)
    except (MicelioError, OSError) as error:
        log.warning("what was pushed is shown when somebody asks for it: %s", error)


def _answer(opened: Opened, body: BinaryIO) -> bytes:
    body.seek(0)
    try:
        asked: Push = read_request(body)
    except MalformedPush as error:
        raise MalformedRequest(error.sentence) from None
    if not asked.commands:
        # How git finds out whether it may, before it sends a long body.
        return b""
    done = pushing.receive_push(
        opened.forge, opened.actor, opened.project, opened.owner, asked, body, proposing.propose
    )
    return report(asked, done.verdicts, unpack=done.unpack, told=done.told)


def _limiter(opened: Opened) -> CapacityLimiter:
    limiter: CapacityLimiter = opened.forge.part("push limiter", lambda: CapacityLimiter(_PUSHES))
    return limiter


def _spool(opened: Opened) -> BinaryIO:  # type: ignore[type-arg,unused-ignore]
    folder = opened.forge.settings.data / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)  # type: ignore[return-value]


async def _read(request: Request, body: BinaryIO) -> None:
    """The whole body into a file, unpacked when it is gzip."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise MalformedRequest(problem=f"it is encoded as {encoding}")
    unzip = None if encoding == "identity" else zlib.decompressobj(31)
    size = sent = 0
    limit = pushing.LARGEST_PUSH + (64 << 20)
    async for part in request.stream():
        sent += len(part)
        while part:
            plain, part = _plain(unzip, part)
            size += len(plain)
            if size > limit or (unzip and size > _IN_MEMORY and size > _RATIO * sent):
                raise RequestTooLarge(limit=limit)
            if len(plain) > _IN_MEMORY:
                await to_thread.run_sync(body.write, plain)
            else:
                body.write(plain)
    if unzip is not None and not unzip.eof:
        raise MalformedRequest(problem="its gzip is cut off")


def _plain(unzip: "zlib._Decompress | None", part: bytes) -> tuple[bytes, bytes]:
    """Some plain bytes, and what of the part is left."""
    if unzip is None:
        return part, b""
    try:
        plain = unzip.decompress(part, _IN_MEMORY)
    except zlib.error as error:
        raise MalformedRequest(problem="it is no gzip") from error
    return plain, unzip.unconsumed_tail


def _may_push(ctx: Context, organization: str, project: str) -> tuple[Project, Organization]:
    found = access.project(ctx, organization, project)
    permit(ctx.actor, operation_of(land_session))
    return found


SERVICES["git-receive-pack"] = Service(_may_push, advertise_push, serve_push)
