"""Every page, for strangers and members, in both themes and widths: no console error, no sideways scroll,
nothing serious for axe, a title, nothing that jumps while it loads. A picture of each stays in `build/pages`,
with how much each page moved.

Which pages there are is what `routes` says. Also what readers without scripts get, and that nobody
can tell a private project from none.
"""

import re
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

from micelio_app import routes
from tests.browser.conftest import DESK, PHONE
from tests.browser.forge import UNBROKEN

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
FIND = """async (rules) => {
  const some = rules ? {runOnly: rules} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], ...some});
  return found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
}"""
# Rows of code are all alike, and thousands of them take axe and a picture a quarter of a minute.
THIN = """() => document.querySelectorAll("[data-src] .code tr:nth-child(n+40)")
  .forEach((row) => row.remove())"""
PICTURES = Path(__file__).parents[2] / "build" / "pages"
SHIFTS = """window.shifted = {by: 0, what: []}
new PerformanceObserver((list) => list.getEntries().forEach((one) => {
  if (one.hadRecentInput) return
  window.shifted.by += one.value
  window.shifted.what.push(...one.sources.map(({node, previousRect: was, currentRect: is}) =>
    `${(node?.outerHTML || node?.data || "what is gone").slice(0, 60)} from ${was.y | 0} to ${is.y | 0}`))
})).observe({type: "layout-shift", buffered: true})"""
MOST_SHIFT = 0.1
"""How far a page may move while it loads, as Chromium counts layout shift."""
IS_DARK = "() => getComputedStyle(document.body).backgroundColor === 'rgb(20, 22, 18)'"
BROKE = """() => [...document.querySelectorAll("main [role=alert]")]
  .some((one) => one.innerText.includes("broke on our side"))"""
WIDER = "document.documentElement.scrollWidth > innerWidth"
AWAY = """[...document.querySelectorAll(".tabs [aria-current]")].some((one) => one.checkVisibility()
  && (one.getBoundingClientRect().left < 0 || one.getBoundingClientRect().right > innerWidth))"""
SETTLED = """() => document.querySelector("main") && !document.querySelector(
  "main [aria-busy=true], main [role=status][aria-label^=Loading], main .late")"""

STRANGERS = {
    "/": "Watch agents write code, land only what you understand · Micelio",
    "/signin": "Sign in · Micelio",
    "/welcome?token=used": "Welcome · Micelio",
    "/link?token=used": "Sign in by link · Micelio",
    "/signup": "Create an account · Micelio",
    "/confirm?token=used&error=handle.taken": "Confirm your address · Micelio",
    "/forgot": "Forgotten password · Micelio",
    "/sent": "A link was made · Micelio",
    "/reset?token=used&error=password.short": "New password · Micelio",
    "/search": "Search · Micelio",
    "/search?q=tool": "tool · Search · Micelio",
    "/search?q=tool&kind=person": "tool · Search · Micelio",
    "/search?q=zzzz": "zzzz · Search · Micelio",
    "/explore": "Explore · Micelio",
    "/ada": "ada · Micelio",
    "/acme": "Acme · Micelio",
    "/acme/tools": "acme/tools · Micelio",
    "/acme/empty": "acme/empty · Micelio",
    "/acme/attic": "acme/attic · Micelio",
    "/acme/tools/tree/HEAD/docs/a%20folder": "docs/a folder/ · acme/tools · Micelio",
    "/acme/tools/blob/HEAD/src/count.py": "src/count.py · acme/tools · Micelio",
    "/acme/tools/blob/HEAD/src/large.py": "src/large.py · acme/tools · Micelio",
    "/acme/tools/blob/HEAD/logo.png": "logo.png · acme/tools · Micelio",
    "/acme/tools/blob/HEAD/data.bin": "data.bin · acme/tools · Micelio",
    "/acme/tools/blob/HEAD/empty.txt": "empty.txt · acme/tools · Micelio",
    "/acme/tools/blob/HEAD/link": "link · acme/tools · Micelio",
    "/acme/tools/landings": "Landings · acme/tools · Micelio",
    "/acme/tools/forks": "Forks · acme/tools · Micelio",
    "/acme/empty/landings": "Landings · acme/empty · Micelio",
    "/acme/tools/landings/1": "Start a README · #1 · acme/tools · Micelio",
    "/acme/tools/landings/4": "Count in 4 parts · #4 · acme/tools · Micelio",
    "/acme/tools/commit/@4": "Count in 4 parts · acme/tools · Micelio",
    "/acme/tools/sessions": "Sessions · acme/tools · Micelio",
    "/acme/empty/sessions": "Sessions · acme/empty · Micelio",
    "/invite/01a00000-0000-7000-8000-000000000000": "Invitation · Micelio",
    "/orgs/acme/members": "Nothing grows at this address · Micelio",
    "/orgs/acme/settings": "Nothing grows at this address · Micelio",
    "/nobody/nothing": "Nothing grows at this address · Micelio",
}
OWN = {
    "/": "Home · Micelio",
    "/admin": "Administration · Micelio",
    "/admin/people": "People · Administration · Micelio",
    "/admin/organizations": "Organizations · Administration · Micelio",
    "/admin/projects": "Projects · Administration · Micelio",
    "/admin/jobs": "Jobs · Administration · Micelio",
    "/admin/audit": "Audit · Administration · Micelio",
    "/search?q=session&kind=session": "session · Search · Micelio",
    "/settings": "Settings · Micelio",
    "/settings/tokens": "Access tokens · Micelio",
    "/new": "New project · Micelio",
    "/new?fork=acme/tools": "New project · Micelio",
    "/acme/empty": "acme/empty · Micelio",
    "/device": "Let a device in · Micelio",
    "/acme": "Acme · Micelio",
    "/orgs/new": "New organization · Micelio",
    "/orgs/acme/members": "Members · acme · Micelio",
    "/orgs/acme/settings": "Settings · acme · Micelio",
    "/orgs/acme/deleted": "Deleted projects · acme · Micelio",
    "/orgs/ada/deleted": "Deleted projects · ada · Micelio",
    "/invite/01a00000-0000-7000-8000-000000000000": "Invitation · Micelio",
    "/import": "Import a repository · Micelio",
    "/imports/{imported}": "Import into acme/moss · Micelio",
    "/acme/moss/commit/@1": f"{UNBROKEN} · acme/moss · Micelio",
    "/acme/tools/edit/src/count.py": "Edit src/count.py · acme/tools · Micelio",
    "/acme/tools/new/src": "New file",
    "/acme/tools/upload/src": "Upload",
    "/acme/tools/rename/src/count.py": "Rename src/count.py · acme/tools · Micelio",
    "/acme/tools/delete/src/count.py": "Delete src/count.py · acme/tools · Micelio",
    "/acme/vault": "acme/vault · Micelio",
    "/acme/vault/settings": "Settings · acme/vault · Micelio",
    "/acme/tools/sessions/{running}": "Cut slow readers with a cursor they can resume · acme/tools · Micelio",
    "/acme/tools/sessions/{fresh}": "Nothing done yet · acme/tools · Micelio",
    "/acme/tools/sessions/{many}": "Touch very many files",
    "/acme/tools/sessions/{waiting}": "Spell out every exit code · acme/tools · Micelio",
    "/acme/tools/sessions/{abandoned}": "Rewrite everything in one evening · acme/tools · Micelio",
    "/acme/tools/sessions/{landed}": "Count in 4 parts · acme/tools · Micelio",
}
NOT_THERE = {(False, path) for path, title in STRANGERS.items() if title.startswith("Nothing grows")}


def visited(signed_in):
    """Addresses with their titles. Of a route that is only listed for the others one address without: there a
    stranger may be sent to sign in, or find nothing.
    """
    listed, others = (OWN, STRANGERS) if signed_in else (STRANGERS, OWN)
    known = {pattern_of(address) for address in listed}
    rest = {pattern_of(address): address for address in reversed(others)}
    return {**listed, **{address: None for pattern, address in rest.items() if pattern not in known}}


def pattern_of(address):
    found = [
        (pattern, slugs)
        for name, pattern in vars(routes).items()
        if name.isupper() and isinstance(pattern, str) and pattern.startswith("/")
        if (slugs := routes.fits(pattern, address.partition("?")[0])) is not None
    ]
    return min(found, key=lambda each: len(each[1]))[0] if found else None


def test_every_route_is_visited():
    patterns = {
        value for name, value in vars(routes).items() if name.isupper() and str(value).startswith("/")
    }
    missing = patterns - {pattern_of(address) for address in (*STRANGERS, *OWN)} - {routes.BROKEN}

    assert missing == set(), "name an address of each in STRANGERS or OWN"


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "ada"])
def test_every_page_is_sound(open_context, ada, world, signed_in, size):
    page = open_context(size=size, still=True, state=ada if signed_in else None).new_page()
    page.add_init_script(SHIFTS)
    problems: list[str] = []
    jumps: list[str] = []
    here, address, title = "", "", None

    def hear(message):
        missing = "404" in message.text and ((signed_in, here) in NOT_THERE or title is None)
        if message.type == "error" and not missing:
            problems.append(f"{here}: console says {message.text} of {message.location['url']}")

    def keep(theme):
        name = re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-") or "home"
        who = "member" if signed_in else "stranger"
        # As PNG a picture takes three times as long as the page.
        picture = PICTURES / f"{name}.{who}.{size[0]}.{theme}.jpeg"
        page.screenshot(path=picture, type="jpeg", quality=85, full_page=True)

    page.on("console", hear)
    page.on("pageerror", lambda error: problems.append(f"{here}: {error}"))
    for address, title in visited(signed_in).items():
        here = address.format(**vars(world))
        page.goto(here)
        page.wait_for_function(
            "title => title ? document.title.startsWith(title) : document.title", arg=title
        )
        page.wait_for_function(SETTLED)
        if page.evaluate(BROKE):
            problems.append(f"{here}: a handler broke; the log of `serve` has its traceback")
        if page.evaluate(WIDER):
            problems.append(f"{here}: wider than the window")
        if page.evaluate(AWAY):
            problems.append(f"{here}: the current tab is out of sight")
        shifted = page.evaluate("window.shifted")
        jumps.append(f"{shifted['by']:.2f} {size[0]} {here} {shifted['what'][:5]}")
        if shifted["by"] >= MOST_SHIFT:
            problems.append(f"{here}: moves by {shifted['by']:.2f} while it loads: {shifted['what']}")
        page.evaluate(THIN)
        keep("light")
        page.evaluate(AXE)
        problems += [f"{here}: {finding}" for finding in page.evaluate(FIND, None)]
        # In the other theme only colours differ.
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(IS_DARK)
        keep("dark")
        problems += [f"{here}, dark: {finding}" for finding in page.evaluate(FIND, ["color-contrast"])]
        page.emulate_media(color_scheme="light")
    page.context.close()

    who = "member" if signed_in else "stranger"
    (PICTURES / f"jumps.{who}.{size[0]}.txt").write_text("\n".join(sorted(jumps, reverse=True)) + "\n")
    assert problems == []


@pytest.mark.parametrize("address", [address for address in STRANGERS if "token" not in address])
def test_a_public_page_is_readable_without_scripts(forge, world, address):
    html = httpx.get(forge.url + address).text
    body = re.search(r"<noscript>(.*?)</noscript>", html, re.DOTALL)
    readable = re.sub(r"<(script|style).*?</\1>", "", body[1] if body else html, flags=re.DOTALL)

    assert re.search(r"<title>.+</title>", html)
    assert "<h1" in readable
    assert len(re.sub(r"<[^>]+>", "", readable).strip()) > 20


def test_a_private_project_is_the_same_404_as_none(forge, world, strangers_page):
    pages = ("", "/landings", "/landings/1", "/sessions", "/tree/HEAD", "/blob/HEAD/README.md", "/raw/HEAD/x")
    for rest in pages:
        private, missing = (httpx.get(f"{forge.url}/acme/{name}{rest}") for name in ("vault", "vaulx"))
        assert private.status_code == missing.status_code == 404
        assert _without_id(private) == _without_id(missing)

    strangers_page.goto("/acme/vault")
    strangers_page.get_by_role("heading", name="Nothing grows at this address").wait_for()
    back = strangers_page.locator("main").get_by_role("link", name="sign in")
    assert back.get_attribute("href") == "/signin?next=%2Facme%2Fvault"


def _without_id(answer):
    changing = (
        "x-request-id",
        "date",
        "ratelimit-remaining",
        "x-ratelimit-remaining",
        "ratelimit",
        "ratelimit-reset",
    )
    headers = {name: value for name, value in answer.headers.items() if name not in changing}
    return re.sub(r'"(request_id|instance)": ?"[^"]*"', "", answer.text), headers
