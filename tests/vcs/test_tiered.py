import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.vcs.buckets import patient
from tests.vcs.logs import World, proposal
from vcs.cdn import Cdn
from vcs.errors import StoreFailed
from vcs.reading import FrameCache
from vcs.repository import Repository
from vcs.s3 import S3Store
from vcs.store import ABSENT, MemoryStore, Missing, Swapped, head_key
from vcs.tiered import BLOCK, Met, TieredStore

FILE = "pools/pool/files/project/one.seg"
BODY = bytes(range(251)) * 12_000
OTHER = BODY[::-1]


class Origin(MemoryStore):
    """A store that says what it was asked, and waits when told to."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.gate = threading.Event()
        self.gate.set()

    def get(self, key, start=0, length=None):
        self.asked.append((key, start, length))
        assert self.gate.wait(60)
        return super().get(key, start, length)


class Edge:
    """A CDN over a store, with one way of going wrong at a time."""

    def __init__(self, behind):
        self.behind = behind
        self.fault = None
        self.asked = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}/files"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(edge):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_GET(self):
                edge.asked += 1
                key = self.path.removeprefix("/files/")
                try:
                    whole = MemoryStore.get(edge.behind, key)
                except Missing:
                    return self.answer(404, b"no")
                first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
                self.answer(*edge.part(whole, first, last))

            def answer(self, status, body, told="", length=None):
                self.send_response(status)
                if told:
                    self.send_header("Content-Range", told)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = length is not None

            def log_message(self, *args):
                """Nobody reads it."""

        return Handler

    def part(self, whole, first, last):
        """Status, body, Content-Range and Content-Length, as they should be but for the fault."""
        if self.fault == "shorter":
            whole = whole[: max(1, len(whole) // 2)]
        if self.fault == "swapped":
            whole = whole[::-1]
        if self.fault in (403, 500, 503):
            return self.fault, b"went wrong"
        if self.fault == "whole":
            return 200, whole
        if first >= len(whole):
            return 416, b""
        body = whole[first : last + 1]
        told = f"bytes {first}-{first + len(body) - 1}/{len(whole)}"
        if self.fault == "flip":
            body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
        if self.fault == "truncate":
            return 206, body[:-1], told, len(body)
        if self.fault == "moved":
            told = f"bytes {first + 1}-{first + len(body)}/{len(whole) + 1}"
        return 206, body, told


@pytest.fixture
def origin():
    made = Origin()
    made.put(FILE, [BODY])
    return made


@pytest.fixture
def edge(origin):
    with closing(Edge(origin)) as made:
        yield made


@pytest.fixture
def tiered(origin, edge, tmp_path):
    with closing(TieredStore(origin, tmp_path / "cache", Cdn(edge.url, seconds=2))) as made:
        yield made


def test_what_was_read_once_comes_from_memory_and_after_a_restart_from_disk(origin, tmp_path):
    first = TieredStore(origin, tmp_path / "cache")
    assert first.get(FILE) == BODY
    assert first.get(FILE, 5, 2 * BLOCK) == BODY[5 : 5 + 2 * BLOCK]
    again = TieredStore(origin, tmp_path / "cache")
    assert again.get(FILE) == BODY

    assert len(origin.asked) == 1
    assert (first.met[Met.ORIGIN], first.met[Met.MEMORY]) == (3, 3)
    assert (again.met[Met.ORIGIN], again.met[Met.DISK]) == (0, 3)


def test_a_cdn_is_asked_before_the_origin(origin, edge, tiered):
    assert tiered.get(FILE, BLOCK + 3, 10) == BODY[BLOCK + 3 : BLOCK + 13]
    assert tiered.get(FILE) == BODY

    assert origin.asked == []
    assert tiered.met[Met.CDN] == 3


def test_heads_lists_and_other_files_are_never_copied(origin, edge, tiered):
    origin.put("archives/project/session/one", [b"x"])
    swapped = tiered.swap_head("pool", "project", ABSENT, b"one")
    for _ in range(2):
        tiered.get("archives/project/session/one")
        tiered.get(head_key("pool", "project"))
    origin.swap_head("pool", "project", swapped.version, b"two")

    assert tiered.read_head("pool", "project")[0] == b"two"
    assert tiered.get(head_key("pool", "project")) == b"two"
    assert edge.asked == 0
    assert len(origin.asked) == 5


def test_that_a_file_is_missing_is_not_remembered(origin, edge, tiered):
    late = FILE.replace("one", "two")
    for _ in range(2):
        with pytest.raises(Missing):
            tiered.get(late, 0, 10)
    origin.put(late, [b"there now"])

    assert tiered.get(late) == b"there now"


def test_a_deleted_file_leaves_every_tier(origin, tmp_path):
    tiered = TieredStore(origin, tmp_path / "cache")
    tiered.get(FILE)
    tiered.delete(FILE)

    for store in (tiered, TieredStore(origin, tmp_path / "cache")):
        with pytest.raises(Missing):
            store.get(FILE)


def test_a_project_can_be_forgotten_whole(origin, tmp_path):
    other = FILE.replace("project", "project2")
    origin.put(other, [b"stays"])
    tiered = TieredStore(origin, tmp_path / "cache")
    for key in (FILE, other):
        tiered.get(key)
    tiered.forget("pools/pool/files/project/")
    origin.delete(FILE)

    with pytest.raises(Missing):
        tiered.get(FILE)
    assert tiered.get(other) == b"stays"
    assert tiered.met[Met.MEMORY] == 1


def test_files_that_came_with_a_swap_are_at_hand(origin, tmp_path):
    tiered = TieredStore(origin, tmp_path / "cache")
    landed = FILE.replace("one", "two")
    assert isinstance(tiered.swap_head("pool", "project", ABSENT, b"one", {landed: BODY}), Swapped)

    assert tiered.get(landed) == BODY
    assert origin.asked == []


def test_twenty_readers_of_one_block_make_one_request(origin, tmp_path):
    tiered = TieredStore(origin, tmp_path / "cache")
    origin.gate.clear()
    answers = []
    readers = [threading.Thread(target=lambda: answers.append(tiered.get(FILE, 7, 9))) for _ in range(20)]
    for reader in readers:
        reader.start()
    patient(lambda: origin.asked)
    origin.gate.set()
    for reader in readers:
        reader.join()

    assert answers == [BODY[7:16]] * 20
    assert len(origin.asked) == 1


def test_readers_who_wait_for_one_that_fails_fail_with_it_and_may_try_again(origin, tmp_path):
    class Broken(Origin):
        def get(self, key, start=0, length=None):
            super().get(key, start, length)
            raise StoreFailed(problem="no route")

    broken = Broken()
    broken.put(FILE, [BODY])
    broken.gate.clear()
    tiered = TieredStore(broken, tmp_path / "cache")
    failed = []

    def read():
        try:
            tiered.get(FILE, 0, 1)
        except StoreFailed:
            failed.append(1)

    readers = [threading.Thread(target=read) for _ in range(5)]
    for reader in readers:
        reader.start()
    broken.gate.set()
    for reader in readers:
        reader.join()

    assert len(failed) == 5
    tiered._origin = origin
    assert tiered.get(FILE, 0, 1) == BODY[:1]


def test_the_disk_keeps_what_was_used_last_up_to_its_limit(origin, tmp_path):
    tiered = TieredStore(origin, tmp_path / "cache", memory=0, disk=20 * BLOCK)
    names = [FILE.replace("one", f"n{number}") for number in range(40)]
    for name in names:
        origin.put(name, [b"x" * BLOCK])
        tiered.get(names[0], 0, 1)
        tiered.get(name, 0, 1)

    sizes = [path.stat().st_size for path in (tmp_path / "cache").rglob("*@*")]
    assert 17 * BLOCK < sum(sizes) < 23 * BLOCK
    assert (tmp_path / "cache" / f"{names[0]}@0").exists()
    assert (tmp_path / "cache" / f"{names[-1]}@0").exists()


def test_a_block_that_rotted_on_disk_is_noticed_and_read_again(origin, tmp_path):
    TieredStore(origin, tmp_path / "cache").get(FILE)
    for path in (tmp_path / "cache").rglob("*@1"):
        body = bytearray(path.read_bytes())
        body[500] ^= 1
        path.write_bytes(body)
    tiered = TieredStore(origin, tmp_path / "cache")

    assert tiered.get(FILE) == BODY
    assert tiered.met[Met.WRONG_DISK] == 1
    assert TieredStore(origin, tmp_path / "cache").get(FILE) == BODY


def test_a_disk_that_takes_nothing_makes_reads_slower_only(origin, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file where a folder should be")
    tiered = TieredStore(origin, tmp_path / "cache", memory=0)

    assert tiered.get(FILE) == BODY
    assert tiered.get(FILE) == BODY
    assert tiered.met[Met.FAILED_DISK] > 0


@pytest.mark.parametrize("fault", ["truncate", "moved", 500, 503])
def test_what_is_not_what_was_asked_for_comes_from_the_origin(tiered, edge, fault):
    edge.fault = fault

    assert tiered.get(FILE) == BODY
    assert tiered.met[Met.FAILED_CDN] >= 1
    assert tiered.met[Met.ORIGIN] == 3


def test_a_cdn_that_knows_no_ranges_is_used_for_what_fits(origin, tiered, edge):
    edge.fault = "whole"
    small = FILE.replace("one", "two")
    origin.put(small, [b"small"])

    assert tiered.get(small) == b"small"
    assert tiered.get(FILE, BLOCK, 5) == BODY[BLOCK : BLOCK + 5]
    assert tiered.met[Met.CDN] == tiered.met[Met.ORIGIN] == 1


def test_a_cdn_that_lacks_a_file_has_not_failed(origin, edge, tiered, tmp_path):
    edge.fault = 403
    assert tiered.get(FILE) == BODY

    assert tiered.met[Met.FAILED_CDN] == 0


def test_a_cdn_that_fails_is_left_alone_for_a_while(edge):
    now = [0.0]
    with closing(Cdn(edge.url, clock=lambda: now[0])) as cdn:
        edge.fault = 500
        assert [cdn.get(FILE, 0, 10) for _ in range(10)] == [None] * 10
        assert edge.asked == 3
        edge.fault = None
        now[0] = 31.0

        assert cdn.get(FILE, 0, 10) == BODY[:10]


def test_a_cdn_that_hangs_costs_its_patience_and_no_more(origin):
    class Hung(Edge):
        def part(self, whole, first, last):
            assert self.go.wait(60)
            return super().part(whole, first, last)

    hung = Hung(origin)
    hung.go = threading.Event()
    with closing(hung), closing(Cdn(hung.url, seconds=0.2)) as cdn:
        began = time.monotonic()
        assert cdn.get(FILE, 0, 10) is None
        assert time.monotonic() - began < 5
        hung.go.set()


@pytest.mark.parametrize("fault", ["flip", "swapped", "shorter"])
def test_a_cdn_with_wrong_bytes_is_found_out_by_the_reader_bypassed_and_counted(tmp_path, fault):
    origin = Origin()
    with closing(Edge(origin)) as edge, closing(Cdn(edge.url)) as cdn:
        world = World(origin, tmp_path)
        for text in (b"one", b"two"):
            world.batcher().land(proposal(world.main, world.main.catch_up().main, {b"file": text}))
        tiered = TieredStore(origin, tmp_path / "cache", cdn)
        node = Repository(
            tiered, world.project, world.project, tmp_path / "far.db", frames=FrameCache(limit=0)
        )
        edge.fault = fault

        tree = node.commit(node.catch_up().main).tree
        found = {path: node.read(entry.id) for path, entry in node.walk(tree)}

        assert found == {b"file": b"two"}
        assert tiered.met[Met.WRONG_CDN] == 1
        assert cdn.resting
        assert edge.asked == 1


def test_the_way_around_copies_asks_the_origin_and_leaves_right_copies_alone(origin, edge, tiered):
    assert tiered.get(FILE, 0, 10) == BODY[:10]
    assert tiered.get_from_origin(FILE, 5, 10) == BODY[5:15]
    assert tiered.get_from_origin(FILE, len(BODY), 10) == b""

    assert tiered.met[Met.WRONG_CDN] == 0
    assert tiered.get(FILE, 0, 10) == BODY[:10]
    assert edge.asked == 1


def test_whoever_asks_whether_a_file_exists_is_not_told_by_a_copy(origin, tiered):
    tiered.get(FILE)
    origin.delete(FILE)

    with pytest.raises(Missing):
        tiered.get_from_origin(FILE, 0, 1)
    with pytest.raises(Missing):
        tiered.get(FILE)


def test_several_nodes_land_and_read_through_tiers_of_a_bucket(bucket, tmp_path):
    tiers = [TieredStore(S3Store(bucket), tmp_path / name) for name in "ab"]
    with closing(tiers[0]) as one, closing(tiers[1]) as two:
        world = World(one, tmp_path)
        far = Repository(two, world.project, world.project, tmp_path / "far.db")
        for number, node in enumerate((world.main, far, world.main, far)):
            base = node.catch_up().main
            world.batcher(node).land(proposal(node, base, {b"%d" % number: b"text %d" % number}))

        assert world.files(far.catch_up().main) == {b"%d" % n: b"text %d" % n for n in range(4)}
        assert world.faults() == []
