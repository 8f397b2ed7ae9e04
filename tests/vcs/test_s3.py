import fcntl
import multiprocessing
import random
import tracemalloc
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

import pytest

from tests.vcs.buckets import Line, client, new_bucket, patient, rclone_server
from tests.vcs.children import ANEW
from tests.vcs.logs import World, proposal
from tests.vcs.test_store import LARGE, POOL, PROJECT, WithoutConditions
from vcs.errors import StoreFailed
from vcs.landing import Batcher, LandingUnknown, PathConflict, fence
from vcs.log import Head
from vcs.repository import Repository
from vcs.s3 import ConditionsIgnored, S3Store
from vcs.store import ABSENT, Exists, Lost, Missing, Swapped, Unknown, head_key
from vcs.swap import swap_patiently

HEAD = head_key(POOL, PROJECT)
PART = 5 << 20


@pytest.fixture(scope="module")
def rclone(tmp_path_factory):
    with rclone_server(tmp_path_factory.mktemp("rclone")) as endpoint:
        yield endpoint


@pytest.fixture
def store(bucket):
    with closing(S3Store(bucket, part=PART, pause=lambda seconds: None)) as made:
        yield made


@pytest.fixture
def line(moto):
    with Line(moto) as made:
        yield made


@pytest.fixture
def far(line, bucket):
    """The same bucket as `store`, at the end of a line that can be cut."""
    with closing(
        S3Store(line.bucket(bucket), part=PART, answer_seconds=1, pause=lambda seconds: None)
    ) as made:
        yield made


def is_head(request):
    return request.command == "PUT" and "/heads/" in request.path


def once(fate, wanted):
    """This fate for the first request that is wanted, and none for the others."""
    left = [fate]
    return lambda request: left.pop() if left and wanted(request) else "pass"


class TestRclone(WithoutConditions):
    """A second S3, made by others, keeps all that needs no condition."""

    @pytest.fixture
    def store(self, rclone):
        with closing(S3Store(new_bucket(rclone))) as made:
            yield made

    def test_a_long_file_goes_up_in_parts_with_flat_memory(self, store):
        block = bytes(range(256)) * 4096
        store.put("b", [b"loads what the SDK knows about S3, 11 MB"])
        tracemalloc.start()
        store.put("a", (block for _ in range(96)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert [listed.size for listed in store.list("a")] == [96 * len(block)]
        assert store.get("a", 50 * len(block) + 7, len(block)) == block[7:] + block[:7]
        assert peak < 48 << 20

    def test_a_server_that_ignores_conditions_is_refused_by_name(self, store, rclone):
        with pytest.raises(ConditionsIgnored) as refusal:
            store.probe()

        assert f"The S3 server at {rclone}, which calls itself AmazonS3" in refusal.value.sentence
        assert "it wrote over a file although If-None-Match forbade it" in refusal.value.sentence
        assert list(store.list("")) == []

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"name": "not-there"}, "has no bucket not-there; create it or correct S3_BUCKET"),
            ({"name": "No/Name"}, "'No/Name' is no name of a bucket; check S3_BUCKET"),
            ({"access_key_id": "AKIANOBODY"}, "S3_ACCESS_KEY_ID"),
            ({"secret_access_key": "wrong"}, "S3_SECRET_ACCESS_KEY does not belong to S3_ACCESS_KEY_ID"),
            (
                {"endpoint": "http://127.0.0.1:9"},
                "http://127.0.0.1:9 cannot be reached; check S3_ENDPOINT_URL",
            ),
        ],
    )
    def test_what_is_set_wrong_is_said_in_a_sentence(self, rclone, wrong, sentence):
        with (
            closing(S3Store(replace(new_bucket(rclone), **wrong))) as store,
            pytest.raises(StoreFailed) as refusal,
        ):
            store.probe()

        assert sentence in refusal.value.sentence
        assert "wrong" not in refusal.value.sentence


def test_a_server_that_keeps_conditions_is_taken_and_left_clean(store):
    store.probe()

    assert list(store.list("")) == []


def test_every_version_of_a_file_is_deleted(store, bucket):
    s3 = client(bucket)
    s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "a-b"):
        store.put(key, [b"x"])
        store.delete(key)
        store.put(key, [b"y"])
    store.delete("a")
    store.delete("a")

    kept = s3.list_object_versions(Bucket=bucket.name, Prefix="a")
    assert "DeleteMarkers" not in kept
    assert [version["Key"] for version in kept["Versions"]] == ["a-b"]


def test_a_file_in_parts_is_created_once_too(store):
    body = LARGE * 6
    store.put("a", [body])

    with pytest.raises(Exists):
        store.put("a", [body])
    assert store.get("a") == body


def test_of_two_long_files_with_one_name_the_first_to_end_stays(store, bucket):
    first = LARGE * 6

    def slow():
        yield first
        with closing(S3Store(bucket)) as other:
            other.put("a", [first[::-1]])
        yield first

    with pytest.raises(Exists):
        store.put("a", slow())
    assert store.get("a") == first[::-1]
    assert "Uploads" not in client(bucket).list_multipart_uploads(Bucket=bucket.name)


def test_an_upload_that_breaks_off_is_given_up(store, bucket):
    def broken():
        yield LARGE * 6
        raise RuntimeError("the client went away")

    with pytest.raises(RuntimeError):
        store.put("a", broken())
    assert "Uploads" not in client(bucket).list_multipart_uploads(Bucket=bucket.name)


@pytest.mark.parametrize("fate", ["drop", "lose", 500, 503])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PUT", "/a", b"small"), ("POST", "/a?uploadId", LARGE * 6), ("PUT", "partNumber=1", LARGE * 6)],
)
def test_a_file_is_put_whatever_answer_is_lost(store, far, line, fate, method, path, body):
    line.fate = once(fate, lambda request: request.command == method and path in request.path)

    far.put("a", [body])

    assert store.get("a") == body
    with pytest.raises(Exists):
        far.put("a", [body])


def test_a_put_that_met_another_writer_of_its_name_is_sent_again_or_refused_whole(store, far, line, bucket):
    line.fate = once(409, lambda request: request.command == "PUT")
    far.put("small", [b"small"])
    assert store.get("small") == b"small"

    # The parts were a stream and are gone: so nothing is there, and nothing is left over.
    line.fate = once(409, lambda request: request.command == "POST" and "uploadId" in request.path)
    with pytest.raises(StoreFailed, match="refused large as taken, but it is not there"):
        far.put("large", [LARGE * 6])
    with pytest.raises(Missing):
        store.get("large")
    assert "Uploads" not in client(bucket).list_multipart_uploads(Bucket=bucket.name)


def test_a_read_that_breaks_off_is_repeated(store, far, line):
    store.put("a", [LARGE])
    line.fate = once("drop", lambda request: request.command == "GET")

    assert far.get("a") == LARGE


@pytest.mark.parametrize(
    ("fate", "answer", "moved"),
    [
        ("pass", Swapped, True),
        ("drop", Unknown, True),
        ("stall", Unknown, True),
        ("lose", Unknown, False),
        ("keep", Unknown, False),
        (500, Unknown, False),
        (503, Unknown, False),
        (429, Unknown, False),
        (409, Lost, False),
        (412, Lost, False),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_every_end_of_a_swap_is_decided_and_none_is_sent_twice(store, far, line, fate, answer, moved, first):
    version = ABSENT if first else store.swap_head(POOL, PROJECT, ABSENT, b"one").version
    line.fate = lambda request: fate if is_head(request) else "pass"

    assert isinstance(far.swap_head(POOL, PROJECT, version, b"two", {"a": b"x"}), answer)

    assert [path for method, path in line.seen if "/heads/" in path] == [f"/{far._bucket.name}/{HEAD}"]
    if moved or not first:
        assert store.read_head(POOL, PROJECT)[0] == (b"two" if moved else b"one")
    else:
        with pytest.raises(Missing):
            store.read_head(POOL, PROJECT)
    assert store.get("a") == b"x"


def test_a_swap_of_a_head_that_is_gone_misses_it(store):
    version = store.swap_head(POOL, PROJECT, ABSENT, b"one").version
    store.delete(HEAD)

    with pytest.raises(Missing):
        store.swap_head(POOL, PROJECT, version, b"two")


def test_a_swap_that_is_refused_certainly_moved_nothing(store, far, line):
    line.fate = lambda request: 403 if is_head(request) else "pass"

    with pytest.raises(StoreFailed, match="does not let these credentials"):
        far.swap_head(POOL, PROJECT, ABSENT, b"one")
    with pytest.raises(Missing):
        store.read_head(POOL, PROJECT)


def test_a_swap_whose_file_cannot_be_written_never_tries_the_head(far, line):
    line.fate = lambda request: 500 if request.command == "PUT" else "pass"

    with pytest.raises(StoreFailed):
        far.swap_head(POOL, PROJECT, ABSENT, b"one", {"a": b"x"})
    assert not [path for _, path in line.seen if "/heads/" in path]


@pytest.mark.parametrize("fate", ["drop", "lose", "keep", 503])
def test_an_unanswered_swap_is_sent_again_until_it_is_decided(store, far, line, fate, tmp_path):
    world = World(store, tmp_path)
    body, version = store.read_head(world.project, world.project)
    head = Head.decode(body).renewed()
    line.fate = once(fate, is_head)

    swapped = swap_patiently(far, head, head.encode(), version, {}, lambda seconds: None)
    line.deliver()

    # An answer that was lost leaves it to the log to say who moved HEAD.
    assert (swapped is None) == (fate == "drop")
    assert store.read_head(world.project, world.project)[0] == head.encode()


@pytest.mark.parametrize("seed", range(4))
def test_a_flapping_server_never_lands_twice(store, far, line, seed, tmp_path):
    rng = random.Random(seed)
    world = World(store, tmp_path)
    node = Repository(far, world.project, world.project, tmp_path / "far.db")
    batcher = world.batcher(node, pause=lambda seconds: None)

    def flap(request):
        if rng.random() < 0.1:
            line.deliver()
        if is_head(request):
            return rng.choice(["pass", "pass", "pass", "drop", "drop", "lose", "keep", 500, 409])
        return rng.choice(["pass"] * 12 + ["drop", 503])

    answers = {}
    for count in range(12):
        asked = proposal(world.main, world.main.catch_up().main, {b"file": b"%d" % count})
        line.fate = flap
        answers[asked.landing] = land(batcher, asked)
        line.fate = lambda request: "pass"
    line.deliver()
    fence(world.main)

    records = [record for _, _, record in world.main.records() if record.landing]
    assert [record.positions for record in records] == [(n, n) for n in range(1, 13)]
    assert {record.landing: record.positions[1] for record in records} == answers
    assert world.files(world.main.catch_up().main) == {b"file": b"11"}
    assert world.faults() == []


PROCESSES, LANDINGS = 8, 10


@contextmanager
def file_lock(path):
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def land(batcher, asked):
    """The position it landed at, None when it conflicts; asked again until somebody knows."""
    while True:
        try:
            return batcher.land(asked).position
        except PathConflict:
            return None
        except (LandingUnknown, StoreFailed):
            asked = replace(asked, again=True)


def land_often(bucket, folder, project, number):
    """One process on a bucket: landings of a file each, a third of them on paths that all share."""
    store = S3Store(bucket)
    repository = Repository(store, project, project, folder / f"process-{number}.db")
    # One does without the hint that keeps two from leading at once.
    lock = partial(file_lock, folder / "lock") if number else nullcontext
    batcher = Batcher(repository, still_wanted=set, lock=lock)
    sent, base = [], None
    for count in range(LANDINGS):
        if count % 3 == 0:
            base = repository.catch_up().main
        path = b"shared/%d" % (count % 2) if (number + count) % 3 == 0 else b"own/%d/%d" % (number, count % 7)
        content = b"%d %d" % (number, count)
        sent.append((path, content, land(batcher, proposal(repository, base, {path: content}))))
    store.close()
    return sent


def test_eight_processes_land_on_one_bucket_and_nothing_is_lost(store, bucket, tmp_path):
    world = World(store, tmp_path)
    jobs = [(bucket, tmp_path, world.project, number) for number in range(PROCESSES)]

    with ANEW.Pool(PROCESSES) as pool:
        sent = [landing for landings in pool.starmap(land_often, jobs) for landing in landings]

    acknowledged = {position: (path, content) for path, content, position in sent if position is not None}
    refused = [path for path, _, position in sent if position is None]
    assert len(acknowledged) + len(refused) == len(sent) == PROCESSES * LANDINGS
    assert sorted(acknowledged) == list(range(1, len(acknowledged) + 1))
    assert all(path.startswith(b"shared/") for path in refused)
    head = world.main.catch_up()
    assert world.files(head.main) == dict(acknowledged[position] for position in sorted(acknowledged))
    assert world.faults() == []


def test_a_forked_child_opens_connections_of_its_own(store):
    store.put("a", [b"x"])
    child = multiprocessing.get_context("fork").Process(target=store.put, args=("b", [b"y"]))
    child.start()
    patient(lambda: not child.is_alive())

    assert child.exitcode == 0
    assert (store.get("a"), store.get("b")) == (b"x", b"y")


def test_credentials_are_never_shown(store, bucket):
    assert bucket.secret_access_key not in repr(bucket)
    assert urlsplit(bucket.endpoint).hostname == "127.0.0.1"
