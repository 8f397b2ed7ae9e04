"""The vault: which store the settings ask for, opened and tried out.

A store that could lose a landing, or that nobody could read again, is refused here with a
sentence before the process serves anybody. Only the S3 store pays for importing boto3.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily

from backend.core.config import Settings, StorageBackend
from vcs.local import LocalStore
from vcs.store import Store

__all__ = ["open_store"]

_tiered: WeakSet[Any] = WeakSet()


def open_store(settings: Settings) -> Store:
    """The store of these settings. StoreFailed when it cannot be used as it is set up, ConditionsIgnored
    when its server does not keep conditions.
    """
    store = _open_backend(settings)
    try:
        return _seal(settings, store)
    except BaseException:
        store.close()
        raise


def _open_backend(settings: Settings) -> Store:
    if settings.storage_backend is StorageBackend.LOCAL:
        return LocalStore(settings.storage_path)
    bucket = _open_bucket(settings)
    if settings.storage_backend is StorageBackend.S3:
        return bucket

    from vcs.cdn import Cdn
    from vcs.tiered import TieredStore

    cdn = Cdn(settings.cdn_base_url) if settings.cdn_base_url else None
    tiered = TieredStore(bucket, settings.data / "cache" / "files", cdn)
    _tiered.add(tiered)
    return tiered


def _open_bucket(settings: Settings) -> Store:
    from vcs.s3 import Bucket, S3Store

    chosen = settings.s3
    store = S3Store(
        Bucket(
            name=chosen.bucket,
            region=chosen.region,
            endpoint=chosen.endpoint_url,
            access_key_id=chosen.access_key_id,
            secret_access_key=chosen.secret_access_key,
        )
    )
    try:
        store.probe()
    except BaseException:
        store.close()
        raise
    return store


def _seal(settings: Settings, store: Store) -> Store:
    from vcs.sealed import Keyring, SealedStore, check_unsealed

    if not settings.encryption_keys:
        check_unsealed(store)
        return store
    current, *previous = settings.encryption_keys
    sealed = SealedStore(store, Keyring(current, previous))
    sealed.check()
    return sealed


class _Tiers:
    """What /metrics tells of the tiers of this process: which had the blocks, and what was wrong."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        counted: Counter[str] = Counter()
        for store in _tiered:
            counted.update({met.value: times for met, times in store.met.items()})
        family = CounterMetricFamily(
            "micelio_store_blocks", "Blocks read by tier, and faults met on the way", labels=["met"]
        )
        for met, times in sorted(counted.items()):
            family.add_metric([met], times)
        yield family


REGISTRY.register(_Tiers())
