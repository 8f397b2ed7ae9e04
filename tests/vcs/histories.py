"""Histories like those people make: source files that grow and change, with few lines at a time."""

import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

__all__ = ["history"]

_SOURCES = """
    argparse ast bisect calendar cmd code codecs configparser copy csv dataclasses difflib enum fnmatch
    fractions functools glob gzip hashlib heapq inspect ipaddress locale mailbox pickle sched shelve shlex
    shutil smtplib socket statistics string subprocess tarfile tempfile textwrap threading timeit trace
    traceback typing uuid warnings weakref json/decoder json/encoder json/scanner json/tool email/header
    email/message email/parser html/parser http/client http/server logging/__init__ logging/config
    logging/handlers unittest/case unittest/mock urllib/parse urllib/request
"""


def history(landings: int, seed: int = 1) -> Iterator[dict[bytes, bytes]]:
    """What each landing writes: first the library's own files, then a few edits in a few of them."""
    rng = random.Random(seed)
    library = Path(sysconfig.get_paths()["stdlib"])
    files = {
        f"src/{name}.py".encode(): (library / f"{name}.py").read_bytes().splitlines(keepends=True)
        for name in _SOURCES.split()
        if (library / f"{name}.py").is_file()
    }
    yield {path: b"".join(lines) for path, lines in files.items()}
    paths = sorted(files)
    for _ in range(landings - 1):
        written = {}
        for path in rng.choices(paths, k=rng.randrange(1, 8)):
            lines = files[path]
            for _ in range(rng.randrange(1, 5)):
                _edit(rng, lines, files[rng.choice(paths)])
            written[path] = b"".join(lines)
        yield written


def _edit(rng: random.Random, lines: list[bytes], others: list[bytes]) -> None:
    """Replace a few lines by lines that somebody wrote elsewhere, each a little changed."""
    at = rng.randrange(len(lines))
    start, count = rng.randrange(len(others)), rng.randrange(0, 8)
    new = [b" ".join(_words(rng, line)) for line in others[start : start + count]]
    lines[at : at + rng.randrange(0, 8)] = new or [b"\n"]


def _words(rng: random.Random, line: bytes) -> list[bytes]:
    return [word + b"_%d" % rng.randrange(99) if rng.random() < 0.05 else word for word in line.split(b" ")]
