"""Mirrors on a project's settings page: the repository it follows, those that follow it, how each last
attempt ended, and a form for another.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import reflex as rx

from backend.instance.plain_project import INTERVALS, REFS, WAYS
from backend.portability import mirrors as operations
from backend.portability.schemas import MirrorStatus
from backend.projects.service import get_project
from micelio_app.frame import ProjectFrame
from micelio_app.state import AppState, fault_at
from micelio_app.ui import chips, forms, lists
from micelio_app.ui.links import when

USUAL = str(operations.USUAL_MINUTES)
PATIENCE = 600
"""For so many seconds the page looks again while an attempt is under way."""

DOTS = {"waiting": "waiting", "running": "running", "done": "passed", "failed": "failed"}
WORDS = {"waiting": "Waiting", "running": "Running", "done": "Up to date", "failed": "Failed"}


@dataclass(frozen=True)
class MirrorRow:
    """One mirror: never its credentials."""

    id: str
    pull: bool
    url: str
    settings: str
    state: str
    paused: bool
    result: str
    problem: str
    refused: list[tuple[str, str]]
    never: bool
    attempt_at: str
    success_at: str
    later: str


class MirrorsState(AppState):
    """The mirrors as they are."""

    mirrors: rx.Field[list[MirrorRow]] = rx.field(default_factory=list)
    loaded: bool = False
    of: str = ""
    busy: bool = False
    made: int = 0

    @rx.event
    async def load(self):
        """The list, for admins; everybody else has no such page."""
        self.mirrors, self.loaded, self.busy = [], False, False
        found = await self.call(get_project, organization=self.org, project=self.project)
        self.of = f"{found.organization}/{found.handle}"
        return await self._list() if "settings" in found.may else None

    @rx.event(background=True)
    async def watch(self):
        """Look again until every attempt under way has ended."""
        async with self:
            of = self.of
        for _ in range(PATIENCE):
            await asyncio.sleep(1)
            async with self:
                if self.of != of:
                    return
                await self._list()
                if not self.busy:
                    return

    @rx.event
    async def add(self, form: dict[str, str]):
        """Another mirror."""
        pull = form.get("direction") == "pull"
        made = await self.attempt(
            "mirror",
            operations.create_mirror,
            **self._where(),
            direction=form.get("direction", ""),
            url=form.get("url", ""),
            username=form.get("username", ""),
            token=form.get("token", ""),
            refs="all" if pull else form.get("refs", "all"),
            prune=bool(form.get("prune")),
            overwrite=bool(form.get("overwrite")),
            interval_minutes=int(form.get("interval") or USUAL),
        )
        if made is None:
            return None
        # Another form: what was typed, the token above all, does not stay on the page.
        self.made += 1
        return await self._list()

    @rx.event
    async def sync(self, id: str):
        """Now instead of later."""
        return await self._change(operations.sync_mirror, id)

    @rx.event
    async def pause(self, id: str):
        """No more attempts."""
        return await self._change(operations.update_mirror, id, paused=True)

    @rx.event
    async def resume(self, id: str):
        """Attempts again, the first at once."""
        return await self._change(operations.update_mirror, id, paused=False)

    @rx.event
    async def remove(self, id: str):
        """The end of it."""
        return await self._change(operations.remove_mirror, id)

    async def _change(self, operation: Any, id: str, **given: Any) -> Any:
        await self.attempt("mirrors", operation, **self._where(), mirror_id=id, **given)
        return await self._list()

    async def _list(self) -> Any:
        page = await self.call(operations.list_mirrors, **self._where())
        self.mirrors, self.loaded = [row(each) for each in page.items], True
        shown = await self.get_state(ProjectFrame)
        shown.mirrored = any(each.pull and not each.paused for each in self.mirrors)
        was, self.busy = self.busy, any(each.state in ("waiting", "running") for each in self.mirrors)
        return MirrorsState.watch if self.busy and not was else None

    def _where(self) -> dict[str, str]:
        organization, _, project = self.of.partition("/")
        return {"organization": organization, "project": project}


def row(mirror: MirrorStatus) -> MirrorRow:
    """The row of a mirror."""
    every = dict(INTERVALS).get(str(mirror.interval_minutes), f"Every {mirror.interval_minutes} minutes")
    parts = [every.lower(), "with credentials" if mirror.credentials else ""]
    parts += ["the default branch only"] if mirror.refs.value == "trunk" else []
    parts += ["deletes"] if mirror.prune else []
    parts += ["overwrites"] if mirror.overwrite else []
    # After a success the attempt says nothing that the success does not.
    attempt = mirror.last_attempt_at if mirror.problem else None
    attempt, success = (at.isoformat() if at else "" for at in (attempt, mirror.last_success_at))
    return MirrorRow(
        id=mirror.id,
        pull=mirror.direction.value == "pull",
        url=mirror.url,
        settings=", ".join(filter(None, parts)),
        state=mirror.state.value,
        paused=mirror.paused,
        result=mirror.result,
        problem=mirror.problem,
        refused=[(each.ref, each.reason) for each in mirror.refused],
        never=mirror.last_attempt_at is None,
        attempt_at=attempt,
        success_at=success,
        later=_until(mirror.next_attempt_at),
    )


def _until(moment: datetime | None) -> str:
    """How long until then, in words: "in 5 min", "in 8 h"."""
    if moment is None:
        return ""
    minutes = max(1, round((moment - datetime.now(UTC)).total_seconds() / 60))
    return (
        f"in {minutes}\N{NO-BREAK SPACE}min"
        if minutes < 100
        else f"in {round(minutes / 60)}\N{NO-BREAK SPACE}h"
    )


def section() -> rx.Component:
    """The list and the form."""
    nothing = lists.empty(
        "No mirror yet",
        rx.el.p("Follow a repository elsewhere, or keep a copy of this project on another forge."),
    )
    rows = lists.rows(rx.foreach(MirrorsState.mirrors, _row))
    shown = rx.cond(MirrorsState.mirrors.length() > 0, rows, rx.cond(MirrorsState.loaded, nothing))
    return lists.section(
        "Mirrors",
        shown,
        forms.refusal(fault_at("mirrors")),
        rx.el.details(rx.el.summary("Add a mirror"), _form(), class_name="more stack", id="add-mirror"),
        class_name="stack",
    )


def _row(row: rx.Var[MirrorRow]) -> rx.Component:
    busy = (row.state == "waiting") | (row.state == "running")
    state = rx.cond(
        row.paused,
        chips.state("draft", "Paused"),
        chips.state(rx.match(row.state, *DOTS.items(), "draft"), rx.match(row.state, *WORDS.items(), "")),
    )
    running = rx.fragment(
        rx.cond(busy, None, forms.button("Mirror now", small=True, on_click=MirrorsState.sync(row.id))),
        forms.button("Pause", small=True, on_click=MirrorsState.pause(row.id)),
    )
    resume = forms.button("Resume", small=True, on_click=MirrorsState.resume(row.id))
    told = rx.cond(
        row.problem != "",
        rx.el.p(row.problem, class_name="error"),
        rx.cond(row.result != "", rx.el.p(row.result, class_name="soft")),
    )
    return rx.el.li(
        rx.el.div(
            rx.el.p(
                rx.cond(row.pull, "Pulls from ", "Pushes to "),
                rx.el.b(forms.breaking(row.url), class_name="address"),
            ),
            rx.el.p(
                state,
                rx.cond(row.never, rx.el.span("never run")),
                rx.cond(row.success_at != "", rx.el.span("last success ", when(row.success_at, ago=True))),
                rx.cond(
                    row.attempt_at != "",
                    rx.el.span("last attempt ", when(row.attempt_at, ago=True)),
                ),
                rx.cond((row.later != "") & ~busy, rx.el.span("next ", row.later)),
                rx.el.span(row.settings),
                class_name="meta",
            ),
            told,
            rx.cond(row.refused.length() > 1, rx.el.ul(rx.foreach(row.refused, _refused))),
            rx.el.p(
                rx.cond(row.paused, resume, running),
                forms.button("Remove", small=True, tone="danger", on_click=MirrorsState.remove(row.id)),
                class_name="line close",
            ),
            class_name="main stack tight",
        ),
        class_name="plain",
    )


def _refused(ref: rx.Var[tuple[str, str]]) -> rx.Component:
    return rx.el.li(rx.el.code(ref[0], class_name="address"), " ", rx.el.span(ref[1], class_name="hint"))


def _form() -> rx.Component:
    return rx.el.form(
        forms.choice(
            "Which way",
            "direction",
            WAYS,
            chosen="push",
            hint="While the project follows another repository, only the mirror moves its default branch.",
        ),
        forms.field(
            "Address",
            "url",
            hint="The clone address, such as https://github.com/org/project.",
            error=fault_at("mirror"),
            required=True,
            max_length=2000,
        ),
        forms.field("User", "username", auto_complete="off", max_length=200),
        forms.field(
            "Token",
            "token",
            kind="password",
            hint="For a private repository. Kept sealed; nobody is shown it again.",
            auto_complete="new-password",
            max_length=4000,
        ),
        forms.choice(
            "How often", "interval", INTERVALS, chosen=USUAL, hint="A push follows each landing too."
        ),
        forms.choice("What a push sends", "refs", REFS, chosen="all"),
        forms.check("Delete on the receiving side what is deleted on the other", "prune"),
        forms.check("Overwrite branches and tags that were changed on the receiving side", "overwrite"),
        rx.el.p(forms.button("Add the mirror", type="submit")),
        on_submit=MirrorsState.add,
        key=MirrorsState.made.to_string(),
        class_name="stack",
    )
