"""Lists of what changed since a moment, page by page."""

from datetime import timedelta

import pytest

from backend.core.errors import ValidationFailed
from backend.projects.landings import list_landings
from backend.projects.service import list_all_projects, list_projects, update_project
from backend.sessions.live import add_session_note
from backend.sessions.service import list_my_sessions, list_sessions


def handles(page) -> list[str]:
    return [item.handle for item in page.items]


def test_projects_that_were_changed_or_landed_on(bench, ada, clock):
    bench.on("acme/third").create(ada)
    clock.advance(minutes=1)
    since = clock.now.isoformat()
    assert handles(bench.run(ada, list_all_projects, updated_since=since)) == []

    bench.run(ada, update_project, **bench.on("acme/plans").where, name="Plans")
    bench.landed(ada, {"a": b"1"})

    first = bench.run(ada, list_projects, organization="acme", updated_since=since, limit=1)
    rest = bench.run(ada, list_projects, organization="acme", updated_since=since, cursor=first.next)
    assert (handles(first), handles(rest), rest.next) == (["notes"], ["plans"], None)
    assert handles(bench.run(ada, list_all_projects, updated_since=since)) == ["notes", "plans"]


def test_landings_and_sessions_since_then(bench, ada, clock):
    bench.landed(ada, {"a": b"1"}, goal="early")
    open_one = bench.start(ada, "stays open")
    bench.start(ada, "is not touched again")
    clock.advance(minutes=1)
    since = clock.now.astimezone().isoformat()
    bench.landed(ada, {"a": b"2"}, goal="late")
    bench.run(ada, add_session_note, session=open_one.id, content="still here")

    landed = bench.run(ada, list_landings, **bench.where, updated_since=since)
    assert [item.goal for item in landed.items] == ["late"]
    assert bench.run(ada, list_landings, **bench.where, path="a", updated_since=since).items == landed.items
    for listed in (
        bench.run(ada, list_sessions, **bench.where, updated_since=since),
        bench.run(ada, list_my_sessions, updated_since=since),
    ):
        assert [item.goal for item in listed.items] == ["late", "stays open"]
    later = (clock.now + timedelta(seconds=1)).isoformat()
    assert bench.run(ada, list_my_sessions, updated_since=later).items == []


@pytest.mark.parametrize("moment", ["2026-03-01T12:00:00", "yesterday", "0001-01-01T00:00:00+10:00"])
def test_a_moment_that_is_none_is_refused(bench, ada, moment):
    with pytest.raises(ValidationFailed):
        bench.run(ada, list_all_projects, updated_since=moment)
