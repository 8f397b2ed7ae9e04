"""An import at a browser: asked for, watched, cancelled, tried again, what it brought, and taken back."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESK, PHONE
from tests.git_servers import elsewhere
from tests.vcs.git.sources import generated

SHOTS = os.environ.get("SHOTS")
"""A folder for pictures of each state, for whoever wants to look."""


@pytest.fixture
def there(tmp_path):
    git = generated(tmp_path / "made", 1)
    git.run("update-ref", "refs/heads/" + "long-name-" * 9, "refs/heads/main")
    with elsewhere(tmp_path) as server:
        yield server


def shot(page, name):
    for size, label in ((DESK, "desk"), (PHONE, "phone")) if SHOTS else ():
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=Path(SHOTS) / f"{name}-{label}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})


def test_an_import_is_watched_cancelled_and_tried_again(open_context, ada, world, there):
    page = open_context(size=DESK, still=True, state=ada).new_page()
    stages = page.get_by_role("list").filter(has_text="Git data clone").get_by_role("listitem")
    there.going.clear()
    page.goto("/import")
    page.get_by_label("Address").fill("ssh://git@example.org/a")
    page.get_by_label("Organization").fill("acme")
    page.get_by_label("Project").fill("brought")
    page.get_by_role("button", name="Import it").click()
    page.locator("form").get_by_role("alert").get_by_text("ssh is not read").wait_for()
    page.get_by_label("Address").fill(f"{there.url}/made/.git")
    page.get_by_role("button", name="Import it").click()
    stages.filter(has_text="at it").filter(has_text="Git data clone").wait_for()
    shot(page, "running")

    page.get_by_role("button", name="Cancel the import").click()
    page.get_by_text("Cancelled: nothing was changed.").wait_for()
    expect(stages).to_have_text(
        ["Metadata done", "Git data clone cancelled", *(f"{name} not reached" for name in LATER)]
    )
    shot(page, "cancelled")
    there.going.set()
    page.get_by_role("link", name="Try it again").click()
    expect(page.get_by_label("Address")).to_have_value(f"{there.url}/made/.git")
    expect(page.get_by_label("Project")).to_have_value("brought")
    page.get_by_role("button", name="Import it").click()
    page.get_by_role("link", name="Open the project").wait_for()
    imported = page.url
    page.get_by_role("link", name="Open the project").click()

    picker = page.get_by_label("Branch or tag")
    picker.wait_for()
    assert picker.locator("optgroup").evaluate_all("all => all.map(each => each.label)")[0] == "Branches"
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    picker.select_option("b1")
    page.wait_for_url("**/acme/brought/tree/b1")

    page.goto(imported)
    page.get_by_role("button", name="Take it back").click()
    page.get_by_text("Taken back: everything is as it was before.").wait_for()
    shot(page, "taken-back")
    expect(page.get_by_role("link", name="Open the project")).to_have_count(0)
    page.get_by_role("link", name="Try it again").wait_for()
    page.context.close()


LATER = ("Validation", "Landing", "Finalization")
