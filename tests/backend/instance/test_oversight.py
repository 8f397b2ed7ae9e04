"""Administration: everything is listed, to administrators only, and pages follow each other."""

import pytest

from backend.core import jobs
from backend.core.errors import Forbidden
from backend.core.operations import invoke
from backend.instance import oversight


def every(bench, who, operation, /, **how):
    found, cursor = [], ""
    while cursor is not None:
        page = invoke(bench.forge, who, operation, {"cursor": cursor, "limit": 2, **how})
        found += page.items
        cursor = page.next
    return found


def test_administrators_see_everybody_and_everything(bench, ada, grace, margaret):
    people = every(bench, margaret, oversight.list_accounts)
    assert [each.handle for each in people] == ["ada", "grace", "margaret"]
    assert [each.handle for each in people if each.admin] == ["margaret"]
    assert people[0].email == "ada@example.org"
    assert people[0].seen_at is not None

    [acme] = every(bench, margaret, oversight.list_hosted_organizations)
    assert (acme.handle, acme.members, acme.projects) == ("acme", 2, 2)

    bench.on("acme/plans").landed(ada, {"a": b"a\n"})
    projects = every(bench, margaret, oversight.list_hosted_projects)
    assert [(each.address, each.visibility, each.landings) for each in projects] == [
        ("acme/notes", "public", 0),
        ("acme/plans", "private", 1),
    ]


def test_accounts_are_found_by_how_handle_or_address_begin(bench, ada, grace, margaret):
    def found(q):
        return [each.handle for each in every(bench, margaret, oversight.list_accounts, q=q)]

    assert (found("Gra"), found("ada@"), found("%"), found("zzz")) == (["grace"], ["ada"], [], [])


def test_the_audit_is_filtered_by_what_was_done_and_by_whom(bench, ada, margaret):
    done = every(bench, margaret, oversight.list_audit, action="project.create", actor="ADA")

    assert [each.subject for each in done] == ["acme/plans", "acme/notes"]
    assert {each.actor for each in done} == {"ada"}
    assert every(bench, margaret, oversight.list_audit, action="project.create", actor="grace") == []
    assert "account.created" in bench.run(margaret, oversight.list_audit).actions


def test_jobs_wait_until_a_worker_has_taken_them(bench, ada, margaret):
    bench.landed(ada, {"a": b"a\n"})
    waiting = every(bench, margaret, oversight.list_jobs, waiting=True)
    assert "SessionLanded" in {each.kind for each in waiting}
    assert any(each.reacts for each in waiting)
    assert bench.run(margaret, oversight.get_instance_health).waiting_jobs == len(waiting)

    jobs.drain(bench.forge)

    assert every(bench, margaret, oversight.list_jobs, waiting=True) == []
    assert bench.run(margaret, oversight.list_jobs).items[0].relayed_at is not None


def test_jobs_that_failed_for_good_are_named_with_what_was_wrong(bench, ada, margaret):
    for number in range(2):
        bench.landed(ada, {f"{number}": b"a\n"})
    jobs.drain(bench.forge)
    failed = bench.run(margaret, oversight.list_jobs).items[0]
    for _ in range(2):
        jobs.note_failure(bench.forge, "archive.jobs.keep", failed.id, "There is no\nroom.")
    jobs.note_failure(bench.forge, "mail.jobs.tell", failed.id, "Nobody answers.")

    first, second = bench.run(margaret, oversight.list_jobs, limit=2).items
    assert first.problem == "archive.jobs.keep: There is no room.\nmail.jobs.tell: Nobody answers."
    assert (first.id, second.problem) == (failed.id, "")
    assert every(bench, margaret, oversight.list_jobs, failed=True) == [first]


def test_health_says_what_works_and_how_much_there_is(bench, ada, margaret):
    bench.landed(ada, {"a": b"a\n"})
    bench.start(ada)

    found = bench.run(margaret, oversight.get_instance_health)

    assert {check.name: check.state for check in found.checks} == dict.fromkeys(
        ("database", "store", "bell", "writing"), "ok"
    )
    counts = (found.accounts, found.organizations, found.projects, found.open_sessions, found.landings)
    assert counts == (2 + 1, 1, 2, 1, 1)


def test_nobody_else_sees_any_of_it(bench, ada, with_token, margaret):
    listed = (
        oversight.list_accounts,
        oversight.list_hosted_organizations,
        oversight.list_hosted_projects,
        oversight.list_jobs,
        oversight.list_audit,
        oversight.get_instance_health,
    )
    for operation in listed:
        for actor in (ada, with_token(margaret, "project:read"), with_token(ada, "admin")):
            with pytest.raises(Forbidden):
                bench.run(actor, operation)
