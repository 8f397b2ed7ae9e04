"""The shell of every page: bar, tabs, content, foot; and `screen`, which hangs a page in it.

Signed in or not is known before any state is: the server writes `data-signed-in` on `<html>`
and the stylesheet shows one of the two corners of the bar.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import reflex as rx
from reflex_components_core.core.banner import has_connection_errors

from micelio_app import frame, routes
from micelio_app.frame import BASE, ORG, OWNER, PROJECT, OrganizationFrame, ProjectFrame
from micelio_app.keys import KEYS, Place, drives
from micelio_app.state import AppState
from micelio_app.ui import chips, lists
from micelio_app.ui.forms import button, post
from micelio_app.ui.links import Go, Text, key, link, mark, outside, pathname, query_of

Crumb = tuple[Any, Any]

SIGN_OUT_ACTION = "/auth/sign-out"
"""Where the sign-out form posts to."""

MISSING_TITLE = "Nothing grows at this address · Micelio"

EVERYWHERE = (Place.ANYWHERE, Place.PALETTE)


def screen(
    route: str, view: Callable[[], rx.Component], *, title: Any, on_load: Sequence[Any] = ()
) -> tuple[str, Callable[[], rx.Component]]:
    """Hang a page at a route. `title` may be a Var of its State; `on_load` runs after `AppState.enter`."""
    shown = rx.cond(AppState.missing, MISSING_TITLE, title)
    rx.page(route=route, title=shown, image="", on_load=[AppState.enter, *on_load, AppState.arrive])(view)
    if route not in routes.PAGES:
        routes.PAGES.append(route)
    return route, view


def page(
    *content: Any,
    crumbs: Sequence[Crumb] = (),
    tabs: Any = None,
    class_name: str = "page stack",
    foot: bool = True,
    home: bool = False,
    still: bool = False,
    exact: bool = False,
    keys: Sequence[Place] = (),
    actions: Sequence[Any] = (),
) -> rx.Component:
    """A page in its shell. When its state found nothing, the missing page stands in its place.

    `class_name` is that of `<main>`: `page stack`, `page narrow stack`, or `desk` for panes that
    fill the window (give `foot=False` then). `home` writes the name beside the mark. What a State
    still holds of another path is not shown, unless the page is `still`: then it is prerendered, and
    needs no State to be right; nor, where the page is `exact`, what it holds of another query, because
    somebody might fill a form that is about to change. `keys` are the places whose keys work here too,
    `actions` what the palette offers beside what it offers everywhere.
    """
    main = _main("shown", *content, class_name=class_name)
    if not still:
        here = AppState.loaded_path == pathname()
        here = here & (AppState.loaded_query == query_of()) if exact else here
        main = rx.cond(here, main, _main("awaited", lists.waiting(), class_name=class_name))
    return rx.fragment(
        outside("Skip to content", class_name="skip", href="#main"),
        _bar(crumbs, home=home),
        rx.cond(AppState.missing, rx.fragment(), tabs) if tabs is not None else rx.fragment(),
        rx.cond(
            AppState.missing,
            rx.el.main(missing(), id="main", class_name="page stack", key="missing"),
            main,
        ),
        _foot() if foot else rx.fragment(),
        _keys([*EVERYWHERE, *keys]),
        _actions(actions, back=bool(crumbs)),
        Go.create(),
    )


def _main(key: str, *content: Any, class_name: str) -> rx.Component:
    """What a page is about. What was awaited and what came are two elements, so nothing there moves."""
    told = (_lost_connection(), _notice())
    return rx.el.main(*told, *content, id="main", class_name=class_name, key=key)


def project_screen(
    route: str, view: Callable[[], rx.Component], *, title: Any, on_load: Sequence[Any] = ()
) -> tuple[str, Callable[[], rx.Component]]:
    """Hang a page of a project: a `screen` whose tabs are counted."""
    return screen(route, view, title=title, on_load=[ProjectFrame.look, *on_load])


def project_page(*content: Any, current: str, **options: Any) -> rx.Component:
    """A project's page: crumbs, tabs, and a word when it is archived or a mirror.

    `current` is Files, Landings, Sessions or, for admins, Settings; further crumbs come as `crumbs`.
    Panes have no tabs (`class_name="desk"`): their crumbs lead back.
    """
    there = (
        ("Files", BASE, 0),
        ("Landings", BASE + "/landings", ProjectFrame.landings),
        ("Sessions", BASE + "/sessions", ProjectFrame.open_sessions),
    )
    tabs = rx.el.nav(
        *(_tab(name, to, name == current, count) for name, to, count in there),
        rx.cond(ProjectFrame.settings, _tab("Settings", BASE + "/settings", current == "Settings", 0)),
        class_name="tabs",
        aria_label="Project",
    )
    crumbs = [(ORG, OWNER), (PROJECT, BASE), *options.pop("crumbs", ())]
    if options.get("class_name") == "desk":
        tabs = None
    options["keys"] = [Place.PROJECT, *options.get("keys", ())]
    # The palette's scripts read here whose files to look through.
    place = rx.el.span(id="place", hidden=True, custom_attrs={"data-project": frame.ADDRESS})
    notices = [rx.cond(ProjectFrame.archived, _archived()), rx.cond(ProjectFrame.mirrored, _mirrored())]
    actions = [
        *options.pop("actions", ()),
        link("Files of this project", to=BASE, custom_attrs=drives("g", "f")),
        link("Landings of this project", to=BASE + "/landings", custom_attrs=drives("g", "t")),
        link("Sessions of this project", to=BASE + "/sessions", custom_attrs=drives("g", "s")),
        link("Forks of this project", to=BASE + "/forks"),
        rx.el.span(
            link("Fork this project", to=rx.Var.create(routes.NEW_PROJECT + "?fork=") + frame.ADDRESS),
            class_name="signed-in",
        ),
        rx.cond(ProjectFrame.settings, link("Settings of this project", to=BASE + "/settings")),
    ]
    return page(place, *notices, *content, crumbs=crumbs, tabs=tabs, actions=actions, **options)


def organization_page(*content: Any, current: str, **options: Any) -> rx.Component:
    """A page of an organization: crumbs, and for those who belong to it tabs.

    `current` is Projects, Members or, for admins, Settings. Its `on_load` begins with
    `OrganizationFrame.look`.
    """
    inside = rx.Var.create("/orgs/") + ORG
    tabs = rx.el.nav(
        _tab("Projects", OWNER, current == "Projects", 0),
        _tab("Members", inside + "/members", current == "Members", 0),
        rx.cond(OrganizationFrame.manages, _tab("Settings", inside + "/settings", current == "Settings", 0)),
        class_name="tabs",
        aria_label="Organization",
    )
    # Tabs that come late would push down what awaits the same answer.
    shown = rx.cond(OrganizationFrame.inside & (AppState.loaded_path == pathname()), tabs)
    return page(*content, crumbs=[(ORG, OWNER)], tabs=shown, **options)


def missing() -> rx.Component:
    """Nothing at this address, or nothing for these eyes: nobody can tell which."""
    return rx.el.div(
        rx.el.p(rx.el.span("4"), mark(), rx.el.span("4"), class_name="lost", aria_label="404"),
        rx.el.h1("Nothing grows at this address"),
        rx.el.p(
            "It may be private, moved or never have been. If you were sent here, ",
            outside("sign in", href=_sign_in(back=True)),
            " and try again.",
        ),
        class_name="empty",
    )


def broken(request_id: str) -> rx.Component:
    """Something broke on our side."""
    return rx.el.div(
        rx.el.p(rx.el.span("5"), rx.el.i(), rx.el.i(), class_name="lost", aria_label="500"),
        rx.el.h1("That broke on our side"),
        rx.el.p(
            "Nothing you did was lost. Tell an operator ",
            rx.el.code(request_id),
            ", or ",
            outside("try again", href=""),
            ".",
        ),
        class_name="empty",
    )


def _bar(crumbs: Sequence[Crumb], *, home: bool) -> rx.Component:
    name = rx.el.span("Micelio", class_name="" if home else "hush")
    return rx.el.header(
        link(mark(), name, to=routes.HOME, class_name="brand"),
        _crumbs(crumbs) if crumbs else rx.fragment(),
        _jump(),
        rx.el.nav(_signed_out(back=bool(crumbs)), _signed_in(), class_name="you", aria_label="You"),
        class_name="bar",
    )


def _jump() -> rx.Component:
    """What opens the palette: it looks like the field it leads to, and is a word where there is no room."""
    return rx.el.button(
        rx.el.span("Search", rx.el.span(" or jump to…", class_name="only-wide")),
        rx.el.kbd("/", aria_hidden="true", class_name="only-wide"),
        type="button",
        class_name="jump",
        aria_haspopup="dialog",
        aria_label="Search or jump",
        custom_attrs={"data-palette": "", **drives("/")},
    )


def _crumbs(crumbs: Sequence[Crumb]) -> rx.Component:
    *before, (here, to) = crumbs
    items = [rx.el.li(link(text, to=address)) for text, address in before]
    return rx.el.nav(
        rx.el.ol(*items, rx.el.li(link(here, to=to, aria_current="page"))),
        class_name="crumbs",
        aria_label="Breadcrumb",
    )


def _tab(name: str, to: Any, current: bool, count: Any) -> rx.Component:
    counted = rx.cond(rx.Var.create(count) > 0, rx.el.span(count, class_name="count"))
    return link(name, " ", counted, to=to, **({"aria_current": "page"} if current else {}))


def _archived() -> rx.Component:
    return lists.notice("Archived.", "Everything stays readable; nothing can be changed.", tone="ochre")


def _mirrored() -> rx.Component:
    return lists.notice(
        "Mirror.", "It follows a repository elsewhere, and only that moves its default branch."
    )


def _sign_in(*, back: bool) -> Text:
    """Where one signs in: to come back to this very page, where it is one to come back to."""
    if not back:
        return routes.SIGN_IN
    here = pathname() + query_of()
    expression = f'("{routes.SIGN_IN}?next=" + encodeURIComponent({here}))'
    return rx.Var(_js_expr=expression, _var_type=str, _var_data=here._get_all_var_data()).guess_type()


def _signed_out(*, back: bool) -> rx.Component:
    return rx.el.span(
        # On a phone the way back needs the room; the palette and the home page lead there too.
        link("Explore", to=routes.EXPLORE, class_name="only-wide"),
        outside("Sign in", href=_sign_in(back=back), class_name="btn small"),
        class_name="signed-out",
    )


def _signed_in() -> rx.Component:
    named = rx.cond(AppState.viewer_handle != "", AppState.viewer_handle + ", your account", "Your account")
    account = rx.el.details(
        rx.el.summary(chips.avatar(AppState.viewer_handle), aria_label=named, role="button"),
        rx.el.div(
            link(rx.el.b(AppState.viewer_handle), to=rx.Var.create("/") + AppState.viewer_handle),
            link("New project", to=routes.NEW_PROJECT),
            link("Settings", to=routes.ACCOUNT),
            link("Access tokens", to=routes.TOKENS),
            link("New organization", to=routes.NEW_ORGANIZATION),
            rx.cond(AppState.viewer_admin, link("Administration", to=routes.ADMINISTRATION)),
            post(button("Sign out", type="submit", tone="quiet", small=True), action=SIGN_OUT_ACTION),
            class_name="sheet menu",
        ),
        class_name="account",
    )
    return rx.el.span(account, class_name="signed-in")


def _foot() -> rx.Component:
    return rx.el.footer(
        rx.el.span(f"Micelio {_version()}"),
        outside("Docs", href="/docs"),
        outside("API", href="/api/v1/docs"),
        outside("For agents", href="/skill.md"),
        rx.el.button("Keys ", key("?"), type="button", class_name="plain", custom_attrs={"data-keys": True}),
        outside("Terms", href="/docs/legal"),
        rx.el.button("Theme", type="button", class_name="plain", on_click=rx.toggle_color_mode),
        class_name="foot",
    )


def _keys(places: Sequence[Place]) -> rx.Component:
    groups = []
    for place in places:
        shown = [rx.el.div(rx.el.dt(*_spaced(one.names)), rx.el.dd(one.does)) for one in KEYS[place]]
        groups += [rx.el.h3(place.value), rx.el.dl(*shown, class_name="keys")]
    close = rx.el.button(
        "Close", type="button", class_name="btn small end", custom_attrs={"data-close": True}
    )
    return rx.el.dialog(
        rx.el.header(rx.el.b("Keys"), close),
        rx.el.div(*groups, class_name="body"),
        id="keys",
        class_name="sheet",
        aria_label="Keys",
    )


def _actions(more: Sequence[Any], *, back: bool) -> rx.Component:
    """What the palette offers to do here: links and buttons that nobody sees, and it presses."""
    words = {"data-words": "dark light colours mode night"}
    signed_in = (
        link("New project", to=routes.NEW_PROJECT),
        link("New organization", to=routes.NEW_ORGANIZATION),
        link("Import a repository", to=routes.NEW_IMPORT),
        link("Settings", to=routes.ACCOUNT, custom_attrs={"data-words": "account profile password"}),
        link("Access tokens", to=routes.TOKENS),
        rx.cond(AppState.viewer_admin, link("Administration", to=routes.ADMINISTRATION)),
        post(
            rx.el.button("Sign out", type="submit", custom_attrs={"data-words": "leave log out"}),
            action=SIGN_OUT_ACTION,
        ),
    )
    return rx.el.div(
        *more,
        rx.el.span(*signed_in, class_name="signed-in"),
        rx.el.span(outside("Sign in", href=_sign_in(back=back)), class_name="signed-out"),
        link("Home", to=routes.HOME, custom_attrs=drives("g", "h")),
        link("Explore", to=routes.EXPLORE, custom_attrs={"data-words": "projects most landed new"}),
        rx.el.button("Theme", type="button", on_click=rx.toggle_color_mode, custom_attrs=words),
        rx.el.button("Keys", type="button", custom_attrs={"data-keys": True, "data-words": "help shortcuts"}),
        outside("API", href="/api/v1/docs", custom_attrs={"data-words": "reference rest openapi"}),
        outside("For agents", href="/skill.md"),
        id="actions",
        hidden=True,
    )


def _spaced(names: Sequence[str]) -> list[Any]:
    return [part for name in names for part in (rx.el.kbd(name), " ")]


def _notice() -> rx.Component:
    tone = rx.match(
        AppState.notice_tone,
        ("rust", "notice rust"),
        ("ochre", "notice ochre"),
        ("moss", "notice moss"),
        "notice",
    )
    told = rx.el.div(
        rx.el.b(AppState.notice_title),
        rx.el.span(AppState.notice_text),
        button("Dismiss", tone="quiet", small=True, on_click=AppState.dismiss),
        class_name=tone,
        role="alert",
    )
    return rx.cond(AppState.notice_title != "", told)


def _lost_connection() -> rx.Component:
    return rx.cond(
        has_connection_errors,
        lists.notice("Offline.", "Showing what was here. Trying again."),
    )


@cache
def _version() -> str:
    try:
        return version("micelio")
    except PackageNotFoundError:
        return "0.1.0"
