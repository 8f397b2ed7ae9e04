"""What an instance says of itself: to balancers, scrapers, clients and finders of holes."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from anyio import to_thread
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from backend.accounts.web import form_fields, gone_on, plain_form
from backend.core.context import Actor, Forge
from backend.core.errors import MicelioError, NotFound, Unavailable
from backend.instance import plain_forms
from backend.instance.plain_settings import FORMS
from vcs.objects import new_id

MINIMUM_CLIENT = "0.1.0"
"""The oldest `mic` that this instance understands."""

PING_SECONDS = 2
WRITE_AGAIN_SECONDS = 60.0
WRITING = "writing"

Check = Callable[[], None]


def routes(forge: Forge) -> list[Route]:
    """The addresses outside of /api that machines know by convention, and where settings are sent without
    scripts.
    """

    async def alive(request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": version("micelio")}, headers=_FRESH)

    async def ready(request: Request) -> Response:
        found = await to_thread.run_sync(readiness, forge)
        well = all(state == "ok" for name, state in found.items() if name != WRITING)
        # Whoever can only read still answers most of what is asked, so a balancer must not drop it.
        status = ("ok" if found[WRITING] == "ok" else "degraded") if well else "unavailable"
        return JSONResponse({"status": status, "checks": found}, 200 if well else 503, _FRESH)

    async def metrics(request: Request) -> Response:
        body = await to_thread.run_sync(generate_latest)
        return Response(body, media_type=CONTENT_TYPE_LATEST, headers=_FRESH)

    async def discover(request: Request) -> Response:
        return JSONResponse(discovery(forge, origin_of(forge, request)), headers=_KEPT)

    async def security(request: Request) -> Response:
        return PlainTextResponse(_security(forge, origin_of(forge, request)), headers=_KEPT)

    async def settings(request: Request) -> Response:
        form = FORMS.get(request.path_params["deed"])
        if form is None:
            raise NotFound(what="form")
        fields = await form_fields(request)

        def act(actor: Actor) -> Response:
            done = plain_forms.done(forge, actor, form, fields)
            return gone_on(done.address) if done.address else HTMLResponse(done.page, headers=_FRESH)

        def again(sentence: str) -> str:
            return plain_forms.again(form, fields, sentence)

        return await to_thread.run_sync(plain_form, forge, request, fields, act, again)

    return [
        Route("/_forms/settings/{deed}", settings, methods=["POST"]),
        Route("/health", alive),
        Route("/health/live", alive),
        Route("/health/ready", ready),
        Route("/metrics", metrics),
        Route("/.well-known/micelio", discover),
        Route("/.well-known/security.txt", security),
    ]


_FRESH = {"Cache-Control": "no-store"}
_KEPT = {"Cache-Control": "public, max-age=300"}


def readiness(forge: Forge) -> dict[str, str]:
    """What this instance cannot work without, each "ok" or a sentence that names no secret; and `writing`,
    without which it takes no landings and still shows everything.
    """
    checks: dict[str, Check] = {
        "database": forge.db.ping,
        "store": lambda: _list_nothing(forge),
        "bell": lambda: _ping_redis(forge),
        WRITING: lambda: forge.part(_Writing, _Writing).check(forge),
    }
    return {name: _state(check) for name, check in checks.items()}


def discovery(forge: Forge, origin: str) -> dict[str, Any]:
    """What a client or another instance may rely on here.

    Nothing is federated yet: there is no key and no capability, and no address takes events.
    """
    scheme, _, host = origin.partition("://")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return {
        "version": "1.0",
        "software": "micelio",
        "software_version": version("micelio"),
        "instance_name": host,
        "instance_url": origin,
        "public_key": None,
        "capabilities": [],
        "projects_endpoint": "/api/v1/projects",
        "events_endpoint": None,
        "api_url": f"{origin}/api/v1",
        "grpc_url": forge.settings.grpc_url or f"{scheme}://{name}:{forge.settings.grpc_port}",
        "minimum_client": MINIMUM_CLIENT,
    }


def origin_of(forge: Forge, request: Request) -> str:
    """The public address, or the one this request came to when none is set."""
    host = request.headers.get("host", "")
    return forge.settings.url or (f"{request.url.scheme}://{host}" if host else forge.settings.public_url)


def _state(check: Check) -> str:
    try:
        check()
    except MicelioError as error:
        return error.sentence
    return "ok"


def _list_nothing(forge: Forge) -> None:
    for _ in forge.store.list("health/"):
        pass


class _Writing:
    """Whether the store takes files, found out by writing one; asked again after a while only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: float | None = None
        self._refusal: MicelioError | None = None

    def check(self, forge: Forge) -> None:
        """Raise what the store said when it was tried last."""
        with self._lock:
            again = WRITE_AGAIN_SECONDS if self._refusal is None else WRITE_AGAIN_SECONDS / 12
            if self._asked is None or time.monotonic() - self._asked >= again:
                self._refusal = _refusal_to_write(forge)
                self._asked = time.monotonic()
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)


def _refusal_to_write(forge: Forge) -> MicelioError | None:
    key = f"probes/{new_id()}"
    try:
        forge.store.put(key, [b"written to see whether that is possible"])
        forge.store.delete(key)
    except MicelioError as error:
        return error
    return None


def _ping_redis(forge: Forge) -> None:
    """The bell rings through the database unless there is Redis."""
    if not forge.settings.redis_url:
        return
    # Takes a tenth of what every process imports; most forges have no Redis.
    import redis

    client = forge.part(
        _ping_redis, lambda: redis.Redis.from_url(forge.settings.redis_url, socket_timeout=PING_SECONDS)
    )
    try:
        client.ping()
    except redis.RedisError as error:
        raise Unavailable(problem=f"Redis did not answer: {type(error).__name__}.") from error


def _security(forge: Forge, origin: str) -> str:
    expires = (forge.clock() + timedelta(days=365)).replace(microsecond=0)
    return (
        f"Contact: mailto:security@{forge.settings.host}\n"
        f"Expires: {expires.isoformat().replace('+00:00', 'Z')}\n"
        f"Canonical: {origin}/.well-known/security.txt\n"
        "Preferred-Languages: en\n"
    )
