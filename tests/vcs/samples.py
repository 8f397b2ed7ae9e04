"""Generated objects, and every way to damage a few bytes."""

from collections.abc import Iterator

from hypothesis import strategies as st

from vcs.errors import InvalidPath
from vcs.objects import Commit, Entry, check_name, encode_tree

__all__ = ["COMMITS", "CONTENTS", "IDS", "TREES", "cut", "flipped"]

CONTENTS = st.binary(max_size=200)
IDS = st.binary(min_size=32, max_size=32).map(bytes.hex).filter(lambda id: int(id, 16) != 0)


def _usable(name: bytes) -> bool:
    try:
        check_name(name)
    except InvalidPath:
        return False
    return True


# Names that sort differently as file and as folder, and names no one can decode.
NAMES = st.one_of(
    st.sampled_from(
        [b"a", b"a.b", b"a-b", b"a0", b"ab", b"A", b"\xff\xfe", b"new\nline", b"tab\there", b" "]
    ),
    st.binary(min_size=1, max_size=12).filter(_usable),
)
MODES = st.sampled_from([b"100644", b"100755", b"120000", b"40000", b"160000"])


def _entry(mode: bytes, name: bytes, id: str) -> Entry:
    return Entry(mode, name, id[:40] + "0" * 24 if mode == b"160000" else id)


TREES = st.lists(st.builds(_entry, MODES, NAMES, IDS), max_size=8, unique_by=lambda entry: entry.name).map(
    tuple
)

_LINE = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="<>"), max_size=20)
SIGNATURES = st.builds(
    lambda name, email, at: f"{name.strip() or 'Ada'} <{email.strip()}> {at} +0200".encode(),
    _LINE,
    _LINE,
    st.integers(0, 2**31),
)
_VALUE = st.lists(_LINE.map(str.encode), min_size=1, max_size=3).map(b"\n".join)
HEADERS = st.lists(st.tuples(st.sampled_from([b"encoding", b"gpgsig", b"mergetag"]), _VALUE), max_size=3)
COMMITS = st.builds(
    Commit,
    tree=IDS,
    parents=st.lists(IDS, max_size=3).map(tuple),
    author=SIGNATURES,
    committer=SIGNATURES,
    message=st.binary(max_size=80).map(lambda message: message.replace(b"\0", b"")),
    headers=HEADERS.map(tuple),
)
TREE_CONTENTS = TREES.map(encode_tree)


def cut(content: bytes) -> Iterator[bytes]:
    """Every beginning of these bytes but the whole."""
    return (content[:end] for end in range(len(content)))


def flipped(content: bytes) -> Iterator[bytes]:
    """These bytes with one bit turned over, for every bit."""
    for at in range(len(content)):
        for bit in range(8):
            yield content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]
