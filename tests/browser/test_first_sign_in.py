"""The link that the first start prints makes the first account, and signs it in."""

import re

from tests.browser.forge import PASSWORD


def test_the_printed_link_signs_the_first_administrator_in(welcomed):
    assert welcomed.heading == "Running for you"
    assert not welcomed.offered_sign_in
    cookies = welcomed.state["cookies"]
    assert cookies and all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in cookies)
    assert welcomed.cookies_for_scripts == ""


def test_the_printed_link_works_once(welcomed, strangers_page, forge):
    strangers_page.goto(forge.welcome)
    strangers_page.get_by_label("Handle").fill("mallory")
    strangers_page.get_by_label("E-mail").fill("mallory@example.org")
    strangers_page.get_by_label("Password").fill(PASSWORD)
    strangers_page.get_by_role("button", name="Create the account").click()

    strangers_page.get_by_role("alert").filter(has_text="This link was used").wait_for()


def test_signing_in_goes_on_to_where_one_was_going_and_out_again(world, strangers_page):
    strangers_page.goto("/signin?next=/acme/vault")
    strangers_page.get_by_label("Handle or e-mail").fill("ada")
    strangers_page.get_by_label("Password").fill("something else entirely")
    strangers_page.get_by_role("button", name="Sign in").click()
    strangers_page.get_by_role("alert").filter(has_text="No account").wait_for()
    strangers_page.get_by_label("Handle or e-mail").fill("ada")
    strangers_page.get_by_label("Password").fill(PASSWORD)
    strangers_page.get_by_role("button", name="Sign in").click()
    strangers_page.get_by_role("heading", name="Vault").wait_for()

    strangers_page.get_by_label("ada, your account").click()
    strangers_page.get_by_role("button", name="Sign out").click()
    strangers_page.get_by_role("link", name="Sign in").first.wait_for()
    strangers_page.goto("/acme/vault")
    strangers_page.get_by_role("heading", name="Nothing grows at this address").wait_for()


def test_signing_in_does_not_wait_for_the_page_to_wake_up(world, strangers_page):
    strangers_page.route_web_socket(re.compile("/_event"), lambda socket: socket.close())
    strangers_page.goto("/signin?next=/acme/vault")
    strangers_page.get_by_label("Handle or e-mail").fill("ada")
    strangers_page.get_by_label("Password").fill(PASSWORD)
    strangers_page.get_by_role("button", name="Sign in").click()

    strangers_page.wait_for_url("**/acme/vault")
