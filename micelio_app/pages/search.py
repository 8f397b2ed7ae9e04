"""Search: one field, a tab for each kind of thing with how many were found, and the words marked.

The address holds the question, so that a search can be sent, and the field is a form that works
without scripts; then the rows are written into the document (`search_head`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import reflex as rx

from backend.search import service as operations
from backend.search.schemas import SearchCounts, SearchHit, SearchPage
from micelio_app import layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.state import AppState, ask
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import link, outside, when

TABS = (
    ("project", "Projects"),
    ("session", "Sessions"),
    ("person", "People"),
    ("organization", "Organizations"),
)
LONGEST = 200
COUNTED = 1000
LIMIT = 20


@dataclass(frozen=True)
class Part:
    """A piece of a text, and whether it was asked for."""

    text: str
    hit: bool


@dataclass(frozen=True)
class HitRow:
    """One thing found, its texts in pieces."""

    kind: str
    url: str
    title: list[Part]
    address: list[Part]
    text: list[Part]
    handle: str
    private: bool
    status: str
    author: str
    at: str


@dataclass(frozen=True)
class Tab:
    """A kind, and how many of it were found, in words."""

    name: str
    url: str
    count: str
    current: bool


class SearchState(AppState):
    """What the address asks, and what was found."""

    q: str = ""
    kind: str = ""
    tabs: rx.Field[list[Tab]] = rx.field(default_factory=lambda: uncounted())
    rows: rx.Field[list[HitRow]] = rx.field(default_factory=list)
    found: int = 0
    further: str = ""
    answered: str = ""

    @rx.event
    async def load(self):
        """What the address asks for."""
        query = self.router.url.query_parameters
        q, kind = clean(query.get("q", "")), query.get("kind", "")
        self.q, self.rows, self.further = q, [], ""
        if q:
            page = await self.call(operations.search_forge, q=q, kind=known(kind), limit=LIMIT)
            self.kind = page.kind.value
            self.tabs = tabs(page, q)
            self.found = sum(page.counts.model_dump().values())
            self._add(page)
        else:
            self.tabs, self.found, self.kind = uncounted(), 0, ""
        self.answered = q

    @rx.event
    async def more(self):
        """The page below."""
        self._add(
            await self.call(
                operations.search_forge, q=self.q, kind=known(self.kind), cursor=self.further, limit=LIMIT
            )
        )

    def _add(self, page: SearchPage) -> None:
        self.rows = [*self.rows, *(hit_row(hit) for hit in page.items)]
        self.further = page.next or ""


def clean(q: str) -> str:
    """What is asked, as much of it as a search takes; what no database can hold is left out."""
    return "".join(c for c in q if c != "\0" and not "\ud800" <= c <= "\udfff").strip()[:LONGEST]


def known(kind: str) -> str | None:
    """A kind there is, or none."""
    return kind if kind in dict(TABS) else None


def tabs(page: SearchPage, q: str) -> list[Tab]:
    """A tab for each kind."""
    return [
        Tab(name, routes.search(q, kind), counted(page.counts, kind), kind == page.kind.value)
        for kind, name in TABS
    ]


def uncounted() -> list[Tab]:
    """The tabs before anything was looked for, so that the page does not make room for them later."""
    return [Tab(name, routes.SEARCH, "", False) for _, name in TABS]


def counted(counts: SearchCounts, kind: str) -> str:
    """How many were found; counting ends somewhere."""
    count: int = getattr(counts, kind)
    return f"{COUNTED:,}+".replace(",", "\N{NARROW NO-BREAK SPACE}") if count >= COUNTED else str(count)


def hit_row(hit: SearchHit) -> HitRow:
    """The row of something found."""
    organization, _, project = hit.address.partition("/")
    kind = hit.kind.value
    if kind == "project":
        url = routes.project(organization, project)
    else:
        url = routes.session(organization, project, hit.id[-8:]) if project else routes.owner(organization)
    return HitRow(
        kind=kind,
        url=url,
        title=parts(hit, "title"),
        address=parts(hit, "address"),
        text=parts(hit, "text"),
        handle=organization if not project else "",
        private=hit.visibility == "private",
        status=hit.status.value if hit.status else "",
        author=hit.author,
        at=hit.at.isoformat(),
    )


def parts(hit: SearchHit, field: str) -> list[Part]:
    """A text of a hit, cut where its marks begin and end."""
    text: str = getattr(hit, field)
    pieces, at = [], 0
    for mark in (mark for mark in hit.marks if mark.field == field):
        pieces += [Part(text[at : mark.start], False), Part(text[mark.start : mark.end], True)]
        at = mark.end
    return [piece for piece in (*pieces, Part(text[at:], False)) if piece.text]


def search_page() -> rx.Component:
    """The field, and what was found."""
    shown = rx.el.nav(
        rx.foreach(SearchState.tabs, _tab),
        class_name="tabs",
        aria_label="What was found",
    )
    return layout.page(
        rx.el.h1("Search", class_name="hush"),
        _field(),
        rx.cond(
            SearchState.q == "",
            _before(),
            rx.cond(SearchState.found > 0, _found(), rx.cond(SearchState.answered != "", _nothing())),
        ),
        crumbs=[("Search", routes.SEARCH)],
        tabs=shown,
    )


def _field() -> rx.Component:
    words = rx.el.input(
        type="search",
        name="q",
        id="q",
        default_value=SearchState.q,
        key=SearchState.answered,
        max_length=LONGEST,
        placeholder="Projects, goals of sessions, people",
        aria_label="Search",
        auto_complete="off",
        class_name="input",
    )
    kind = rx.el.input(type="hidden", name="kind", value=SearchState.kind)
    button = forms.button("Search", type="submit")
    return forms.get(
        words, rx.cond(SearchState.kind != "", kind), button, action=routes.SEARCH, role="search"
    )


def _tab(tab: rx.Var[Tab]) -> rx.Component:
    count = rx.cond(tab.count != "0", rx.el.span(tab.count, class_name="count"))
    words = (tab.name, " ", count)
    # The address is the question: the document is asked for again.
    here = outside(*words, href=tab.url, aria_current="page")
    return rx.cond(tab.current, here, outside(*words, href=tab.url))


def _before() -> rx.Component:
    return lists.empty(
        "Find what you may see",
        rx.el.p(
            "Projects by name, description or owner; sessions by their goal; people and organizations by "
            "what they say of themselves. Beginnings of words do. ",
            link("Explore", to=routes.EXPLORE),
            " shows what is busy now.",
        ),
    )


def _nothing() -> rx.Component:
    return lists.empty(
        "Nothing found",
        rx.el.p("Nothing that you may see has words that begin so: ", rx.el.b(SearchState.answered), "."),
        rx.el.p(
            "Every word has to be there; leave one out, or type less of it. ",
            link("Explore", to=routes.EXPLORE),
            " shows what is busy now.",
        ),
    )


def _found() -> rx.Component:
    none = rx.el.p("None of these. The tabs above say where something was found.", class_name="soft")
    further = rx.el.p(forms.button("More", on_click=SearchState.more), class_name="more")
    return rx.el.section(
        rx.cond(
            SearchState.rows.length() > 0,
            rx.el.ul(rx.foreach(SearchState.rows, _row), class_name="rows found"),
            none,
        ),
        rx.cond(SearchState.further != "", further),
        aria_label="Results",
    )


def _row(row: rx.Var[HitRow]) -> rx.Component:
    return rx.match(
        row.kind,
        ("session", _session_row(row)),
        ("project", _project_row(row)),
        _owner_row(row),
    )


def _project_row(row: rx.Var[HitRow]) -> rx.Component:
    private = rx.cond(row.private, rx.fragment(" ", chips.tag("Private", "ochre")))
    named = rx.el.span(rx.el.bdi(_marked(row.title)))
    told = rx.cond(row.text.length() > 0, rx.el.span(rx.el.bdi(_marked(row.text))))
    return lists.row(
        rx.fragment(link(_marked(row.address), to=row.url), private), meta=(named, told), side=(when(row.at),)
    )


def _session_row(row: rx.Var[HitRow]) -> rx.Component:
    return lists.row(
        link(_marked(row.title), to=row.url, class_name="ask", dir="auto"),
        dot=chips.status_dot(row.status),
        meta=(
            rx.el.span(chips.status_word(row.status)),
            rx.cond(row.text.length() > 0, rx.el.span(_marked(row.text))),
            rx.cond(row.author != "", rx.el.span(row.author)),
            rx.el.span(_marked(row.address)),
        ),
        side=(when(row.at),),
    )


def _owner_row(row: rx.Var[HitRow]) -> rx.Component:
    told = rx.cond(row.text.length() > 0, rx.el.span(rx.el.bdi(_marked(row.text))))
    return lists.row(
        link(_marked(row.title), to=row.url, dir="auto"),
        dot=chips.avatar(row.handle),
        meta=(rx.el.span(_marked(row.address)), told),
    )


def _marked(texts: rx.Var[list[Part]]) -> rx.Component:
    return rx.foreach(texts, lambda part: rx.cond(part.hit, rx.el.mark(part.text), rx.fragment(part.text)))


@head(routes.SEARCH)
async def search_head(session: str | None, *, query: dict[str, str]) -> Head:
    """The title, and for readers without scripts the whole page."""
    q = clean(query.get("q", ""))
    field = (
        f'<form action="{routes.SEARCH}" method="get" role="search" class="line searching">'
        f'<input class="input" type="search" name="q" aria-label="Search" value="{escape(q, quote=True)}" '
        f'maxlength="{LONGEST}"><button class="btn" type="submit">Search</button></form>'
    )
    title = f"{q} · Search" if q else "Search"
    if not q:
        return Head(title=title, path=routes.SEARCH, indexed=False, body=plain.title("Search") + field)
    page = await ask(
        session,
        operations.search_forge,
        q=q,
        kind=known(query.get("kind", "")),
        cursor=query.get("cursor", ""),
        limit=LIMIT,
    )
    return Head(title=title, indexed=False, body=plain.title("Search") + field + _listed(page, q))


def _listed(page: SearchPage, q: str) -> str:
    if not any(page.counts.model_dump().values()):
        return "<p><b>Nothing found.</b> Every word has to be there; leave one out, or type less of it.</p>"
    links = " ".join(
        f'<a href="{escape(tab.url)}"{" aria-current=page" * tab.current}>{tab.name} {tab.count}</a>'
        for tab in tabs(page, q)
    )
    rows = "".join(_item(hit_row(hit)) for hit in page.items)
    further = routes.search(q, page.kind.value, page.next) if page.next else ""
    more = f'<p><a href="{escape(further)}">More</a></p>' if further else ""
    return (
        f'<nav class="line" aria-label="What was found">{links}</nav><ul class="rows found">{rows}</ul>{more}'
    )


def _item(row: HitRow) -> str:
    name, beside = (row.address, row.title) if row.kind == "project" else (row.title, row.address)
    meta = "".join(f"<span><bdi>{_html(each)}</bdi></span>" for each in (beside, row.text) if each)
    return (
        f'<li class="plain"><div class="main"><a href="{escape(row.url)}" dir="auto">{_html(name)}</a>'
        f'<p class="meta">{meta}</p></div></li>'
    )


def _html(texts: Sequence[Part]) -> str:
    return "".join(f"<mark>{escape(part.text)}</mark>" if part.hit else escape(part.text) for part in texts)


layout.screen(
    routes.SEARCH,
    search_page,
    title=rx.cond(SearchState.q != "", SearchState.q + " · Search · Micelio", "Search · Micelio"),
    on_load=[SearchState.load],
)
