"""Everything can be reached and left without a mouse."""

from playwright.sync_api import expect


def test_the_first_stop_skips_to_the_content_and_the_next_is_home(strangers_page, world):
    strangers_page.goto("/acme/tools")
    expect(strangers_page.get_by_role("heading", name="Tools").first).to_be_visible()
    strangers_page.keyboard.press("Tab")
    expect(strangers_page.get_by_role("link", name="Skip to content")).to_be_focused()
    strangers_page.keyboard.press("Tab")
    expect(strangers_page.locator(".brand")).to_be_focused()


def test_a_question_mark_shows_the_keys_and_escape_puts_them_away(strangers_page, world):
    strangers_page.goto("/acme/tools")
    expect(strangers_page.get_by_role("heading", name="Tools").first).to_be_visible()
    strangers_page.keyboard.press("?")
    expect(strangers_page.get_by_role("dialog", name="Keys")).to_be_visible()
    strangers_page.keyboard.press("Escape")
    expect(strangers_page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_g_then_h_goes_home_without_loading_the_page_again(page, world):
    page.goto("/acme/tools")
    expect(page.get_by_role("heading", name="Tools").first).to_be_visible()
    page.evaluate("window.never_reloaded = true")
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page.get_by_role("heading", name="Running for you")).to_be_visible()
    assert page.evaluate("window.never_reloaded") is True


def test_keys_walk_through_errors_and_prompts_of_a_session(page, world):
    page.goto(f"/acme/tools/sessions/{world.running}")
    expect(page.locator(".event").last).to_contain_text("Restarting 36 of 100")
    page.keyboard.press("P")
    expect(page.locator(".picked")).to_contain_text("started this session")
    page.keyboard.press("e")
    expect(page.locator(".picked")).to_contain_text("FAILED")
    page.keyboard.press("e")
    expect(page.locator(".picked")).to_contain_text("The connection was reset once")
    page.keyboard.press("E")
    expect(page.locator(".picked")).to_contain_text("FAILED")
    page.keyboard.press("End")
    expect(page.locator(".event").last).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator(".picked")).to_have_count(0)


def test_escape_leaves_a_form(page, world):
    page.goto(f"/acme/tools/sessions/{world.running}")
    page.get_by_role("button", name="Note", exact=True).click()
    expect(page.get_by_role("textbox", name="Note")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_have_count(0)
