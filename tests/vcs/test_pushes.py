import random
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vcs.logs import AT, World, commit, proposal, push
from vcs import deciding
from vcs.deciding import Plan
from vcs.errors import InvalidPath
from vcs.git.translate import raw_parts
from vcs.landing import LandingTaken, Limits, MissingObjects
from vcs.log import Record, RecordKind, RefChange
from vcs.objects import Commit, Entry, Kind, Object, encode_tree, new_id
from vcs.pushes import NotFastForward, RefsMoved, TrunkNameTaken, WrongKind, is_ancestor, steps_between
from vcs.repository import summary_object
from vcs.sha1s import Sha1Taken
from vcs.store import MemoryStore


@pytest.fixture
def world(tmp_path):
    return World(MemoryStore(), tmp_path)


def chain(count, *parents, start=0):
    """Commits one after the other, and all their objects."""
    ids, objects = [], []
    for number in range(start, start + count):
        id, made = commit({b"file": b"%d" % number, b"d/e": b"same"}, *parents, at=1_700_000_000 + number)
        ids.append(id)
        objects += made
        parents = (id,)
    return ids, objects


def land(world, objects=(), **options):
    return world.batcher().land(push(objects, **options))


def last_record(world):
    *_, (_, _, record) = world.main.records()
    return record


def test_a_push_takes_a_position_for_each_commit_and_keeps_every_byte(world):
    ids, objects = chain(3)

    landed = land(world, objects, trunk=(None, ids[-1]), session=new_id(), revision=1)

    assert (landed.first, landed.position, landed.commit) == (1, 3, ids[-1])
    assert [world.main.commit_at(n) for n in (1, 2, 3)] == ids
    assert all(world.main.read(each.id, each.kind) == each.content for each in objects)
    assert world.files(landed.commit) == {b"file": b"2", b"d/e": b"same"}
    record = last_record(world)
    assert (record.kind, record.trunk, record.positions) == (RecordKind.PUSH, (None, ids[-1]), (1, 3))
    assert world.faults() == []


def test_a_push_goes_on_from_a_landing_and_a_landing_from_a_push(world):
    first = world.batcher().land(proposal(world.main, None, {b"a": b"1"})).commit
    id, objects = commit({b"a": b"1", b"b": b"2"}, first)

    land(world, objects, trunk=(first, id))
    merged = world.batcher().land(proposal(world.main, first, {b"c": b"3"}))

    assert (merged.position, world.main.commit(merged.commit).parents) == (3, (id,))
    assert world.files(merged.commit) == {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert world.faults() == []


def test_a_trunk_that_moved_or_would_lose_landings_is_not_moved(world):
    ids, objects = chain(2)
    land(world, objects, trunk=(None, ids[0]))
    other, more = commit({b"x": b"y"})

    with pytest.raises(RefsMoved) as moved:
        land(world, trunk=(None, ids[1]), objects=objects)
    with pytest.raises(NotFastForward) as lost:
        land(world, more, trunk=(ids[0], other))

    assert moved.value.details["names"] == ["refs/heads/main"]
    assert lost.value.sentence.startswith("main has landings that this push lacks")
    assert world.main.catch_up().sequence == 1
    forced = land(world, more, trunk=(ids[0], other), forced=True)
    assert (forced.first, forced.position) == (2, 2)
    assert world.faults() == []


def test_a_trunk_that_was_merged_into_something_else_advances_by_one(world):
    (base,), objects = chain(1)
    land(world, objects, trunk=(None, base))
    side, more = chain(3, start=7)
    merge, last = commit({b"both": b""}, side[-1], base)

    landed = land(world, [*more, *last], trunk=(base, merge))

    assert (landed.first, landed.position, world.main.commit_at(2)) == (2, 2, merge)
    assert world.faults() == []


def test_refs_are_created_moved_and_deleted_and_many_are_a_list(world):
    ids, objects = chain(2)
    names = [f"refs/heads/b/{number}" for number in range(40)]

    made = land(world, objects, refs=[RefChange(name, None, ids[0]) for name in names], kind=RecordKind.REFS)

    assert (made.first, made.position, made.commit) == (None, 0, None)
    assert isinstance(last_record(world).refs, str)
    land(world, refs=[RefChange(names[0], ids[0], ids[1]), RefChange(names[1], ids[0], None)])
    assert world.main.refs() == {names[0]: ids[1]} | dict.fromkeys(names[2:], ids[0])
    with pytest.raises(RefsMoved) as refusal:
        land(world, refs=[RefChange(names[0], ids[0], None), RefChange(names[2], ids[0], None)])
    assert refusal.value.details["names"] == [names[0]]
    with pytest.raises(TrunkNameTaken):
        land(world, refs=[RefChange("refs/heads/main", None, ids[0])])
    with pytest.raises(WrongKind):
        land(world, refs=[RefChange("refs/heads/blob", None, objects[0].id)])
    assert world.faults() == []


def test_the_first_push_may_bring_another_name_for_the_trunk(world):
    ids, objects = chain(2)

    land(world, objects, trunk=(None, ids[0]), trunk_name="refs/heads/master")
    land(world, trunk=(ids[0], ids[1]), objects=objects, refs=[RefChange("refs/heads/main", None, ids[0])])

    assert world.main.refs() == {"refs/heads/master": ids[1], "refs/heads/main": ids[0]}
    assert world.main.resolve("master").position == 2
    assert [world.main.index.trunk_at(n) for n in range(3)] == ["refs/heads/main", *["refs/heads/master"] * 2]
    with pytest.raises(TrunkNameTaken):
        land(world, trunk_name="refs/heads/main")
    assert world.faults() == []


def test_all_that_is_missing_is_named_and_nothing_is_changed(world):
    ids, objects = chain(1)
    without = [each for each in objects if each.kind is not Kind.BLOB]

    with pytest.raises(MissingObjects) as refusal:
        land(world, without, trunk=(None, ids[0]))
    with pytest.raises(MissingObjects):
        land(world, trunk=(None, ids[0]))
    with pytest.raises(MissingObjects):
        land(world, refs=[RefChange("refs/tags/v1", None, ids[0])])

    assert refusal.value.details["ids"] == sorted(each.id for each in objects if each.kind is Kind.BLOB)
    assert world.main.catch_up().sequence == 0
    land(world, objects, trunk=(None, ids[0]))
    assert world.faults() == []


@pytest.mark.parametrize("name", [b".git", b".GIT", b"git~1", b"..", b"a/b", b".g\xe2\x80\x8cit"])
def test_names_that_no_new_entry_may_have_are_taken_from_history_only(world, name):
    made = Object.of(Kind.BLOB, b"x")
    encoded = encode_tree([Entry(b"100644", b"NAME", made.id)]).replace(b"NAME", name)
    tree = Object.of(Kind.TREE, encoded)
    _, objects = commit({b"a": b"b"})
    inner = Object.of(
        Kind.COMMIT, objects[-1].content.replace(objects[-1].content[5:69], tree.id.encode(), 1)
    )
    asked = {"objects": [made, tree, inner], "trunk": (None, inner.id)}

    with pytest.raises(InvalidPath):
        land(world, **asked)
    landed = land(world, **asked, kind=RecordKind.IMPORT, accept_names=True)

    assert landed.position == 1
    assert world.faults() == []


def test_more_staged_files_than_a_swap_takes_join_before(world, monkeypatch):
    monkeypatch.setattr(deciding, "SMALL_FILE", 0)
    ids, objects = chain(60)
    keys = []
    for each in objects:
        keys += world.main.stage([each], staged=keys)

    landed = world.batcher(limits=Limits(files=10)).land(push(staged=keys, trunk=(None, ids[-1])))

    assert (landed.first, landed.position) == (1, 60)
    assert [world.main.commit_at(n) for n in range(1, 61)] == ids
    assert world.faults() == []


def test_one_batch_holds_pushes_and_landings(world, monkeypatch):
    monkeypatch.setattr(deciding, "SMALL_FILE", 0)
    base = world.batcher().land(proposal(world.main, None, {b"a": b"1"})).commit
    id, objects = commit({b"a": b"2", b"n": b"new"}, base)
    keys = world.main.stage(objects)
    head, _ = world.main.current()
    plan = Plan(world.main, head, AT, "micelio.test", {})
    decide = partial(plan.decide, most_files=48)
    told = summary_object({"goal": "x"})

    pushed = decide(push(trunk=(base, id)), told, [world.main.staged.get(key) for key in keys])
    over = decide(proposal(world.main, base, {b"b": b"3"}), told, [])
    with pytest.raises(deciding.Overlapping):
        decide(proposal(world.main, base, {b"a": b"4"}), told, [])
    tag = decide(push(refs=[RefChange("refs/tags/t", None, id)], kind=RecordKind.REFS), told, [])
    with pytest.raises(RefsMoved):
        decide(push(refs=[RefChange("refs/tags/t", None, base)]), told, [])
    gone = decide(push(refs=[RefChange("refs/tags/t", id, None)]), told, [])

    assert [each.position for each in (pushed, over, tag, gone)] == [2, 3, 3, 3]
    following, files = plan.next_head(
        "pools/x.seg".replace("x", f"{world.project}/files/{world.project}/{new_id()}")
    )
    _, version = world.main.read_head()
    world.store.swap_head(world.project, world.project, version, following.encode(), files)
    assert world.files(world.main.catch_up().main) == {b"a": b"2", b"n": b"new", b"b": b"3"}
    assert world.faults() == []


def test_a_push_met_again_gets_the_answer_it_had(world):
    ids, objects = chain(2)
    asked = push(objects, trunk=(None, ids[-1]))
    first = world.batcher().land(asked)
    tagged = push(refs=[RefChange("refs/tags/t", None, ids[0])], kind=RecordKind.REFS)
    second = world.batcher().land(tagged)
    world.batcher().land(proposal(world.main, ids[-1], {b"z": b""}))

    assert world.batcher(world.node()).land(asked) == first
    assert world.batcher().land(tagged) == second
    with pytest.raises(LandingTaken):
        land(world, landing=asked.landing, refs=[RefChange("refs/tags/t", ids[0], None)])


def test_bytes_that_git_alone_understands_need_what_they_name(world):
    ids, objects = chain(1)
    plain = b"tree %s\nparent %s\nauthor A <a@b> 1 +0000\n\nx" % (b"A" * 40, b"b" * 40)
    raw = Object.of(Kind.RAW, b"commit %d\0%s" % (len(plain), plain))
    tag = [RefChange("refs/tags/odd", None, raw.id)]

    with pytest.raises(MissingObjects) as refusal:
        land(world, [raw], refs=tag)
    with pytest.raises(WrongKind):
        land(world, [raw, *objects], trunk=(None, raw.id), accept_names=True)

    assert refusal.value.details["ids"] == ["a" * 40, "b" * 40]
    assert raw_parts(raw.content)[0] is Kind.COMMIT
    land(world, objects, trunk=(None, ids[0]))
    sha1 = world.main.sha1_of(ids[0]).hex().encode()
    plain = b"tree %s\nparent %s\nauthor A <a@b> 1 +0000\n\nx" % (sha1.upper(), sha1)
    raw = Object.of(Kind.RAW, b"commit %d\0%s" % (len(plain), plain))
    land(world, [raw], refs=[RefChange("refs/tags/odd", None, raw.id)])
    assert world.faults() == []


def test_two_objects_of_one_sha1_never_meet(world, monkeypatch):
    ids, objects = chain(1)
    land(world, objects, trunk=(None, ids[0]))
    other, more = commit({b"q": b"r"}, ids[0])
    taken = world.main.sha1_of(objects[0].id)
    monkeypatch.setattr(
        deciding, "with_sha1s", lambda given, _: ((each, taken) for each in given if each.kind < 5)
    )

    with pytest.raises(Sha1Taken):
        land(world, more, trunk=(ids[0], other))

    taken = b"\1" * 20
    with pytest.raises(Sha1Taken):
        land(world, more, trunk=(ids[0], other))
    assert world.main.catch_up().sequence == 1


@st.composite
def graphs(draw):
    """Parents by commit, and dates that are wrong now and then."""
    rng = random.Random(draw(st.integers()))
    count = draw(st.integers(1, 14))
    parents = {
        f"{number:064x}": tuple(
            f"{p:064x}" for p in rng.sample(range(number), min(number, rng.choice((0, 1, 1, 1, 2, 3))))
        )
        for number in range(count)
    }
    skew = draw(st.sampled_from((0, 0, 3, 100)))
    return {
        id: Commit(
            "0" * 64, parents[id], b"", b"A <a@b> %d +0000" % (100 + n + rng.randint(-skew, skew)), b""
        )
        for n, id in enumerate(parents)
    }


@settings(max_examples=300, deadline=None)
@given(graphs(), st.data())
def test_descent_and_steps_are_those_of_the_plain_definition(graph, data):
    old, new = (data.draw(st.sampled_from(sorted(graph))) for _ in range(2))
    reached, pending = set(), [new]
    while pending:
        id = pending.pop()
        if id not in reached:
            reached.add(id)
            pending += graph[id].parents
    line = [new]
    while graph[line[-1]].parents:
        line.append(graph[line[-1]].parents[0])

    assert is_ancestor(old, new, graph.__getitem__) == (old in reached)
    assert steps_between(old, new, graph.__getitem__) == (line.index(old) if old in line else 1)
    assert steps_between(None, new, graph.__getitem__) == len(line)


def test_records_of_pushes_say_what_the_format_asks_for(world):
    ids, objects = chain(1)
    landed = land(world, objects, trunk=(None, ids[0]))

    record = Record.decode(world.main.read(landed.record, Kind.RECORD), landed.record)
    assert (record.refs, record.trunk_name, record.revision) == ((), None, None)
