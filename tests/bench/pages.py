"""What a browser loads before anybody touches a page, and when it first shows something."""

import statistics
from collections.abc import Iterator
from contextlib import suppress
from shutil import which
from typing import Any

from playwright.sync_api import Browser, CDPSession, sync_playwright
from playwright.sync_api import TimeoutError as NotQuiet

from tests.bench.figures import Figure
from tests.bench.stage import Stage

CHROMIUM = next(filter(None, map(which, ("chromium-headless-shell", "chromium"))), "")
LOADS = 3
QUIET_MS = 4000
PAINT = """() => new Promise((tell) => new PerformanceObserver((list) => {
  const painted = list.getEntriesByName("first-contentful-paint")[0];
  if (painted) tell(painted.startTime);
}).observe({ type: "paint", buffered: true }))"""


def measure(stage: Stage) -> Iterator[Figure]:
    """Script weight and first paint of home, a project and a session, each with an empty cache."""
    served = stage.served
    addresses = {
        "home": "/",
        "project": "/micelio/micelio",
        "session": f"/micelio/micelio/sessions/{served.session['id']}",
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        for name, address in addresses.items():
            # The first load of a page warms the server, as its first visitor did.
            loads = [load(browser, served.url + address) for _ in range(LOADS + 1)][1:]
            weight = statistics.median(weight for weight, _ in loads)
            paint = statistics.median(paint for _, paint in loads)
            yield Figure(f"pages.{name}.script", weight / 1024, "KB", at_most=200)
            yield Figure(f"pages.{name}.first_paint", paint / 1000, "s", at_most=1)
        browser.close()


def load(browser: Browser, url: str, *cookies: Any) -> tuple[int, float]:
    """Bytes of script as they came over the wire, and milliseconds to the first paint."""
    context = browser.new_context()
    context.add_cookies(cookies)
    page = context.new_page()
    weight = _Weight(context.new_cdp_session(page))
    page.goto(url)
    paint = page.evaluate(PAINT)
    with suppress(NotQuiet):
        # A page with a live stream is never quiet; its scripts have come by then.
        page.wait_for_load_state("networkidle", timeout=QUIET_MS)
    context.close()
    return weight.bytes, float(paint)


class _Weight:
    """Counts the bytes of scripts that arrive."""

    def __init__(self, session: CDPSession) -> None:
        self.bytes = 0
        self._scripts: set[str] = set()
        session.on("Network.responseReceived", self._begun)
        session.on("Network.loadingFinished", self._ended)
        session.send("Network.enable")

    def _begun(self, event: dict[str, str]) -> None:
        if event["type"] == "Script":
            self._scripts.add(event["requestId"])

    def _ended(self, event: dict[str, int]) -> None:
        if event["requestId"] in self._scripts:
            self.bytes += int(event["encodedDataLength"])
