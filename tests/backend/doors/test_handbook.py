"""The handbook in the product: texts that run as tests elsewhere, with links that lead somewhere."""

import re

import pytest

from backend.doors import handbook
from backend.doors.routes import own_app
from tests.asgi import Asgi


@pytest.fixture
def browser(forge):
    return Asgi(own_app(forge))


def test_the_contents_name_every_page(browser):
    found = set(re.findall(r'href="(/docs/[^"]+)"', browser.get("/docs").text))

    assert found == {handbook.address(page) for page in handbook.pages().values()}


def test_each_page_is_read_with_the_address_of_this_forge_and_links_that_lead_somewhere(forge, browser):
    there = {handbook.address(page) for page in handbook.pages().values()}
    for page in handbook.pages().values():
        answer = browser.get(handbook.address(page))
        inside = re.findall(r'href="(/docs/[^"#]*)', answer.text)

        assert answer.status_code == 200
        assert f"<title>{page.title} · Micelio</title>" in answer.text
        assert handbook.EXAMPLE not in answer.text
        assert set(inside) <= there, page.name
        # A link to a file that is not here would lead to the contents.
        text = answer.text.partition('<div class="prose">')[2].partition("<aside")[0]
        assert text, page.name
        assert 'href="/docs"' not in text, f"{page.path} links to something outside of the handbook"
    assert forge.settings.public_url in browser.get("/docs/first-hour").text


@pytest.mark.parametrize(
    "name", ["missing", "cli/missing", "../README", "guides/first-hour.md", "first-hour/"]
)
def test_a_page_that_is_not_there_is_a_404(browser, name):
    assert browser.get(f"/docs/{name}").status_code == 404


@pytest.mark.parametrize("word", ["/terms", "/privacy"])
def test_terms_and_privacy_are_one_page(browser, word):
    answer = browser.get(word)

    assert (answer.status_code, answer.headers["location"]) == (308, "/docs/legal")
