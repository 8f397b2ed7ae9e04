"""A short pack is read as git reads it, and one that unpacks to much is left to git."""

import random
import subprocess

import pytest

from tests.backend.doors.git.packs import BLOB, REF_DELTA, delta, entry, pack, sha1_of
from vcs.git.process import git_command, run_git
from vcs.git.unpacking import read_short

MUCH = 64 << 20


def indexed(folder, body):
    """The pack file of these bytes, with git's index beside it."""
    run_git(folder, "index-pack", "--stdin", input=body)
    (found,) = folder.glob("objects/pack/*.pack")
    return found


def as_git_says(folder, sha1s):
    asked = b"".join(b"%s\n" % sha1.hex().encode() for sha1 in sha1s)
    printed = run_git(folder, "cat-file", "--batch", input=asked).stdout
    found = {}
    for sha1 in sha1s:
        head, _, printed = printed.partition(b"\n")
        _, word, size = head.split()
        found[sha1] = word, printed[: int(size)]
        printed = printed[int(size) + 1 :]
    return found


@pytest.fixture
def bare(tmp_path):
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare.git")], check=True)
    return tmp_path / "bare.git"


@pytest.mark.parametrize("how", ["--delta-base-offset", "--no-delta-base-offset"])
def test_objects_and_deltas_come_as_git_gives_them(bare, how):
    chance = random.Random(how)
    lines = [b"%d %s" % (chance.randrange(99), b"x" * chance.randrange(200)) for _ in range(300)]
    texts = [b"", b"\0" * 5000, chance.randbytes(70_000)]
    for _ in range(60):
        lines[chance.randrange(300)] = chance.randbytes(40)
        texts.append(b"\n".join(lines))
    fed = b"".join(b"blob\ndata %d\n%s\n" % (len(text), text) for text in texts)
    fed += b"commit refs/heads/main\ncommitter A <a@b> 1 +0000\ndata 0\nM 644 inline a/b\ndata 1\nx\n"
    fed += b"tag v1\nfrom refs/heads/main\ntagger A <a@b> 1 +0000\ndata 1\nt\n"
    subprocess.run(git_command(bare, "fast-import", "--quiet"), input=fed, check=True)
    listed = run_git(bare, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").stdout
    sha1s = [bytes.fromhex(line.decode()) for line in listed.split()]
    made = run_git(bare, "pack-objects", "--stdout", "--depth=40", "--window=40", how, input=listed).stdout
    other = bare.with_name("other.git")
    subprocess.run(["git", "init", "-q", "--bare", str(other)], check=True)

    found = read_short(indexed(other, made), sha1s, MUCH)

    assert found == as_git_says(bare, sha1s)
    assert {word for word, _ in found.values()} == {b"blob", b"tree", b"commit", b"tag"}


def test_what_is_not_asked_for_costs_nothing(bare):
    long, short = b"long" * 10_000, b"short"
    made = indexed(bare, pack([entry(BLOB, long), entry(BLOB, short)]))

    assert read_short(made, [sha1_of(BLOB, short)], 1000) == {sha1_of(BLOB, short): (b"blob", short)}
    assert read_short(made, [sha1_of(BLOB, long)], 1000) is None
    assert read_short(made, [], 1000) == {}


def test_a_delta_that_makes_much_of_little_is_left_to_git(bare):
    base = b"a" * 60_000
    # "copy 60,000 bytes from the beginning", twenty times.
    grows = delta(len(base), 20 * len(base), 20 * b"\xb0\x60\xea")
    packed = pack([entry(BLOB, base), entry(REF_DELTA, grows, base=sha1_of(BLOB, base))])
    made = indexed(bare, packed)
    grown = sha1_of(BLOB, 20 * base)

    assert made.stat().st_size < 1000
    assert read_short(made, [grown], 1_000_000) is None
    assert read_short(made, [grown], 2_000_000) == {grown: (b"blob", 20 * base)}


def test_a_pack_longer_than_the_limit_is_not_read(bare):
    text = random.Random(1).randbytes(5000)
    made = indexed(bare, pack([entry(BLOB, text), entry(BLOB, b"")]))

    assert read_short(made, [sha1_of(BLOB, b"")], 4000) is None
    assert read_short(made, [sha1_of(BLOB, b"")], 6000) == {sha1_of(BLOB, b""): (b"blob", b"")}


def test_a_chain_may_be_longer_than_python_nests(bare):
    texts = [b"line %d\n" % number * 20 for number in range(1500)]
    entries, base = [entry(BLOB, texts[0])], texts[0]
    for text in texts[1:]:
        # "insert these bytes": nothing of the base is used.
        steps = b"".join(bytes([len(part)]) + part for part in (text[:100], text[100:]) if part)
        entries.append(entry(REF_DELTA, delta(len(base), len(text), steps), base=sha1_of(BLOB, base)))
        base = text
    made = indexed(bare, pack(entries))

    assert read_short(made, [sha1_of(BLOB, base)], MUCH) == {sha1_of(BLOB, base): (b"blob", base)}
