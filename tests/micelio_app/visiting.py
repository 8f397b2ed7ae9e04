"""A page visited in this process: what the server answers, and what its States then hold.

No browser and no socket: the handlers that a page's address loads run as Reflex would run them, on States
of a tab of their own.
"""

import asyncio
import json
from dataclasses import dataclass
from inspect import isasyncgen
from typing import Any
from urllib.parse import parse_qsl

import reflex as rx
from reflex_base.event import EventHandler
from reflex_base.registry import RegistrationContext

from backend.core.errors import Kind, MicelioError
from micelio_app import pages, routes
from micelio_app.head import Head, head_for
from micelio_app.state import AppState

assert pages.ALL


@dataclass(frozen=True)
class Visit:
    """How a page's States ended: "ok", "missing", "sign in", "refused" or "moved", and all they hold."""

    ended: str
    held: str


async def shown(path: str, browser: str | None) -> Head:
    """What the server answers before any script runs."""
    address, _, query = path.partition("?")
    return await head_for(address, browser, query)


async def visited(path: str, browser: str | None) -> Visit:
    """Run what the address loads for whoever this browser session belongs to."""
    found = routes.match(path.partition("?")[0])
    assert found is not None, path
    pattern, slugs = found
    root = rx.State(_reflex_internal_init=True)
    given: dict[str, Any] = dict(slugs) | dict(parse_qsl(path.partition("?")[2]))
    if "splat" in given:
        given["splat"] = [part for part in given["splat"].split("/") if part]
    headers = {"x-micelio-session": browser} if browser else {}
    headers |= {"origin": "http://forge.test", "x-micelio-address": "192.0.2.99"}
    asked = {
        "pathname": pattern,
        "query": given,
        "asPath": path,
        "headers": headers,
        "token": "t",
        "sid": "s",
    }
    root._update_router_vars(asked, {})
    ended = "ok"
    for handler in _loading()[pattern]:
        ended = min(ended, await _ended(root, handler), key=_WORST.index)
    if root.get_substate(AppState._get_substate_path()).missing:
        ended = "missing"
    return Visit(ended, json.dumps(root.dict(), default=str, ensure_ascii=False).lower())


_WORST = ["missing", "sign in", "refused", "moved", "ok"]
_REFUSED = {Kind.NOT_FOUND: "missing", Kind.UNAUTHENTICATED: "sign in"}


def _loading() -> dict[str, list[EventHandler]]:
    hung = RegistrationContext.ensure_context().decorated_pages
    return {options["route"]: list(options.get("on_load") or ()) for _, options in hung}


async def _ended(root: rx.State, handler: EventHandler) -> str:
    state = root.get_substate(handler.state._get_substate_path())
    try:
        result = handler.fn(state)
        if isasyncgen(result):
            results = [each async for each in result]
        else:
            results = [await result if asyncio.iscoroutine(result) else result]
    except MicelioError as refusal:
        return _REFUSED.get(refusal.kind, "refused")
    told = str(results)
    return "sign in" if routes.SIGN_IN in told else "moved" if "_redirect" in told else "ok"
