"""Mirrors on the settings page of a project, at a browser."""

import os
from pathlib import Path

import pytest

from tests.browser.conftest import DESK, PHONE
from tests.git_servers import elsewhere
from vcs.git.process import run_git

SHOTS = os.environ.get("SHOTS")
"""A folder for pictures of each state, for whoever wants to look."""


@pytest.fixture
def there(tmp_path):
    (tmp_path / "copy.git").mkdir()
    run_git(tmp_path / "copy.git", "init", "-q", "--bare", "-b", "main")
    with elsewhere(tmp_path) as server:
        yield server


def shot(page, name: str) -> None:
    if SHOTS:
        for size, label in ((DESK, "desk"), (PHONE, "phone")):
            for scheme in ("light", "dark"):
                page.set_viewport_size({"width": size[0], "height": size[1]})
                page.emulate_media(color_scheme=scheme)
                section = page.locator("section", has=page.get_by_role("heading", name="Mirrors"))
                section.screenshot(path=Path(SHOTS) / f"{name}-{label}-{scheme}.png")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})


def test_an_admin_adds_mirrors_and_sees_how_they_end(open_context, ada, world, rest, there, tmp_path):
    rest("POST", "/projects", organization="acme", project="doubled", visibility="private")
    session = rest.start("doubled", "Begin")
    rest.put(session, "a.txt", "a\n")
    rest.land(session)
    page = open_context(size=DESK, still=True, state=ada).new_page()
    page.goto("/acme/doubled/settings")
    page.get_by_text("No mirror yet").wait_for()
    shot(page, "empty")
    page.get_by_text("Add a mirror").click()
    shot(page, "form")
    page.get_by_label("Address", exact=True).fill("ssh://git@example.org/a")
    page.get_by_role("button", name="Add the mirror").click()
    page.get_by_text("ssh is not read").wait_for()
    shot(page, "refused")

    page.get_by_label("Address", exact=True).fill(f"{there.url}/copy.git")
    page.get_by_label("Token").fill("hunter-two-secret")
    page.get_by_role("button", name="Add the mirror").click()
    row = page.get_by_role("listitem").filter(has_text=f"{there.url}/copy.git")
    row.get_by_text("Up to date").wait_for()
    row.get_by_text("pushed").wait_for()
    assert run_git(tmp_path / "copy.git", "for-each-ref").stdout
    assert page.get_by_label("Token").input_value() == ""

    page.get_by_label("Which way").select_option("pull")
    page.get_by_label("Address", exact=True).fill(f"{there.url}/nothing.git")
    page.get_by_role("button", name="Add the mirror").click()
    gone = page.get_by_role("listitem").filter(has_text=f"{there.url}/nothing.git")
    gone.get_by_text("Failed").wait_for()
    gone.get_by_text("There is no repository at").wait_for()
    page.get_by_text("only that moves its default branch").wait_for()
    row.get_by_role("button", name="Pause").click()
    row.get_by_text("Paused").wait_for()
    shot(page, "rows")

    row.get_by_role("button", name="Resume").click()
    row.get_by_text("Up to date").wait_for()
    gone.get_by_role("button", name="Remove").click()
    gone.wait_for(state="detached")
    row.get_by_role("button", name="Remove").click()
    page.get_by_text("No mirror yet").wait_for()
    page.context.close()
