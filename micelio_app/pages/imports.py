"""Imports: ask for one, and watch it come in stage by stage."""

import asyncio
from html import escape

import reflex as rx

from backend.portability import service as operations
from backend.portability.schemas import ImportStatus
from micelio_app import layout, plain, routes
from micelio_app.head import Head, head
from micelio_app.state import AppState, ask, fault_at
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.importing import stages
from micelio_app.ui.links import when

DOTS = {"done": "passed", "failed": "failed", "cancelled": "abandoned", "rolled_back": "abandoned"}
WORDS = {"done": "Done", "failed": "Failed", "cancelled": "Cancelled", "rolled_back": "Taken back"}
PATIENCE = 600
"""For so many seconds the page looks whether an import was taken back."""


class NewImportState(AppState):
    """The form, filled in as far as the address says: `?source=`, `?organization=`, `?project=`."""

    source: str = ""
    organization: str = ""
    named: str = ""

    @rx.event
    async def load(self):
        """What the address says; an import goes to the asker's own projects unless told otherwise."""
        asked = self.router.url.query_parameters
        self.source, self.named = asked.get("source", ""), asked.get("project", "")
        self.organization = asked.get("organization", "") or self.viewer_handle

    @rx.event
    async def create(self, form: dict[str, str]):
        """Ask for the import and go where it is watched."""
        asked = await self.attempt(
            "import",
            operations.import_project,
            source_url=form.get("source_url", ""),
            organization=form.get("organization", ""),
            project=form.get("project", ""),
            visibility="public" if form.get("public") else "private",
            username=form.get("username", ""),
            token=form.get("token", ""),
        )
        return rx.redirect(routes.importing(asked.id)) if asked is not None else None


class ImportState(AppState):
    """One import: what does not change while it runs, and what may be done."""

    import_of: str = ""
    source: str = ""
    address: str = ""
    project_url: str = ""
    new_project: bool = False
    state: str = ""
    dot: str = ""
    word: str = ""
    problem: str = ""
    by: str = ""
    asked_at: str = ""
    counts: str = ""
    branch: str = ""
    may_cancel: bool = False
    may_roll_back: bool = False
    taking_back: bool = False
    again_url: str = ""

    @rx.event
    async def load(self):
        """The import as it is now."""
        self.taking_back = False
        self._show(await self.call(operations.get_import, import_id=self.import_id))

    @rx.event
    async def ended(self, how: str):
        """It is over: say how."""
        self._show(await self.call(operations.get_import, import_id=self.import_of))

    @rx.event
    async def cancel(self):
        """Stop it."""
        self._show(await self.call(operations.cancel_import, import_id=self.import_of))
        self.say("The import is being cancelled.", "What it was to change stays as it was.", "")

    @rx.event
    async def roll_back(self):
        """Take it back, and see how that ends."""
        told = await self.call(operations.rollback_import, import_id=self.import_of)
        self.taking_back, self.problem = True, ""
        return ImportState.watch(told.version)

    @rx.event(background=True)
    async def watch(self, version: int):
        """Look again until the import is another version than this, as long as it is shown."""
        async with self:
            of = self.import_of
        for _ in range(PATIENCE):
            await asyncio.sleep(1)
            async with self:
                if self.import_of != of or not self.taking_back:
                    return
                told = await self.call(operations.get_import, import_id=of)
                if told.version != version:
                    self.taking_back = False
                    self._show(told)
                    return

    def _show(self, told: ImportStatus) -> None:
        self.import_of, self.source, self.state = told.id, told.source, told.state.value
        # The stages tell live how far it is.
        under_way = "Being cancelled" if self.state == "cancelling" else "Under way"
        self.dot, self.word = DOTS.get(self.state, "running"), WORDS.get(self.state, under_way)
        self.address = f"{told.organization}/{told.project}"
        self.project_url = routes.project(told.organization, told.project)
        self.new_project, self.problem, self.by = (
            told.new_project,
            told.problem,
            told.requested_by or "micelio",
        )
        self.asked_at, self.branch = told.requested_at.isoformat(), told.default_branch
        counts = ((told.positions, "position"), (told.refs, "ref"), (told.objects, "object"))
        self.counts = ", ".join(f"{count:,} {word}{'s' * (count != 1)}" for count, word in counts)
        # A bundle has to be sent once more.
        again = self.state in ("failed", "cancelled", "rolled_back") and told.origin.value != "bundle"
        self.again_url = routes.new_import(told.source, told.organization, told.project) if again else ""
        self.may_cancel = "cancel" in told.may and self.state != "cancelling"
        self.may_roll_back = "rollback" in told.may


def new_import_page() -> rx.Component:
    """The form, and what will happen."""
    form = rx.el.form(
        _asked("Address", "source_url", _ADDRESS, NewImportState.source, most=2000),
        rx.el.div(
            _asked("Organization", "organization", _OWNER, NewImportState.organization),
            _asked("Project", "project", "New, or one of yours.", NewImportState.named),
            class_name="two",
        ),
        forms.check("Everybody may see it, if it is new", "public"),
        rx.el.details(
            rx.el.summary("The source is private"),
            rx.el.div(
                forms.field("User", "username", max_length=200, autocomplete="off"),
                forms.field(
                    "Token",
                    "token",
                    kind="password",
                    hint="Used once to read the source, and not kept.",
                    max_length=4000,
                    autocomplete="off",
                ),
                class_name="stack",
            ),
            class_name="more",
        ),
        forms.refusal(fault_at("import")),
        rx.el.p(forms.button("Import it", type="submit", tone="primary")),
        on_submit=NewImportState.create,
        class_name="stack",
    )
    return layout.page(
        rx.el.div(
            rx.el.h1("Import a repository", class_name="title"),
            rx.el.p("Every commit, branch, tag and note, with the SHA-1s they have.", class_name="soft"),
            class_name="stack tight",
        ),
        form,
        rx.el.div(
            rx.el.p("A folder of yours, or a bundle:", class_name="soft"),
            forms.copy_box("mic import git DIR ORG/PROJECT"),
            class_name="stack tight",
        ),
        class_name="page narrow stack loose",
        crumbs=[("Import", routes.NEW_IMPORT)],
    )


_ADDRESS = "The clone address of a git repository, such as https://github.com/org/project."
_OWNER = "Your handle, or an organization of yours."


def _asked(label: str, name: str, hint: str, value: rx.Var[str], *, most: int = 100) -> rx.Component:
    """A field that has to be filled in, and begins with a value; it is another field once that is known."""
    filled = {"default_value": value, "key": value}
    return forms.field(label, name, hint=hint, required=True, max_length=most, **filled)


def import_page() -> rx.Component:
    """Where from and where to, the stages, and what may be done."""
    return layout.page(
        rx.cond(ImportState.import_of != "", _import(), lists.waiting()),
        class_name="page narrow stack loose",
        crumbs=[("Import", routes.NEW_IMPORT)],
    )


def _import() -> rx.Component:
    done = ImportState.state == "done"
    cancel = forms.button("Cancel the import", tone="danger", on_click=ImportState.cancel)
    back = forms.button("Take it back", tone="danger", on_click=ImportState.roll_back)
    opened = forms.button_link("Open the project", to=ImportState.project_url, tone="primary")
    again = forms.button_link("Try it again", to=ImportState.again_url)
    failed = lists.notice("Not imported.", ImportState.problem, tone="rust")
    kept = lists.notice("Not taken back.", ImportState.problem, tone="ochre")
    over = {
        "cancelled": "Cancelled: nothing was changed.",
        "rolled_back": "Taken back: everything is as it was before.",
    }
    return rx.fragment(
        rx.el.header(
            rx.el.p(
                chips.state(ImportState.dot, ImportState.word),
                rx.el.span("asked by ", rx.el.b(ImportState.by)),
                when(ImportState.asked_at, ago=True),
                class_name="meta",
            ),
            rx.el.h1("Import into ", ImportState.address, class_name="title"),
            rx.el.p(forms.breaking(ImportState.source), class_name="mono soft"),
            class_name="stack tight",
        ),
        rx.cond(ImportState.problem != "", rx.cond(done, kept, failed)),
        *(rx.cond(ImportState.state == state, lists.notice(text)) for state, text in over.items()),
        lists.section("Stages", stages(ImportState.import_of, on_end=ImportState.ended)),
        rx.cond(ImportState.taking_back, lists.notice("Being taken back.", "How that ends is told here.")),
        rx.cond(
            done & ~ImportState.taking_back,
            rx.el.div(
                rx.el.p(ImportState.counts, class_name="soft"),
                rx.el.p(opened, rx.cond(ImportState.may_roll_back, back), class_name="line close"),
                class_name="stack tight",
            ),
        ),
        rx.cond(ImportState.may_cancel, rx.el.p(cancel)),
        rx.cond(ImportState.again_url != "", rx.el.p(again)),
    )


@head(routes.NEW_IMPORT)
async def new_import_head(session: str | None) -> Head:
    """Title of the form; strangers sign in first."""
    if not session:
        return Head(title="Sign in", status=303, location=routes.sign_in(routes.NEW_IMPORT))
    return Head(
        title="Import a repository",
        path=routes.NEW_IMPORT,
        indexed=False,
        body=plain.title("Import a repository")
        + "<p>Importing in a browser needs JavaScript. Without it:</p>"
        '<pre class="mono above"><code>mic import git URL ORG/PROJECT</code></pre>',
    )


@head(routes.IMPORT)
async def import_head(session: str | None, *, import_id: str) -> Head:
    """Title of an import, for those who may see it."""
    told = await ask(session, operations.get_import, import_id=import_id)
    address = f"{told.organization}/{told.project}"
    return Head(
        title=f"Import into {address}",
        path=routes.importing(told.id),
        indexed=False,
        body=plain.title(f"Import into {address}")
        + f"<p>{escape(told.source)}: {escape(told.state.value)}</p>",
    )


layout.screen(
    routes.NEW_IMPORT,
    new_import_page,
    title="Import a repository · Micelio",
    on_load=[NewImportState.load],
)
layout.screen(
    routes.IMPORT,
    import_page,
    title=rx.cond(ImportState.address != "", "Import into " + ImportState.address + " · ", "") + "Micelio",
    on_load=[ImportState.load],
)
