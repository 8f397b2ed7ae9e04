"""A new project: empty, from files of this machine, or where another stands."""

from collections.abc import Mapping
from urllib.parse import urlencode

import reflex as rx

from backend.organizations import service as organizations
from backend.projects import forks as fork_operations
from backend.projects import service as operations
from backend.projects.schemas import ProjectSummary
from micelio_app import layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.state import AppState
from micelio_app.ui import forms, lists
from micelio_app.ui.links import link
from micelio_app.ui.uploading import first_files

EMPTY, FILES, FORK = "empty", "files", "fork"
PLACE = "new project"
"""Where the form shows why it was refused (`AppState.fault_place`)."""

WAIT = 250
"""Milliseconds of no key before a name is checked."""


class NewProjectState(AppState):
    """What is asked for so far."""

    owners: rx.Field[list[str]] = rx.field(default_factory=list)
    owner: str = ""
    way: str = EMPTY
    origin: str = ""
    name: str = ""
    named: bool = False
    checked: str = ""
    name_problem: str = ""
    chosen: int = 0
    into: str = ""

    @rx.event
    async def load(self):
        """Where the asker may create; `?owner=` and `?fork=` fill the form in."""
        asked = self.router.url.query_parameters
        self.owners, self.name, self.named = [], "", False
        self.checked, self.name_problem, self.chosen, self.into = "", "", 0, ""
        cursor = ""
        while True:
            page = await self.call(organizations.list_organizations, cursor=cursor, limit=100)
            self.owners += [each.handle for each in page.items]
            if not (cursor := page.next or ""):
                break
        mine = self.viewer_handle
        self.owners.sort(key=lambda handle: (handle != mine, handle))
        wanted = asked.get("owner", "")
        self.owner = wanted if wanted in self.owners else mine
        self.origin = asked.get("fork", "")
        self.way = FORK if self.origin else EMPTY
        if self.origin:
            self.name = self.origin.rpartition("/")[2]
            await self._check()

    @rx.event
    async def choose_way(self, way: str):
        """Empty, from files, or a fork."""
        self.way, self.fault = way, ""

    @rx.event
    async def choose_owner(self, owner: str):
        """Whose it is to be."""
        self.owner = owner
        await self._check()

    @rx.event
    async def choose_origin(self, origin: str):
        """What to fork: its handle is the fork's until another is given."""
        self.origin = origin.strip()
        if not self.named:
            self.name = self.origin.rpartition("/")[2]
            await self._check()

    @rx.event
    async def choose_name(self, name: str):
        """Check the name while it is typed."""
        self.name, self.named = name.strip(), bool(name.strip())
        await self._check()

    @rx.event
    async def choose_files(self, count: int):
        """How many files there are; -1 when they are too many."""
        self.chosen = count

    @rx.event
    async def create(self, form: dict[str, str]):
        """Make it. Files are sent by the browser afterwards, which knows by `into` that it may begin."""
        handle, description = form.get("handle", "").strip(), form.get("description", "")
        if self.way == FILES and self.chosen < 1:
            problem = "These are too many" if self.chosen else "Choose at least one file"
            self.fault, self.fault_place = f"{problem}, or begin empty.", PLACE
            return None
        made: ProjectSummary | None
        if self.way == FORK:
            organization, _, project = form.get("origin", "").strip().partition("/")
            made = await self.attempt(
                PLACE,
                fork_operations.fork_project,
                organization=organization,
                project=project,
                into=self.owner,
                handle=handle,
            )
        else:
            made = await self.attempt(
                PLACE,
                operations.create_project,
                organization=self.owner,
                project=handle,
                description=description,
                visibility="public" if form.get("public") else "private",
            )
        if made is None:
            return None
        address = f"{made.organization}/{made.handle}"
        if self.way != FILES:
            return rx.redirect(routes.project(made.organization, made.handle))
        self.into = address
        return None

    @rx.event
    async def landed(self, address: str):
        """The first landing is there: look at it."""
        organization, _, project = address.partition("/")
        return rx.redirect(routes.project(organization, project))

    async def _check(self) -> None:
        self.checked, self.name_problem = "", ""
        if not self.name or not self.owner:
            return
        found = await self.attempt(
            PLACE, operations.check_project_handle, organization=self.owner, handle=self.name
        )
        if found is not None:
            self.checked, self.name_problem = f"{found.organization}/{found.handle}", found.problem


def new_project_page() -> rx.Component:
    """The form; one of its parts depends on how the project begins."""
    state = NewProjectState
    origin = forms.field(
        "Project to fork",
        "origin",
        hint="Its address, such as acme/tools. The fork has its history, files and visibility.",
        default_value=state.origin,
        on_change=state.choose_origin.debounce(WAIT),
        required=True,
        max_length=201,
    )
    files = rx.el.fieldset(
        rx.el.legend("Files"),
        first_files(state.into, goal="Begin", on_choose=state.choose_files, on_landed=state.landed),
        class_name="field",
    )
    told = rx.fragment(
        forms.field("Description", "description", hint="One line. Optional.", max_length=1000),
        forms.check("Everybody may see it", "public"),
    )
    create = rx.match(
        state.way,
        (FORK, "Fork it"),
        (FILES, "Create it and land the files"),
        "Create it",
    )
    form = rx.el.form(
        _ways(),
        rx.cond(state.way == FORK, origin),
        _address(),
        rx.cond(state.way == FORK, rx.fragment(), told),
        rx.cond(state.way == FILES, files),
        rx.cond(
            (state.fault != "") & (state.fault_place == PLACE),
            lists.notice("Not done.", state.fault, tone="rust"),
        ),
        rx.cond(state.into == "", rx.el.p(forms.button(create, type="submit", tone="primary"))),
        on_submit=state.create,
        class_name="stack",
    )
    return layout.page(
        rx.el.div(
            rx.el.h1("New project", class_name="title"),
            rx.el.p(
                "A repository elsewhere, with its history? ",
                link("Import it", to=routes.NEW_IMPORT),
                ".",
                class_name="soft",
            ),
            class_name="stack tight",
        ),
        form,
        class_name="page narrow stack loose",
        crumbs=[("New project", routes.NEW_PROJECT)],
        exact=True,
    )


def _ways() -> rx.Component:
    offered = ((EMPTY, "Empty"), (FILES, "From files"), (FORK, "A fork"))
    options = [
        rx.el.label(
            rx.el.input(
                type="radio",
                name="way",
                value=value,
                checked=NewProjectState.way == value,
                on_change=NewProjectState.choose_way(value),
                disabled=NewProjectState.into != "",
            ),
            words,
            class_name="chip",
        )
        for value, words in offered
    ]
    return rx.el.fieldset(
        rx.el.legend("How it begins"), rx.el.div(*options, class_name="chips"), class_name="field"
    )


def _address() -> rx.Component:
    """Owner and name, and what is known of the two together."""
    state = NewProjectState
    owner = rx.el.div(
        rx.el.label("Owner", html_for="owner"),
        rx.el.select(
            rx.foreach(state.owners, lambda handle: rx.el.option(handle, value=handle)),
            id="owner",
            name="owner",
            value=state.owner,
            on_change=state.choose_owner,
        ),
        class_name="field",
    )
    free = rx.el.p(
        rx.el.b(state.checked),
        " is free.",
        id="handle-says",
        class_name="hint moss",
        role="status",
    )
    rule = rx.el.p(
        "Small letters, digits, dots, dashes and underscores.", id="handle-says", class_name="hint"
    )
    wrong = rx.el.p(state.name_problem, id="handle-says", class_name="error", role="alert")
    name = rx.el.div(
        rx.el.label("Name", html_for="handle"),
        rx.el.input(
            id="handle",
            name="handle",
            type="text",
            key=rx.cond(state.named, "typed", state.name),
            default_value=state.name,
            on_change=state.choose_name.debounce(WAIT),
            class_name="input",
            required=True,
            max_length=100,
            auto_complete="off",
            auto_capitalize="none",
            spell_check=False,
            aria_describedby="handle-says",
            aria_invalid=rx.cond(state.name_problem != "", "true", "false"),
        ),
        rx.cond(state.name_problem != "", wrong, rx.cond(state.checked != "", free, rule)),
        class_name="field",
    )
    return rx.el.div(owner, name, class_name="owner-name")


@head(routes.NEW_PROJECT)
async def new_project_head(session: str | None, *, query: Mapping[str, str]) -> Head:
    """Title of the form; strangers sign in first, and go on with what they came for."""
    if not session:
        asked = f"?{urlencode(query)}" if query else ""
        return Head(title="Sign in", status=303, location=routes.sign_in(routes.NEW_PROJECT + asked))
    return Head(
        title="New project",
        path=routes.NEW_PROJECT,
        indexed=False,
        body=plain.title("New project") + "<p>In a folder with your files: "
        "<code>mic project create ORG/PROJECT --init</code></p>",
    )


layout.screen(
    routes.NEW_PROJECT,
    new_project_page,
    title="New project · Micelio",
    on_load=[NewProjectState.load],
)
