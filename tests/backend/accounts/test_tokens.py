from datetime import timedelta

import pytest

from backend.accounts import service
from backend.accounts.identity import of_token
from backend.core.context import Actor, Via
from backend.core.errors import Forbidden, InvalidInput, NotFound, ValidationFailed, WrongCredentials
from backend.projects.models import Project, ProjectState
from vcs.objects import new_id

CALLER = Actor(address="192.0.2.1")


@pytest.fixture
def tea(as_system, acme, ada) -> Project:
    """A private project of acme's."""
    with as_system.transaction() as ctx:
        id = new_id()
        found = Project(
            id=id,
            pool=id,
            organization_id=acme.id,
            handle="tea",
            state=ProjectState.READY,
            created_by=ada.id,
            created_at=ctx.now(),
            updated_at=ctx.now(),
        )
        ctx.db.add(found)
    return found


def test_a_token_is_shown_once_and_works_for_90_days(forge, invoke, clock, ada, audited):
    made = invoke(ada, service.create_access_token, name="laptop", scopes=["session:write", "project:read"])
    (listed,) = invoke(ada, service.list_access_tokens).items

    assert made.token.startswith("mic_")
    assert made.token not in listed.model_dump_json()
    assert listed.expires_at == clock.now + timedelta(days=90)
    actor = of_token(forge, made.token, CALLER)
    assert (actor.handle, actor.via, actor.address) == ("ada", Via.TOKEN, "192.0.2.1")
    assert actor.scopes == {"session:write", "project:read"}
    assert [row[3]["token"] for row in audited("token.created")] == [made.id]

    clock.advance(days=90)
    with pytest.raises(WrongCredentials):
        of_token(forge, made.token, CALLER)


def test_a_revoked_token_stops_at_once(forge, invoke, ada, mallory, audited):
    made = invoke(ada, service.create_access_token, name="laptop", scopes=["user"])

    with pytest.raises(NotFound):
        invoke(mallory, service.revoke_access_token, token_id=made.id)
    invoke(ada, service.revoke_access_token, token_id=made.id)

    with pytest.raises(WrongCredentials):
        of_token(forge, made.token, CALLER)
    assert invoke(ada, service.list_access_tokens).items == []
    assert len(audited("token.revoked")) == 1


def test_a_token_cannot_make_one_that_may_do_more_or_lives_longer(forge, invoke, clock, ada):
    parent = invoke(
        ada, service.create_access_token, name="ci", scopes=["user", "org:read"], expires_in_days=2
    )
    holder = of_token(forge, parent.token, CALLER)

    with pytest.raises(Forbidden) as refusal:
        invoke(holder, service.create_access_token, name="more", scopes=["org:read", "org:admin"])
    child = invoke(holder, service.create_access_token, name="same", scopes=["org:read"])

    assert "org:admin" in refusal.value.sentence
    assert child.expires_at == clock.now + timedelta(days=2)


def test_only_administrators_make_tokens_that_run_the_instance(forge, invoke, ada, margaret):
    with pytest.raises(Forbidden):
        invoke(ada, service.create_access_token, name="root", scopes=["admin"])
    made = invoke(margaret, service.create_access_token, name="root", scopes=["admin"])
    plain = invoke(margaret, service.create_access_token, name="plain", scopes=["user"])

    assert of_token(forge, made.token, CALLER).admin
    assert not of_token(forge, plain.token, CALLER).admin


def test_an_agents_token_is_marked_and_bound_to_its_project_and_paths(forge, invoke, grace, tea):
    made = invoke(
        grace,
        service.create_access_token,
        name="linus-bot",
        kind="agent",
        scopes=["session:write"],
        project="acme/tea",
        paths=["src/", "docs"],
    )
    actor = of_token(forge, made.token, CALLER)

    assert actor.via is Via.AGENT
    assert actor.limits == {"project": tea.id, "paths": ["docs", "src"]}
    assert made.limits.project == "acme/tea"
    assert invoke(actor, service.get_current_user).limits.project == "acme/tea"


def test_an_agents_token_makes_no_tokens(invoke, ada):
    with pytest.raises(InvalidInput):
        invoke(ada, service.create_access_token, name="bot", kind="agent", scopes=["session:write", "user"])


def test_a_token_is_not_bound_to_what_its_maker_cannot_see(invoke, mallory, tea):
    with pytest.raises(NotFound):
        invoke(
            mallory,
            service.create_access_token,
            name="bot",
            kind="agent",
            scopes=["session:write"],
            project="acme/tea",
        )


def test_limits_need_an_agents_token_and_scopes_must_exist(invoke, ada):
    with pytest.raises(InvalidInput):
        invoke(ada, service.create_access_token, name="x", scopes=["user"], paths=["src"])
    with pytest.raises(ValidationFailed):
        invoke(ada, service.create_access_token, name="x", scopes=["everything"])
    with pytest.raises(InvalidInput):
        invoke(ada, service.create_access_token, name="x", scopes=[])


def test_the_moment_a_token_was_used_is_noted_at_most_once_a_minute(forge, invoke, clock, ada):
    made = invoke(ada, service.create_access_token, name="laptop", scopes=["user"])
    seen = []
    for seconds in (0, 59, 1):
        clock.advance(seconds=seconds)
        of_token(forge, made.token, CALLER)
        seen.append(invoke(ada, service.list_access_tokens).items[0].used_at)

    assert seen == [clock.now - timedelta(minutes=1), clock.now - timedelta(minutes=1), clock.now]
