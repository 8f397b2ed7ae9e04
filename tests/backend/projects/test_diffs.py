from hypothesis import given
from hypothesis import strategies as st

from backend.projects import diffs
from vcs.diff import Status, TreeChange
from vcs.objects import Entry, Kind, object_id

CONTENT = st.lists(st.sampled_from([b"a", b"b\n", b"\n", b"\r\n", b"c d\n", b"\x00"]), max_size=8).map(
    b"".join
)


class Blobs:
    """Contents by id."""

    def __init__(self, *contents):
        self.contents = {object_id(Kind.BLOB, content): content for content in contents}

    def read(self, id, kind=None):
        return self.contents[id]

    def size(self, id):
        return len(self.contents[id])


def entry(content):
    return None if content is None else Entry(b"100644", b"f", object_id(Kind.BLOB, content))


@given(st.none() | CONTENT, st.none() | CONTENT)
def test_counting_without_comparing_agrees_with_comparing(old, new):
    if old == new:
        return
    blobs = Blobs(*(each for each in (old, new) if each is not None))
    change = TreeChange(b"f", Status.MODIFIED, entry(old), entry(new))

    assert diffs.counts_of(blobs, change) == diffs.counted(blobs, change)[0]
