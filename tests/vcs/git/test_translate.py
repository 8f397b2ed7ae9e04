import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vcs.gits import Git
from tests.vcs.samples import COMMITS, CONTENTS, TREES, cut
from vcs.errors import MalformedObject
from vcs.git.translate import from_git, git_sha1, ids_in, raw_ids, raw_parts, to_git
from vcs.objects import EMPTY_TREE, Commit, Entry, Kind, Object, encode_commit, encode_tree, parse_commit

BATCHES = settings(max_examples=8, deadline=None)


class Ids:
    """A book of pairs, as an index keeps it: SHA-1 <-> our id."""

    def __init__(self):
        self.ours = {}
        self.gits = {}

    def pair(self, sha1, id):
        assert self.ours.setdefault(sha1, id) == id
        assert self.gits.setdefault(id, sha1) == sha1

    def invented(self, id):
        """Some SHA-1 for an id that was only drawn."""
        if id not in self.gits:
            self.pair(hashlib.sha1(id.encode()).digest(), id)
        return self.gits[id]

    def imported(self, objects):
        """Take in git's objects (id, type, content) in any order; ours, by SHA-1."""
        made, waiting = {}, list(objects)
        while waiting:
            still = []
            for sha1, word, content in waiting:
                try:
                    made[sha1] = from_git(word, content, self.ours.__getitem__)
                    self.pair(bytes.fromhex(sha1), made[sha1].id)
                except KeyError:
                    still.append((sha1, word, content))
            assert len(still) < len(waiting), "these name objects that are not there"
            waiting = still
        return made


def tag_of(target, kind, message):
    return f"object {target}\ntype {kind.word}\ntag v1\ntagger Ada <a@b> 1 +0000\n\n".encode() + message


def agrees_with_git(git, kind, contents):
    """Our SHA-1s are git's, and git's bytes come back to us as the same objects."""
    ids = Ids()
    plain = [to_git(kind, content, ids.invented) for content in contents]
    sha1s = [git_sha1(kind, content, ids.invented) for content in contents]

    assert git.ids(kind.word, plain) == [sha1.hex() for sha1 in sha1s]
    for content, bytes_of_git in zip(contents, plain, strict=True):
        assert from_git(kind.word.encode(), bytes_of_git, ids.ours.__getitem__) == Object.of(kind, content)


@BATCHES
@given(st.lists(CONTENTS, min_size=1, max_size=30))
def test_blobs_have_the_sha1_git_gives_them(oracle, contents):
    agrees_with_git(oracle, Kind.BLOB, contents)


@BATCHES
@given(st.lists(TREES.map(encode_tree), min_size=1, max_size=30))
def test_trees_have_the_sha1_git_gives_them(oracle, contents):
    agrees_with_git(oracle, Kind.TREE, contents)


@BATCHES
@given(st.lists(COMMITS.map(encode_commit), min_size=1, max_size=30))
def test_commits_have_the_sha1_git_gives_them(oracle, contents):
    agrees_with_git(oracle, Kind.COMMIT, contents)


@BATCHES
@given(
    st.lists(st.builds(tag_of, st.just(EMPTY_TREE), st.just(Kind.TREE), CONTENTS), min_size=1, max_size=10)
)
def test_tags_have_the_sha1_git_gives_them(oracle, contents):
    agrees_with_git(oracle, Kind.TAG, contents)


SIGNED = b"""tree %s
parent %s
author Ada <ada@example.org> 1700000000 +0130
committer Grace <grace@example.org> 1700000001 -0800
encoding ISO-8859-1
mergetag object %s
 type commit
 tag v0
 tagger Ada <ada@example.org> 1 +0000
 \n tree is only a word here
gpgsig -----BEGIN PGP SIGNATURE-----
 \n parent abc
 -----END PGP SIGNATURE-----

goal \xe9

tree 1111111111111111111111111111111111111111
parent is only a word here
"""


@pytest.fixture
def history(tmp_path):
    """A repository with all that real ones hold: folders, links, modes, submodules, merges, tags."""
    git = Git(tmp_path, "sha1")
    blob, script, link = git.ids("blob", [b"hello\n", b"#!/bin/sh\n", b"docs/a"])
    foreign = "00112233445566778899aabbccddeeff00112233"
    docs, oddly_sorted = git.trees(
        [
            [(b"100644", b"blob", b"a", blob), (b"100755", b"blob", b"run", script)],
            [(b"100644", b"blob", b"a.b", blob), (b"100644", b"blob", b"\xff\xfe", blob)],
        ]
    )
    (root,) = git.trees(
        [
            [
                (b"40000", b"tree", b"docs", docs),
                (b"40000", b"tree", b"a", oddly_sorted),
                (b"100644", b"blob", b"a.txt", blob),
                (b"120000", b"blob", b"latest", link),
                (b"160000", b"commit", b"library", foreign),
            ]
        ]
    )
    # Zero-padded modes, doubled and unsorted names: flask's history holds the first of these.
    old = b"040000 docs\0%s100644 a\0%s" % (bytes.fromhex(docs), bytes.fromhex(blob))
    (old_tree,) = git.ids("tree", [old], literally=True)
    who = b"author Ada <ada@example.org> 1 +0000\ncommitter Ada <ada@example.org> 1 +0000\n"
    (first,) = git.ids("commit", [b"tree %s\n%s\nfirst\n" % (root.encode(), who)])
    (bare,) = git.ids("commit", [b"tree %s\n" % old_tree.encode()], literally=True)
    signed = SIGNED % (root.encode(), first.encode(), first.encode())
    (signed_id,) = git.ids("commit", [signed])
    (tag,) = git.ids(
        "tag", [b"object %s\ntype commit\ntag v1\ntagger A <a> 1 +0000\n\nobject x\n" % signed_id.encode()]
    )
    git.ids("tag", [b"object %s\ntype tag\ntag v2\n\ntags of tags\n" % tag.encode()], literally=True)
    git.ids(
        "commit",
        [
            b"tree %s\nparent %s\nparent %s\n%s\nmerge"
            % (root.encode(), signed_id.encode(), bare.encode(), who)
        ],
    )
    return git


def test_a_real_history_comes_back_with_every_sha1(history):
    ids = Ids()
    objects = list(history.objects())
    made = ids.imported(objects)

    assert all(object.kind is not Kind.RAW for object in made.values())
    for sha1, word, content in objects:
        ours = made[sha1]
        assert to_git(ours.kind, ours.content, ids.gits.__getitem__) == content
        assert git_sha1(ours.kind, ours.content, ids.gits.__getitem__).hex() == sha1
        assert ours.kind.word.encode() == word


def test_our_form_of_a_history_is_one_that_git_can_check(history, tmp_path_factory):
    # Old modes and missing authors are what fsck warns of in any format, so they stay out here.
    ids = Ids()
    made = ids.imported(history.objects()).values()
    git = Git(tmp_path_factory.mktemp("sha256"), "sha256")
    for kind in (Kind.BLOB, Kind.TREE, Kind.COMMIT, Kind.TAG):
        ours = [object for object in made if object.kind is kind]
        assert git.ids(kind.word, [object.content for object in ours], literally=True) == [o.id for o in ours]
    git.run("fsck", "--connectivity-only")


def test_the_ids_in_an_object_are_those_it_reaches(history):
    ids = Ids()
    made = {object.id: object for object in ids.imported(history.objects()).values()}
    foreign = "00112233445566778899aabbccddeeff00112233" + "0" * 24
    for object in made.values():
        assert set(ids_in(object.kind, object.content)) <= made.keys()
        if object.kind is Kind.COMMIT:
            commit = parse_commit(object.content)
            assert ids_in(object.kind, object.content) == [commit.tree, *commit.parents]
    assert any(foreign[:40] in object.content.hex() for object in made.values())
    assert foreign not in made


RAW = [
    (b"tree", b"100644 a\0too short"),
    (b"tree", b"100648 a\0" + bytes(20)),
    (b"tree", b"100644 \0" + bytes(20)),
    (b"commit", b"no tree"),
    (b"commit", b"\ntree " + b"1" * 40),
    (b"commit", b"tree " + b"A" * 40 + b"\n\nupper case\n"),
    (b"commit", b"tree " + b"1" * 64 + b"\n\na SHA-256 id in a SHA-1 object\n"),
    (b"commit", b"tree " + b"1" * 40 + b"\nparent me\n\n"),
    (b"commit", b"parent " + b"1" * 40 + b"\ntree " + b"1" * 40 + b"\n\nthe other way round\n"),
    (b"tag", b"type commit\ntag v1\n\n"),
    (b"tag", b"object " + b"1" * 40 + b"\ntype nothing\ntag v1\n\n"),
]


@pytest.mark.parametrize(("word", "content"), RAW)
def test_what_would_not_come_back_is_kept_whole(oracle, word, content):
    made = from_git(word, content, lambda sha1: EMPTY_TREE)

    assert made == Object.of(Kind.RAW, b"%s %d\0%s" % (word, len(content), content))
    assert to_git(made.kind, made.content, lambda id: bytes(20)) == content
    (expected,) = oracle.ids(word.decode(), [content], literally=True)
    assert git_sha1_of(made) == expected
    assert ids_in(made.kind, made.content) == []


def git_sha1_of(made):
    return git_sha1(made.kind, made.content, lambda id: bytes(20)).hex()


def test_what_a_raw_object_names_counts_as_far_as_it_can_be_read():
    ones, twos = bytes([0x11]) * 20, bytes([0x22]) * 20
    tree = b"100644 a\0" + ones + b"160000 s\0" + bytes(20) + b"40000 b\0" + twos + b"100644 cut\0short"
    commit = b"parent " + twos.hex().encode() + b"\ntree " + ones.hex().encode() + b"\n\ntree " + b"3" * 40
    for word, content, named in [(b"tree", tree, [ones, twos]), (b"commit", commit, [twos, ones])]:
        made = from_git(word, content, lambda sha1: EMPTY_TREE)
        assert made.kind is Kind.RAW
        assert raw_ids(made.content) == named


def test_a_damaged_raw_object_is_refused_by_its_id():
    made = from_git(b"tree", b"100644 a\0too short", lambda sha1: EMPTY_TREE)
    assert raw_parts(made.content) == (Kind.TREE, b"100644 a\0too short")
    for damaged in cut(made.content):
        with pytest.raises(MalformedObject, match=Object.of(Kind.RAW, damaged).id):
            raw_parts(damaged)


def test_an_object_that_names_an_unknown_one_is_not_translated():
    with pytest.raises(KeyError):
        from_git(b"commit", b"tree " + b"1" * 40 + b"\n\n", {}.__getitem__)


def test_records_and_lists_have_no_form_in_git():
    for kind in (Kind.RECORD, Kind.LIST):
        with pytest.raises(ValueError, match="no form in git"):
            git_sha1(kind, b"", lambda id: bytes(20))
    for word in (b"record", b"raw", b"nothing"):
        with pytest.raises(MalformedObject):
            from_git(word, b"", lambda sha1: EMPTY_TREE)


def test_a_submodule_that_is_no_sha1_is_named():
    content = encode_tree([Entry(b"160000", b"library", "1" * 64)])

    with pytest.raises(MalformedObject, match=Object.of(Kind.TREE, content).id):
        to_git(Kind.TREE, content, lambda id: bytes(20))


def test_ids_in_a_message_are_left_alone():
    message = f"tree {EMPTY_TREE}\nparent {EMPTY_TREE}\n".encode()
    content = encode_commit(Commit(EMPTY_TREE, (), b"A <a> 1 +0000", b"A <a> 1 +0000", message))

    assert to_git(Kind.COMMIT, content, lambda id: bytes(20)).endswith(b"\n\n" + message)
