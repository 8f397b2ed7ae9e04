"""Make the pictures of the README from a running forge: `python -m tests.browser.pictures`.

It serves a forge of its own in a temporary folder, lets the demo play a few sessions on it, and
takes `session.png` in the middle of the last one and `project.png` beside it, 1280 px wide by day.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.conftest import launched
from tests.browser.forge import PASSWORD
from tests.services import free_port

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
MICELIO = (sys.executable, "-m", "micelio_app")
LANDED_BEFORE = 3
PATIENCE = 60_000


def main() -> None:
    """Make both."""
    with tempfile.TemporaryDirectory() as folder, served(folder) as (url, environment):
        made = run(environment, "create-admin", "--email", "ada@example.org", "--handle", "ada")
        link = re.search(r"/link\?token=\S+", made)
        assert link is not None, made
        with launched() as browser:
            page = browser.new_page(
                base_url=url, viewport={"width": 1280, "height": 800}, color_scheme="light"
            )
            page.set_default_timeout(PATIENCE)
            page.goto(link[0])
            page.get_by_label("New password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_text("Running for you").wait_for()
            take(page, environment)


def take(page: Page, environment: dict[str, str]) -> None:
    """Play, and stop playing where there is most to see."""
    for _ in range(LANDED_BEFORE):
        run(environment, "demo", "--speed", "60")
    command = [*MICELIO, "demo", "--speed", "6"]
    playing = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert playing.stdout is not None
    try:
        page.goto(playing.stdout.readline().split()[1])
        page.locator(".plan [data-state=doing]").get_by_text("Make the red test green").wait_for()
        page.locator(".changes .src.add").first.wait_for()
        page.locator(".term").wait_for()
        page.screenshot(path=PICTURES / "session.png")
        page.goto("/micelio/micelio")
        page.locator(".readme h1").wait_for()
        page.locator(".thread-map").wait_for()
        page.screenshot(path=PICTURES / "project.png")
    finally:
        playing.send_signal(signal.SIGINT)
        playing.wait(30)


@contextmanager
def served(folder: str) -> Iterator[tuple[str, dict[str, str]]]:
    """A forge in a folder: its address, and the environment to speak of it with `micelio`."""
    environment = os.environ | {
        "MICELIO_DATA": folder,
        "PORT": str(free_port()),
        "GRPC_PORT": str(free_port()),
    }
    serving = subprocess.Popen([*MICELIO, "serve"], env=environment, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    try:
        while "Ctrl-C" not in (line := serving.stdout.readline()):
            assert line or serving.poll() is None, "serve ended before it was ready"
        yield f"http://localhost:{environment['PORT']}", environment
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(30)


def run(environment: dict[str, str], *words: str) -> str:
    """What one command of `micelio` says."""
    done = subprocess.run([*MICELIO, *words], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
