"""Many objects read at once are those read one by one, and so is what changed between their trees."""

import random
import sqlite3
from itertools import pairwise

import pytest

from tests.vcs.logs import World, lengthen, push
from vcs import index_rows
from vcs.diff import diff_trees
from vcs.errors import CorruptObject
from vcs.log import SegmentRef, segment_key
from vcs.many import changes, contents, short_contents
from vcs.objects import EMPTY_TREE, Commit, Kind, Object, encode_commit, object_id
from vcs.segments import write_segment
from vcs.store import MemoryStore

MODES = (b"100644", b"100755", b"120000", b"160000", b"40000", b"40000", b"040000")


@pytest.fixture
def world(tmp_path):
    return World(MemoryStore(), tmp_path)


def some_tree(chance, depth, objects):
    """A tree of few names, so that two of them often have something in common; some have a name twice."""
    rows = {}
    for name in chance.sample(["a", "b", "c", "d"], chance.randrange(5)):
        mode = chance.choice(MODES if depth else MODES[:4])
        if mode.endswith(b"40000"):
            id = some_tree(chance, depth - 1, objects)
        elif mode == b"160000":
            id = f"{chance.randrange(2):040x}" + "0" * 24
        else:
            made = Object.of(Kind.BLOB, b"%d" % chance.randrange(3))
            objects.append(made)
            id = made.id
        rows[name] = b"%s %s\0" % (mode, name.encode()) + bytes.fromhex(id)
    lines = [rows[name] for name in sorted(rows)]
    if lines and chance.random() < 0.05:
        lines.append(lines[0])
    made = Object.of(Kind.TREE, b"".join(lines))
    objects.append(made)
    return made.id


def landed_trees(world, seed, count=30):
    """Trees that are live now, one after the other on the trunk."""
    chance, objects, trees, parents = random.Random(seed), [], [], ()
    for number in range(count):
        trees.append(some_tree(chance, 3, objects))
        who = b"Ada <ada@example.org> %d +0000" % (1_700_000_000 + number)
        made = Object.of(Kind.COMMIT, encode_commit(Commit(trees[-1], parents, who, who, b"m")))
        objects.append(made)
        parents = (made.id,)
    unique = list({each.id: each for each in objects if each.id != EMPTY_TREE}.values())
    world.batcher().land(push(unique, trunk=(None, parents[0]), accept_names=True))
    world.main.catch_up()
    return trees


@pytest.mark.parametrize("seed", range(20))
def test_what_changed_is_what_a_diff_says(world, seed):
    trees = landed_trees(world, seed)
    pairs = [(EMPTY_TREE, trees[0]), *pairwise(trees), (trees[-1], EMPTY_TREE)]

    found = [sorted(each, key=lambda change: change.path) for each in changes(world.main, pairs)]

    said = [list(diff_trees(world.main, *pair)) for pair in pairs]
    assert found == [sorted(each, key=lambda change: change.path) for each in said]
    assert any(found)


def test_contents_are_those_read_one_by_one_and_what_is_missing_is_named(world):
    trees = landed_trees(world, 1)
    wanted = [tree for tree in trees if tree != EMPTY_TREE]

    assert contents(world.main, wanted, Kind.TREE) == {id: world.main.read(id, Kind.TREE) for id in wanted}
    nowhere = object_id(Kind.TREE, b"nowhere")
    with pytest.raises(CorruptObject, match=nowhere):
        contents(world.main, [*wanted, nowhere], Kind.TREE)
    with pytest.raises(CorruptObject):
        contents(world.main, wanted, Kind.BLOB)


def test_short_contents_end_where_they_would_be_too_much(world):
    trees = [tree for tree in landed_trees(world, 3) if tree != EMPTY_TREE]
    all = contents(world.main, trees, Kind.TREE)
    lengths = sorted(len(content) for content in all.values())

    found = short_contents(world.main, trees, Kind.TREE, longest=lengths[-2], most=sum(lengths) // 2)

    assert found.items() < all.items()
    assert sum(lengths) // 2 <= sum(map(len, found.values())) < sum(lengths)
    assert max(map(len, found.values())) <= lengths[-2]


def rows(path):
    with sqlite3.connect(path) as db:
        names = {row[0]: row[1] for row in db.execute("select no, key from segments")}
        objects = db.execute("select id, sha1, kind, segment, frame, offset, length from objects order by id")
        found = [(*row[:3], names[row[3]], *row[4:]) for row in objects]
        return found, db.execute("select position, id from positions order by position").fetchall()


def test_an_index_filled_at_once_is_the_one_filled_file_by_file(world, monkeypatch):
    lengthen(world, 60, at_once=7)
    world.main.catch_up()
    lengthen(world, 60, at_once=7)
    monkeypatch.setattr(index_rows, "_TOGETHER", 1)
    node = world.node()
    node.catch_up()
    monkeypatch.undo()
    monkeypatch.setattr(index_rows, "_MANY", 1)

    world.main.catch_up()

    assert rows(world.folder / "first.db") == rows(world.folder / "node-1.db")
    with sqlite3.connect(world.folder / "first.db") as db:
        assert db.execute("select 1 from sqlite_schema where name = 'objects_by_sha1'").fetchone()


def test_two_objects_of_one_sha1_are_damage_and_the_index_stays_usable(world, monkeypatch):
    monkeypatch.setattr(index_rows, "_MANY", 1)
    lengthen(world, 3)
    head, version = world.main.current()
    alike = write_segment([(Object.of(Kind.BLOB, text), bytes(19) + b"1", 0) for text in (b"one", b"two")])
    key = segment_key(world.project, world.project)
    world.store.put(key, [alike])
    damaged = head.renewed(tail=(*head.tail, SegmentRef.of(key, alike)))
    swapped = world.store.swap_head(world.project, world.project, version, damaged.encode())

    with pytest.raises(CorruptObject, match="SHA-1 of another"):
        world.main.catch_up()

    world.store.swap_head(world.project, world.project, swapped.version, head.renewed().encode())
    assert world.main.catch_up().position == 3
    with sqlite3.connect(world.folder / "first.db") as db:
        assert db.execute("select 1 from sqlite_schema where name = 'objects_by_sha1'").fetchone()
