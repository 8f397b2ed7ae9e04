"""One served forge for all browser tests, real Chromium, and the people in front of it.

ada       runs the forge: she opened the link of its first start
stranger  is not signed in
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.forge import PASSWORD, Forge, Rest, World, furnish
from tests.services import free_port

CHECKOUT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCOPES = [
    *("admin", "user", "org:read", "org:admin"),
    *("project:read", "project:write", "session:read", "session:write"),
]
DESK, PHONE = (1280, 900), (360, 800)
PATIENCE = 15_000
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="package")
def forge(tmp_path_factory) -> Iterator[Forge]:
    """`micelio serve` on free ports over an empty folder; the pages are built if they changed."""
    folder = tmp_path_factory.mktemp("forge")
    port, grpc = free_port(), free_port()
    mine = {"MICELIO_DATA": str(folder / "data"), "PORT": str(port), "GRPC_PORT": str(grpc)}
    # A tour through every page asks faster than any one person may.
    mine |= dict.fromkeys(
        ("RATE_LIMIT_ANONYMOUS", "RATE_LIMIT_ANONYMOUS_COST", "RATE_LIMIT_ACCOUNT"), "65000"
    )
    mine["IMPORT_PRIVATE"] = "yes"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MICELIO_", "MIC_"))}
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "micelio_app", "serve"],
        cwd=CHECKOUT,
        env=kept | mine,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    told: list[str] = []
    try:
        while not told or "Ctrl-C" not in told[-1]:
            told.append(process.stdout.readline())
            assert told[-1], f"serve ended before it was ready: {(folder / 'log').read_text()[-2000:]}"
        link = re.search(r"Sign in +http://\S+?(/welcome\?token=\S+)", "".join(told))
        assert link is not None
        yield Forge(url=f"http://localhost:{port}", welcome=link[1], environment=kept | mine, folder=folder)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()
        log.close()


@contextmanager
def launched() -> Iterator[Browser]:
    """Debian's Chromium, without the windows it draws even when nobody sees them where that is installed.

    Playwright keeps a loop running in this thread until it ends, where other tests run their own:
    so it lives for a module at most.
    """
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is not installed; run make packages")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Welcomed:
    """What Ada had after she filled in the form behind the printed link."""

    heading: str
    offered_sign_in: bool
    cookies_for_scripts: str
    state: dict[str, Any]
    token: str


@pytest.fixture(scope="package")
def welcomed(forge) -> Welcomed:
    """The first sign-in, by the link that `serve` printed."""
    with launched() as browser:
        page = browser.new_page(base_url=forge.url)
        page.set_default_timeout(PATIENCE)
        page.goto(forge.welcome)
        page.get_by_label("Handle").fill("ada")
        page.get_by_label("E-mail").fill("ada@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create the account").click()
        heading = page.get_by_role("heading", name="Running for you")
        heading.wait_for()
        made = page.request.post(
            "/api/v1/tokens", data={"name": "tests", "scopes": SCOPES}, headers={"Origin": forge.url}
        )
        assert made.ok, made.text()
        return Welcomed(
            heading=heading.inner_text(),
            offered_sign_in=page.get_by_role("link", name="Sign in").first.is_visible(),
            cookies_for_scripts=page.evaluate("document.cookie"),
            state=page.context.storage_state(),
            token=made.json()["token"],
        )


@pytest.fixture(scope="module")
def chromium(welcomed) -> Iterator[Browser]:
    """One browser for the tests of a file; Ada has an account by then."""
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def open_context(chromium, forge) -> Callable[..., BrowserContext]:
    """A browser with its own cookies: `open_context(size=PHONE, state=ada)`; `still` moves nothing, and
    without `scripts` it runs none.
    """

    def open_context(*, size=DESK, still=False, state=None, scripts=True) -> BrowserContext:
        context = chromium.new_context(
            base_url=forge.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="light",
            reduced_motion="reduce" if still else "no-preference",
            storage_state=state,
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENCE)
        return context

    return open_context


@pytest.fixture(scope="package")
def ada(welcomed) -> dict[str, Any]:
    """The cookies of Ada's browser."""
    return welcomed.state


@pytest.fixture(scope="package")
def rest(welcomed, forge) -> Iterator[Rest]:
    """The API as Ada, with a token her browser made."""
    headers = {"Authorization": f"Bearer {welcomed.token}"}
    with httpx.Client(base_url=f"{forge.url}/api/v1", headers=headers, timeout=60) as client:
        yield Rest(client, welcomed.token)


@pytest.fixture(scope="package")
def world(rest) -> World:
    """Projects, landings and sessions in every state there is."""
    return furnish(rest)


@pytest.fixture
def page(open_context, ada) -> Iterator[Page]:
    """Ada at her desk."""
    page = open_context(state=ada).new_page()
    yield page
    page.context.close()


@pytest.fixture
def strangers_page(open_context) -> Iterator[Page]:
    """Somebody who is not signed in, at a desk."""
    page = open_context().new_page()
    yield page
    page.context.close()
