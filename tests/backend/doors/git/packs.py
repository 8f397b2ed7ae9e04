"""Bodies of pushes, well made and badly, out of a seed."""

import hashlib
import random
import struct
import zlib
from collections.abc import Callable, Iterator

from vcs.git.receive import FLUSH, pkt_line

__all__ = ["bodies", "entry", "pack", "sha1_of"]

COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
WORDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
ZERO = b"0" * 40
CAPABILITIES = b"report-status-v2 side-band-64k atomic push-options object-format=sha1 agent=git/2"
WHO = b"A <a@b> 1700000000 +0000"


def sha1_of(kind: int, content: bytes) -> bytes:
    """git's name of an object."""
    return hashlib.sha1(b"%s %d\0%s" % (WORDS[kind], len(content), content)).digest()


def entry(kind: int, content: bytes, *, base: bytes = b"", size: int | None = None) -> bytes:
    """One entry of a pack, which may lie about its size."""
    left = len(content) if size is None else size
    first = kind << 4 | left & 15
    left >>= 4
    head = bytearray()
    while left:
        head.append(first | 128)
        first, left = left & 127, left >> 7
    head.append(first)
    return bytes(head) + base + zlib.compress(content, 1)


def offset(number: int) -> bytes:
    """How far back the base of an OFS_DELTA is."""
    found = [number & 127]
    while number := number >> 7:
        number -= 1
        found.insert(0, 128 | number & 127)
    return bytes(found)


def delta(source: int, result: int, steps: bytes) -> bytes:
    """A delta's bytes."""
    return _varint(source) + _varint(result) + steps


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(128 | number & 127)
        number >>= 7
    return bytes([*found, number])


def pack(entries: list[bytes], *, count: int | None = None, version: int = 2) -> bytes:
    """A pack with a right checksum."""
    body = b"PACK" + struct.pack(">II", version, len(entries) if count is None else count) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def envelope(commands: list[tuple[bytes, bytes, bytes]], options: list[bytes] | None = None) -> bytes:
    """Commands and options of a push."""
    lines = [b"%s %s %s" % command for command in commands]
    lines[0] += b"\0 " + CAPABILITIES + b"\n"
    told = b"".join(map(pkt_line, lines)) + FLUSH
    return told + b"".join(map(pkt_line, options or [])) + FLUSH


class Maker:
    """Makes one body after the other; the same seed makes the same ones."""

    def __init__(self, seed: int, tip: str) -> None:
        self.rng = random.Random(seed)
        self.tip = tip.encode()

    def commit(self, *, parent: bytes = b"") -> tuple[list[bytes], bytes]:
        """Entries of a commit with a file, and its name."""
        blob = b"%d\n" % self.rng.randrange(10**9)
        tree = b"100644 f\0" + sha1_of(BLOB, blob)
        lines = [b"tree " + sha1_of(TREE, tree).hex().encode(), b"parent " + (parent or self.tip)]
        made = b"\n".join([*lines, b"author " + WHO, b"committer " + WHO, b"", b"fuzz\n"])
        return [entry(BLOB, blob), entry(TREE, tree), entry(COMMIT, made)], sha1_of(
            COMMIT, made
        ).hex().encode()

    def push(self, new: bytes, *, name: bytes = b"refs/heads/fuzz", old: bytes = ZERO) -> bytes:
        """The envelope of one command."""
        return envelope([(old, new, name)], [b"goal=fuzz"])

    def damaged_envelope(self) -> bytes:
        """Packets with lengths, letters and ends that they should not have."""
        rng = self.rng
        # Never whole, so what is not damaged enough cannot land either.
        (*entries, _), new = self.commit()
        body = bytearray(self.push(new, name=rng.choice(NAMES)))
        for _ in range(rng.randrange(1, 6)):
            rng.choice(DAMAGES)(rng, body)
        return bytes(body) + (pack(entries) if rng.random() < 0.3 else b"")

    def damaged_pack(self) -> bytes:
        """A pack that changed on the way: its checksum tells."""
        rng = self.rng
        entries, new = self.commit()
        whole = pack(entries)
        damaged = bytearray(whole)
        while damaged == whole:
            for _ in range(rng.randrange(1, 4)):
                rng.choice(DAMAGES)(rng, damaged)
        return self.push(new) + bytes(damaged)

    def wrong_inside(self) -> bytes:
        """A pack whose checksum is right and whose inside is not."""
        rng = self.rng
        entries, new = self.commit()
        # The file is missing, so bits that mean nothing to anybody make no push of it either.
        whole = b"".join(entries[1:])
        damaged = bytearray(whole)
        while damaged == whole:
            for _ in range(rng.randrange(1, 4)):
                rng.choice(DAMAGES)(rng, damaged)
        return self.push(new) + pack([bytes(damaged)], count=rng.choice((2, 2, 2, 1, 3, 0, 2**32 - 1)))

    def wrong_deltas(self) -> bytes:
        """Deltas without a base, of themselves, of the wrong size, that copy from nowhere."""
        rng = self.rng
        entries, new = self.commit()
        somewhere = rng.randbytes(20)
        steps = rng.choice((b"\x90\x05", b"\x05hello", b"\x91\xff\x05", b"\0", b"\xff" * 8, b""))
        made = delta(rng.choice((0, 5, 2**31, 2**62)), rng.choice((0, 5, 7, 2**40)), steps)
        wrong = rng.choice(
            (
                entry(REF_DELTA, made, base=somewhere),
                entry(OFS_DELTA, made, base=offset(rng.choice((1, 12, len(entries[2]), 2**40)))),
                entry(REF_DELTA, b"", base=somewhere),
                entry(BLOB, b"x", size=rng.choice((0, 2, 2**20, 2**60))),
                entry(rng.choice((0, 5)), b"x"),
            )
        )
        return self.push(new) + pack(rng.sample([*entries, wrong], k=4))

    def for_git_to_say(self) -> bytes:
        """What only git can tell: it unpacks, and does not fit together."""
        rng = self.rng
        entries, new = self.commit()
        blob = b"hello"
        named = sha1_of(BLOB, blob)
        copy = delta(5, 5, b"\x90\x05")
        choice = rng.randrange(7)
        if choice == 0:  # a thin pack whose base nobody has
            entries = [*entries, entry(REF_DELTA, copy, base=rng.randbytes(20))]
        elif choice == 1:  # each is the other's base
            entries = [
                *entries,
                entry(REF_DELTA, delta(5, 6, b"\x06" + rng.randbytes(6)), base=sha1_of(BLOB, b"other!")),
                entry(REF_DELTA, delta(6, 5, b"\x05" + rng.randbytes(5)), base=named),
            ]
        elif choice == 2:  # an object there twice, and nothing that is pushed
            entries = [entry(BLOB, blob), entry(BLOB, blob)]
        elif choice == 3:  # a delta that copies from beyond its base
            first = entry(BLOB, blob)
            entries = [first, entry(OFS_DELTA, delta(5, 9, b"\x91\x03\x09"), base=offset(len(first)))]
        elif choice == 4:  # a commit of a tree that is not there
            made = b"tree %s\nauthor %s\ncommitter %s\n\nx" % (rng.randbytes(20).hex().encode(), WHO, WHO)
            entries, new = [entry(COMMIT, made)], sha1_of(COMMIT, made).hex().encode()
        elif choice == 5:  # a tree with a name that cannot be
            tree = rng.choice((b"100644 .git\0", b"40000 ..\0", b"100644 a/b\0", b"7 \0")) + named
            made = b"tree %s\nauthor %s\ncommitter %s\n\nx" % (sha1_of(TREE, tree).hex().encode(), WHO, WHO)
            entries = [entry(BLOB, blob), entry(TREE, tree), entry(COMMIT, made)]
            new = sha1_of(COMMIT, made).hex().encode()
        else:  # a bomb: megabytes out of kilobytes
            bomb = bytes(rng.choice((8, 24)) << 20)
            entries = [entry(BLOB, bomb), entry(rng.choice((TREE, COMMIT)), bomb[: 1 << 20])]
        return self.push(new) + pack(entries)


NAMES = (
    b"refs/heads/fuzz", b"refs/heads/main", b"refs/for/main", b"refs/tags/t", b"HEAD", b"refs/heads/..",
    b"refs/landings/1", b"refs/heads/a.lock", b"\xff\xfe", b"refs/heads/" + b"a" * 300, b"refs/sessions/x",
)  # fmt: skip


def _flip(rng: random.Random, body: bytearray) -> None:
    if body:
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)


def _cut(rng: random.Random, body: bytearray) -> None:
    del body[rng.randrange(len(body) + 1) :]


def _insert(rng: random.Random, body: bytearray) -> None:
    at = rng.randrange(len(body) + 1)
    body[at:at] = rng.choice((b"0000", b"0001", b"ffff", b"0003", b"0004", b"\0", b"\n", rng.randbytes(9)))


def _repeat(rng: random.Random, body: bytearray) -> None:
    at = rng.randrange(len(body) + 1)
    body[at:at] = body[at : at + rng.randrange(120)]


def _lose(rng: random.Random, body: bytearray) -> None:
    at = rng.randrange(len(body) + 1)
    del body[at : at + rng.randrange(1, 30)]


DAMAGES: tuple[Callable[[random.Random, bytearray], None], ...] = (_flip, _cut, _insert, _repeat, _lose)


def bodies(seed: int, count: int, tip: str) -> Iterator[tuple[str, bytes]]:
    """So many bodies, none of which may change anything; most are stopped by what they look like."""
    maker = Maker(seed, tip)
    shares = (
        ("damaged_envelope", 90),
        ("damaged_pack", 60),
        ("wrong_inside", 27),
        ("wrong_deltas", 20),
        ("for_git_to_say", 3),
    )
    names = [name for name, _ in shares]
    for kind in maker.rng.choices(names, [share for _, share in shares], k=count):
        yield kind, getattr(maker, kind)()
