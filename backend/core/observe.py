"""Logs: one line per request with its id, as text for people or JSON for machines.

Nothing secret is written: no headers, no query strings, no bodies, and what looks like a token
in an address or a message is cut. `request_id` travels with the work, so that every line
written while a request is answered carries it.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from backend.core.config import LogFormat, Settings
from vcs.objects import new_id

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that is being answered; empty outside of one."""

requests = logging.getLogger("micelio.requests")

PROBES = ("/health", "/metrics")

_SANE = re.compile(r"^[A-Za-z0-9._:-]{8,64}$")
_TOKEN = re.compile(r"\bmic_(\w{0,4})[\w-]*")
_SECRET = re.compile(r"(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*[0-9])[\w-]{24,}(?![\w-])")


def request_id_from(given: str) -> str:
    """The id a caller chose when it is sane (8 to 64 letters, digits, `.` `_` `:` `-`), else a new one."""
    return given if _SANE.match(given) else new_id()


def without_tokens(text: str) -> str:
    """The text with access tokens cut to what people recognise them by."""
    return _TOKEN.sub(r"mic_\1…", text)


def log_request(*, method: str, path: str, status: int, seconds: float, actor: str, address: str) -> None:
    """Write the line of one answered request."""
    facts = {
        "method": method,
        "path": _SECRET.sub("…", without_tokens(path)),
        "status": status,
        "ms": round(seconds * 1000, 1),
        "actor": actor,
        "address": address,
    }
    # Balancers and scrapers ask every few seconds; only what is not well is worth a line.
    probe = status == 200 and path.startswith(PROBES)
    requests.log(
        logging.DEBUG if probe else logging.INFO,
        "%(method)s %(path)s %(status)d %(ms).1f ms %(actor)s %(address)s",
        {**facts, "actor": actor or "-", "address": address or "-"},
        extra={"facts": facts},
    )


def configure(settings: Settings) -> None:
    """Send every log line of this process to standard error in the form the operator chose."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.log_format is LogFormat.JSON else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("httpx", "httpcore", "urllib3", "alembic", "dbos"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_when(record)} {record.levelname.lower():7} {record.name}: {_said(self, record)}"
        current = request_id.get()
        return f"{line} [{current}]" if current else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts: Mapping[str, Any] = getattr(record, "facts", {})
        line = {
            "time": _when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _said(self, record),
            **({"request_id": request_id.get()} if request_id.get() else {}),
            **facts,
        }
        return json.dumps(line, ensure_ascii=False, default=str)


def _when(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _said(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + formatter.formatException(record.exc_info)
    return without_tokens(text)
