"""Encryption at rest: a store that seals what it hands to another one.

A sealed file is a header (magic, key id, salt) and chunks of AES-256-GCM under a key that
HKDF makes of the master key and the salt for this file alone. A chunk's nonce is its number and
whether it is the last, its associated data the file's name and header; so chunks cannot be moved,
left out, or given another name, a file that was cut short shows it at its new end, and any range
can be read with little more than its own bytes (the STREAM construction of Hoang, Reyhanitabar,
Rogaway and Vizár). Names, sizes and times are not hidden.

What a swap brings is sealed with a salt made of its name and bytes, so the same swap sent again
is the same bytes again, as the contract of `vcs.store` needs. Streams get random salts.
"""

import hashlib
import hmac
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vcs.errors import MalformedObject, StoreFailed
from vcs.store import (
    Copies,
    Exists,
    Get,
    Listed,
    Missing,
    Store,
    SwapResult,
    check_key,
    check_range,
    from_origin,
    head_key,
    is_head_key,
)

__all__ = ["CHUNK", "KEY_BYTES", "MARK", "Keyring", "SealedStore", "check_unsealed"]

KEY_BYTES = 32
CHUNK = 64 << 10
MARK = "sealed"
"""The file that says that a store is sealed, and lets a wrong key be told at the start."""

_MAGIC = b"MICSEAL1"
_ID = 8
_SALT = 32
_HEADER = len(_MAGIC) + _ID + _SALT
_TAG = 16
_STORED = CHUNK + _TAG
_PROOF = b"this store is sealed\n"
_REMEMBERED = 4096


class _Master:
    """One master key and what is derived of it."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a master key has {KEY_BYTES} bytes, not {len(secret)}")
        self._secret = secret
        self.id = self._derive(b"", b"micelio key id")[:_ID]
        self._salting = self._derive(b"", b"micelio salt")

    def _derive(self, salt: bytes, purpose: bytes) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, salt, purpose).derive(self._secret)

    def cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(self._derive(salt, b"micelio file"))

    def salt_of(self, key: str, content: bytes) -> bytes:
        said = key.encode("ascii") + b"\0" + hashlib.sha256(content).digest()
        return hmac.digest(self._salting, said, "sha256")


class Keyring:
    """The master key that seals, and those that sealed before and still open."""

    def __init__(self, current: bytes, previous: Sequence[bytes] = ()) -> None:
        self.current = _Master(current)
        self._all = {master.id: master for master in (*map(_Master, previous), self.current)}

    def find(self, id: bytes) -> _Master | None:
        """The master key with this id."""
        return self._all.get(id)


class _Seal:
    """How one file is sealed: its header, and the cipher and name that go with it."""

    def __init__(self, key: str, master: _Master, salt: bytes) -> None:
        self.header = _MAGIC + master.id + salt
        self._cipher = master.cipher(salt)
        self._about = key.encode("ascii") + b"\0" + self.header

    def close(self, number: int, chunk: bytes, *, last: bool) -> bytes:
        return self._cipher.encrypt(_nonce(number, last), chunk, self._about)

    def open(self, number: int, chunk: bytes, *, last: bool) -> bytes:
        return self._cipher.decrypt(_nonce(number, last), chunk, self._about)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class SealedStore:
    """Another store, seen through a keyring; closing it closes the other one.

    What is not sealed, or by a key that is not in the ring, cannot be read: MalformedObject names it.
    """

    def __init__(self, inner: Store, keyring: Keyring) -> None:
        self._inner = inner
        self._keyring = keyring
        self._lock = threading.Lock()
        self._seals: OrderedDict[str, _Seal] = OrderedDict()

    def check(self) -> None:
        """Make sure that the keys belong to this store; a new one is marked as sealed. StoreFailed."""
        try:
            try:
                proof = self.get(MARK)
            except Missing:
                if next(iter(self._inner.list("pools/")), None) is not None:
                    raise StoreFailed(
                        problem="it holds projects that were stored without ENCRYPTION_KEY; "
                        "unset it, or begin with an empty store"
                    ) from None
                with suppress(Exists):
                    self.put(MARK, [_PROOF])
                proof = self.get(MARK)
        except MalformedObject as error:
            raise StoreFailed(
                problem="it was sealed with another key; set ENCRYPTION_KEY, or list the old key in "
                "ENCRYPTION_PREVIOUS_KEYS"
            ) from error
        if proof != _PROOF:
            raise StoreFailed(problem=f"its file {MARK!r} is not ours")

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Create a sealed file, durable on return; memory holds a chunk however long it is."""
        check_key(key)
        seal = _Seal(key, self._keyring.current, os.urandom(_SALT))
        self._inner.put(key, _sealed(seal, chunks))

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start`, as many as there are up to `length`; Missing, MalformedObject."""
        try:
            return self._open(self._inner.get, key, start, length)
        except MalformedObject:
            return self.get_from_origin(key, start, length)

    def get_from_origin(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """What the other store's origin says, if that one keeps copies."""
        with self._lock:
            self._seals.pop(key, None)
        return self._open(from_origin(self._inner), key, start, length)

    def _open(self, read: Get, key: str, start: int, length: int | None) -> bytes:
        check_range(start, length)
        first = start // CHUNK
        chunks = None if length is None else (start + max(length, 1) - 1) // CHUNK - first + 1
        # One byte more tells whether the file goes on.
        wanted = None if chunks is None else chunks * _STORED + 1
        seal = None if is_head_key(check_key(key)) else self._remembered(key)
        if seal is None and first == 0:
            stored = read(key, 0, None if wanted is None else _HEADER + wanted)
            seal, stored = self._seal_of(key, stored), stored[_HEADER:]
        else:
            seal = seal or self._seal_of(key, read(key, 0, _HEADER))
            stored = read(key, _HEADER + first * _STORED, wanted)
        self._remember(key, seal)
        more = wanted is not None and len(stored) == wanted
        pieces = memoryview(stored)[: -1 if more else None]
        plain = b"".join(_opened(key, seal, first, pieces, more=more))
        skipped = start % CHUNK
        return plain[skipped : None if length is None else skipped + length]

    def _seal_of(self, key: str, stored: bytes) -> _Seal:
        header = stored[:_HEADER]
        if len(header) < _HEADER or not header.startswith(_MAGIC):
            raise _malformed(key, "it is not sealed")
        master = self._keyring.find(header[len(_MAGIC) : -_SALT])
        if master is None:
            raise _malformed(key, "it is sealed with a key that is not among ENCRYPTION_PREVIOUS_KEYS")
        return _Seal(key, master, header[-_SALT:])

    def _remembered(self, key: str) -> _Seal | None:
        with self._lock:
            return self._seals.get(key)

    def _remember(self, key: str, seal: _Seal) -> None:
        if not is_head_key(key):
            with self._lock:
                self._seals[key] = seal
                self._seals.move_to_end(key)
                while len(self._seals) > _REMEMBERED:
                    self._seals.popitem(last=False)

    def delete(self, key: str) -> None:
        """Remove a file, every version of it; fine when it is not there."""
        self._inner.delete(key)
        with self._lock:
            self._seals.pop(key, None)

    def forget(self, prefix: str) -> None:
        """Drop the copies that the other store keeps of files whose keys begin like this, and their seals."""
        if isinstance(self._inner, Copies):
            self._inner.forget(prefix)
        with self._lock:
            for key in [key for key in self._seals if key.startswith(prefix)]:
                del self._seals[key]

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every name that begins with this text; sizes are those of the plain bytes."""
        for listed in self._inner.list(prefix):
            yield Listed(listed.key, _plain_size(listed.size), listed.at)

    def read_head(self, pool: str, project: str) -> tuple[bytes, str]:
        """HEAD's plain bytes and its version; Missing, MalformedObject."""
        key = head_key(pool, project)
        stored, version = self._inner.read_head(pool, project)
        seal = self._seal_of(key, stored)
        return b"".join(_opened(key, seal, 0, memoryview(stored)[_HEADER:], more=False)), version

    def swap_head(
        self, pool: str, project: str, expected: str | None, body: bytes, files: Mapping[str, bytes] = {}
    ) -> SwapResult:
        """Seal HEAD and its files, and swap them in the other store; versions are its own."""
        sealed = {key: self._sealed_alike(check_key(key), content) for key, content in files.items()}
        head = self._sealed_alike(head_key(pool, project), body)
        while True:
            try:
                return self._inner.swap_head(pool, project, expected, head, sealed)
            except Exists as error:
                # The same bytes may be there under another salt, or sealed by the key before.
                taken = error.details["key"]
                if taken not in sealed or self.get(taken) != files[taken]:
                    raise
                del sealed[taken]

    def _sealed_alike(self, key: str, content: bytes) -> bytes:
        """The content sealed, and the same when it is sealed again."""
        master = self._keyring.current
        return b"".join(_sealed(_Seal(key, master, master.salt_of(key, content)), [content]))

    def close(self) -> None:
        """Close the other store."""
        self._inner.close()


def check_unsealed(store: Store) -> None:
    """StoreFailed when this store is sealed, so that nobody without its key writes into it."""
    try:
        sealed = store.get(MARK, 0, len(_MAGIC)) == _MAGIC
    except Missing:
        return
    if sealed:
        raise StoreFailed(problem="it is encrypted; set ENCRYPTION_KEY to the key it was sealed with")


def _sealed(seal: _Seal, chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield seal.header
    held = bytearray()
    number = 0
    for chunk in chunks:
        held += chunk
        # The last chunk is marked, so a full one waits until more comes.
        while len(held) > CHUNK:
            yield seal.close(number, bytes(held[:CHUNK]), last=False)
            del held[:CHUNK]
            number += 1
    yield seal.close(number, bytes(held), last=True)


def _opened(key: str, seal: _Seal, first: int, stored: memoryview, *, more: bool) -> Iterator[bytes]:
    """The plain chunks from number `first`; `more` says that the file does not end with them."""
    if not stored and first == 0:
        raise _malformed(key, "it ends after its header")
    for at in range(0, len(stored), _STORED):
        piece = stored[at : at + _STORED]
        last = not more and at + _STORED >= len(stored)
        try:
            yield seal.open(first + at // _STORED, bytes(piece), last=last)
        except (InvalidTag, ValueError) as error:
            raise _malformed(key, f"its chunk {first + at // _STORED} does not fit its seal") from error


def _malformed(key: str, problem: str) -> MalformedObject:
    return MalformedObject(what="sealed file", name=key, problem=problem)


def _plain_size(stored: int) -> int:
    body = stored - _HEADER
    return max(0, body - -(-body // _STORED) * _TAG)
