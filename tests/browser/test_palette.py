"""The palette, the finder and the keys that act on what a page shows."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.test_pages import AXE, FIND, IS_DARK, WIDER


@pytest.fixture
def tools(page, world):
    """Ada in front of acme/tools."""
    page.goto("/acme/tools")
    expect(page.get_by_role("heading", name="Tools").first).to_be_visible()
    page.evaluate("window.never_reloaded = true")
    return page


def chosen(page):
    """The option that the field says is chosen."""
    id = page.get_by_role("combobox", name="Search or jump").get_attribute("aria-activedescendant")
    return page.locator(f"#{id}")


def test_a_session_is_found_by_its_goal_and_opened_without_loading(tools, world):
    tools.keyboard.press("Control+k")
    field = tools.get_by_role("combobox", name="Search or jump")
    expect(field).to_be_focused()
    tools.keyboard.type("slow readers")
    expect(tools.get_by_role("option", name="Cut slow readers")).to_be_visible()
    expect(chosen(tools)).to_have_attribute("aria-selected", "true")
    expect(chosen(tools)).to_contain_text("Cut slow readers")
    tools.keyboard.press("Enter")
    expect(tools.locator(".event").last).to_be_visible()

    assert world.running[-8:] in tools.url
    assert tools.evaluate("window.never_reloaded") is True


def test_what_was_typed_last_is_opened_even_when_enter_comes_first(tools):
    tools.keyboard.press("/")
    expect(tools.get_by_role("combobox", name="Search or jump")).to_be_focused()
    tools.keyboard.type("acme/vault")
    tools.keyboard.press("Enter")
    expect(tools.get_by_role("heading", name="Vault").first).to_be_visible()


def test_actions_people_and_landings_have_their_own_sign(tools):
    tools.keyboard.press("Control+k")
    tools.keyboard.type("> theme")
    expect(tools.get_by_role("option")).to_have_text(["Theme"])
    tools.keyboard.press("Enter")
    tools.wait_for_function(IS_DARK)

    tools.keyboard.press("Control+k")
    tools.keyboard.type("@ada")
    groups = tools.get_by_role("listbox").get_by_role("group")
    expect(groups.get_by_role("option").first).to_contain_text("ada")
    expect(groups).to_have_count(1)
    tools.get_by_role("combobox", name="Search or jump").fill("#2")
    expect(tools.get_by_role("option")).to_have_count(1)
    tools.keyboard.press("Enter")
    expect(tools.get_by_role("heading", name="Count in 2 parts")).to_be_visible()


def test_escape_gives_the_focus_back_and_tab_stays_inside(tools):
    opener = tools.get_by_role("button", name="Search or jump")
    opener.focus()
    tools.keyboard.press("Enter")
    field = tools.get_by_role("combobox", name="Search or jump")
    expect(tools.get_by_role("option").first).to_be_visible()
    expect(tools.get_by_role("dialog").get_by_role("status")).to_contain_text("results")
    tools.keyboard.press("ArrowUp")
    expect(tools.get_by_role("option").last).to_have_attribute("aria-selected", "true")
    for _ in range(4):
        tools.keyboard.press("Tab")
        assert tools.evaluate(
            "document.activeElement.closest('dialog') || document.activeElement.matches('body')"
        )
    tools.keyboard.press("Escape")
    expect(field).to_be_hidden()
    expect(opener).to_be_focused()


def test_a_stranger_on_a_phone_opens_it_with_a_touch_and_is_offered_no_more_than_they_may(
    open_context, world
):
    page = open_context(size=PHONE, still=True).new_page()
    page.goto("/acme/tools")
    page.get_by_role("button", name="Search or jump").click()
    page.keyboard.type("vault")
    expect(page.get_by_text("Nothing found.").first).to_be_visible()
    page.get_by_role("combobox").fill(">")
    expect(page.get_by_role("option", name="Sign in")).to_be_visible()
    expect(page.get_by_role("option", name="New project")).to_have_count(0)
    assert not page.evaluate(WIDER)
    page.evaluate(AXE)
    assert page.evaluate(FIND, None) == []
    page.get_by_role("button", name="Close").click()
    page.context.close()


def test_t_finds_a_file_of_the_ref_that_is_shown(tools):
    tools.goto("/acme/tools/tree/@1/src")
    expect(tools.get_by_role("link", name="count.py")).to_be_visible()
    tools.keyboard.press("t")
    expect(tools.get_by_role("combobox", name="Find a file in acme/tools")).to_be_focused()
    tools.keyboard.type("wspac")
    options = tools.get_by_role("listbox").get_by_role("option")
    expect(options).to_have_text(["docs/a folder/with spaces.md"])
    tools.keyboard.press("Enter")
    tools.wait_for_url("**/acme/tools/blob/@1/docs/a%20folder/with%20spaces.md")


def test_y_makes_the_address_exact_and_keeps_the_line(tools):
    tools.goto("/acme/tools/blob/HEAD/src/count.py#L5")
    tools.locator("#L5").first.wait_for()
    # A key presses what carries it, so that has to be there.
    tools.locator("[data-key='y']").first.wait_for()
    tools.keyboard.press("y")
    # Which landing that is depends on what other tests landed before.
    tools.wait_for_url(re.compile(r"/acme/tools/blob/@\d+/src/count\.py#L5$"))
    expect(tools.locator(".code")).to_contain_text("def part_1")
    tools.go_back()
    tools.wait_for_url("**/acme/tools")


def test_the_bytes_of_a_file_and_the_code_in_a_readme_are_copied(open_context, ada, world):
    context = open_context(state=ada)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto("/acme/tools/blob/HEAD/src/count.py")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("def part_0(path):\n    return 0 * 4\n")

    page.goto("/acme/tools/landings/2")
    page.get_by_role("button", name="Copy the id of the commit in git").click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert len(page.evaluate("navigator.clipboard.readText()")) == 40
    context.close()


def test_the_dialog_lists_the_keys_of_its_page_and_no_others(tools, world):
    def places():
        tools.keyboard.press("?")
        dialog = tools.get_by_role("dialog", name="Keys")
        expect(dialog).to_be_visible()
        return dialog.get_by_role("heading").all_inner_texts()

    everywhere = ["Anywhere", "While searching"]
    assert places() == [*everywhere, "In a project", "Files and commits"]
    tools.goto("/settings")
    expect(tools.get_by_role("heading", name="Settings").first).to_be_visible()
    assert places() == everywhere
    tools.goto(f"/acme/tools/sessions/{world.running}")
    expect(tools.locator(".event").last).to_be_visible()
    assert places() == [*everywhere, "In a project", "In a session"]
    tools.keyboard.press("Escape")
    tools.keyboard.press("g")
    tools.keyboard.press("t")
    tools.wait_for_url("**/acme/tools/landings")
