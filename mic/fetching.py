"""Plain HTTP to a forge: what is asked before gRPC can be, and how tokens are got.

What carries a secret goes out encrypted, or to this machine, or where `--insecure` says so.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from mic import __version__
from mic.address import is_loopback
from mic.errors import Plaintext, Unreachable

ANSWER_SECONDS = 10
LARGEST_ANSWER = 1 << 20

Answer = tuple[int, dict[str, Any]]


def get(instance: str, path: str) -> Answer:
    """The status of a document, and the document; empty when it is no JSON object."""
    return _ask(instance, "GET", instance + path, None, {})


def post(
    instance: str,
    url: str,
    form: Mapping[str, str],
    *,
    insecure: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a form that holds a secret to an address of an instance; Plaintext, Unreachable."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not insecure and not is_loopback(parts.hostname or ""):
        raise Plaintext(address=parts.netloc)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return _ask(instance, "POST", url, urlencode(form), {**kind, **(headers or {})})


def _ask(instance: str, method: str, url: str, body: str | None, headers: Mapping[str, str]) -> Answer:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request(method, path, body, {"User-Agent": user_agent(), **headers})
        response = connection.getresponse()
        told = json.loads(response.read(LARGEST_ANSWER))
        return response.status, told if isinstance(told, dict) else {}
    except ssl.SSLError as error:
        raise Unreachable(instance=instance, problem=error.reason or "TLS failed") from None
    except (OSError, http.client.HTTPException) as error:
        problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreachable(instance=instance, problem=problem.lower()) from None
    except ValueError:
        return response.status, {}
    finally:
        connection.close()


def user_agent() -> str:
    """What `mic` says it is: its version, the machine's name and its system."""
    import platform
    import re

    machine = re.sub(r"[^\w.-]", "", platform.node().partition(".")[0])[:60] or "somewhere"
    return f"mic/{__version__} ({machine}; {platform.system()})"
