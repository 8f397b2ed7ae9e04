"""The log: HEAD, records and checkpoints, exactly as they are stored.

A record says in ids what happened and names the record before it; HEAD names the last
record and every live file; a checkpoint is an older live set, folded. Nothing here reads
or writes a store.

Fields that a newer Micelio added are kept in `extra` and written back. A `format` that we
do not know is refused: guessing would lose what it means. HEAD is the only one of these
bytes that nothing vouches for, so its every field is checked.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

import zstandard

from vcs.errors import CorruptObject, MalformedObject
from vcs.fields import (
    Fields,
    each,
    encode_ref,
    integer,
    nonce,
    object_hex,
    one_of,
    optional,
    pair,
    ref_name,
    store_key,
    time_of,
    triple,
    uuid_text,
)
from vcs.lists import RefChange, decode_refs_list, encode_refs_list, is_derived_ref
from vcs.objects import Kind, Object, canonical_json, check_id, format_time, new_id
from vcs.store import check_key, head_key

__all__ = [
    "CONDEMNED_LIMIT",
    "HEAD_LIMIT",
    "INLINE_REFS",
    "TAIL_LIMIT",
    "Checkpoint",
    "Condemned",
    "Head",
    "HeadState",
    "Measured",
    "Record",
    "RecordKind",
    "RefChange",
    "SegmentRef",
    "archive_key",
    "checkpoint_key",
    "decode_refs_list",
    "encode_refs_list",
    "head_key",
    "is_derived_ref",
    "new_nonce",
    "segment_key",
]

HEAD_LIMIT = 64 << 10
TAIL_LIMIT = 64
CONDEMNED_LIMIT = 256
INLINE_REFS = 32
_CHECKPOINT_PLAIN_LIMIT = 256 << 20


class HeadState(StrEnum):
    """Whether a project takes appends: frozen while a purge rewrites it, deleted for good."""

    OPEN = "open"
    FROZEN = "frozen"
    DELETED = "deleted"


class RecordKind(StrEnum):
    """What sort of thing happened."""

    CREATE = "create"
    LAND = "land"
    PUSH = "push"
    IMPORT = "import"
    REFS = "refs"
    ABOUT = "about"
    FORK = "fork"
    PURGE = "purge"


def segment_key(pool: str, project: str) -> str:
    """A new name for a segment that this project writes; every call gives another."""
    return check_key(f"pools/{pool}/files/{project}/{new_id()}.seg")


def checkpoint_key(pool: str, project: str) -> str:
    """A new name for a checkpoint that this project writes; every call gives another."""
    return check_key(f"pools/{pool}/files/{project}/{new_id()}.ckp")


def archive_key(project: str, session: str) -> str:
    """A new name for an archived event log of a session."""
    return check_key(f"archives/{project}/{session}/{new_id()}")


def new_nonce() -> str:
    """128 random bits in hex, so that no two bodies of HEAD are equal."""
    return os.urandom(16).hex()


class Measured:
    """Chunks on their way to a store, counted and hashed: `ref` is known once they went by."""

    def __init__(self, key: str, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._hash = hashlib.sha256()
        self._size = 0
        self._key = key

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self._hash.update(chunk)
        self._size += len(chunk)
        return chunk

    @property
    def ref(self) -> "SegmentRef":
        """How HEAD names the file, when every chunk has gone by."""
        return SegmentRef(self._key, self._size, self._hash.hexdigest())


@dataclass(frozen=True, slots=True)
class SegmentRef:
    """A live file as HEAD and checkpoints name it: where, how long, and its SHA-256."""

    key: str
    size: int
    sha256: str

    @classmethod
    def of(cls, key: str, body: bytes) -> Self:
        """The ref of a file with these bytes."""
        return cls(key, len(body), hashlib.sha256(body).hexdigest())

    def check(self, body: bytes) -> None:
        """Raise CorruptObject, naming the key, unless these are the file's bytes."""
        if len(body) != self.size:
            problem = f"it has {len(body)} bytes where {self.size} were written"
            raise CorruptObject(id=self.key, problem=problem)
        if hashlib.sha256(body).hexdigest() != self.sha256:
            raise CorruptObject(id=self.key, problem="its bytes are not those that were written")

    def _listed(self) -> list[str | int]:
        return [self.key, self.size, self.sha256]


def _segment_ref(value: Any) -> SegmentRef:
    try:
        return _checked_ref(*triple(value))
    except TypeError as error:
        # What is in it cannot even be compared.
        raise ValueError(f"{value!r} names no file") from error


# Each HEAD lists nearly the same files as the one before.
@lru_cache(4096, typed=True)
def _checked_ref(key: Any, size: Any, digest: Any) -> SegmentRef:
    return SegmentRef(store_key(key), integer(size), object_hex(digest))


@dataclass(frozen=True, slots=True)
class Condemned:
    """A name that may vanish from the store at any time, and since when."""

    key: str
    at: datetime


def _condemned(value: Any) -> Condemned:
    key, at = pair(value)
    return Condemned(store_key(key), time_of(at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The one mutable thing of a project. `main` is the trunk's commit, None before the first."""

    project: str
    pool: str
    nonce: str = field(default_factory=new_nonce)
    state: HeadState = HeadState.OPEN
    sequence: int
    record: str
    position: int = 0
    trunk: str = "refs/heads/main"
    main: str | None = None
    checkpoint: SegmentRef | None = None
    tail: tuple[SegmentRef, ...] = ()
    condemned: tuple[Condemned, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Where this HEAD lives."""
        return head_key(self.pool, self.project)

    def renewed(self, **changes: Any) -> "Head":
        """This HEAD with some fields changed and a new nonce, ready to be swapped in."""
        return replace(self, **{"nonce": new_nonce(), **changes})

    def encode(self) -> bytes:
        """The bytes to store; MalformedObject when they would break a limit or an invariant."""
        body = canonical_json(
            {
                **self.extra,
                "format": 1,
                "project": self.project,
                "pool": self.pool,
                "nonce": self.nonce,
                "state": self.state.value,
                "sequence": self.sequence,
                "record": self.record,
                "position": self.position,
                "trunk": encode_ref(self.trunk),
                "main": self.main,
                "checkpoint": self.checkpoint and self.checkpoint._listed(),
                "tail": [ref._listed() for ref in self.tail],
                "condemned": [[name.key, format_time(name.at)] for name in self.condemned],
            }
        )
        # I6: what is live must not be allowed to vanish.
        live = {ref.key for ref in (*self.tail, self.checkpoint) if ref}
        if any(name.key in live for name in self.condemned):
            raise MalformedObject(what="HEAD", name=self.key, problem="it condemns a file that is live")
        Head.decode(body, self.key)
        return body

    @classmethod
    def decode(cls, body: bytes, key: str | None = None) -> Self:
        """The HEAD these bytes are; with a key also that of the project and pool it names."""
        if len(body) > HEAD_LIMIT:
            raise MalformedObject(what="HEAD", name=key or "?", problem=f"{len(body)} bytes are too many")
        fields = Fields(body, "HEAD", key)
        head = cls(
            project=fields.take("project", uuid_text),
            pool=fields.take("pool", uuid_text),
            nonce=fields.take("nonce", nonce),
            state=fields.take("state", one_of(HeadState)),
            sequence=fields.take("sequence", integer),
            record=fields.take("record", object_hex),
            position=fields.take("position", integer),
            trunk=fields.take("trunk", ref_name),
            main=fields.take("main", optional(object_hex)),
            checkpoint=fields.take("checkpoint", optional(_segment_ref)),
            tail=fields.take("tail", each(_segment_ref, at_most=TAIL_LIMIT)),
            condemned=fields.take("condemned", each(_condemned, at_most=CONDEMNED_LIMIT)),
            extra=fields.rest(),
        )
        if key is not None and head.key != key:
            raise fields.refuse(f"it is the HEAD of project {head.project} in pool {head.pool}")
        if (head.position == 0) != (head.main is None) and head.state is not HeadState.DELETED:
            raise fields.refuse("a trunk has a commit from its first position on")
        return head


def _ref_change(value: Any) -> RefChange:
    name, old, new = triple(value)
    return RefChange(ref_name(name), optional(object_hex)(old), optional(object_hex)(new))


def _refs(value: Any) -> tuple[RefChange, ...] | str:
    if isinstance(value, str):
        return object_hex(value)
    return each(_ref_change, at_most=INLINE_REFS)(value or [])


def _trunk(value: Any) -> tuple[str | None, str | None]:
    old, new = pair(value)
    return optional(object_hex)(old), optional(object_hex)(new)


def _trunk_name(value: Any) -> tuple[str, str]:
    old, new = pair(value)
    return ref_name(old), ref_name(new)


def _positions(value: Any) -> tuple[int, int]:
    first, last = map(integer, pair(value))
    if not 1 <= first <= last:
        raise ValueError(f"no trunk has the positions {first} to {last}")
    return first, last


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What happened, in ids only; what people wrote is in the erasable `summary` blob.

    `refs` is the changes themselves, or the id of a list (`vcs.lists`) when there are more
    than 32. `erased` and `moved` are ids of lists and stand in purges only.
    """

    kind: RecordKind
    project: str
    sequence: int
    previous: str | None
    at: datetime
    landing: str | None = None
    session: str | None = None
    revision: int | None = None
    actor: str | None = None
    trunk: tuple[str | None, str | None] | None = None
    positions: tuple[int, int] | None = None
    refs: tuple[RefChange, ...] | str = ()
    summary: str | None = None
    erased: str | None = None
    moved: str | None = None
    trunk_name: tuple[str, str] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The bytes to store; MalformedObject for a record that contradicts itself."""
        content = canonical_json(
            {
                **self.extra,
                "format": 1,
                "kind": self.kind.value,
                "project": self.project,
                "sequence": self.sequence,
                "previous": self.previous,
                "at": format_time(self.at),
                "landing": self.landing,
                "session": self.session,
                "revision": self.revision,
                "actor": self.actor,
                "trunk": self.trunk,
                "positions": self.positions,
                "refs": self._listed_refs(),
                "summary": self.summary,
                "erased": self.erased,
                "moved": self.moved,
                "trunk_name": self.trunk_name and [encode_ref(name) for name in self.trunk_name],
            }
        )
        Record.decode(content)
        return content

    def _listed_refs(self) -> list[list[str | None]] | str | None:
        if isinstance(self.refs, str):
            return self.refs
        return [[encode_ref(change.name), change.old, change.new] for change in self.refs] or None

    def to_object(self) -> Object:
        """The record as an object with its id."""
        return Object.of(Kind.RECORD, self.encode())

    @classmethod
    def decode(cls, content: bytes, id: str | None = None) -> Self:
        """The record these bytes are; with an id also checked to be the bytes of that id."""
        if id is not None:
            check_id(id, Kind.RECORD, content)
        fields = Fields(content, "record", id)
        record = cls(
            kind=fields.take("kind", one_of(RecordKind)),
            project=fields.take("project", uuid_text),
            sequence=fields.take("sequence", integer),
            previous=fields.take("previous", optional(object_hex)),
            at=fields.take("at", time_of),
            landing=fields.take("landing", optional(uuid_text)),
            session=fields.take("session", optional(uuid_text)),
            revision=fields.take("revision", optional(integer)),
            actor=fields.take("actor", optional(uuid_text)),
            trunk=fields.take("trunk", optional(_trunk)),
            positions=fields.take("positions", optional(_positions)),
            refs=fields.take("refs", _refs),
            summary=fields.take("summary", optional(object_hex)),
            erased=fields.take("erased", optional(object_hex)),
            moved=fields.take("moved", optional(object_hex)),
            trunk_name=fields.take("trunk_name", optional(_trunk_name)),
            extra=fields.rest(),
        )
        problem = record._contradiction()
        if problem:
            raise fields.refuse(problem)
        return record

    def _contradiction(self) -> str | None:
        created = self.kind is RecordKind.CREATE
        if created != (self.previous is None) or created != (self.sequence == 0):
            return "a chain begins with one `create` of sequence 0"
        if self.positions and (self.trunk is None or self.kind is RecordKind.PURGE):
            return "only a moved trunk has positions, and a purge has none"
        if self.kind is not RecordKind.PURGE and (self.erased or self.moved):
            return "only a purge erases and moves"
        if not isinstance(self.refs, str):
            names = {change.name for change in self.refs}
            if len(names) != len(self.refs):
                return "a ref is there twice"
            if any(map(is_derived_ref, names)):
                return "refs of landings and sessions are never stored"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A state that was HEAD's: its record, its live segments (oldest first) and its refs list."""

    project: str
    sequence: int
    record: str
    refs: str
    segments: tuple[SegmentRef, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The file to store."""
        plain = canonical_json(
            {
                **self.extra,
                "format": 1,
                "project": self.project,
                "sequence": self.sequence,
                "record": self.record,
                "refs": self.refs,
                "segments": [ref._listed() for ref in self.segments],
            }
        )
        _checkpoint(plain, "checkpoint being written")
        return zstandard.ZstdCompressor(level=9, write_checksum=True).compress(plain)

    @classmethod
    def decode(cls, body: bytes, ref: SegmentRef) -> "Checkpoint":
        """The checkpoint in this file; CorruptObject names the key when they are not its bytes."""
        ref.check(body)
        try:
            size = zstandard.get_frame_parameters(body).content_size
            if size > _CHECKPOINT_PLAIN_LIMIT:
                raise MalformedObject(what="checkpoint", name=ref.key, problem=f"{size} bytes are too many")
            plain = zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise MalformedObject(what="checkpoint", name=ref.key, problem=str(error)) from error
        return _checkpoint(plain, ref.key)


def _checkpoint(plain: bytes, key: str) -> Checkpoint:
    fields = Fields(plain, "checkpoint", key)
    return Checkpoint(
        project=fields.take("project", uuid_text),
        sequence=fields.take("sequence", integer),
        record=fields.take("record", object_hex),
        refs=fields.take("refs", object_hex),
        segments=fields.take("segments", each(_segment_ref)),
        extra=fields.rest(),
    )
