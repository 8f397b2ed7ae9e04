"""What a landing changed: one column, two columns, and file by file when it is large."""

from playwright.sync_api import expect


def test_side_by_side_keeps_both_sides_on_one_line_and_marks_the_words(strangers_page, world):
    strangers_page.goto("/acme/tools/landings/3")
    unified = strangers_page.locator("table.diff").first
    expect(unified.locator("tr").filter(has=strangers_page.locator(".add"))).not_to_have_count(0)

    strangers_page.get_by_role("button", name="Side by side").click()
    split = strangers_page.locator("table.diff.split").first
    row = split.locator("tr").filter(has_text="return 1 *").first
    expect(row.locator(".src.del del")).to_have_text("2")
    expect(row.locator(".src.add ins")).to_have_text("3")
    assert row.locator(".src.del").bounding_box()["y"] == row.locator(".src.add").bounding_box()["y"]

    strangers_page.get_by_role("button", name="Unified").click()
    expect(strangers_page.locator("table.diff.split")).to_have_count(0)


def test_a_large_landing_is_fetched_as_the_reader_comes_to_it(strangers_page, world):
    asked: list[str] = []
    strangers_page.on(
        "request", lambda request: asked.append(request.url) if "/_fragments/" in request.url else None
    )
    strangers_page.goto("/acme/tools/landings/1")
    expect(strangers_page.locator(".touched li")).to_have_count(8)
    expect(strangers_page.locator(".one-file table").first).to_be_visible()
    assert not any("landings/1/diff" in url for url in asked)

    strangers_page.locator(".touched").get_by_text("large.py").click()
    expect(strangers_page.locator(".one-file").filter(has_text="large.py")).to_be_in_viewport()


def test_a_line_of_a_file_has_an_address(strangers_page, world):
    strangers_page.goto("/acme/tools/blob/HEAD/src/large.py#L3000")

    expect(strangers_page.locator("#L3000")).to_be_in_viewport()
    expect(strangers_page.locator("#L3000")).to_contain_text("value_2999")
