"""A project follows a repository elsewhere, others follow it; what goes wrong is said, nothing is lost."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlmodel import select

from backend.core import jobs
from backend.core.audit import AuditRow
from backend.core.context import Actor
from backend.core.errors import Conflict, Forbidden, MicelioError, NotFound
from backend.portability import mirrors as operations
from backend.portability.models import Import, Mirror
from backend.portability.schemas import MirrorStatus
from backend.projects.deleting import KEPT, delete_project, erase, restore_project
from backend.projects.service import get_project, update_project
from tests.backend.portability.imports import Imports, refs_of
from tests.backend.portability.test_sources import dumped
from tests.git_servers import elsewhere
from vcs import faults
from vcs.git.process import run_git

WHERE = {"organization": "acme", "project": "notes"}
TOKEN = "hunter-two-secret"


@pytest.fixture
def settings(settings):
    return replace(settings, import_private=True)


@pytest.fixture
def there(tmp_path):
    with elsewhere(tmp_path) as server:
        yield server


@dataclass(frozen=True)
class Mirrors:
    """What admins do with mirrors of acme/notes, and what the worker makes of it."""

    imports: Imports
    admin: Actor

    def add(self, direction: str, url: str, **more) -> MirrorStatus:
        return self.run(operations.create_mirror, direction=direction, url=url, **more)

    def run(self, operation, **payload):
        return self.imports.run(self.admin, operation, **WHERE, **payload)

    def only(self) -> MirrorStatus:
        (mirror,) = self.run(operations.list_mirrors).items
        return mirror

    def work(self) -> MirrorStatus:
        """Let the worker look at the clock and do what is due."""
        self.tick()
        self.imports.work()
        return self.only()

    def tick(self) -> None:
        jobs.run_timer(self.imports.forge, jobs.timers()["portability.jobs.look_for_due_mirrors"])

    def sync(self) -> MirrorStatus:
        self.run(operations.sync_mirror, mirror_id=self.only().id)
        self.imports.work()
        return self.only()

    def on(self, forge) -> "Mirrors":
        return Mirrors(Imports(forge), self.admin)

    @property
    def refs(self) -> dict[str, str]:
        return refs_of(self.imports.repository("acme/notes"))

    @property
    def position(self) -> int:
        return self.imports.run(self.admin, get_project, **WHERE).position


@pytest.fixture
def mirrors(imports, bench, ada) -> Mirrors:
    return Mirrors(imports, ada)


@dataclass(frozen=True)
class Upstream:
    """A repository elsewhere: a bare one below a folder that is served, written by fast-import."""

    folder: Path

    def commit(self, branch: str, text: str, *, onto: str | None = None) -> str:
        """A commit with one file on a branch; on top of it, or of what `onto` says ("" is nothing)."""
        parent = branch if onto is None else onto
        begins = f"reset {branch}\n" if parent != branch else ""
        born = parent and self.git("for-each-ref", parent)
        lines = [
            f"{begins}commit {branch}",
            "committer Up <up@example.org> 1700000000 +0000",
            f"data {len(text)}\n{text}",
            *([f"from {parent}^0"] if born else []),
            f"M 100644 inline {text}.txt",
            f"data {len(text)}\n{text}",
        ]
        self.git("fast-import", "--quiet", "--force", input="\n".join([*lines, "", "done", ""]))
        return self.refs[branch]

    def git(self, *arguments: str, input: str = "") -> str:
        return run_git(self.folder, *arguments, input=input.encode()).stdout.decode().strip()

    @property
    def refs(self) -> dict[str, str]:
        return refs_of(self.folder)


@pytest.fixture
def upstream(tmp_path) -> Upstream:
    folder = tmp_path / "up.git"
    folder.mkdir()
    Upstream(folder).git("init", "-q", "--bare", "-b", "main")
    return Upstream(folder)


MAIN, TOPIC = "refs/heads/main", "refs/heads/topic"


def test_a_pull_mirror_brings_what_is_new_and_the_trunk_goes_forward_as_positions(
    mirrors, upstream, there, clock
):
    upstream.commit(MAIN, "one")
    upstream.commit(TOPIC, "side", onto=MAIN)
    upstream.git("tag", "v1", MAIN)

    assert mirrors.add("pull", f"{there.url}/up.git").state.value == "waiting"
    first = mirrors.work()

    assert (first.state.value, first.result) == ("done", "3 refs moved, 1 new position.")
    assert (mirrors.refs, mirrors.position) == (upstream.refs, 1)
    assert first.last_success_at == first.last_attempt_at == clock()
    assert (first.next_attempt_at - clock()).total_seconds() == 480 * 60

    upstream.commit(MAIN, "two")
    upstream.commit(MAIN, "three")
    upstream.commit(TOPIC, "rewritten", onto=MAIN)
    assert mirrors.work().result == first.result, "it is not its time"
    clock.advance(minutes=480)
    second = mirrors.work()

    assert (second.result, mirrors.position) == ("2 refs moved, 2 new positions.", 3)
    assert mirrors.refs == upstream.refs
    clock.advance(minutes=480)
    asked = len(there.asked)
    assert mirrors.work().result == "Nothing new."
    assert len(there.asked) - asked <= 4, "a source that did not move is asked for its refs only"
    assert len(imports_of(mirrors)) == 2


def imports_of(mirrors) -> list[Import]:
    with mirrors.imports.forge.db.transaction(write=False) as db:
        return list(db.exec(select(Import).order_by(Import.id)).all())


def test_while_it_follows_only_the_mirror_moves_the_trunk(mirrors, upstream, there, bench, ada):
    upstream.commit(MAIN, "one")
    mirrors.add("pull", f"{there.url}/up.git")
    mirrors.work()
    session = bench.start(ada).id
    bench.push(ada, session, {"a.txt": b"ours\n"})

    with pytest.raises(Conflict) as refusal:
        bench.land(ada, session)

    assert refusal.value.code == "project.mirrored" and mirrors.position == 1
    project = bench.run(ada, get_project, **WHERE)
    assert project.mirrored and "land" not in project.may

    mirrors.run(operations.update_mirror, mirror_id=mirrors.only().id, paused=True)
    assert bench.land(ada, session).position == 2
    assert not bench.run(ada, get_project, **WHERE).mirrored


def test_a_diverged_trunk_stays_as_it_is_and_the_rest_goes_on(mirrors, upstream, there, bench, ada, clock):
    upstream.commit(MAIN, "one")
    mirrors.add("pull", f"{there.url}/up.git")
    mirrors.work()
    id = mirrors.only().id
    mirrors.run(operations.update_mirror, mirror_id=id, paused=True)
    ours = bench.landed(ada, {"a.txt": b"ours\n"}).position
    before = mirrors.refs
    mirrors.run(operations.update_mirror, mirror_id=id, paused=False)
    assert mirrors.work().problem == "", "only here something came on top, so there is nothing to bring"

    upstream.commit(MAIN, "two")
    topic = upstream.commit(TOPIC, "side")
    told = mirrors.sync()

    assert (told.state.value, told.failures) == ("failed", 0)
    assert told.problem == (
        "One ref stays as it is. main: has landings here that the source lacks, and landings never go back."
    )
    assert [each.ref for each in told.refused] == [MAIN]
    assert (mirrors.position, mirrors.refs) == (ours, {**before, TOPIC: topic})
    runs, files = len(imports_of(mirrors)), mirrors.imports.files()
    clock.advance(minutes=480)
    again = mirrors.work()
    assert (again.problem, again.last_attempt_at) == (told.problem, clock())
    assert (len(imports_of(mirrors)), mirrors.imports.files()) == (runs, files), "it was not fetched again"
    assert mirrors.imports.leftovers() == []


def test_branches_changed_on_both_sides_stay_unless_they_may_be_overwritten(
    mirrors, upstream, there, bench, ada
):
    upstream.commit(MAIN, "one")
    mirrors.add("pull", f"{there.url}/up.git")
    mirrors.work()
    brought_here(mirrors, upstream, TOPIC)
    upstream.commit(TOPIC, "theirs", onto=MAIN)
    before = mirrors.refs

    told = mirrors.sync()

    assert mirrors.refs == before and [each.ref for each in told.refused] == [TOPIC]
    mirrors.run(operations.update_mirror, mirror_id=told.id, overwrite=True)
    assert mirrors.work().problem == "" and mirrors.refs == upstream.refs


def brought_here(mirrors, upstream, branch) -> None:
    """Put a branch into the project that upstream never had: by an import of a copy."""
    copy = Upstream(upstream.folder.parent / "copy.git")
    upstream.git("clone", "-q", "--bare", str(upstream.folder), str(copy.folder))
    copy.commit(branch, "ours", onto=MAIN)
    copy.git("update-ref", "-d", MAIN)
    id = mirrors.only().id
    mirrors.run(operations.update_mirror, mirror_id=id, paused=True)
    mirrors.imports.done(replace(mirrors.admin, admin=True), copy.folder, "acme/notes")
    mirrors.run(operations.update_mirror, mirror_id=id, paused=False)


@pytest.mark.parametrize("prune", [False, True])
def test_what_is_deleted_there_is_deleted_here_when_asked_for(mirrors, upstream, there, prune):
    upstream.commit(MAIN, "one")
    upstream.commit(TOPIC, "side")
    mirrors.add("pull", f"{there.url}/up.git", prune=prune)
    mirrors.work()
    upstream.git("update-ref", "-d", TOPIC)

    told = mirrors.sync()

    assert (TOPIC in mirrors.refs) is not prune
    assert told.result == ("1 ref moved, 0 new positions." if prune else "Nothing new.")
    upstream.commit(TOPIC, "side")
    assert mirrors.sync().problem == "" and mirrors.refs == upstream.refs


class Killed(BaseException):
    """The worker died here."""


def killed():
    raise Killed


@pytest.mark.parametrize("point", [
    "mirror.begun", "import.git_data_clone", "import.landing", "landing.after_swap", "import.finalization",
    "mirror.tried",
])  # fmt: skip
def test_a_worker_killed_in_a_pull_goes_on_where_it_was(mirrors, upstream, there, point):
    there.want("ada", TOKEN)
    upstream.commit(MAIN, "one")
    mirrors.add("pull", f"{there.url}/up.git", username="ada", token=TOKEN)
    faults.arm(point, killed)
    try:
        with pytest.raises(Killed):
            mirrors.work()
    finally:
        faults.disarm()

    with mirrors.imports.restarted() as again:
        after = replace(mirrors, imports=again)
        ended = after.work()

        assert (ended.state.value, ended.problem) == ("done", "")
        assert (after.refs, after.position) == (upstream.refs, 1)
        assert again.leftovers() == [] and TOKEN not in dumped(again.forge)


def test_pausing_stops_what_runs_and_removing_forgets_it(mirrors, upstream, there):
    upstream.commit(MAIN, "one")
    id = mirrors.add("pull", f"{there.url}/up.git", token=TOKEN).id
    faults.arm("import.validation", lambda: mirrors.run(operations.update_mirror, mirror_id=id, paused=True))
    try:
        told = mirrors.work()
    finally:
        faults.disarm()

    assert (told.paused, told.next_attempt_at, mirrors.position) == (True, None, 0)
    assert mirrors.imports.leftovers() == []
    assert mirrors.work().last_attempt_at == told.last_attempt_at
    with pytest.raises(Conflict, match="paused"):
        mirrors.sync()
    mirrors.run(operations.remove_mirror, mirror_id=id)
    assert mirrors.run(operations.list_mirrors).items == []


@pytest.fixture
def copy(tmp_path) -> Upstream:
    folder = tmp_path / "copy.git"
    folder.mkdir()
    Upstream(folder).git("init", "-q", "--bare", "-b", "main")
    return Upstream(folder)


def test_what_lands_is_pushed_within_seconds_and_many_landings_make_one_push(
    mirrors, copy, there, bench, ada, clock
):
    mirrors.add("push", f"{there.url}/copy.git")
    assert mirrors.work().result == "There is nothing to push yet."

    for number in range(3):
        bench.landed(ada, {f"{number}.txt": b"x\n"})
    assert mirrors.work().result == "There is nothing to push yet.", "it takes a breath first"
    clock.advance(seconds=30)
    told = mirrors.work()

    assert (told.state.value, told.result) == ("done", "1 ref pushed.")
    assert copy.refs == mirrors.refs and len(copy.refs) == 1
    attempt = told.last_attempt_at
    clock.advance(seconds=300)
    assert mirrors.work().last_attempt_at == attempt, "nothing landed"
    clock.advance(minutes=480)
    assert mirrors.work().result == "Nothing new."


def test_all_refs_go_out_or_the_trunk_alone_and_prune_deletes(mirrors, upstream, copy, there, tmp_path):
    upstream.commit(MAIN, "one")
    upstream.commit(TOPIC, "side")
    upstream.git("tag", "v1", MAIN)
    mirrors.imports.done(replace(mirrors.admin, admin=True), upstream.folder, "acme/notes")
    mirrors.add("push", f"{there.url}/copy.git", refs="trunk")

    assert mirrors.work().problem == ""
    assert copy.refs == {MAIN: mirrors.refs[MAIN]}

    copy.commit("refs/heads/theirs", "theirs")
    mirrors.run(operations.remove_mirror, mirror_id=mirrors.only().id)
    mirrors.add("push", f"{there.url}/copy.git")
    assert mirrors.work().problem == "" and copy.refs.items() > mirrors.refs.items()

    mirrors.run(operations.update_mirror, mirror_id=mirrors.only().id, prune=True)
    assert mirrors.work().problem == "" and copy.refs == mirrors.refs


def test_a_ref_that_went_another_way_there_is_named_and_the_others_arrive(
    mirrors, upstream, copy, there, clock
):
    upstream.commit(MAIN, "one")
    upstream.commit(TOPIC, "side")
    mirrors.imports.done(replace(mirrors.admin, admin=True), upstream.folder, "acme/notes")
    theirs = copy.commit(TOPIC, "theirs")
    mirrors.add("push", f"{there.url}/copy.git")

    told = mirrors.work()

    assert (told.state.value, told.last_success_at, told.failures) == ("failed", None, 0)
    assert told.problem == "One ref stays as it is. topic: has commits there that are not here."
    assert [(each.ref, each.reason) for each in told.refused] == [
        (TOPIC, "has commits there that are not here")
    ]
    assert copy.refs == {MAIN: mirrors.refs[MAIN], TOPIC: theirs}
    mirrors.run(operations.update_mirror, mirror_id=told.id, overwrite=True)
    assert mirrors.work().problem == "" and copy.refs == mirrors.refs


def test_a_hook_there_that_says_no_is_told_in_its_words(mirrors, copy, there, bench, ada):
    hook = copy.folder / "hooks/update"
    hook.write_text(f"#!/bin/sh\necho main is frozen {TOKEN} >&2\nexit 1\n")
    hook.chmod(0o755)
    bench.landed(ada, {"a.txt": b"a\n"})
    mirrors.add("push", f"{there.url}/copy.git", token=TOKEN)

    told = mirrors.work()

    assert [(each.ref, each.reason) for each in told.refused] == [(MAIN, "hook declined")]
    assert copy.refs == {} and TOKEN not in told.model_dump_json()


def test_wrong_credentials_are_a_sentence_and_nothing_keeps_them_open(
    mirrors, copy, there, bench, ada, clock, caplog
):
    caplog.set_level(logging.DEBUG)
    there.want("ada", TOKEN)
    bench.landed(ada, {"a.txt": b"a\n"})
    mirrors.add("push", f"{there.url}/copy.git", username="ada", token="wrong-secret-too")

    told = mirrors.work()

    assert told.state.value == "failed" and told.credentials
    assert told.problem == (
        f"There is no repository at {there.url}/copy.git that can be pushed to "
        "with these credentials (HTTP 401)."
    )
    pauses = []
    for _ in range(3):
        pauses.append((told.next_attempt_at - clock()).total_seconds() / 60)
        clock.advance(minutes=pauses[-1])
        told = mirrors.work()
    assert pauses == [5, 10, 20] and told.failures == 4
    landed = bench.landed(ada, {"b.txt": b"b\n"})
    clock.advance(seconds=60)
    assert landed.position == 2 and mirrors.work().failures == 4, "a landing does not hurry what fails"

    mirrors.run(operations.update_mirror, mirror_id=told.id, username="ada", token=TOKEN)
    told = mirrors.work()
    assert (told.problem, told.failures) == ("", 0) and copy.refs == mirrors.refs
    told = mirrors.run(operations.list_mirrors).model_dump_json()
    for secret in (TOKEN, "wrong-secret-too"):
        assert secret not in dumped(mirrors.imports.forge)
        assert secret not in caplog.text and secret not in told
    assert [path for path, given in there.asked if given is None] == []


@pytest.mark.parametrize("direction", ["pull", "push"])
def test_a_side_that_is_gone_is_a_sentence(mirrors, there, bench, ada, direction):
    bench.landed(ada, {"a.txt": b"a\n"})
    before = mirrors.refs
    mirrors.add(direction, f"{there.url}/nothing.git")

    told = mirrors.work()

    assert told.state.value == "failed" and "There is no repository at" in told.problem
    assert (told.failures, mirrors.refs) == (1, before)


def test_a_worker_killed_in_a_push_pushes_again(mirrors, copy, there, bench, ada):
    bench.landed(ada, {"a.txt": b"a\n"})
    mirrors.add("push", f"{there.url}/copy.git", token=TOKEN)
    for point in ("mirror.pushing", "mirror.tried"):
        faults.arm(point, killed)
        try:
            with pytest.raises(Killed):
                mirrors.work()
        finally:
            faults.disarm()
        assert mirrors.only().state.value == "running"

    with mirrors.imports.restarted() as again:
        after = replace(mirrors, imports=again)
        told = after.work()

        assert (told.state.value, told.problem) == ("done", "") and copy.refs == after.refs


def test_a_push_follows_redirects_only_where_it_may_go_and_the_token_stays_behind(
    mirrors, copy, there, bench, ada, tmp_path
):
    bench.landed(ada, {"a.txt": b"a\n"})
    with elsewhere(tmp_path) as other:
        there.moved["/old"] = f"{other.url}/copy.git"
        mirrors.add("push", f"{there.url}/old", token=TOKEN)
        assert mirrors.work().problem == "" and copy.refs == mirrors.refs
        assert [given for _, given in other.asked if given] == []


def test_private_addresses_are_refused(mirrors, there, forge, copy, bench, ada):
    bench.landed(ada, {"a.txt": b"a\n"})
    mirrors.add("push", f"{there.url}/copy.git")
    object.__setattr__(forge, "settings", replace(forge.settings, import_private=False))

    told = mirrors.work()

    assert "which is no public address" in told.problem and there.asked == [] and copy.refs == {}


def test_only_admins_see_and_change_mirrors_and_each_change_is_in_the_audit(
    mirrors, bench, ada, grace, mallory, agent_of, forge
):
    made = mirrors.add("push", "https://example.org/copy.git", token=TOKEN)
    for actor, refusal in ((grace, Forbidden), (mallory, Forbidden)):
        with pytest.raises(refusal):
            bench.run(actor, operations.list_mirrors, **WHERE)
        with pytest.raises(refusal):
            bench.run(actor, operations.remove_mirror, **WHERE, mirror_id=made.id)
    with pytest.raises(NotFound):
        bench.run(mallory, operations.list_mirrors, organization="acme", project="plans")
    with pytest.raises(Forbidden, match="Ask a person"):
        asked = {"direction": "push", "url": "https://example.org/b.git"}
        bench.run(agent_of(ada), operations.create_mirror, **WHERE, **asked)
    with pytest.raises(Forbidden, match="Ask a person"):
        bench.run(agent_of(ada), operations.remove_mirror, **WHERE, mirror_id=made.id)
    mirrors.run(operations.update_mirror, mirror_id=made.id[-8:], interval_minutes=60)
    mirrors.run(operations.remove_mirror, mirror_id=made.id)

    with forge.db.transaction(write=False) as db:
        mirrored = select(AuditRow).where(AuditRow.action.startswith("project.mirror"))
        rows = db.exec(mirrored.order_by(AuditRow.id)).all()
    assert [row.action.removeprefix("project.mirror_") for row in rows] == ["created", "changed", "removed"]
    assert {row.details["url"] for row in rows} == {"https://example.org/copy.git"}
    assert TOKEN not in dumped(forge)


@pytest.mark.parametrize(("asked", "sentence"), [
    ({"url": "ssh://git@example.org/a"}, "ssh is not read"),
    ({"url": "https://ada:pw@example.org/a"}, "Leave user and token out"),
    ({"url": "git://example.org/a"}, "take no pushes"),
    ({"interval_minutes": 9}, "at least 10 minutes"),
    ({"username": "ada"}, "A user needs a token"),
    ({"direction": "pull", "refs": "trunk"}, "only push mirrors choose"),
])  # fmt: skip
def test_what_is_no_mirror_is_refused_with_a_sentence(mirrors, asked, sentence):
    with pytest.raises(MicelioError, match=sentence) as refusal:
        mirrors.run(
            operations.create_mirror, **{"direction": "push", "url": "https://example.org/a", **asked}
        )

    assert "pw" not in refusal.value.sentence
    assert mirrors.run(operations.list_mirrors).items == []


def test_a_project_follows_one_source_and_pushes_to_each_place_once(mirrors):
    mirrors.add("pull", "https://example.org/a")
    for direction, url in (("pull", "https://example.org/b"), ("push", "https://example.org/a/")):
        with pytest.raises(operations.MirrorTaken):
            mirrors.add(direction, url)
    mirrors.add("push", "https://example.org/b")
    mirrors.add("push", "https://example.org/c")

    shown = mirrors.run(operations.list_mirrors).items
    assert [each.direction.value for each in shown] == ["pull", "push", "push"]


def test_mirrors_of_archived_and_deleted_projects_rest_and_go_on_with_them(
    mirrors, copy, there, bench, ada, clock, forge, as_system
):
    bench.landed(ada, {"a.txt": b"a\n"})
    mirrors.add("push", f"{there.url}/copy.git")
    bench.run(ada, update_project, **WHERE, archived=True)
    assert mirrors.work().last_attempt_at is None
    clock.advance(minutes=1000)
    assert mirrors.work().last_attempt_at is None and there.asked == []
    bench.run(ada, update_project, **WHERE, archived=False)
    assert mirrors.work().result == "1 ref pushed."

    bench.run(ada, delete_project, **WHERE)
    asked = len(there.asked)
    clock.advance(minutes=1000)
    mirrors.tick()
    mirrors.imports.work()
    assert len(there.asked) == asked
    restored = bench.run(ada, restore_project, **WHERE)
    assert mirrors.work().result == "Nothing new."

    bench.run(ada, delete_project, **WHERE)
    clock.advance(seconds=KEPT.total_seconds())
    erase(as_system, restored.id)
    mirrors.imports.work()
    with forge.db.transaction(write=False) as db:
        assert db.exec(select(Mirror)).all() == []
