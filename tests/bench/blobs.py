"""One large file through every door, both ways, and the memory it takes; BENCH_BLOB_MB=5120 is the largest.

The doors are those of served forges, one on the local store and one on S3. S3 is rclone's server, since
it keeps files on disk; it ignores conditions, so a line in front of it keeps them.
"""

import http.client
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.bench.figures import Figure, spent
from tests.bench.stage import CHECKOUT, Served, Stage
from tests.vcs.buckets import KeepsConditions, new_bucket, rclone_server

MEGABYTE = 1 << 20
PIECE = 1 << 18
# What each door may need beyond what it had, and `mic` in all.
ROOM, MIC_ROOM = 40, 160
# A part of 8 MB lies in memory as it is collected, signed and sent.
S3_ROOM = 2 * ROOM


def measure(stage: Stage) -> Iterator[Figure]:
    """Seconds, and megabytes of memory at the most."""
    size = int(os.environ.get("BENCH_BLOB_MB", "300")) * MEGABYTE
    yield Figure("blobs.size", size / MEGABYTE, "MB")
    yield from _doors(stage, stage.served, size, "blobs", ROOM, PIECE * 24)
    yield from _s3(stage, size)


def pieces(size: int, seed: int) -> Iterator[bytes]:
    """Bytes that do not compress, made as they are read."""
    piece = random.Random(seed).randbytes(PIECE - 8)
    for number in range(size // PIECE):
        yield piece + number.to_bytes(8, "big")


def _doors(stage: Stage, served: Served, size: int, name: str, most: int, before: int) -> Iterator[Figure]:
    # The first of each kind brings what is loaded once.
    for part, room in ((before, None), (size, most)):
        doors = _Doors(served, stage.folder(), part)
        for word in ("push", "clone", "put", "raw"):
            work = getattr(doors, word)
            took: list[float] = []
            grown = served.growth(lambda work=work, took=took: took.append(spent(work)))
            if room is not None:
                yield Figure(f"{name}.{word}", took[0], "s")
                yield Figure(f"{name}.{word}.memory", grown / MEGABYTE, "MB", at_most=room)
        if room is not None:
            yield Figure(f"{name}.mic.memory", doors.mic_memory / MEGABYTE, "MB", at_most=MIC_ROOM)
            yield Figure(f"{name}.range", spent(partial(doors.get, f"bytes={size - 10}-")) * 1000, "ms")


class _Doors:
    """Somebody who brings a large file to the forge and takes it back again."""

    def __init__(self, served: Served, folder: Path, size: int) -> None:
        self.served = served
        self.folder = folder
        self.size = size
        self.name = f"blob{size}"
        self.mic_memory = 0
        where = {"MICELIO_INSTANCE": served.url, "MICELIO_TOKEN": served.token, "MIC_HOME": str(folder)}
        self._environment = {**os.environ, **where, "PYTHONPATH": str(CHECKOUT)}
        (folder / "work").mkdir()
        (folder / "work" / "README.md").write_text("# Large\n")
        self._mic("project", "create", f"ada/{self.name}", "--init", at="work")
        self._mic("session", "start", "Large", at="work")
        with (folder / "work" / "large.bin").open("wb") as file:
            file.writelines(pieces(size, 1))

    def push(self) -> None:
        """gRPC, there."""
        self._mic("session", "push", at="work")
        self._mic("session", "land", at="work")

    def clone(self) -> None:
        """gRPC, back; the file is the same."""
        self._mic("clone", f"ada/{self.name}", "again")
        command = ["cmp", "work/large.bin", "again/large.bin"]
        subprocess.run(command, cwd=self.folder, check=True)

    def put(self) -> None:
        """REST, there."""
        body = {"project": f"ada/{self.name}", "goal": "Large too"}
        session = self.served.api("POST", "/api/v1/sessions", body)["id"]
        with closing(http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=3600)) as connection:
            headers = {"Authorization": f"Bearer {self.served.token}", "Content-Length": str(self.size)}
            address = f"/api/v1/sessions/{session}/files/other.bin"
            connection.request("PUT", address, pieces(self.size, 2), headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise SystemExit(f"bench: the PUT was answered with {answer.status}: {answer.read()!r}")

    def raw(self) -> None:
        """HTTP, back."""
        if self.get() != self.size:
            raise SystemExit("bench: the raw file has another length")

    def get(self, wanted: str = "") -> int:
        """The bytes that came of the raw file, or of a part."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=3600)) as connection:
            headers = {"Authorization": f"Bearer {self.served.token}"} | ({"Range": wanted} if wanted else {})
            connection.request("GET", f"/ada/{self.name}/raw/HEAD/large.bin", headers=headers)
            response, size = connection.getresponse(), 0
            while piece := response.read(PIECE):
                size += len(piece)
        return size

    def _mic(self, *words: str, at: str = "") -> None:
        command = [sys.executable, "-m", "mic", *words]
        process = subprocess.Popen(
            command, cwd=self.folder / at, env=self._environment, stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"bench: mic {words[0]} ended with {process.returncode}")
        self.mic_memory = max(self.mic_memory, used.ru_maxrss * 1024)


def _s3(stage: Stage, size: int) -> Iterator[Figure]:
    """A second forge, on S3."""
    with rclone_server(stage.folder()) as address, KeepsConditions(address) as line:
        bucket = line.bucket(new_bucket(address))
        served = Served(
            stage.folder(),
            STORAGE_BACKEND="s3",
            S3_BUCKET=bucket.name,
            S3_ENDPOINT_URL=bucket.endpoint,
            S3_ACCESS_KEY_ID=bucket.access_key_id,
            S3_SECRET_ACCESS_KEY=bucket.secret_access_key,
        )
        try:
            served.start()
            # More than one part, or what parts take would be counted as growth.
            yield from _doors(stage, served, size, "blobs.s3", S3_ROOM, PIECE * 48)
        finally:
            served.stop()
