"""People ask each other in, answer, change roles and leave: in a browser."""

import re

from tests.browser.conftest import DESK
from tests.browser.forge import PASSWORD


def link_for(rest, address: str) -> str:
    """The path of the newest invitation mailed to an address."""
    mails = [mail for mail in rest("GET", "/outbox")["items"] if mail["to"] == address]
    found = re.search(r"https?://[^/]+(/invite/\S+)", mails[0]["body"])
    assert found is not None, mails[0]
    return found[1]


def test_somebody_without_an_account_is_asked_in_by_address_and_says_yes(
    open_context, ada, world, rest, strangers_page
):
    desk = open_context(size=DESK, still=True, state=ada).new_page()
    desk.goto("/acme")
    desk.get_by_role("link", name="Members").click()
    desk.get_by_text("Nobody is asked").wait_for()
    desk.get_by_label("Handle or e-mail").fill("nobody-at-all")
    desk.get_by_role("button", name="Invite").click()
    desk.get_by_role("alert").filter(has_text="There is no account nobody-at-all").wait_for()
    desk.get_by_label("Handle or e-mail").fill("Barbara@example.org")
    desk.get_by_label("As", exact=True).select_option("admin")
    desk.get_by_role("button", name="Invite").click()
    desk.get_by_text("barbara@example.org has seven days to say yes.").wait_for()

    guest = strangers_page
    guest.goto(link_for(rest, "barbara@example.org"))
    guest.get_by_role("heading", name="invites you to Acme").wait_for()
    guest.get_by_role("link", name="Create an account").click()
    guest.get_by_label("Handle").fill("barbara")
    guest.get_by_label("Password").fill("short")
    guest.get_by_role("button", name="Create the account").click()
    guest.get_by_role("alert").filter(has_text="too short").wait_for()
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Create the account").click()
    guest.get_by_role("button", name="Accept").click()
    guest.get_by_role("link", name="vault").first.wait_for()

    guest.goto("/orgs/acme/members")
    guest.get_by_role("listitem").filter(has_text="Owner").first.wait_for()
    desk.reload()
    row = desk.get_by_role("listitem").filter(has_text="barbara")
    row.get_by_label("Role of barbara").select_option("member")
    guest.reload()
    guest.get_by_role("button", name="Leave").click()
    guest.get_by_role("button", name="Yes, leave").click()
    guest.get_by_text("Organization", exact=True).wait_for()
    guest.goto("/orgs/acme/members")
    guest.get_by_role("heading", name="Nothing grows at this address").wait_for()
    desk.get_by_role("button", name="Leave").click()
    desk.get_by_role("button", name="Yes, leave").click()
    desk.get_by_role("alert").filter(has_text="ada is the last owner of acme").wait_for()
    desk.context.close()


def test_a_collaborator_is_asked_by_handle_and_sees_it_at_home(open_context, ada, world, rest):
    made = rest("POST", "/invitations", email="dorothy@example.org")["link"]
    guest = open_context(size=DESK, still=True).new_page()
    guest.goto(made[made.index("/signup") :])
    guest.get_by_label("Handle").fill("dorothy")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Create the account").click()
    guest.get_by_role("heading", name="Running for you").wait_for()

    desk = open_context(size=DESK, still=True, state=ada).new_page()
    desk.goto("/acme/vault/settings")
    desk.get_by_label("Handle or e-mail").fill("dorothy")
    desk.get_by_role("button", name="Invite").click()
    desk.get_by_text("dorothy has seven days to say yes.").wait_for()
    desk.get_by_role("button", name="Revoke").click()
    desk.get_by_role("button", name="Revoke").wait_for(state="detached")
    desk.get_by_label("Handle or e-mail").fill("dorothy")
    desk.get_by_role("button", name="Invite").click()
    desk.get_by_text("dorothy has seven days to say yes.").wait_for()

    guest.goto("/")
    guest.get_by_role("heading", name="You are invited").wait_for()
    guest.get_by_role("link", name="Answer").click()
    guest.get_by_role("button", name="Accept").click()
    guest.get_by_role("heading", name="Vault").wait_for()
    desk.reload()
    row = desk.get_by_role("listitem").filter(has_text="dorothy")
    row.get_by_role("button", name="Remove").click()
    row.get_by_role("button", name="Yes, remove").click()
    row.wait_for(state="detached")
    guest.goto("/acme/vault")
    guest.get_by_role("heading", name="Nothing grows at this address").wait_for()
    for page in (guest, desk):
        page.context.close()


def test_an_organization_is_made_named_renamed_and_deleted_and_says_its_name_as_text(
    open_context, ada, world
):
    page = open_context(size=DESK, still=True, state=ada).new_page()
    page.goto("/orgs/new")
    page.get_by_label("Handle").fill("acme")
    page.get_by_role("button", name="Create the organization").click()
    page.get_by_role("alert").filter(has_text="The handle acme is taken").wait_for()
    page.get_by_label("Handle").fill("guild")
    page.get_by_label("Name").fill("<img src=x onerror=alert(1)> Guild")
    page.get_by_role("button", name="Create the organization").click()
    page.get_by_role("heading", name="Members").first.wait_for()
    page.goto("/guild")
    page.get_by_role("heading", name="<img src=x onerror=alert(1)> Guild").wait_for()
    assert page.locator("main img[src=x]").count() == 0
    page.goto("/orgs/guild/settings")
    page.get_by_label("New handle").fill("acme")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("alert").filter(has_text="The handle acme is taken").wait_for()
    page.get_by_label("New handle").fill("lodge")
    page.get_by_role("button", name="Rename").click()
    page.wait_for_url("**/orgs/lodge/settings")
    page.goto("/guild")
    page.wait_for_url("**/lodge")
    page.goto("/orgs/guild/settings")
    page.wait_for_url("**/orgs/lodge/settings")
    page.get_by_label("Type lodge").fill("lodge")
    page.get_by_role("button", name="Delete this organization").click()
    page.get_by_role("heading", name="Running for you").wait_for()
    page.goto("/lodge")
    page.get_by_role("heading", name="Nothing grows at this address").wait_for()
    page.context.close()


def test_a_deleted_project_is_brought_back_from_its_page(open_context, ada, world, rest):
    rest("POST", "/projects", organization="acme", project="cellar", visibility="private")
    rest("DELETE", "/projects/acme/cellar")
    page = open_context(size=DESK, still=True, state=ada).new_page()
    page.goto("/orgs/acme/deleted")
    page.get_by_role("listitem").filter(has_text="cellar").get_by_role("button", name="Restore").click()
    page.get_by_role("heading", name="cellar").wait_for()
    rest("DELETE", "/projects/acme/cellar")
    page.context.close()
