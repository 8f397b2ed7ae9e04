"""Files are changed in the browser: typed, seen as a difference, kept in a session, landed."""

import re

from playwright.sync_api import expect

from tests.browser.forge import PASSWORD


def test_a_file_is_edited_previewed_saved_to_a_session_and_landed(page, world, rest):
    page.goto("/acme/tools/blob/HEAD/README.md")
    page.get_by_role("link", name="Edit", exact=True).click()
    text = page.get_by_role("textbox", name="Text")
    expect(text).to_have_value(re.compile(r"^# Tools\n.*\(src/count\.py\)\n$", re.DOTALL))
    text.press("Control+End")
    text.press_sequentially("- [All of them](src)\n")
    page.get_by_role("button", name="Preview changes").click()
    expect(page.get_by_role("region", name="Changes").locator(".src.add")).to_contain_text("All of them")
    page.get_by_role("textbox", name="Goal").fill("Link the folder too")

    page.get_by_role("button", name="Save to session").click()

    expect(page).to_have_url(re.compile(r"/acme/tools/sessions/"))
    session = page.url.rpartition("/")[2]
    assert rest("GET", f"/sessions/{session}")["goal"] == "Link the folder too"

    page.get_by_role("link", name="Edit README.md").click()
    expect(page.get_by_role("radio", name="Link the folder too")).to_be_checked()
    text.press("Control+End")
    text.press_sequentially("Done.\n")
    page.get_by_role("button", name="Land now").click()

    expect(page).to_have_url(re.compile(r"/acme/tools/landings/"))
    landed = rest("GET", "/projects/acme/tools/files/HEAD/README.md")
    assert landed["text"].endswith("- [All of them](src)\nDone.\n")


def test_a_form_is_not_shown_before_it_is_about_this_address(page, world, rest):
    page.goto("/acme/tools/edit/src/count.py")
    chosen = page.get_by_role("radio", name="A new session")
    expect(chosen).to_be_checked()
    session = rest.start("tools", "Count anew")
    page.goto(f"/acme/tools/edit/src/count.py?session={session}")
    page.get_by_role("textbox", name="Text").wait_for()

    assert not chosen.is_checked(), "the form of the address before stood there for a moment"


def test_what_was_changed_meanwhile_is_told_and_the_text_stays(page, world, rest):
    session = rest.start("tools", "Two write the same")
    page.goto(f"/acme/tools/edit/docs/a folder/with spaces.md?session={session}")
    text = page.get_by_role("textbox", name="Text")
    expect(text).to_have_value("# Deep\n")
    rest.put(session, "docs/a folder/with spaces.md", "# Other\n")
    text.fill("# Mine\n")

    page.get_by_role("button", name="Save to session").click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("has other content now")
    expect(text).to_have_value("# Mine\n")
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("link", name="Cancel").click()
    expect(text).to_have_value("# Mine\n")


def test_files_are_created_renamed_uploaded_and_deleted(page, world, rest):
    session = rest.start("tools", "Move things about")
    page.goto(f"/acme/tools/new/notes?session={session}")
    page.get_by_role("textbox", name="Path").fill("notes//a.md")
    page.get_by_role("textbox", name="Text").fill("one\n")
    page.get_by_role("button", name="Save to session").click()
    expect(page.get_by_role("alert")).to_contain_text("a name in it is empty")
    page.get_by_role("textbox", name="Path").fill("notes/a.md")
    page.get_by_role("button", name="Save to session").click()
    expect(page).to_have_url(re.compile(f"sessions/{session}$"))

    page.goto(f"/acme/tools/rename/notes/a.md?session={session}")
    page.get_by_role("textbox", name="Path").fill("notes/b.md")
    page.get_by_role("button", name="Save to session").click()
    expect(page).to_have_url(re.compile(f"sessions/{session}$"))

    page.goto(f"/acme/tools/upload/notes?session={session}")
    page.get_by_label("Files", exact=True).set_input_files(
        [{"name": "c.bin", "mimeType": "application/octet-stream", "buffer": b"\0\1"}]
    )
    page.get_by_role("button", name="Save to session").click()
    expect(page).to_have_url(re.compile(f"sessions/{session}$"))

    page.goto(f"/acme/tools/delete/empty.txt?session={session}")
    page.get_by_role("button", name="Delete in session").click()
    expect(page).to_have_url(re.compile(f"sessions/{session}$"))
    changes = {each["path"]: each["status"] for each in rest("GET", f"/sessions/{session}")["changes"]}
    assert changes == {"notes/b.md": "added", "notes/c.bin": "added", "empty.txt": "deleted"}


def test_the_tab_key_indents_and_escape_lets_go(page, world):
    page.goto("/acme/tools/edit/src/count.py")
    text = page.get_by_role("textbox", name="Text")
    expect(text).to_be_focused()
    text.press("Control+Home")
    text.press("Tab")
    expect(text).to_have_value(re.compile(r"^    def part_0"))
    text.press("Shift+Tab")
    expect(text).to_have_value(re.compile(r"^def part_0"))
    text.press("Escape")
    page.keyboard.press("Tab")
    expect(text).not_to_be_focused()


def test_lines_are_chosen_by_mouse_and_keys_and_named_in_the_address(strangers_page, world):
    strangers_page.goto("/acme/tools/blob/HEAD/src/large.py#L300-L303")
    picked = strangers_page.locator("tr.picked")
    picked.first.wait_for()
    expect(picked).to_have_count(4)
    expect(strangers_page.locator("#L300")).to_be_in_viewport()
    strangers_page.locator("#L305 .ln a").click()
    expect(picked).to_have_count(1)
    strangers_page.locator("#L308 .ln a").click(modifiers=["Shift"])
    expect(picked).to_have_count(4)
    assert strangers_page.url.endswith("#L305-L308")
    strangers_page.keyboard.press("Shift+ArrowDown")
    expect(picked).to_have_count(5)
    assert strangers_page.url.endswith("#L305-L309")
    expect(strangers_page.get_by_role("status").filter(has_text="Lines 305\N{EN DASH}309")).to_be_visible()
    strangers_page.keyboard.press("Escape")
    expect(picked).to_have_count(0)


def test_a_file_that_means_something_is_drawn_and_its_lines_are_one_click_away(strangers_page, world, rest):
    session = rest.start("tools", "Keep some numbers")
    rest.put(session, "data/numbers.csv", "name,count\nmoss,3\nfern,5\n")
    rest.land(session)
    strangers_page.goto("/acme/tools/blob/HEAD/data/numbers.csv")
    expect(strangers_page.get_by_role("columnheader", name="count")).to_be_visible()
    strangers_page.get_by_role("link", name="Code", exact=True).click()
    expect(strangers_page.locator("#L3 .src")).to_have_text("fern,5")
    strangers_page.goto("/acme/tools/blob/HEAD/data/numbers.csv#L2")
    expect(strangers_page.locator("tr.picked .src")).to_have_text("moss,3")


def test_an_outsider_edits_a_file_and_asks_for_a_review_or_edits_a_fork(open_context, forge, world, rest):
    rest("POST", "/accounts", handle="rosalind", email="rosalind@example.org", password=PASSWORD)
    rest("POST", "/projects", organization="acme", project="sheds", visibility="public")
    begun = rest.start("sheds", "Begin")
    rest.put(begun, "README.md", "# Sheds\n")
    rest.land(begun)
    rest("PATCH", "/projects/acme/sheds", who_may_propose="members")
    guest = open_context(still=True).new_page()
    signed = {"handle": "rosalind", "password": PASSWORD}
    guest.request.post("/auth/sign-in", form=signed, headers={"Origin": forge.url})

    guest.goto("/acme/tools/edit/src/count.py")
    guest.get_by_role("textbox", name="Text").fill("def count():\n    return 1\n")
    guest.get_by_role("button", name="Save and ask for review").click()
    expect(guest).to_have_url(re.compile(r"/acme/tools/sessions/"))
    asked = rest("GET", f"/sessions/{guest.url.rpartition('/')[2]}")
    assert (asked["status"], asked["author"]) == ("pending_review", "rosalind")

    guest.goto("/acme/sheds/edit/README.md")
    guest.get_by_role("button", name="Fork and edit").click()
    expect(guest).to_have_url(re.compile(r"/rosalind/sheds/edit/README.md$"))
    guest.get_by_role("textbox", name="Text").fill("# My sheds\n")
    guest.get_by_role("button", name="Land now").click()
    expect(guest).to_have_url(re.compile(r"/rosalind/sheds/landings/2$"))
    guest.context.close()
