"""The settings of a project at a browser."""

from tests.browser.conftest import DESK


def test_an_admin_changes_settings_and_nobody_else_sees_them(open_context, ada, world, strangers_page):
    page = open_context(size=DESK, still=True, state=ada).new_page()
    page.goto("/acme/vault")
    page.get_by_role("link", name="Settings").first.click()
    page.get_by_role("heading", name="Settings").wait_for()
    page.get_by_label("Description").fill("Where we keep it")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_label("Type acme/vault").last.fill("acme/other")
    page.get_by_role("button", name="Delete this project").click()
    page.get_by_text("Type acme/vault to confirm.").wait_for()
    page.reload()
    page.get_by_role("heading", name="Settings").wait_for()
    assert page.get_by_label("Description").input_value() == "Where we keep it"
    page.context.close()

    strangers_page.goto("/acme/tools/settings")
    strangers_page.get_by_role("heading", name="Nothing grows at this address").wait_for()


def test_a_fork_says_where_it_comes_from_and_its_origin_counts_it(open_context, ada, world, forge):
    page = open_context(size=DESK, still=True, state=ada).new_page()
    origin = {"Origin": forge.url}
    made = page.request.post("/api/v1/projects/acme/tools/forks", data={"handle": "fork"}, headers=origin)
    assert made.ok, made.text()

    page.goto("/ada/fork")
    page.locator("dl.facts").get_by_role("link", name="acme/tools").click()
    page.locator("h1.title", has_text="Tools").wait_for()
    page.locator("dl.facts").get_by_text("Forks").wait_for()
    gone = page.request.delete("/api/v1/projects/ada/fork", headers=origin)
    page.context.close()

    assert gone.ok, gone.text()
