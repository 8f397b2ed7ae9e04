"""Settings of a project, for its admins: what it says of itself, who may do what, and the way out.

To everybody else the page does not exist. What cannot be taken back at once asks for the address,
typed again.
"""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from backend.instance.plain_project import PROPOSERS, READERS, VISIBILITIES
from backend.invitations import service as inviting
from backend.portability import mirrors
from backend.projects import collaborators, deleting, moving
from backend.projects import service as operations
from backend.projects.schemas import ProjectSummary
from micelio_app import frame, layout, plain, plain_settings, routes
from micelio_app.head import MISSING, Head, head
from micelio_app.pages import project_mirrors
from micelio_app.pages.collaborators import CollaboratorsState, collaborators_section
from micelio_app.state import AppState, ask, fault_at, token_for_forms, viewer
from micelio_app.ui import forms, lists
from micelio_app.ui.links import link


class ProjectSettingsState(AppState):
    """The settings as they are."""

    name: str = ""
    handle: str = ""
    address: str = ""
    description: str = ""
    website: str = ""
    visibility: str = "private"
    proposers: str = "anyone"
    readers: str = "members"
    protected: bool = False
    archived: bool = False
    owns: bool = False
    done_place: str = ""
    gone: str = ""

    @rx.event
    async def load(self):
        """Everything on the page."""
        self.done_place = self.gone = ""
        found = await self.call(operations.get_project, organization=self.org, project=self.project)
        if "settings" not in found.may:
            self.missing = True
            return
        self._show(found)

    @rx.event
    async def save_about(self, form: dict[str, str]):
        """What it says of itself."""
        given = {key: form.get(key, "").strip() for key in ("name", "description", "website")}
        await self._update("about", **given)

    @rx.event
    async def save_access(self, form: dict[str, str]):
        """Who may do what."""
        await self._update(
            "access",
            visibility=form.get("visibility", self.visibility),
            who_may_propose=form.get("who_may_propose", self.proposers),
            session_visibility=form.get("session_visibility", self.readers),
            protect_main_branch=bool(form.get("protect_main_branch")),
        )

    @rx.event
    async def archive(self):
        """Into the archive, or out of it."""
        await self._update("archive", archived=not self.archived)
        shown = await self.get_state(frame.ProjectFrame)
        shown.archived = self.archived

    @rx.event
    async def rename(self, form: dict[str, str]):
        """Another handle."""
        found = await self.attempt("rename", moving.rename_project, **self._where(), handle=form["handle"])
        if found is not None:
            return rx.redirect(routes.settings(found.organization, found.handle))
        return None

    @rx.event
    async def transfer(self, form: dict[str, str]):
        """Another owner."""
        if self._is_meant("transfer", form.get("transfer_address", "")):
            found = await self.attempt(
                "transfer", moving.transfer_project, **self._where(), into=form.get("into", "")
            )
            if found is not None:
                return rx.redirect(routes.project(found.organization, found.handle))
        return None

    @rx.event
    async def delete(self, form: dict[str, str]):
        """Out of sight."""
        if self._is_meant("delete", form.get("delete_address", "")):
            gone = await self.attempt("delete", deleting.delete_project, **self._where())
            if gone is not None:
                self.gone = gone.erased_at.date().isoformat()

    def _is_meant(self, place: str, typed: str) -> bool:
        if typed.strip().lower() == self.address:
            return True
        self.fault, self.fault_place = f"Type {self.address} to confirm.", place
        return False

    def _where(self) -> dict[str, str]:
        organization, _, project = self.address.partition("/")
        return {"organization": organization, "project": project}

    async def _update(self, place: str, **given: Any) -> None:
        found = await self.attempt(place, operations.update_project, **self._where(), **given)
        self.done_place = ""
        if found is not None:
            self._show(found)
            self.done_place = place

    def _show(self, found: ProjectSummary) -> None:
        self.name, self.handle, self.description = found.name, found.handle, found.description
        self.address, self.website = f"{found.organization}/{found.handle}", found.website
        self.visibility = found.visibility.value
        self.proposers, self.readers = found.who_may_propose.value, found.session_visibility.value
        self.protected, self.archived = found.protect_main_branch, found.archived
        self.owns = "delete" in found.may


def settings_page() -> rx.Component:
    """The sections, danger last."""
    sections = rx.el.div(
        _about(),
        _access(),
        collaborators_section(),
        project_mirrors.section(),
        _handle(),
        _archive(),
        _danger(),
        class_name="stack loose settings",
    )
    gone = lists.empty(
        "Deleted",
        rx.el.p("An owner can bring it back until ", ProjectSettingsState.gone, ":"),
        forms.copy_box(rx.Var.create("mic project restore ") + ProjectSettingsState.address),
        rx.el.p(
            "Or on the page of ",
            link("deleted projects", to=rx.Var.create("/orgs/") + frame.ORG + "/deleted"),
            ".",
        ),
    )
    return layout.project_page(
        rx.el.h1("Settings", class_name="title"),
        rx.cond(ProjectSettingsState.gone != "", gone, sections),
        current="Settings",
    )


def _about() -> rx.Component:
    return lists.section(
        "About",
        rx.el.form(
            forms.field("Name", "name", default_value=ProjectSettingsState.name, max_length=100),
            forms.area(
                "Description",
                "description",
                default_value=ProjectSettingsState.description,
                max_length=1000,
            ),
            forms.field(
                "Website",
                "website",
                hint="An address that begins with https:// or http://.",
                error=fault_at("about"),
                default_value=ProjectSettingsState.website,
                max_length=300,
            ),
            _send("Save", "about", tone="primary"),
            on_submit=ProjectSettingsState.save_about,
            class_name="stack",
        ),
        class_name="stack",
    )


def _access() -> rx.Component:
    return lists.section(
        "Who may do what",
        rx.el.form(
            forms.choice("Sees it", "visibility", VISIBILITIES, chosen=ProjectSettingsState.visibility),
            forms.choice(
                "Starts sessions",
                "who_may_propose",
                PROPOSERS,
                chosen=ProjectSettingsState.proposers,
                hint="In a private project only members and collaborators do.",
            ),
            forms.choice(
                "Reads transcripts of open sessions",
                "session_visibility",
                READERS,
                chosen=ProjectSettingsState.readers,
            ),
            forms.check(
                "Only admins land directly; members ask for a review",
                "protect_main_branch",
                default_checked=ProjectSettingsState.protected,
            ),
            forms.refusal(fault_at("access")),
            _send("Save access", "access"),
            on_submit=ProjectSettingsState.save_access,
            class_name="stack",
        ),
        class_name="stack",
    )


def _handle() -> rx.Component:
    return lists.section(
        "Handle",
        rx.el.form(
            forms.field(
                "Handle",
                "handle",
                hint="The old address goes on leading here, for everybody and every clone.",
                error=fault_at("rename"),
                default_value=ProjectSettingsState.handle,
                required=True,
                max_length=100,
            ),
            _send("Rename", "rename"),
            on_submit=ProjectSettingsState.rename,
            class_name="stack",
        ),
        class_name="stack",
    )


def _archive() -> rx.Component:
    words = rx.cond(ProjectSettingsState.archived, "Take it out of the archive", "Archive it")
    return lists.section(
        "Archive",
        rx.el.p(
            "What is archived stays readable, and nothing in it can be changed.", class_name="soft prose"
        ),
        forms.refusal(fault_at("archive")),
        rx.el.p(forms.button(words, on_click=ProjectSettingsState.archive)),
        class_name="stack",
    )


def _danger() -> rx.Component:
    transfer = rx.el.form(
        forms.field(
            "New owner",
            "into",
            hint="A handle of yours, or of an organization you belong to. Its members decide from then on.",
            required=True,
            max_length=100,
        ),
        _typed_again("transfer"),
        _send("Transfer it", "transfer", tone="danger"),
        on_submit=ProjectSettingsState.transfer,
        class_name="stack",
    )
    delete = rx.el.form(
        rx.el.p(
            "Nobody sees it any more at once. An owner can bring it back for 30 days; then it is erased "
            "for good. Its address is never given to another project.",
            class_name="soft prose",
        ),
        _typed_again("delete"),
        _send("Delete this project", "delete", tone="danger"),
        on_submit=ProjectSettingsState.delete,
        class_name="stack",
    )
    return rx.cond(
        ProjectSettingsState.owns,
        rx.fragment(
            lists.section("Transfer", transfer, class_name="stack"),
            lists.section("Delete", delete, class_name="stack"),
        ),
    )


def _typed_again(place: str) -> rx.Component:
    return forms.field(
        rx.Var.create("Type ") + ProjectSettingsState.address,
        f"{place}_address",
        error=fault_at(place),
        auto_complete="off",
        required=True,
    )


def _send(words: str, place: str, *, tone: str = "") -> rx.Component:
    done = rx.cond(ProjectSettingsState.done_place == place, "Saved.", "")
    return forms.send(words, done, tone=tone)


@head(routes.SETTINGS)
async def settings_head(session: str | None, *, org: str, project: str, query: Mapping[str, str]) -> Head:
    """For admins; the missing page for everybody else. The forms work without scripts too."""
    found = await ask(session, operations.get_project, organization=org, project=project)
    if "settings" not in found.may:
        return MISSING
    where = {"organization": found.organization, "project": found.handle}
    after = query.get("after", "")[:200]
    here = routes.settings(found.organization, found.handle)
    people = await ask(session, collaborators.list_collaborators, **where, cursor=after)
    waiting = await ask(session, inviting.list_collaborator_invitations, **where)
    mirrored = await ask(session, mirrors.list_mirrors, **where)
    body = plain_settings.project(
        found,
        people.items,
        waiting.items,
        mirrored.items,
        me=(await viewer(session)).handle,
        token=token_for_forms(session),
        query=query,
        further=people.next,
    )
    return Head(
        title=f"Settings · {found.organization}/{found.handle}",
        indexed=False,
        body=body,
        **plain.around(found.organization, found.handle, "Settings", ("Settings", here), settings=True),
    )


layout.project_screen(
    routes.SETTINGS,
    settings_page,
    title="Settings · " + frame.ADDRESS + " · Micelio",
    on_load=[ProjectSettingsState.load, CollaboratorsState.load, project_mirrors.MirrorsState.load],
)
