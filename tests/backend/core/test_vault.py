import subprocess
import sys
from contextlib import closing

import pytest
from prometheus_client import REGISTRY

from backend.core.config import Settings
from backend.core.context import Forge
from backend.core.errors import InvalidInput, StoreFailed
from backend.core.vault import open_store
from backend.doors.manage import shown
from backend.instance.web import readiness
from tests.backend.workbench import Workbench
from tests.vcs.buckets import KEY, SECRET, Line, moto_server, new_bucket, rclone_server
from tests.vcs.test_tiered import Edge
from vcs.s3 import ConditionsIgnored, S3Store
from vcs.sealed import SealedStore
from vcs.store import MemoryStore
from vcs.tiered import TieredStore

HEX = "0f" * 32


@pytest.fixture(scope="module")
def moto():
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def environ(tmp_path):
    return {"MICELIO_DATA": str(tmp_path / "data"), "SECRET_KEY_BASE": "not a secret"}


def in_bucket(bucket, **more):
    return {
        "STORAGE_BACKEND": "s3",
        "S3_BUCKET": bucket.name,
        "S3_REGION": bucket.region,
        "S3_ENDPOINT_URL": bucket.endpoint,
        "S3_ACCESS_KEY_ID": KEY,
        "S3_SECRET_ACCESS_KEY": SECRET,
        **more,
    }


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"STORAGE_BACKEND": "tape"}, "STORAGE_BACKEND=tape must be one of local, s3, tiered."),
        ({"STORAGE_BACKEND": "s3"}, "STORAGE_BACKEND=s3 needs S3_BUCKET, the name of a bucket."),
        ({"STORAGE_BACKEND": "tiered"}, "STORAGE_BACKEND=tiered needs S3_BUCKET, the name of a bucket."),
        (
            {"S3_ENDPOINT_URL": "minio:9000"},
            "S3_ENDPOINT_URL=minio:9000 must be like https://files.example.org.",
        ),
        (
            {"S3_ACCESS_KEY_ID": "me"},
            "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY go together; set both or none.",
        ),
        (
            {"STORAGE_CDN_BASE_URL": "https://cdn.example.org"},
            "STORAGE_CDN_BASE_URL is of use only with STORAGE_BACKEND=tiered.",
        ),
        (
            {"STORAGE_BACKEND": "tiered", "S3_BUCKET": "b", "STORAGE_CDN_BASE_URL": "cdn"},
            "STORAGE_CDN_BASE_URL=cdn must be like https://files.example.org.",
        ),
        (
            {"ENCRYPTION_KEY": "hush"},
            "ENCRYPTION_KEY must be 32 bytes in hex or base64; `openssl rand -hex 32` makes such a key.",
        ),
        (
            {"ENCRYPTION_KEY": HEX, "ENCRYPTION_PREVIOUS_KEYS": "hush"},
            "ENCRYPTION_PREVIOUS_KEYS must be 32 bytes in hex or base64; "
            "`openssl rand -hex 32` makes such a key.",
        ),
        (
            {"ENCRYPTION_PREVIOUS_KEYS": HEX},
            "ENCRYPTION_PREVIOUS_KEYS is set, but ENCRYPTION_KEY is not; set it as well.",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_with_a_sentence(environ, wrong, sentence):
    with pytest.raises(InvalidInput) as refusal:
        Settings.from_environ({**environ, **wrong})

    assert refusal.value.sentence == sentence


def test_keys_are_read_in_hex_and_in_base64(environ):
    given = {"ENCRYPTION_KEY": HEX, "ENCRYPTION_PREVIOUS_KEYS": "Dw8P" * 10 + "Dw8=, " + "AA" * 32}

    keys = Settings.from_environ({**environ, **given}).encryption_keys
    assert keys == (b"\x0f" * 32, b"\x0f" * 32, b"\xaa" * 32)


def test_no_secret_of_the_store_is_shown_or_printed(environ):
    given = {
        "ENCRYPTION_KEY": HEX,
        "ENCRYPTION_PREVIOUS_KEYS": "AA" * 32,
        "S3_ENDPOINT_URL": "http://me:pass@s3",
    }
    settings = Settings.from_environ(
        {**environ, **given, "S3_ACCESS_KEY_ID": "AKIA1", "S3_SECRET_ACCESS_KEY": "hush"}
    )

    told = f"{shown(settings)} {settings!r}"
    assert not [secret for secret in (HEX, "AA" * 32, "AKIA1", "hush", "x0f") if secret in told]
    assert "pass" not in shown(settings)["S3_ENDPOINT_URL"]


def test_who_stores_locally_does_not_pay_for_the_sdk():
    script = "import sys, backend.core.vault; sys.exit('boto3' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_encrypted_store_opens_with_its_key_only(environ):
    key, other = {"ENCRYPTION_KEY": HEX}, {"ENCRYPTION_KEY": "AA" * 32}
    with closing(open_store(Settings.from_environ({**environ, **key}))) as store:
        store.put("a", [b"x"])

    with pytest.raises(StoreFailed, match="set ENCRYPTION_KEY"):
        open_store(Settings.from_environ(environ))
    with pytest.raises(StoreFailed, match="sealed with another key"):
        open_store(Settings.from_environ({**environ, **other}))
    rotated = {**other, "ENCRYPTION_PREVIOUS_KEYS": HEX}
    with closing(open_store(Settings.from_environ({**environ, **rotated}))) as store:
        assert store.get("a") == b"x"


def test_a_bucket_is_tried_out_at_the_start(environ, moto, tmp_path):
    with closing(open_store(Settings.from_environ({**environ, **in_bucket(new_bucket(moto))}))) as store:
        assert isinstance(store, S3Store)
    with rclone_server(tmp_path) as endpoint, pytest.raises(ConditionsIgnored, match=endpoint):
        open_store(Settings.from_environ({**environ, **in_bucket(new_bucket(endpoint))}))
    missing = in_bucket(new_bucket(moto), S3_BUCKET="not-there")
    with pytest.raises(StoreFailed, match="has no bucket not-there"):
        open_store(Settings.from_environ({**environ, **missing}))


def test_readiness_covers_the_bucket(environ, moto):
    with Line(moto) as line:
        settings = Settings.from_environ({**environ, **in_bucket(line.bucket(new_bucket(moto)))})
        with closing(Forge.open(settings)) as forge:
            assert readiness(forge)["store"] == "ok"
            line.fate = lambda request: 403
            assert "does not let these credentials use bucket" in readiness(forge)["store"]


@pytest.mark.parametrize("key", [{}, {"ENCRYPTION_KEY": HEX}])
def test_a_cdn_with_wrong_bytes_is_told_in_the_metrics_and_not_asked_again(environ, moto, key):
    def counted():
        return REGISTRY.get_sample_value("micelio_store_blocks_total", {"met": "wrong_cdn"}) or 0

    file, behind = "pools/pool/files/project/one.seg", MemoryStore()
    with closing(Edge(behind)) as edge:
        cdn = {"STORAGE_BACKEND": "tiered", "STORAGE_CDN_BASE_URL": edge.url, **key}
        before = counted()
        with closing(
            open_store(Settings.from_environ(environ | in_bucket(new_bucket(moto), **cdn)))
        ) as store:
            store.put(file, [b"as it is"])
            behind.put(file, [b"as it should never be"])

            # What is sealed says so itself; of plain files it is their reader who knows.
            found = store.get(file) if key else (store.get(file), store.get_from_origin(file))[1]

            assert (found, store.get(file), counted()) == (b"as it is", b"as it is", before + 1)
            assert edge.asked == 1


class TestOnTiers:
    """The whole forge on an encrypted bucket with copies in front."""

    @pytest.fixture
    def settings(self, environ, moto, database):
        tiered = in_bucket(new_bucket(moto), STORAGE_BACKEND="tiered", ENCRYPTION_KEY=HEX)
        return Settings.from_environ({**environ, **tiered, "DATABASE_URL": database})

    @pytest.mark.parametrize("database", ["sqlite"], indirect=True)
    def test_sessions_land_and_another_process_reads_them(self, forge, acme, ada, grace):
        assert isinstance(forge.store, SealedStore)
        assert isinstance(forge.store._inner, TieredStore)
        bench = Workbench(forge)
        bench.create(ada, visibility="public")
        bench.landed(ada, {"a.txt": b"a\n", "large": bytes(2 << 20)})
        bench.landed(ada, {"a.txt": b"better\n"})

        assert bench.tree(grace) == {b"a.txt": b"better\n", b"large": bytes(2 << 20)}
        with bench.restarted() as later:
            assert later.tree(grace) == bench.tree(grace)
        assert REGISTRY.get_sample_value("micelio_store_blocks_total", {"met": "memory"}) > 0
        assert REGISTRY.get_sample_value("micelio_store_blocks_total", {"met": "wrong_cdn"}) == 0
