"""People come, let a program in, change their profile and leave: in a browser, with the keyboard."""

import httpx

from tests.browser.forge import PASSWORD

MIC = {"User-Agent": "mic/0.1.0 (build-3; Linux)"}
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def test_a_program_is_let_in_with_the_keyboard_and_signed_out_again(forge, page):
    asked = httpx.post(f"{forge.url}/oauth/device/code", data={"client_id": "mic"}, headers=MIC).json()
    page.goto("/device")
    page.get_by_label("Code").fill("BBBB-BBBB")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text="No program waits with this code").wait_for()

    page.get_by_label("Code").fill(asked["user_code"].lower())
    page.keyboard.press("Enter")
    page.get_by_text("mic on build-3").wait_for()
    page.get_by_role("button", name="Let it in").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="It is in").wait_for()

    form = {"client_id": "mic", "grant_type": DEVICE_CODE, "device_code": asked["device_code"]}
    tokens = httpx.post(f"{forge.url}/oauth/token", data=form, headers=MIC).json()
    mine = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert httpx.get(f"{forge.url}/api/v1/user", headers=mine).json()["handle"] == "ada"

    page.goto("/settings")
    row = page.get_by_role("listitem").filter(has_text="mic on build-3")
    row.get_by_role("button", name="Sign out").click()
    row.wait_for(state="detached")
    assert httpx.get(f"{forge.url}/api/v1/user", headers=mine).status_code == 401


def test_a_stranger_with_a_code_signs_in_first_and_comes_back_to_it(forge, world, strangers_page):
    asked = httpx.post(f"{forge.url}/oauth/device/code", data={"client_id": "mic"}, headers=MIC).json()
    strangers_page.goto(f"/device?user_code={asked['user_code']}")
    strangers_page.get_by_label("Handle or e-mail").fill("ada")
    strangers_page.get_by_label("Password").fill(PASSWORD)
    strangers_page.get_by_role("button", name="Sign in").click()

    strangers_page.get_by_text(asked["user_code"]).wait_for()
    strangers_page.get_by_role("button", name="Turn it away").click()
    strangers_page.get_by_role("heading", name="Turned away").wait_for()


def test_an_invited_person_comes_and_leaves(forge, rest, strangers_page):
    page = strangers_page
    link = rest("POST", "/invitations", email="eve@example.org")["link"]
    page.goto(link[link.index("/signup") :])
    page.get_by_text("You are invited").wait_for()
    page.get_by_label("Handle").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    page.get_by_role("alert").filter(has_text="This handle is taken").wait_for()
    page.get_by_label("Handle").fill("eve")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    page.get_by_role("heading", name="Running for you").wait_for()

    page.goto("/settings")
    page.get_by_label("About").fill("I read.")
    page.get_by_label("Links").fill("nonsense")
    page.get_by_role("button", name="Save profile").click()
    page.get_by_role("alert").filter(has_text="no address of the web").wait_for()
    page.get_by_label("Links").fill("https://eve.example.org")
    page.get_by_role("button", name="Save profile").click()
    page.get_by_role("status").filter(has_text="Saved.").wait_for()
    assert httpx.get(f"{forge.url}/api/v1/users/eve").json()["bio"] == "I read."

    page.get_by_label("Your handle").fill("eve")
    page.locator("#delete_password").fill("a guess of hers")
    page.get_by_role("button", name="Delete this account").click()
    page.get_by_role("alert").filter(has_text="not your current password").wait_for()
    page.locator("#delete_password").fill(PASSWORD)
    page.get_by_role("button", name="Delete this account").click()
    page.get_by_role("heading", name="Your account is deleted").wait_for()
    page.get_by_role("link", name="Go on").click()
    page.get_by_role("link", name="Sign in").first.wait_for()
    assert httpx.get(f"{forge.url}/eve").status_code == 404
    assert httpx.get(f"{forge.url}/api/v1/users/eve").status_code == 404


def test_who_forgot_a_password_is_told_the_same_whoever_they_are(strangers_page, world):
    for who in ("nobody", "ada"):
        strangers_page.goto("/forgot")
        strangers_page.get_by_label("Handle or e-mail").fill(who)
        strangers_page.keyboard.press("Enter")
        strangers_page.get_by_role("heading", name="A link was made").wait_for()
