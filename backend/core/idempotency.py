"""Idempotency keys: a request sent again gets the answer the first one got, and changes nothing twice.

A key belongs to whoever sent it and to what their credential may do, so a narrower token of the
same person is never shown what a wider one got. It is claimed in a transaction of its own, before
the operation runs; while it runs, others with the key are refused (409) and may ask again.

The answer is written in the transaction of the operation itself, and only while the claim still
holds: either both are there or neither, whatever dies in between. A claim whose process died ends
at its deadline. An operation of several steps has no such transaction. When its process dies after
the last step, repeating it after the deadline ends as that operation ends when it is done twice.

Answers may hold secrets, so they are sealed with a key made from the instance's secret and the
caller's key, of which only a digest is kept.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel
from pydantic_core import to_json
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col

from backend.core.context import Actor, Context, Forge
from backend.core.db import UtcTime
from backend.core.errors import Conflict, InvalidInput, Kind, MicelioError, known
from backend.core.events import RECORD
from backend.core.jobs import every
from backend.core.operations import Mode, Operation, count, invoke, permit
from vcs import faults

KEY_HEADER = "idempotency-key"
KEPT = timedelta(hours=24)
LEASE = {Mode.READS: 60, Mode.WRITES: 60, Mode.STEPS: 600}
"""Seconds after which the process that claimed a key counts as dead. One transaction ends sooner
than a minute, and steps as soon as a caller of ours gives up."""

LONGEST_KEY = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")
_NONCE = 12
_FINAL = (Kind.INVALID, Kind.FORBIDDEN, Kind.NOT_FOUND, Kind.CONFLICT)


class IdempotencyRow(SQLModel, table=True):
    """One key: what was asked with it, who works on it until when, and the sealed answer."""

    __tablename__: ClassVar[str] = "idempotency"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    request: str
    claim: str
    claimed_until: datetime = Field(sa_type=UtcTime)
    expires_at: datetime = Field(sa_type=UtcTime, index=True)
    answer: bytes | None = None


class StillRunning(Conflict):
    """A request with this Idempotency-Key is being worked on: repeat it after as long as Retry-After says."""

    code = "idempotency.running"
    message = (
        "A request with this Idempotency-Key is still being worked on. Send it again in {retry_after} s."
    )


class KeyReused(InvalidInput):
    """This Idempotency-Key came with a different request before: every new request needs a new key."""

    code = "idempotency.reused"
    message = "This Idempotency-Key came with a different request before. Send a new request with a new key."


@dataclass(frozen=True)
class Answer:
    """What goes back to the caller; `repeated` when it was made for an earlier request."""

    body: bytes
    repeated: bool = False


def answered(
    forge: Forge,
    actor: Actor,
    op: Operation,
    payload: Mapping[str, Any],
    *,
    key: str,
    door: str,
    encode: Callable[[BaseModel], bytes],
    before: Callable[[Context], None] | None = None,
) -> Answer:
    """Run an operation, once for each key however often it is asked; without a key simply run it.

    Raises what `invoke` raises, the refusal that the first request got, StillRunning or KeyReused.
    """
    if not key:
        return Answer(encode(invoke(forge, actor, op, payload, before=before)))
    permit(actor, op)
    asked = _digest(door, op.name, to_json(payload, fallback=str).decode())
    once = _Once(Context(forge, actor), _key(key), asked, LEASE[op.mode])
    if (kept := once.claim()) is not None:
        count(forge, actor)
        return Answer(_told(kept), repeated=True)
    made: list[bytes] = []

    def keep(ctx: Context, result: BaseModel) -> None:
        made.append(encode(result))
        once.keep(ctx, b"+" + made[0])

    try:
        invoke(forge, actor, op, payload, before=before, after=keep)
    except MicelioError as error:
        once.refused(error)
        raise
    except BaseException:
        once.release()
        raise
    return Answer(made[0])


@every(seconds=900)
def forget_answers(ctx: Context) -> None:
    """Delete keys whose day is over."""
    ctx.db.execute(delete(IdempotencyRow).where(col(IdempotencyRow.expires_at) <= ctx.now()))


class _Once:
    """One request that has a key."""

    def __init__(self, ctx: Context, key: str, request: str, lease: int) -> None:
        actor = ctx.actor
        powers = json.dumps([sorted(actor.scopes) if actor.scopes is not None else None, dict(actor.limits)])
        owner = f"account:{actor.id}" if actor.signed_in else f"address:{actor.address}"
        self._ctx, self._request, self._lease = ctx, request, lease
        self._id = _digest(owner, powers, key)
        self._sealing = AESGCM(
            hashlib.sha256(
                f"idempotency\0{ctx.forge.settings.secret_key}\0{self._id}\0{key}".encode()
            ).digest()
        )
        self._claim = os.urandom(16).hex()

    def claim(self) -> bytes | None:
        """The answer there is; None when this request is to make it."""
        try:
            with self._ctx.transaction() as tx:
                row = tx.db.get(IdempotencyRow, self._id, with_for_update=True)
                if row is not None and row.expires_at > tx.now():
                    if row.request != self._request:
                        raise KeyReused
                    if row.answer is not None:
                        return self._sealing.decrypt(row.answer[:_NONCE], row.answer[_NONCE:], None)
                    if row.claimed_until > tx.now():
                        raise StillRunning(retry_after=1)
                values = {
                    "request": self._request,
                    "claim": self._claim,
                    "claimed_until": tx.now() + timedelta(seconds=self._lease),
                    "expires_at": tx.now() + KEPT,
                    "answer": None,
                }
                if row is None:
                    tx.db.execute(insert(IdempotencyRow).values(id=self._id, **values))
                else:
                    row.sqlmodel_update(values)
                    tx.db.add(row)
        except IntegrityError:
            # Somebody else made the row between our look and our write.
            raise StillRunning(retry_after=1) from None
        return None

    def keep(self, tx: Context, answer: bytes) -> None:
        """Write the answer down in this transaction; StillRunning ends it when the claim is lost."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._sealing.encrypt(nonce, answer, None)
        written = tx.db.execute(
            update(IdempotencyRow)
            .where(col(IdempotencyRow.id) == self._id, col(IdempotencyRow.claim) == self._claim)
            .values(answer=sealed, expires_at=tx.now() + KEPT)
        )
        if not getattr(written, "rowcount", 0):
            raise StillRunning(retry_after=1)

    def refused(self, error: MicelioError) -> None:
        """Keep a refusal that asking again would not change; let go of the key after any other."""
        if error.kind not in _FINAL or "retry_after" in error.details:
            return self.release()
        told = {"code": error.code, "sentence": error.sentence, "details": error.details}
        # The refusal is on its way whether or not this can be written.
        with suppress(MicelioError), self._ctx.transaction() as tx:
            self.keep(tx, b"-" + to_json(told, fallback=str))

    def release(self) -> None:
        """Let the key go, if it is ours and has no answer."""
        faults.reach("idempotency.releasing")
        # When this fails the claim ends at its deadline.
        with suppress(MicelioError), self._ctx.transaction() as tx:
            tx.db.execute(
                delete(IdempotencyRow).where(
                    col(IdempotencyRow.id) == self._id,
                    col(IdempotencyRow.claim) == self._claim,
                    col(IdempotencyRow.answer).is_(None),
                )
            )


def _told(kept: bytes) -> bytes:
    if kept[:1] == b"+":
        return kept[1:]
    told = json.loads(kept[1:])
    kind = known().get(told["code"], InvalidInput)
    # Its own constructor would want what it made its sentence from.
    error = kind.__new__(kind)
    MicelioError.__init__(error, told["sentence"], **told["details"])
    raise error


def _key(header: str) -> str:
    """The key in a header: bare, or in quotes as the IETF draft writes it."""
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            problem=f"An Idempotency-Key is 1 to {LONGEST_KEY} visible ASCII characters, best a random UUID."
        )
    return key


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
