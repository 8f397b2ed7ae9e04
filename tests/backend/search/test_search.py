"""What is found, by whom, and in which order; the same on both databases."""

import pytest
from sqlmodel import select

from backend.accounts.deletion import delete_current_user
from backend.accounts.service import update_current_user
from backend.core.context import SYSTEM, Context
from backend.core.errors import InvalidInput
from backend.organizations.renaming import rename_organization
from backend.organizations.service import create_organization, update_organization
from backend.projects.deleting import delete_project, restore_project
from backend.projects.moving import rename_project, transfer_project
from backend.projects.service import update_project
from backend.search import index
from backend.search.models import SearchEntry
from backend.search.service import jump_to, search_forge
from backend.sessions.models import WorkSession
from tests.forges import PASSWORD


@pytest.fixture
def find(bench):
    """Search as somebody: titles of what is found, and how many there are of each kind."""

    def find(actor, q, kind=None, **more):
        return bench.run(actor, search_forge, q=q, kind=kind, **more)

    return find


@pytest.fixture
def named(find):
    def named(actor, q, kind):
        page = find(actor, q, kind)
        return [hit.address if kind == "project" else hit.title for hit in page.items]

    return named


def counted(page):
    return {kind: n for kind, n in page.counts.model_dump().items() if n}


def test_projects_are_found_by_handle_name_description_and_owner(bench, ada, named):
    bench.on("acme/data-loader").create(
        ada, name="Der Lader", description="Reads CSV Files", visibility="public"
    )

    for q in ("data-loader", "dataload", "load", "DER lader", "lad", "csv files", "acme loader", "acme/data"):
        assert named(ada, q, "project") == ["acme/data-loader"], q
    assert named(ada, "data saver", "project") == []


def test_what_is_called_just_so_stands_first_then_beginnings_then_names_then_texts(bench, ada, named):
    bench.on("acme/told").create(ada, description="All about rivers")
    bench.on("acme/wide").create(ada, name="Of rivers")
    bench.on("acme/river-bed").create(ada)
    bench.on("acme/river").create(ada)
    bench.on("acme/some").create(ada, name="River banks")

    assert named(ada, "river", "project") == [
        "acme/river",
        "acme/river-bed",
        "acme/some",
        "acme/wide",
        "acme/told",
    ]


def test_of_equals_your_own_stands_first(bench, ada, mallory, named):
    bench.on("acme/tool").create(ada, visibility="public")
    bench.on("mallory/tool").create(mallory, visibility="public")

    assert named(ada, "tool", "project") == ["acme/tool", "mallory/tool"]
    assert named(mallory, "tool", "project") == ["mallory/tool", "acme/tool"]


def test_people_are_found_by_name_and_what_they_say_of_themselves_as_soon_as_they_say_it(
    bench, ada, named, stranger
):
    assert named(stranger, "beekeeper", "person") == []

    bench.run(
        ada,
        update_current_user,
        name="Ada Ångström",
        bio="Beekeeper, engineer",
        links=["https://bees.example.org"],
    )

    for q in ("ada", "angstrom", "Ångström", "beekeep", "bees"):
        assert named(stranger, q, "person") == ["Ada Ångström"], q


def test_an_organization_of_ones_own_is_the_person(bench, ada, find, stranger):
    assert counted(find(stranger, "ada")) == {"person": 1}
    assert counted(find(stranger, "acme")) == {"organization": 1, "project": 1}


def test_organizations_are_found_by_what_they_say(bench, ada, named, stranger):
    bench.run(ada, create_organization, handle="guild", name="The Guild")
    bench.run(ada, update_organization, organization="guild", description="Weavers of linen")

    assert named(stranger, "guild", "organization") == ["The Guild"]
    assert named(stranger, "linen", "organization") == ["The Guild"]


def test_sessions_are_found_by_goal_id_agent_and_author(bench, ada, named):
    session = bench.start(ada, goal="Make uploads resumable", agent="claude-code")

    for q in ("uploads", "make upload", session.short_id, "claude", "ada resum"):
        assert named(ada, q, "session") == ["Make uploads resumable"], q


def test_open_sessions_are_found_by_whom_they_are_shown_to(bench, ada, grace, mallory, stranger, find):
    bench.start(ada, goal="Whisper quietly")
    bench.landed(ada, {"a": b"a\n"}, goal="Whisper aloud")

    assert counted(find(grace, "whisper")) == {"session": 2}
    assert counted(find(mallory, "whisper")) == {"session": 1}
    assert counted(find(stranger, "whisper")) == {"session": 1}


def test_what_is_private_is_neither_found_counted_nor_offered(bench, ada, grace, mallory, stranger, find):
    bench.on("acme/plans").landed(ada, {"a": b"a\n"}, goal="Plan the surprise")
    bench.run(ada, update_project, organization="acme", project="plans", description="A surprise")

    assert counted(find(grace, "surprise")) == {"project": 1, "session": 1}
    for outside in (mallory, stranger):
        for q in ("surprise", "plans", "acme/plans"):
            nothing, missing = find(outside, q, "project"), find(outside, "zzz", "project")
            assert nothing == missing
            assert bench.run(outside, jump_to, q=q).items == []


def test_a_project_that_becomes_private_is_gone_at_once(bench, ada, stranger, named):
    assert named(stranger, "notes", "project") == ["acme/notes"]

    bench.run(ada, update_project, organization="acme", project="notes", visibility="private")

    assert named(stranger, "notes", "project") == []


def test_tokens_find_what_their_scopes_and_bounds_let_them_read(bench, ada, agent_of, with_token, find):
    bench.start(ada, goal="Notes of the day")
    bench.on("acme/plans").start(ada, goal="Notes of tomorrow")

    assert counted(find(ada, "notes")) == {"project": 1, "session": 2}
    assert counted(find(with_token(ada, "session:read"), "notes")) == {"session": 2}
    assert counted(find(with_token(ada, "project:read"), "notes")) == {"project": 1}
    assert counted(find(agent_of(ada, project="acme/notes"), "notes")) == {"project": 1, "session": 1}


def test_the_index_follows_renames_transfers_deletions_and_their_undoing(bench, ada, grace, named):
    bench.run(ada, rename_project, organization="acme", project="notes", handle="papers")
    assert named(ada, "notes", "project") == []
    assert named(ada, "papers", "project") == ["acme/papers"]

    bench.run(ada, rename_organization, organization="acme", handle="zenith")
    assert named(ada, "acme papers", "project") == []
    assert named(ada, "zenith", "organization") == ["Acme"]
    assert named(ada, "zenith papers", "project") == ["zenith/papers"]

    bench.run(ada, transfer_project, organization="zenith", project="papers", into="ada")
    assert named(ada, "zenith papers", "project") == []
    assert named(ada, "ada/papers", "project") == ["ada/papers"]

    bench.run(ada, delete_project, organization="ada", project="papers")
    assert named(ada, "papers", "project") == []

    bench.run(ada, restore_project, organization="ada", project="papers")
    assert named(ada, "papers", "project") == ["ada/papers"]


def test_a_deleted_account_is_not_found(bench, mallory, stranger, named, forge):
    assert named(stranger, "mallory", "person") == ["Mallory"]

    bench.run(mallory, delete_current_user, handle="mallory", password=PASSWORD)

    assert named(stranger, "mallory", "person") == []
    with forge.db.transaction(write=False) as db:
        assert db.exec(select(SearchEntry).where(SearchEntry.id == mallory.id)).first() is None


def test_what_was_rolled_back_is_not_found(bench, ada, named, as_system):
    session = bench.start(ada, goal="Walk on")
    with pytest.raises(RuntimeError), as_system.transaction() as tx:
        row = tx.db.get(WorkSession, session.id)
        row.goal = "Swim away"
        tx.db.add(row)
        tx.db.flush()
        raise RuntimeError("not so")

    assert named(ada, "swim", "session") == []
    assert named(ada, "walk", "session") == ["Walk on"]


def test_whatever_is_typed_is_no_error(bench, ada, find):
    typed = ["", "   ", "?!", '"', "'", "*", "a*b", "NEAR(x)", "names:", "&|!", "%_", "\\", "-- ;", "x" * 200]
    for q in typed:
        assert counted(find(ada, q)) == {}, q
        assert bench.run(ada, jump_to, q=q).items == [] or not q.strip(), q


def test_scripts_of_all_kinds_are_found(bench, ada, named):
    goals = ["أضف البحث إلى الصفحة", "検索ページを作る", "Поиск по именам", "חיפוש בעמוד", "🙂 smile"]
    for goal in goals:
        bench.start(ada, goal=goal)

    for q, goal in zip(("البحث", "ページ", "ИМЕН", "בעמ", "smile"), goals, strict=True):
        assert named(ada, q, "session") == [goal]


def test_pages_follow_each_other_without_gaps_or_repeats(bench, ada, find):
    for number in range(7):
        bench.start(ada, goal=f"Step {number}")
    bench.start(ada, goal="Step")

    seen, cursor = [], ""
    while cursor is not None:
        page = find(ada, "step", "session", limit=3, cursor=cursor)
        seen += [hit.title for hit in page.items]
        cursor = page.next

    assert seen == ["Step", *(f"Step {number}" for number in reversed(range(7)))]


def test_a_cursor_that_is_none_is_refused(find, ada):
    for cursor in ("1", "x", "1.1", "99.zzz", "0." + "a" * 35):
        with pytest.raises(InvalidInput, match="is not a cursor"):
            find(ada, "notes", cursor=cursor)


def test_without_a_kind_the_first_in_which_anything_was_found_is_shown(bench, ada, find):
    assert find(ada, "notes").kind == "project"
    assert find(ada, "grace").kind == "person"
    assert find(ada, "nothing of the sort").kind == "project"


def test_words_asked_for_are_marked_and_long_texts_cut_around_them(bench, ada, find):
    told = "word " * 150 + "Needle and thread"
    bench.on("acme/hay").create(ada, description=told)

    hit = find(ada, "needle").items[0]

    assert len(hit.text) < 220
    assert [hit.text[mark.start : mark.end] for mark in hit.marks if mark.field == "text"] == ["Needle"]


def test_jumping_finds_all_kinds_at_once_best_first(bench, ada, arrive):
    arrive("rivera")
    bench.on("acme/river").create(ada)
    bench.start(ada, goal="Cross the river")

    found = bench.run(ada, jump_to, q="river").items

    assert [(hit.kind, hit.title) for hit in found] == [
        ("project", "river"),
        ("person", "Rivera"),
        ("session", "Cross the river"),
    ]


def test_with_nothing_typed_jumping_offers_your_open_sessions_and_projects(bench, ada, mallory, stranger):
    bench.start(ada, goal="Write it")
    bench.landed(ada, {"a": b"a\n"}, goal="Wrote it")

    assert [hit.title for hit in bench.run(ada, jump_to).items] == ["Write it", "plans", "notes"]
    assert bench.run(mallory, jump_to).items == []
    assert bench.run(stranger, jump_to).items == []


def test_an_index_that_was_lost_is_made_again_as_it_was(bench, ada, forge, named):
    bench.start(ada, goal="Remember me")
    before = entries(forge)
    ctx = Context(forge, SYSTEM)
    with ctx.transaction() as tx:
        index.drop(tx)
    assert named(ada, "remember", "session") == []

    assert index.catch_up_all(ctx) == len(before)

    assert entries(forge) == before
    assert named(ada, "remember", "session") == ["Remember me"]
    assert index.catch_up_all(ctx) == 0


def test_rows_of_older_rules_are_made_again_and_those_about_nothing_go(bench, ada, forge, named):
    with forge.db.transaction(write=True) as db:
        for row in db.exec(select(SearchEntry)).all():
            row.rules = 0
            db.add(row)
        db.add(SearchEntry(kind="session", id="gone", rules=1))

    assert index.catch_up_all(Context(forge, SYSTEM)) > 0

    assert {each[-1] for each in entries(forge).values()} == {1}
    assert ("session", "gone") not in entries(forge)


def entries(forge):
    with forge.db.transaction(write=False) as db:
        rows = db.exec(select(SearchEntry)).all()
    return {(row.kind.value, row.id): (row.key, row.address, row.title, row.rules) for row in rows}
