"""The demo: an agent's session, played at human speed as a plain client of the REST API.

Nothing is kept beside the forge. An unfinished session of the demo is found through the API, and
its events, each named by the script, say how far it was played: killed and started again, the
demo goes on with the same session, and no event is lost or said twice.
"""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID, uuid5

from sqlmodel import col, select

from backend.accounts.models import Account, TokenKind
from backend.accounts.people import acting
from backend.accounts.tokens import mint_token, revoke
from backend.core.config import Settings
from backend.core.context import SYSTEM, Context, Forge
from backend.core.errors import Conflict, InvalidInput, Kind, MicelioError, NotFound, Unavailable
from backend.instance.demo_script import SCRIPT, Beat, Script, read_script
from backend.projects import access as project_access

HANDLE = "micelio"
SCOPES = ("project:read", "session:read", "session:write")
TIMEOUT = 30.0
PATIENCE = 60.0
"""Seconds to wait for a forge that answered before: it may be restarting, or settling a landing."""


class Unreachable(Unavailable):
    """Nothing answers, or what answers is no forge."""

    code = "demo.unreachable"
    message = "No forge answers at {url}: {problem}. Start one with `micelio serve`, or name it with --url."


class Answered(MicelioError):
    """The forge said no; `problem` is its sentence and `status` the HTTP status."""

    kind = Kind.UNAVAILABLE
    code = "demo.refused"
    message = "The forge refused: {problem}"


class NobodyRunsIt(Conflict):
    """There is no administrator yet in whose name the demo could work."""

    code = "demo.no_admin"
    message = (
        "Nobody runs this forge yet: open the sign-in link that `micelio serve` printed, or run "
        "`micelio create-admin --email E --handle H`, then start the demo again."
    )


class NoSuchProject(NotFound):
    """The project to play on is not there."""

    code = "demo.no_project"
    message = "This forge hosts no micelio/micelio; `micelio serve` makes it when it runs from a checkout."


@dataclass
class Api:
    """One forge's REST API over one kept connection.

    A call is made again while the forge restarts or is busy, so it must be safe to repeat, or say `once`.
    """

    url: str
    token: str = ""
    _connection: http.client.HTTPConnection | None = None
    _met: bool = False

    BUSY: ClassVar[frozenset[str]] = frozenset(
        {"session.landing", "landing.unknown", "unavailable", "rate.limited"}
    )

    def call(self, method: str, path: str, body: Any = None, *, once: bool = False) -> dict[str, Any]:
        """Send JSON, or bytes as they are, and return the answer. Unreachable, Answered."""
        deadline = time.monotonic() + (0 if once else PATIENCE)
        while True:
            try:
                answer = self._once(method, path, body)
                self._met = True
                return answer
            except Unreachable:
                if not self._met or time.monotonic() > deadline:
                    raise
            except Answered as no:
                if no.details["problem_code"] not in self.BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def _once(self, method: str, path: str, body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        raw = isinstance(body, bytes)
        if body is not None:
            headers["Content-Type"] = "application/octet-stream" if raw else "application/json"
            body = body if raw else json.dumps(body)
        try:
            self._connection = self._connection or _connection(self.url)
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            text, status = response.read(), response.status
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(url=self.url, problem=str(error) or type(error).__name__) from None
        try:
            answer = json.loads(text)
        except ValueError:
            problem = f"what answers there is not Micelio (status {status})"
            raise Unreachable(url=self.url, problem=problem) from None
        if status >= 400:
            raise Answered(problem=answer.get("detail"), problem_code=answer.get("code"), status=status)
        return dict(answer)

    def close(self) -> None:
        """Hang up; the next call connects again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@dataclass
class Player:
    """Plays a script on the project `project`, "organization/project", and tells a terminal about it."""

    api: Api
    speed: float = 1.0
    project: str = f"{HANDLE}/{HANDLE}"
    text: str = field(default_factory=SCRIPT.read_text)

    def play(self, *, again: bool = False) -> None:
        """Play a session to its landing, from where an earlier run left off; with `again`, without end."""
        self._require_project()
        self._play_one()
        while again:
            self._play_one()

    def _play_one(self) -> None:
        found = self._unfinished()
        session = found or self._start()
        script = read_script(self.text, run=session["short_id"])
        done = self._said(session["id"])
        self._tell(f"{'Going on with' if found else 'Started'} {session['url']}")
        for beat in script.beats:
            if beat.client_id not in done:
                self._perform(session["id"], beat)
        self._land(session["id"], script)

    def _require_project(self) -> None:
        try:
            self.api.call("GET", f"/api/v1/projects/{self.project}")
        except Answered as no:
            if no.details["status"] == 404:
                raise NoSuchProject from None
            raise

    def _unfinished(self) -> dict[str, Any] | None:
        """The session that an earlier run of this same script did not land; older scripts are given up."""
        script = read_script(self.text)
        for session in self._pages("/api/v1/user/sessions", status="active"):
            ours = f"{session['organization']}/{session['project']}" == self.project
            if not ours or session["agent"] != script.agent:
                continue
            version = self.api.call("GET", f"/api/v1/sessions/{session['id']}")["metadata"].get("demo")
            if version == script.version:
                return session
            if version is not None:
                reason = {"reason": "The script of the demo has changed since."}
                self.api.call("POST", f"/api/v1/sessions/{session['id']}/abandon", reason)
        return None

    def _start(self) -> dict[str, Any]:
        script = read_script(self.text)
        organization, project = self.project.split("/")
        # Should this one call be lost on the way, the next run finds the session it made.
        return self.api.call(
            "POST",
            "/api/v1/sessions",
            {
                "organization": organization,
                "project": project,
                "goal": script.goal,
                "agent": script.agent,
                "model": script.model,
                "metadata": {"demo": script.version},
            },
            once=True,
        )

    def _said(self, session: str) -> set[str]:
        events = self._pages(f"/api/v1/sessions/{session}/events", cursor="after", limit=1000)
        return {event["client_id"] for event in events if event["client_id"]}

    def _perform(self, session: str, beat: Beat) -> None:
        time.sleep(beat.after / self.speed)
        address = f"/api/v1/sessions/{session}"
        if beat.path:
            self.api.call("PUT", f"{address}/files/{quote(beat.path)}", beat.content)
        if beat.kind == "message":
            door = "decisions" if beat.body["decision"] else "notes"
            said = {"content": beat.body["text"], "role": beat.body["role"], "client_id": beat.client_id}
            self.api.call("POST", f"{address}/{door}", said)
        else:
            event = {"kind": beat.kind, "body": beat.body, "parent": beat.parent, "client_id": beat.client_id}
            self.api.call("POST", f"{address}/events", event)
        if beat.shown:
            self._tell(f"  {beat.shown}")

    def _land(self, session: str, script: Script) -> None:
        # The id follows from the session: asked twice, it is the same landing.
        ask = {"summary": script.summary, "landing": str(uuid5(UUID(session), "demo"))}
        landed = self.api.call("POST", f"/api/v1/sessions/{session}/land", ask)
        self._tell(f"Landed as #{landed['position']}.")

    def _pages(self, path: str, *, cursor: str = "cursor", **query: Any) -> Iterator[dict[str, Any]]:
        while True:
            page = self.api.call("GET", f"{path}?{urlencode(query)}")
            yield from page["items"]
            if page["next"] is None:
                return
            query[cursor] = page["next"]

    def _tell(self, line: str) -> None:
        print(line[:120], flush=True)


def local_url(settings: Settings) -> str:
    """Where a forge with these settings answers on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.bind, settings.bind)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


@contextmanager
def lent_token(forge: Forge) -> Iterator[str]:
    """An agent's token of the first administrator, good for a week here and only while this goes on.

    Raises NobodyRunsIt and NoSuchProject.
    """
    with Context(forge, SYSTEM).transaction() as ctx:
        first = select(Account).where(col(Account.admin).is_(True)).order_by(col(Account.created_at))
        account = ctx.db.exec(first).first()
        if account is None:
            raise NobodyRunsIt
        own = ctx.acting_as(acting(ctx.actor, account))
        try:
            project, _ = project_access.project(own, HANDLE, HANDLE)
        except NotFound:
            raise NoSuchProject from None
        row, secret = mint_token(
            own,
            account,
            name="micelio demo",
            kind=TokenKind.AGENT,
            scopes=SCOPES,
            days=7,
            limits={"project": project.id, "paths": ["demo"]},
        )
    try:
        yield secret
    finally:
        with Context(forge, SYSTEM).transaction() as ctx:
            revoke(ctx, ctx.db.merge(row))


def require_forge(api: Api) -> None:
    """Raise Unreachable unless a forge answers."""
    api.call("GET", "/health/live")


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(problem=f"--url {url} must be like http://localhost:4000.")
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=TIMEOUT)
