import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vcs.samples import COMMITS, CONTENTS, IDS, TREES, cut, flipped
from vcs.errors import CorruptObject, InvalidPath, MalformedObject
from vcs.objects import (
    EMPTY_BLOB,
    EMPTY_TREE,
    Commit,
    Entry,
    Hasher,
    Kind,
    Object,
    canonical_json,
    check_id,
    check_name,
    check_path,
    encode_commit,
    encode_tree,
    format_time,
    is_object_id,
    new_id,
    object_id,
    parse_canonical,
    parse_commit,
    parse_tag,
    parse_time,
    parse_tree,
    signature,
)

WORDS = {b"40000": b"tree", b"160000": b"commit"}
BATCHES = settings(max_examples=8, deadline=None)


@BATCHES
@given(st.lists(CONTENTS, min_size=1, max_size=40))
def test_git_gives_blobs_the_ids_we_give_them(git_sha256, contents):
    assert git_sha256.ids("blob", contents) == [object_id(Kind.BLOB, content) for content in contents]


# A folder compares as if its name ended in a slash, which is after `-` and `.` but before `0`.
AROUND_A_FOLDER = [
    Entry(b"40000", b"a", EMPTY_TREE),
    *(Entry(b"100644", name, EMPTY_BLOB) for name in (b"a0", b"a.b", b"a-b")),
]


@BATCHES
@given(st.lists(TREES, min_size=1, max_size=40))
@example([AROUND_A_FOLDER])
def test_git_sorts_and_names_trees_as_we_do(git_sha256, trees):
    listings = [[(e.mode, WORDS.get(e.mode, b"blob"), e.name, e.id) for e in tree] for tree in trees]

    assert git_sha256.trees(listings) == [object_id(Kind.TREE, encode_tree(tree)) for tree in trees]


@BATCHES
@given(st.lists(COMMITS, min_size=1, max_size=30))
def test_git_takes_our_commits_and_names_them_as_we_do(git_sha256, commits):
    contents = [encode_commit(commit) for commit in commits]

    assert git_sha256.ids("commit", contents) == [object_id(Kind.COMMIT, content) for content in contents]


@settings(max_examples=15, deadline=None)
@given(
    name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    email=st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=12),
    seconds=st.integers(0, 2**31),
)
@example(name="Ada <the> first.", email="<ada@example.org>", seconds=0)
def test_commit_tree_writes_the_bytes_we_write(git_sha256, name, email, seconds):
    at = datetime.fromtimestamp(seconds, UTC)
    line = signature(f"A{name}", email, at)
    who = {"NAME": f"A{name}", "EMAIL": email, "DATE": f"@{seconds} +0000"}
    environment = {
        f"GIT_{role}_{part}": text for role in ("AUTHOR", "COMMITTER") for part, text in who.items()
    }
    git_sha256.ids("tree", [b""])

    made = git_sha256.run("commit-tree", EMPTY_TREE, input=b"a goal\n", **environment)

    commit = Commit(EMPTY_TREE, (), line, line, b"a goal\n")
    assert made.decode().strip() == object_id(Kind.COMMIT, encode_commit(commit))


def test_a_signature_is_in_utc_whatever_the_zone():
    at = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    assert signature("Ada", "ada@example.org", at) == b"Ada <ada@example.org> 1767225600 +0000"


def test_the_empty_ids_are_those_of_git(git_sha256):
    assert git_sha256.ids("blob", [b""]) == [EMPTY_BLOB]
    assert git_sha256.ids("tree", [b""]) == [EMPTY_TREE]


@given(st.sampled_from(Kind), st.lists(CONTENTS, max_size=4))
def test_a_content_in_pieces_has_the_id_of_the_whole(kind, pieces):
    hasher = Hasher(kind, sum(map(len, pieces)))
    for piece in pieces:
        hasher.update(piece)

    assert hasher.hexdigest() == object_id(kind, b"".join(pieces))
    assert Kind.of_word(kind.word) is kind


def test_a_content_shorter_than_announced_has_no_id():
    hasher = Hasher(Kind.BLOB, 5)
    hasher.update(b"four")

    with pytest.raises(MalformedObject, match="5 bytes were announced and 4 came"):
        hasher.hexdigest()


@given(TREES)
def test_trees_come_back_sorted(entries):
    content = encode_tree(entries)

    assert set(parse_tree(content)) == set(entries)
    assert encode_tree(parse_tree(content)) == content


@given(COMMITS)
def test_commits_come_back(commit):
    assert parse_commit(encode_commit(commit)) == commit


@given(IDS, st.sampled_from([Kind.COMMIT, Kind.TREE, Kind.BLOB, Kind.TAG]))
def test_tags_say_what_they_point_at(id, kind):
    head = f"object {id}\ntype {kind.word}\ntag v1\n".encode()

    tag = parse_tag(head + b"tagger Ada <a> 1 +0000\n\nfirst\n")
    assert (tag.target, tag.kind, tag.name, tag.message) == (id, kind, b"v1", b"first\n")
    assert tag.tagger == b"Ada <a> 1 +0000"
    assert parse_tag(head).tagger == b""


def test_what_old_histories_hold_can_be_read():
    folder = Entry(b"040000", b".git", EMPTY_TREE)
    content = b"%s %s\0%s" % (folder.mode, folder.name, bytes.fromhex(folder.id))
    assert parse_tree(content * 2) == (folder, folder)
    assert folder.is_tree

    assert parse_commit(f"tree {EMPTY_TREE}\n".encode()) == Commit(EMPTY_TREE, (), b"", b"", b"")


@pytest.mark.parametrize(
    "entries",
    [
        [Entry(b"100644", b"a", EMPTY_BLOB), Entry(b"40000", b"a", EMPTY_TREE)],
        [Entry(b"100644", b"", EMPTY_BLOB)],
        [Entry(b"100644", b"a/b", EMPTY_BLOB)],
        [Entry(b"100644", b"a\0b", EMPTY_BLOB)],
        [Entry(b"file", b"a", EMPTY_BLOB)],
        [Entry(b"100644", b"a", "abc")],
    ],
)
def test_no_tree_is_written_that_git_could_not_hold(entries):
    with pytest.raises(MalformedObject):
        encode_tree(entries)


SAMPLES = [
    (Kind.BLOB, b"hello\n", None),
    (
        Kind.TREE,
        encode_tree([Entry(b"100644", b"a", EMPTY_BLOB), Entry(b"40000", b"b", EMPTY_TREE)]),
        parse_tree,
    ),
    (
        Kind.COMMIT,
        encode_commit(Commit(EMPTY_TREE, (EMPTY_BLOB,), b"A <a> 1 +0000", b"B <b> 2 +0000", b"goal\n")),
        parse_commit,
    ),
]


@pytest.mark.parametrize(("kind", "content", "parse"), SAMPLES)
def test_damaged_objects_are_refused_by_their_id_and_never_confuse_a_parser(kind, content, parse):
    id = object_id(kind, content)
    check_id(id, kind, content)
    for damaged in (*cut(content), *flipped(content)):
        with pytest.raises(CorruptObject) as refusal:
            check_id(id, kind, damaged)
        assert id in str(refusal.value)
        if parse:
            parses_or_names_it(kind, damaged, parse)


def parses_or_names_it(kind, damaged, parse):
    try:
        parse(damaged)
    except MalformedObject as error:
        assert object_id(kind, damaged) in str(error)


def test_a_cut_tree_is_never_a_shorter_tree():
    content = SAMPLES[1][1]
    whole_entries = {0, len(encode_tree([Entry(b"100644", b"a", EMPTY_BLOB)]))}
    for damaged in cut(content):
        if len(damaged) not in whole_entries:
            with pytest.raises(MalformedObject):
                parse_tree(damaged)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_comes_back_and_has_one_spelling(value):
    content = canonical_json(value)

    assert parse_canonical(content, "sample") == value
    assert canonical_json(parse_canonical(content, "sample")) == content
    assert content.isascii()


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), {"é": 1}, {1: 2}, b"bytes", [float("nan")]])
def test_some_values_have_no_canonical_form(value):
    with pytest.raises(ValueError):
        canonical_json(value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"a":1,"a":2}',
        b"1.0",
        b"1e3",
        b"NaN",
        b"9007199254740992",
        '"é"'.encode(),
        b"[" * 100_000,
        b"{} x",
    ],
)
def test_json_of_another_kind_is_refused_by_name(content):
    with pytest.raises(MalformedObject, match=r"The sample s-1 is malformed"):
        parse_canonical(content, "sample", "s-1")


def test_a_cut_json_object_is_refused():
    for damaged in cut(canonical_json({"a": [1, None, "x"]})):
        with pytest.raises(MalformedObject):
            parse_canonical(damaged, "sample")


@pytest.mark.parametrize(
    "path", [b"a", b"a/b c/d", b"\xff/\xfe", b".gitignore", b".github/x", b"git", b".gi", b"..."]
)
def test_ordinary_paths_are_split(path):
    assert check_path(path) == tuple(path.split(b"/"))


@pytest.mark.parametrize(
    "path",
    [
        *[
            b"",
            b"/a",
            b"a/",
            b"a//b",
            b".",
            b"..",
            b"a/../b",
            b"a\0b",
            b".git",
            b"a/.git/config",
            b".GIT",
            b".gIt",
        ],
        *[
            b"git~1",
            b"GIT~1/x",
            b".git ",
            b".git. .",
            b".git::$INDEX_ALLOCATION",
            b"a\\.git\\config",
            b"git~1.",
        ],
        *[name.encode() for name in (".g\u200cit", "\ufeff.git", ".Gi\u206ft/x")],
    ],
)
def test_paths_git_could_be_fooled_with_are_refused(path):
    with pytest.raises(InvalidPath):
        check_path(path)


def test_a_name_is_one_component():
    check_name(b"a")
    with pytest.raises(InvalidPath, match="no slash"):
        check_name(b"a/b")


def test_new_ids_are_uuids_of_version_7_in_the_order_they_were_made():
    made = [new_id() for _ in range(200)]

    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", id)
        for id in made
    )
    assert len(set(made)) == 200
    assert [id[:13] for id in made] == sorted(id[:13] for id in made)


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_come_back(at):
    assert parse_time(format_time(at)) == at


@pytest.mark.parametrize(
    "text",
    ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000+00:00", "2026-13-01T00:00:00.000000Z", "", "x"],
)
def test_times_of_another_spelling_are_refused(text):
    with pytest.raises(MalformedObject, match="time"):
        parse_time(text)


def test_an_object_knows_its_id():
    assert Object.of(Kind.BLOB, b"").id == EMPTY_BLOB
    assert is_object_id(EMPTY_BLOB)
    assert not is_object_id(EMPTY_BLOB.upper())
