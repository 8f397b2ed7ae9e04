"""What git prints is taken apart the same wherever the pieces end in which it comes."""

import io
import random

import pytest

from vcs.git import source
from vcs.git.source import Long, Objects


@pytest.mark.parametrize("seed", range(30))
def test_objects_come_whole_however_they_are_cut(monkeypatch, seed):
    chance = random.Random(seed)
    monkeypatch.setattr(source, "_CHUNK", chance.choice([1, 7, 50, 1000]))
    # Contents that look like headers, and lengths at every edge.
    sizes = [chance.choice([0, 1, 39, 40, 41, 99, 100, 101, 300]) for _ in range(chance.randrange(12))]
    wanted = [(chance.randbytes(20), number, (b"a\n1 " * size)[:size]) for number, size in enumerate(sizes)]
    printed = b"".join(
        b"%s %d %d\n%s\n" % (sha1.hex().encode(), len(content), hint, content)
        for sha1, hint, content in wanted
    )

    found = []
    for each in Objects(io.BytesIO(printed), most=3, long=100):
        if isinstance(each, Long):
            content = b"".join(each.pieces)
            assert len(content) == each.size >= 100
            found.append((each.sha1, each.hint, content))
        else:
            assert len(each[0]) <= 3 and all(len(content) < 100 for content in each[2])
            found += zip(*each, strict=True)

    assert found == wanted
