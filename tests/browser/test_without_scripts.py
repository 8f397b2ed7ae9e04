"""What works by links and forms alone, done the same with JavaScript and without."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.conftest import PHONE
from tests.browser.forge import PASSWORD


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def scripts(request) -> bool:
    return request.param


@pytest.fixture
def reader(open_context, scripts) -> Iterator[Page]:
    """Somebody who is not signed in."""
    page = open_context(scripts=scripts).new_page()
    yield page
    page.context.close()


@pytest.fixture
def desk(open_context, ada, scripts) -> Iterator[Page]:
    """Ada."""
    page = open_context(scripts=scripts, state=ada).new_page()
    yield page
    page.context.close()


def seen(found: Locator) -> Locator:
    """What is seen of it: a page's other half is there and not shown."""
    return found.filter(visible=True)


def said(page: Page, text: str) -> Locator:
    """Where a text stands: `get_by_text` never looks into a noscript."""
    return seen(page.locator("main").locator("p, li, td, span").filter(has_text=text)).first


def test_one_signs_in_after_a_wrong_password_and_goes_on(world, reader):
    reader.goto("/acme/tools/landings/1")
    seen(reader.get_by_role("link", name="Sign in")).click()
    reader.wait_for_url(re.compile(r"/signin\?next=.+landings.+1$"))
    for password in ("something else entirely", PASSWORD):
        seen(reader.get_by_label("Handle or e-mail")).fill("ada")
        seen(reader.get_by_label("Password")).fill(password)
        seen(reader.get_by_role("button", name="Sign in")).click()
        if password != PASSWORD:
            reader.get_by_role("alert").filter(has_text="No account has this handle").wait_for()

    seen(reader.get_by_role("heading", name="Start a README")).wait_for()
    assert reader.url.endswith("/acme/tools/landings/1")


def test_code_is_browsed_from_the_project_to_a_file_and_its_landing(world, reader, scripts):
    reader.goto("/acme/tools")
    reader.get_by_role("heading", name="Tools").first.wait_for()
    reader.get_by_role("link", name="README.md", exact=True).click()
    reader.get_by_role("heading", name="README.md").wait_for()
    reader.get_by_role("link", name="Landings").first.click()
    reader.get_by_role("link", name="Start a README").first.click()
    reader.get_by_role("heading", name="Start a README").wait_for()
    if not scripts:
        reader.get_by_role("link", name="Show the changes line by line").click()
    reader.locator(".diff").first.wait_for()
    reader.get_by_role("link", name="Read the session").click()
    reader.get_by_role("heading", name="Conversation" if not scripts else "Start a README").wait_for()


def test_a_transcript_is_read(world, desk, scripts):
    desk.goto(f"/acme/tools/sessions/{world.running}")
    desk.get_by_role("heading", level=1).wait_for()
    if not scripts:
        desk.get_by_role("link", name="events").click()
        desk.get_by_role("heading", name="Events").wait_for()
        assert desk.get_by_role("row").count() > 3
    said(desk, "Find what holds events").wait_for()


def test_a_note_is_made_and_a_session_landed(world, rest, desk, scripts):
    session = rest.start("tools", f"Land it {'with' if scripts else 'without'} scripts")
    rest.put(session, f"plain-{scripts}.txt", "text\n")
    desk.goto(f"/acme/tools/sessions/{session}")
    note = f"A <b>note</b> of {scripts}"
    if scripts:
        desk.get_by_role("button", name="Note", exact=True).click()
    seen(desk.get_by_role("textbox", name="Note")).fill(note)
    desk.get_by_role("button", name="Add the note").click()
    said(desk, note).wait_for()

    if scripts:
        desk.get_by_role("button", name="Land", exact=True).click()
    seen(desk.get_by_role("textbox", name="Summary")).fill("By a form.")
    desk.get_by_role("button", name=re.compile("Land on")).click()
    said(desk, "landed as").wait_for()
    assert rest("GET", f"/sessions/{session}")["status"] == "landed"


@pytest.mark.parametrize("scripts", [False], indirect=True)
def test_a_refused_form_says_why_and_keeps_what_was_typed(world, rest, desk):
    session = rest.start("tools", "Nothing to land")
    desk.goto(f"/acme/tools/sessions/{session}")
    rest("POST", f"/sessions/{session}/abandon", reason="")
    desk.get_by_label("Summary").fill("Typed <before>")
    desk.get_by_role("button", name=re.compile("Land on")).click()

    desk.get_by_role("alert").filter(has_text="abandoned").wait_for()
    assert desk.get_by_label("Summary").input_value() == "Typed <before>"


@pytest.mark.parametrize("scripts", [False], indirect=True)
def test_one_signs_out_without_scripts(world, reader):
    reader.goto("/signin")
    seen(reader.get_by_label("Handle or e-mail")).fill("ada")
    seen(reader.get_by_label("Password")).fill(PASSWORD)
    seen(reader.get_by_role("button", name="Sign in")).click()
    reader.goto("/acme/vault")
    reader.get_by_role("button", name="Sign out").click()
    reader.goto("/acme/vault")

    reader.get_by_role("heading", name="Nothing grows at this address").wait_for()


def test_no_page_without_scripts_is_wider_than_a_phone(world, open_context):
    page = open_context(scripts=False, size=PHONE).new_page()
    landed = f"/acme/tools/sessions/{world.landed}"
    for path in ("/acme/tools", "/acme/tools/landings/1?show=changes", landed, "/acme", "/signin"):
        page.goto(path)
        box = seen(page.locator("main")).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE[0], path
        for part in seen(page.locator("main")).locator("pre, table, h1, p").all():
            inner = part.bounding_box()
            assert inner is None or inner["x"] + inner["width"] <= PHONE[0] + 1, f"{path}: {inner}"
    page.context.close()
