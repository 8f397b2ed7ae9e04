"""The guide from GitHub, walked on a served forge: its landing is seen in the browser."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import CHECKOUT
from tests.mic.conftest import Ran
from tests.mic.test_guides import GUIDE, repository, walk


@dataclass(frozen=True)
class Terminal:
    """Ada at a terminal: a folder to be in, and `mic` as a program."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *words: str) -> Ran:
        command = [sys.executable, "-m", "mic", *words]
        ran = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, check=False)
        return Ran(ran.returncode, ran.stdout, ran.stderr.decode())

    def at(self, folder: str) -> "Terminal":
        """In a folder below."""
        return Terminal(self.folder / folder, self.environment)


def test_the_landing_of_the_guide_is_seen_in_the_browser(forge, rest, world, open_context, tmp_path):
    # A folder stands in for GitHub here: the forge of these tests connects to no private address.
    (tmp_path / "hub").mkdir()
    repository(tmp_path / "hub" / "tool")
    (tmp_path / "hub" / "tool.git").symlink_to("tool/.git")
    (tmp_path / "work").mkdir()
    mine = {"MIC_HOME": str(tmp_path / "mic"), "MICELIO_INSTANCE": forge.url, "MICELIO_TOKEN": rest.token}
    ada = Terminal(tmp_path / "work", forge.environment | mine | {"PYTHONPATH": str(CHECKOUT)})

    walk(ada, forge.url, str(tmp_path / "hub"))

    assert "`/acme/tool/landings/61` in the browser" in GUIDE.read_text()
    page = open_context().new_page()
    page.goto("/acme/tool/landings/61")
    expect(page.get_by_role("heading", name="Say where the project lives now")).to_be_visible()
    expect(page.get_by_text("MOVED.md").first).to_be_visible()
    expect(page.get_by_text("Moved to Micelio.").first).to_be_visible()
