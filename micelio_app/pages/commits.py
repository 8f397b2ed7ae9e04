"""One commit of any branch: what it says, who made it, what it follows and what it changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import reflex as rx

from backend.projects import refs as operations
from backend.projects.refs import CommitDetail
from backend.projects.web import draw_comparison
from micelio_app import frame, layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.keys import Place
from micelio_app.pages.project import permalink
from micelio_app.state import AppState, ask, drawn
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.fragment import fragment
from micelio_app.ui.links import link, slug, when


@dataclass(frozen=True)
class ParentRow:
    """A commit before this one."""

    sha1: str
    url: str


class CommitState(AppState):
    """One commit."""

    subject: str = ""
    message: str = ""
    author: str = ""
    authored_at: str = ""
    committer: str = ""
    committed_at: str = ""
    signed: bool = False
    sha1: str = ""
    commit: str = ""
    number: int = 0
    landing_url: str = ""
    browse_url: str = ""
    exact_url: str = ""
    parents: rx.Field[list[ParentRow]] = rx.field(default_factory=list)
    diff_src: str = ""

    @rx.event
    async def load(self):
        """One commit."""
        told = await self.call(
            operations.get_commit, organization=self.org, project=self.project, ref=self.ref
        )
        org, name = told.project.organization, told.project.handle
        self.subject = told.subject or "(no message)"
        self.message = told.message.strip().partition("\n")[2].strip()
        self.author, self.committer = told.author.name or "nobody", told.committer.name or "nobody"
        self.authored_at = told.author.at.isoformat() if told.author.at else ""
        self.committed_at = told.committer.at.isoformat() if told.committer.at else ""
        self.signed, self.sha1, self.commit = told.signed, told.sha1, told.id
        self.number = told.position or 0
        self.landing_url = routes.landing(org, name, told.position) if told.position else ""
        self.browse_url = routes.tree(org, name, told.id)
        self.exact_url = routes.commit(org, name, told.sha1)
        self.parents = [ParentRow(each.sha1, routes.commit(org, name, each.sha1)) for each in told.parents]
        before = told.parents[0].id if told.parents else "@0"
        self.diff_src = routes.comparison(org, name, before, told.id)


def commit_page() -> rx.Component:
    """The message, the facts, the changes."""
    content = rx.fragment(
        _opening(),
        _facts(),
        lists.section("Changes", fragment(CommitState.diff_src, label="Changes")),
    )
    return layout.project_page(
        rx.cond(CommitState.sha1 != "", content, lists.waiting()),
        current="Files",
        class_name="page stack roomy",
        keys=[Place.CODE],
    )


def _opening() -> rx.Component:
    landed = link("Landing\N{NO-BREAK SPACE}#", CommitState.number, to=CommitState.landing_url)
    return rx.el.header(
        rx.el.p(
            rx.el.code(CommitState.sha1[:10], title=CommitState.sha1),
            rx.el.b(CommitState.author),
            rx.cond(CommitState.authored_at != "", when(CommitState.authored_at, ago=True)),
            rx.cond(CommitState.number > 0, landed),
            rx.cond(CommitState.signed, chips.tag("signed")),
            class_name="meta",
        ),
        rx.el.h1(CommitState.subject, class_name="title"),
        rx.cond(CommitState.message != "", rx.el.pre(CommitState.message, class_name="said above")),
        rx.el.p(
            link("Browse files at this commit", to=CommitState.browse_url, class_name="btn small"),
            permalink(CommitState.exact_url),
            class_name="line close",
        ),
        class_name="stack tight",
    )


def _facts() -> rx.Component:
    parents = rx.foreach(CommitState.parents, lambda row: link(rx.el.code(row.sha1[:10]), to=row.url))
    committed = rx.fragment(
        CommitState.committer,
        rx.cond(CommitState.committed_at != "", when(CommitState.committed_at, ago=True)),
    )
    return lists.facts(
        ("Committed by", committed),
        ("Parents", rx.cond(CommitState.parents.length() > 0, parents, "none: it is a root")),
        ("Git", forms.copied_id(CommitState.sha1, "id of the commit in git")),
        ("Commit", forms.copied_id(CommitState.commit, "id of the commit")),
    )


@head(routes.COMMIT)
async def commit_head(
    session: str | None, *, org: str, project: str, ref: str, query: Mapping[str, str]
) -> Head:
    """Subject as title, the message for readers without scripts."""
    told = await ask(session, operations.get_commit, organization=org, project=project, ref=ref)
    found = told.project
    changes = plain.SHOW_CHANGES
    if query.get("show") == "changes":
        at = {"organization": found.organization, "project": found.handle}
        before = told.parents[0].id if told.parents else "@0"
        changes = await drawn(session, draw_comparison, at, {"old": before, "new": told.id})
    message = told.message.strip().partition("\n")[2].strip()
    return Head(
        title=f"{told.subject or told.sha1[:10]} · {found.organization}/{found.handle}",
        path=routes.commit(found.organization, found.handle, told.sha1),
        indexed=found.visibility.value == "public",
        body=f'<header class="stack tight">{plain.meta(f"<code>{told.sha1[:10]}</code>", _made_by(told))}'
        f'{plain.title(told.subject)}<pre class="said">{escape(message)}</pre></header>'
        + plain.section("Changes", changes),
        **plain.around(found.organization, found.handle, "Files"),
    )


def _made_by(told: CommitDetail) -> str:
    at = f" {told.author.at:%Y-%m-%d %H:%M}" if told.author.at else ""
    return escape((told.author.name or "nobody") + at)


layout.project_screen(
    routes.COMMIT,
    commit_page,
    title=rx.cond(CommitState.subject != "", CommitState.subject, slug("ref"))
    + " · "
    + frame.ADDRESS
    + " · Micelio",
    on_load=[CommitState.load],
)
