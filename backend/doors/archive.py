"""Archives: the files of a ref as one `.tar.gz` or `.zip`, as `git archive` writes them.

`/{org}/{project}/archive/REF.tar.gz`, and the same under `/api/v1/projects`. All of it lies in a
folder named after project and ref. What is in it depends on the commit alone, so it is known by an
ETag and many who ask for the same share one child of git (`vcs.git.serve`); it goes out as it is
written.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import partial

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from backend.core.context import Actor, Context, Forge
from backend.core.errors import InvalidInput
from backend.core.operations import charge, invoke
from backend.doors.git import Streamed
from backend.doors.requests import identified
from backend.projects import access, git
from backend.projects.refs import CommitDetail, get_commit
from backend.projects.web import VARY, AddressRoute, has_tag
from vcs.git.answers import Answer
from vcs.git.process import git_version
from vcs.paths import unquote

COST = 40
"""What an archive costs a stranger's address, beside looking its commit up."""

FORMATS = {"tar.gz": "application/gzip", "zip": "application/zip"}
_NAMED = re.compile(r"(.+)\.(tar\.gz|zip)", re.DOTALL)
_IN_A_NAME = re.compile(r"[^\w.@+-]+")


class NoSuchFormat(InvalidInput):
    """The address ends in no format there is."""

    code = "archive.format"
    message = "Archives end in .tar.gz or .zip: ask for archive/main.tar.gz."


def archive_routes(forge: Forge) -> list[BaseRoute]:
    """Archives at a project's address and at that of its API."""
    limiter = CapacityLimiter(16)

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        wanted = await to_thread.run_sync(partial(_wanted, forge, request))
        headers = {
            "ETag": wanted.tag,
            "Cache-Control": "private, no-cache",
            "Vary": VARY,
            "Content-Disposition": f'attachment; filename="{wanted.name}.{wanted.format}"',
        }
        if has_tag(request, wanted.tag):
            return await Response(None, 304, headers)(scope, receive, send)
        content_type = FORMATS[wanted.format]
        if request.method == "HEAD":
            return await Response(None, 200, headers, content_type)(scope, receive, send)
        answer = await to_thread.run_sync(partial(wanted.begin, forge), limiter=limiter)
        return await Streamed(answer, content_type, headers)(scope, receive, send)

    places = ("/{organization}/{project}", "/api/v1/projects/{organization}/{project}")
    return [_ArchiveRoute(f"{place}/archive/{{path}}", endpoint) for place in places]


class _ArchiveRoute(AddressRoute):
    """A route whose endpoint is an ASGI app: the answer follows a child of git."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        await self.endpoint(scope, receive, send)


@dataclass(frozen=True)
class _Archive:
    """One archive that somebody may have."""

    actor: Actor
    organization: str
    project: str
    sha1: str
    name: str
    format: str

    @property
    def tag(self) -> str:
        """The ETag: everything the bytes depend on."""
        parts = (git_version(), self.sha1, self.name, self.format)
        return '"' + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32] + '"'

    def begin(self, forge: Forge) -> Answer:
        """The answer that git writes, to be left by the caller."""
        charge(forge, self.actor, COST)
        with Context(forge, self.actor).transaction(write=False) as tx:
            project, _ = access.project(tx, self.organization, self.project)
        shown = git.show(forge, self.actor, project)
        return git.server(forge).archive(shown.path, shown.stamp, self.sha1, self.format, self.name)


def _wanted(forge: Forge, request: Request) -> _Archive:
    actor = identified(forge, request.scope)
    at = request.path_params
    named = _NAMED.fullmatch(unquote(at["path"]).decode("utf-8", "surrogateescape"))
    if named is None:
        raise NoSuchFormat
    asked = {"organization": at["organization"], "project": at["project"], "ref": named[1]}
    commit = invoke(forge, actor, get_commit, asked)
    assert isinstance(commit, CommitDetail)
    ref = commit.project.default_branch if named[1] == "HEAD" else named[1]
    name = f"{commit.project.handle}-{_IN_A_NAME.sub('-', ref)}"
    return _Archive(actor, at["organization"], at["project"], commit.sha1, name, named[2])
