"""Every page of `routes`, on a project of 5,000 landings: when its first byte comes, what its scripts weigh.

A page is asked for as a member's browser asks, one request after the other over a kept connection. The bytes
of its scripts are counted in Chromium as they come over the wire, with an empty cache.
"""

import http.client
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import sync_playwright

from micelio_app import routes
from tests.bench.figures import Figure, percentile
from tests.bench.pages import CHROMIUM, load
from tests.bench.stage import Served, Stage

LANDINGS = 5_000
FILES = 400
TIMES = 40
WARMING = 3
MOST_BYTE_MS = 50
MOST_SCRIPT_KB = 200
PASSWORD = "moss grows on old stones"


def measure(stage: Stage) -> Iterator[Figure]:
    """Three figures a page; `processor` tells what a busy machine hides."""
    served = Served(stage.folder(), IMPORT_PRIVATE="yes", RATE_LIMIT_ACCOUNT="65000")
    served.start()
    try:
        history = stage.folder() / "history"
        grown(history, LANDINGS)
        imported = brought(served, history, LANDINGS)
        cookie = signed_in(served)
        asked = addresses(served, imported)
        for name, address in asked.items():
            before = served.processor()
            times = sorted(_first_bytes(served, address, cookie))
            used = (served.processor() - before) / (WARMING + TIMES)
            yield Figure(f"every_page.{name}.processor", used * 1000, "ms")
            yield Figure(f"every_page.{name}.first_byte.p95", percentile(times, 95), "ms", MOST_BYTE_MS)
        yield from _weights(served, asked, cookie)
    finally:
        served.stop()


def grown(folder: Path, commits: int) -> None:
    """A history of that many small changes to some hundred files, made by `git fast-import`."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    lines = [f"def part_{n}(value):\n    return value + {n}\n\n\n" for n in range(30)]
    parts = []
    for number in range(commits):
        message = f"Make part {number % 30} of file {number % FILES} say {number}\n"
        parts.append(
            f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_600_000_000 + 600 * number} "
        )
        parts.append(f"+0000\ndata {len(message)}\n{message}")
        for name, text in _written(number, lines):
            parts.append(f"M 644 inline {name}\ndata {len(text)}\n{text}\n")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input="".join(parts).encode(), check=True)


def _written(number: int, lines: list[str]) -> Iterator[tuple[str, str]]:
    if number == 0:
        yield "README.md", "# Grown\n\nA project of many landings.\n\n" + "Each of them is small.\n" * 40
        for n in range(FILES):
            yield f"src/m{n % 20}/f{n}.py", "".join(lines)
    changed = [*lines]
    changed[number % 30] = f"def part_{number % 30}(value):\n    return value * {number}\n\n\n"
    yield f"src/m{number % FILES % 20}/f{number % FILES}.py", "".join(changed)


def brought(served: Served, history: Path, landings: int) -> str:
    """The history as the project bench/grown; the id of its import."""
    served.api("POST", "/api/v1/orgs", {"handle": "bench", "name": "Bench"})
    asked = {"organization": "bench", "project": "grown", "source_url": str(history), "visibility": "public"}
    id = str(served.api("POST", "/api/v1/projects/import", asked)["id"])
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=600)) as connection:
        headers = {"Authorization": f"Bearer {served.token}"}
        # The stream ends with the import.
        connection.request("GET", f"/api/v1/imports/{id}/events/stream", headers=headers)
        told = connection.getresponse().read().decode()
    assert '"done"' in told, told[-2000:]
    assert served.api("GET", "/api/v1/projects/bench/grown")["position"] == landings
    return id


def signed_in(served: Served) -> str:
    """The Cookie header of a browser of whoever owns the project."""
    made = served.micelio("create-admin", "--email", "ada@example.org", "--handle", "ada")
    link = next(word for word in made.split() if "/link?token=" in word)
    form = {"token": urlsplit(link).query.removeprefix("token="), "password": PASSWORD}
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": served.url,
            "Host": f"127.0.0.1:{served.port}",
        }
        connection.request("POST", "/auth/link", urlencode(form), headers)
        answer = connection.getresponse()
        answer.read()
        cookie = answer.getheader("Set-Cookie")
    assert answer.status == 303 and cookie is not None, f"signing in answered {answer.status}"
    return cookie.partition(";")[0]


def addresses(served: Served, imported: str) -> dict[str, str]:
    """An address of every route, by a name of it."""
    session = served.api(
        "POST", "/api/v1/sessions", {"organization": "bench", "project": "grown", "goal": "Look at all of it"}
    )
    parts: dict[str, Any] = {
        "org": "bench",
        "project": "grown",
        "ref": "HEAD",
        "position": LANDINGS - 7,
        "session_id": session["id"],
        "import_id": imported,
        "invitation_id": "01a00000-0000-7000-8000-000000000000",
    }
    ends = {routes.TREE: "src/m1", routes.NEW_FILE: "src", routes.UPLOAD: "src", routes.SEARCH: "?q=part"}
    found = {}
    for name, pattern in vars(routes).items():
        if not (name.isupper() and isinstance(pattern, str) and pattern.startswith("/")):
            continue
        if pattern == routes.BROKEN:
            continue
        address = pattern
        for slug, value in parts.items():
            address = address.replace(f"[{slug}]", str(value))
        end = ends.get(pattern, "src/m1/f1.py" if "splat" in pattern else "")
        found[name.lower()] = address.replace("[[...splat]]", "") + end
    # Pages whose other parts are rendered on the server for readers without scripts.
    found["landings_later"] = f"/bench/grown/landings?below={LANDINGS // 2}"
    return found


def _first_bytes(served: Served, address: str, cookie: str) -> Iterator[float]:
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)) as connection:
        for number in range(WARMING + TIMES):
            started = perf_counter()
            connection.request("GET", address, headers={"Cookie": cookie, "Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            took = perf_counter() - started
            answer.read()
            assert answer.status in (200, 303, 404), f"{address} answered {answer.status}"
            if number >= WARMING:
                yield took * 1000


def _weights(served: Served, asked: dict[str, str], cookie: str) -> Iterator[Figure]:
    name, _, value = cookie.partition("=")
    kept = {"name": name, "value": value, "url": served.url}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        for page, address in asked.items():
            weight, _ = load(browser, served.url + address, kept)
            yield Figure(f"every_page.{page}.script", weight / 1024, "KB", MOST_SCRIPT_KB)
        browser.close()
