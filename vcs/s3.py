"""The S3 store: files are created and HEAD is swapped by conditional PUT.

Reads and file writes are repeated by the SDK when an answer is lost: a file carries the mark of
its writer, so whoever finds its name taken can tell its own earlier try from somebody else's.
The PUT of HEAD is sent once. 412 and 409 are Lost, and everything that is no answer (a time-out,
a broken connection, a 5xx) is Unknown: a second request could hit what the first one made.

A HEAD's version is its ETag. Equal bytes have equal ETags, so a version would come twice if a
body did; bodies do not, because every HEAD carries a nonce.
"""

import base64
import functools
import hashlib
import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
)

from vcs import faults
from vcs.errors import Kind, MicelioError, StoreFailed
from vcs.store import (
    ABSENT,
    Exists,
    Listed,
    Lost,
    Missing,
    Swapped,
    SwapResult,
    Unknown,
    check_file_key,
    check_key,
    check_range,
    head_key,
)

__all__ = ["Bucket", "ConditionsIgnored", "S3Store"]

PART = 8 << 20
"""Files longer than this go up in parts of this size; S3 wants 5 MiB at least and 10,000 at most."""

_ATTEMPTS = 4
_CONFLICTS = 5
_READS = 3
_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 15.0
_CONNECTIONS = 32
_STALE = '"00000000000000000000000000000000"'
_opening = threading.Lock()
_WRITES = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
_NOT_SENT = (NoCredentialsError, PartialCredentialsError, ParamValidationError)


class ConditionsIgnored(MicelioError):
    """The server overwrites what a conditional PUT must leave alone: no HEAD would be safe on it."""

    kind = Kind.UNAVAILABLE
    code = "store.unconditional"
    message = (
        "The S3 server at {endpoint}, which calls itself {server}, cannot be used as a store: {problem}, "
        "so landings could be lost. "
        "Use a server that honours If-Match and If-None-Match when it writes."
    )


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where an S3 store is and as whom to go there; empty credentials are left to the SDK to find."""

    name: str
    region: str = ""
    endpoint: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)

    @property
    def where(self) -> str:
        """The server as people know it."""
        return self.endpoint or f"Amazon S3 in {self.region or _REGION}"


_REGION = "us-east-1"


class _Clients(NamedTuple):
    process: int
    patient: Any
    once: Any


class S3Store:
    """A store in one bucket. Nothing is asked of the server before the first call.

    `part` and `answer_seconds` are for tests: the length of a part and the longest wait for an answer.
    """

    def __init__(
        self,
        bucket: Bucket,
        *,
        part: int = PART,
        answer_seconds: float = _ANSWER_SECONDS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bucket = bucket
        self._part = part
        self._answer_seconds = answer_seconds
        self._pause = pause
        self._opened: _Clients | None = None
        self._inherited: list[_Clients] = []

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Create a file, durable on return; memory holds a few parts however long it is."""
        check_file_key(key)
        parts = _parts(chunks, self._part)
        first = next(parts, b"")
        if len(first) < self._part:
            self._create(key, first)
        else:
            self._upload(key, itertools.chain((first,), parts))
        faults.reach("store.file_written")

    def _create(self, key: str, body: bytes) -> None:
        writer = uuid.uuid4().hex
        for attempt in range(_CONFLICTS):
            try:
                self._patient.put_object(
                    **self._at(key), Body=body, IfNoneMatch="*", Metadata={"writer": writer}, **_md5(body)
                )
                return
            except ClientError as error:
                if _status(error) == 412:
                    return self._check_mine(key, writer)
                if _status(error) != 409:
                    raise self._refusal(error, key) from error
            except (BotoCoreError, OSError) as error:
                raise self._refusal(error, key) from error
            self._pause(0.05 * 2**attempt)
        raise StoreFailed(problem=f"{self._bucket.where} does not settle who writes {key}")

    def _upload(self, key: str, parts: Iterable[bytes]) -> None:
        if self._writer(key) is not None:
            raise Exists(key)
        writer = uuid.uuid4().hex
        upload = self._ask(self._patient.create_multipart_upload, key, Metadata={"writer": writer})[
            "UploadId"
        ]
        done = []
        try:
            for number, part in enumerate(parts, 1):
                sent = self._ask(
                    self._patient.upload_part,
                    key,
                    UploadId=upload,
                    PartNumber=number,
                    Body=part,
                    **_md5(part),
                )
                done.append({"ETag": sent["ETag"], "PartNumber": number})
            self._complete(key, upload, done, writer)
        except BaseException:
            # What cannot be given up now is for the bucket's own rule on unfinished uploads.
            with suppress(ClientError, BotoCoreError, OSError):
                self._once.abort_multipart_upload(**self._at(key), UploadId=upload)
            raise

    def _complete(self, key: str, upload: str, parts: list[dict[str, Any]], writer: str) -> None:
        try:
            self._patient.complete_multipart_upload(
                **self._at(key), UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except ClientError as error:
            # 404: an earlier try of this very request ended the upload, and its answer was lost.
            if _status(error) not in (404, 409, 412) or _code(error) == "NoSuchBucket":
                raise self._refusal(error, key) from error
            self._check_mine(key, writer)
        except (BotoCoreError, OSError) as error:
            raise self._refusal(error, key) from error

    def _check_mine(self, key: str, writer: str) -> None:
        """Exists, unless the file that has this name is what we wrote ourselves a moment ago."""
        found = self._writer(key)
        if found is None:
            raise StoreFailed(problem=f"{self._bucket.where} refused {key} as taken, but it is not there")
        if found != writer:
            raise Exists(key)

    def _writer(self, key: str) -> str | None:
        """The mark of whoever wrote a file, "" when it has none; None when there is no such file."""
        try:
            return str(self._patient.head_object(**self._at(key))["Metadata"].get("writer", ""))
        except ClientError as error:
            if _status(error) == 404:
                return None
            raise self._refusal(error, key) from error
        except (BotoCoreError, OSError) as error:
            raise self._refusal(error, key) from error

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start`, as many as there are up to `length`; Missing."""
        check_range(start, length)
        check_key(key)
        if length == 0:
            if self._writer(key) is None:
                raise Missing(key)
            return b""
        return self._read(key, start, length)[0]

    def _read(self, key: str, start: int = 0, length: int | None = None) -> tuple[bytes, str]:
        end = "" if length is None else start + length - 1
        asked = {} if start == 0 and length is None else {"Range": f"bytes={start}-{end}"}
        for attempt in range(_READS):
            try:
                answer = self._patient.get_object(**self._at(key), **asked)
            except ClientError as error:
                if _status(error) == 416:
                    return b"", ""
                raise self._refusal(error, key) from error
            except (BotoCoreError, OSError) as error:
                raise self._refusal(error, key) from error
            try:
                with closing(answer["Body"]) as body:
                    content = bytes(body.read())
            except (BotoCoreError, OSError) as error:
                # The SDK repeats requests, not bodies that break off.
                if attempt == _READS - 1:
                    raise self._refusal(error, key) from error
                continue
            if asked and "ContentRange" not in answer:
                # A server that ignores ranges gives the whole file.
                content = content[start : None if length is None else start + length]
            return content, str(answer["ETag"])
        raise AssertionError("the last attempt returns or raises")

    def delete(self, key: str) -> None:
        """Remove a file, or a HEAD, in every version the bucket keeps; fine when it is not there."""
        check_key(key)
        answer = self._ask(self._patient.delete_object, key)
        if "VersionId" not in answer and not answer.get("DeleteMarker"):
            return
        for page in self._pages("list_object_versions", key):
            for version in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                if version["Key"] == key:
                    self._ask(self._patient.delete_object, key, VersionId=version["VersionId"])

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every name that begins with this text, HEADs too, in S3's own order, which is sorted; times
        are the server's, to the second.
        """
        for page in self._pages("list_objects_v2", prefix):
            for found in page.get("Contents", ()):
                yield Listed(found["Key"], found["Size"], found["LastModified"])

    def _pages(self, operation: str, prefix: str) -> Iterator[dict[str, Any]]:
        try:
            yield from self._patient.get_paginator(operation).paginate(
                Bucket=self._bucket.name, Prefix=prefix
            )
        except (ClientError, BotoCoreError, OSError) as error:
            raise self._refusal(error, prefix) from error

    def read_head(self, pool: str, project: str) -> tuple[bytes, str]:
        """HEAD's bytes and version; Missing."""
        return self._read(head_key(pool, project))

    def swap_head(
        self, pool: str, project: str, expected: str | None, body: bytes, files: Mapping[str, bytes] = {}
    ) -> SwapResult:
        """Create the files, then move HEAD by one conditional PUT that is never repeated here.

        Files of a swap that is Lost stay behind in no live set. Missing when there is no HEAD to move.
        """
        key = head_key(pool, project)
        for name in files:
            check_file_key(name)
        for name, content in files.items():
            self._create_or_match(name, bytes(content))
            faults.reach("store.file_written")
        faults.reach("store.before_commit")
        condition = {"IfNoneMatch": "*"} if expected is ABSENT else {"IfMatch": expected}
        try:
            answer = self._once.put_object(**self._at(key), Body=bytes(body), **condition, **_md5(body))
        except ClientError as error:
            if _status(error) in (409, 412):
                return Lost()
            if _is_no_answer(error):
                return Unknown(str(error))
            raise self._refusal(error, key) from error
        except _NOT_SENT as error:
            raise self._refusal(error, key) from error
        except (BotoCoreError, OSError) as error:
            return Unknown(str(error))
        faults.reach("store.after_commit")
        return Swapped(str(answer["ETag"]))

    def _create_or_match(self, key: str, content: bytes) -> None:
        try:
            self._create(key, content)
        except Exists:
            if self.get(key) != content:
                raise

    def probe(self) -> None:
        """Write below `probes/` to learn whether this server keeps conditions; ConditionsIgnored names it
        if not, StoreFailed says what is wrong with bucket, credentials or address.
        """
        key = f"probes/{uuid.uuid4().hex}"
        made = self._try_put(key, b"first", IfNoneMatch="*")
        try:
            if made.status != 200:
                raise self._unconditional(made, "it does not take If-None-Match")
            again = self._try_put(key, b"second", IfNoneMatch="*")
            if again.status not in (409, 412):
                raise self._unconditional(again, "it wrote over a file although If-None-Match forbade it")
            stale = self._try_put(key, b"third", IfMatch=_STALE)
            if stale.status not in (409, 412):
                raise self._unconditional(stale, "it wrote over a file although If-Match forbade it")
            due = self._try_put(key, b"fourth", IfMatch=made.etag)
            if due.status != 200 or self._read(key) != (b"fourth", due.etag):
                raise self._unconditional(due, "it refused a write that If-Match allowed")
        finally:
            self.delete(key)

    def _try_put(self, key: str, body: bytes, **condition: str) -> "_Answer":
        try:
            given = self._once.put_object(**self._at(key), Body=body, **condition)
        except ClientError as error:
            if _status(error) in (409, 412, 501):
                return _Answer.of(error.response)
            raise self._refusal(error, key) from error
        except (BotoCoreError, OSError) as error:
            raise self._refusal(error, key) from error
        return _Answer.of(given)

    def _unconditional(self, answer: "_Answer", problem: str) -> ConditionsIgnored:
        return ConditionsIgnored(
            server=answer.server or "nothing", endpoint=self._bucket.where, problem=problem
        )

    def close(self) -> None:
        """Close connections; using the store again opens new ones."""
        with _opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.patient.close()
            opened.once.close()

    @property
    def _patient(self) -> Any:
        """The client for what may be repeated."""
        return self._clients().patient

    @property
    def _once(self) -> Any:
        """The client that sends each request once."""
        return self._clients().once

    def _clients(self) -> _Clients:
        with _opening:
            if self._opened is not None and self._opened.process != os.getpid():
                # A forked child must not talk on its parent's connections, nor close them.
                self._inherited.append(self._opened)
                self._opened = None
            if self._opened is None:
                self._opened = _Clients(os.getpid(), self._client(_ATTEMPTS), self._client(1))
            return self._opened

    def _client(self, attempts: int) -> Any:
        bucket = self._bucket
        try:
            return _session().client(
                "s3",
                region_name=bucket.region or _REGION,
                endpoint_url=bucket.endpoint or None,
                aws_access_key_id=bucket.access_key_id or None,
                aws_secret_access_key=bucket.secret_access_key or None,
                config=Config(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=self._answer_seconds,
                    max_pool_connections=_CONNECTIONS,
                    retries={"mode": "standard", "total_max_attempts": attempts},
                    s3={"addressing_style": "path" if bucket.endpoint else "auto"},
                    # Trailing checksums are news to many servers; we send an MD5, which all of them check.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        except (BotoCoreError, ValueError) as error:
            raise self._refusal(error, "") from error

    def _ask(self, request: Callable[..., Any], key: str, **options: Any) -> Any:
        try:
            return request(**self._at(key), **options)
        except (ClientError, BotoCoreError, OSError) as error:
            raise self._refusal(error, key) from error

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket.name, "Key": key}

    def _refusal(self, error: Exception, key: str) -> MicelioError:
        """What an answer, or its absence, means to us: Missing, or StoreFailed with what to do."""
        if isinstance(error, ClientError):
            if _code(error) == "NoSuchKey" or (_status(error) == 404 and _code(error) != "NoSuchBucket"):
                return Missing(key)
            return StoreFailed(problem=self._problem(error))
        where = self._bucket.where
        if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
            return StoreFailed(
                problem="there are no S3 credentials; set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY"
            )
        if isinstance(error, (EndpointConnectionError, ConnectTimeoutError)):
            return StoreFailed(problem=f"{where} cannot be reached; check S3_ENDPOINT_URL and the network")
        if isinstance(error, SSLError):
            return StoreFailed(problem=f"{where} did not prove who it is ({error}); check S3_ENDPOINT_URL")
        if isinstance(error, ParamValidationError):
            return StoreFailed(problem=f"{self._bucket.name!r} is no name of a bucket; check S3_BUCKET")
        return StoreFailed(problem=f"{where} did not answer ({error})")

    def _problem(self, error: ClientError) -> str:
        name, where, code = self._bucket.name, self._bucket.where, _code(error)
        deed = "write to" if error.operation_name in _WRITES else "use"
        region = _headers(error.response).get("x-amz-bucket-region", "another region")
        sentences = {
            "NoSuchBucket": f"{where} has no bucket {name}; create it or correct S3_BUCKET",
            "InvalidBucketName": f"{name!r} is no name of a bucket; check S3_BUCKET",
            "InvalidAccessKeyId": f"{where} does not know this S3_ACCESS_KEY_ID",
            "SignatureDoesNotMatch": f"S3_SECRET_ACCESS_KEY does not belong to S3_ACCESS_KEY_ID at {where}",
            "AccessDenied": f"{where} does not let these credentials {deed} bucket {name}",
            "RequestTimeTooSkewed": f"the clock of this machine and that of {where} differ; set it right",
            "PermanentRedirect": f"bucket {name} is in {region}; correct S3_REGION",
            "AuthorizationHeaderMalformed": f"bucket {name} is in {region}; correct S3_REGION",
        }
        if code in ("403", "401"):
            code = "AccessDenied"
        if code in ("301", "307"):
            code = "PermanentRedirect"
        said = error.response.get("Error", {}).get("Message", "")
        return sentences.get(code) or f"{where} answered {_status(error)} {code} {said}".rstrip(". ")


@functools.cache
def _session() -> Any:
    """One for the process: it keeps what it read of the SDK's files. Used under a lock, as it must be."""
    return boto3.session.Session()


class _Answer(NamedTuple):
    status: int
    etag: str
    server: str

    @classmethod
    def of(cls, response: Mapping[str, Any]) -> "_Answer":
        status = int(response["ResponseMetadata"]["HTTPStatusCode"])
        return cls(status, str(response.get("ETag", "")), _headers(response).get("server", ""))


def _parts(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of one size, the last one shorter."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _md5(body: bytes) -> dict[str, str]:
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return {"ContentMD5": base64.b64encode(digest).decode("ascii")}


def _is_no_answer(error: ClientError) -> bool:
    return _status(error) >= 500 or _status(error) in (408, 429) or _code(error) == "RequestTimeout"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _headers(response: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers
