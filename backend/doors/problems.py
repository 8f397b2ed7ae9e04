"""Problems: how HTTP tells a refusal (RFC 9457), the same at every route.

`type` is an address that stays and can be opened; `code` is its last part. `details` are the
refusal's own data. Private and missing things give the same problem, request id aside.
"""

import logging
from html import escape
from http import HTTPStatus
from inspect import getdoc
from typing import Any, ClassVar

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.responses import Response

from backend.core import plain_page
from backend.core.config import Settings
from backend.core.errors import FileTooLarge, InternalError, Kind, MicelioError, known

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

STATUS = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.EXHAUSTED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.CORRUPT: 500,
}


class Problem(BaseModel):
    """Why a request was refused: `detail` says what happened and what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    details: dict[str, Any] = {}


class RequestRefused(MicelioError):
    """HTTP itself was used in a way this door does not take."""

    status: ClassVar[int] = 400


class MalformedBody(RequestRefused):
    """The body is not a JSON object."""

    code = "request.malformed"
    message = "The body cannot be read as JSON: {problem}."


class WrongMediaType(RequestRefused):
    """The body says it is something this route does not read."""

    status = 415
    code = "request.media_type"
    message = "The body is {given}. Send JSON with `Content-Type: application/json`."


class BodyTooLarge(RequestRefused):
    """The body is longer than an operation may be sent."""

    status = 413
    code = "request.too_large"
    message = "The body is larger than {limit} bytes. Send file contents on their own, one PUT each."


class MethodNotAllowed(RequestRefused):
    """The address exists, and not for this method."""

    status = 405
    code = "request.method"
    message = "This address takes {allowed}."


class PreconditionFailed(RequestRefused):
    """What is at this address is no longer what If-Match names, or it has no ETag; nothing was changed."""

    kind = Kind.CONFLICT
    status = 412
    code = "request.precondition"
    message = "{problem}"


class NoSuchAddress(RequestRefused):
    """No operation has this address."""

    kind = Kind.NOT_FOUND
    status = 404
    code = "not_found.address"
    message = "There is nothing at this address. `/api/v1/docs` lists what there is."


def status_of(error: MicelioError) -> int:
    """The HTTP status of a refusal."""
    return 500 if isinstance(error, InternalError) else _status_of(type(error))


def _status_of(error: type[MicelioError]) -> int:
    if issubclass(error, RequestRefused):
        return error.status
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if issubclass(error, FileTooLarge) else STATUS[error.kind]


def problem_of(error: MicelioError, settings: Settings, request_id: str) -> Problem:
    """What a caller is told."""
    status = status_of(error)
    return Problem(
        type=problem_type(settings, error.code),
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error.sentence,
        code=error.code,
        request_id=request_id,
        details=error.details,
    )


def problem_type(settings: Settings, code: str) -> str:
    """The address that names a kind of problem."""
    return f"{settings.public_url}/problems/{code}"


def answer(error: MicelioError, settings: Settings, request_id: str) -> Response:
    """The response that tells a refusal; what is our fault is written to the log."""
    problem = problem_of(error, settings, request_id)
    if error.kind is Kind.CORRUPT:
        log.error("request %s: %s", request_id, error.sentence)
    headers = {"Cache-Control": "no-store"}
    if error.kind is Kind.UNAUTHENTICATED:
        wrong = ', error="invalid_token"' if error.code == "auth.wrong" else ""
        about = f"{settings.public_url}/.well-known/oauth-protected-resource"
        headers["WWW-Authenticate"] = f'Bearer realm="Micelio"{wrong}, resource_metadata="{about}"'
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.details["allowed"]
    if isinstance(error, PreconditionFailed) and (tag := error.details.get("etag")):
        headers["ETag"] = tag
    if retry_after := error.details.get("retry_after"):
        headers["Retry-After"] = str(retry_after)
    body = to_json(problem.model_dump(), fallback=str)
    return Response(body, problem.status, headers, media_type=CONTENT_TYPE)


def answer_to_bug(settings: Settings, request_id: str) -> Response:
    """The response when something broke here; call it while the exception is being handled."""
    log.exception("request %s failed", request_id)
    return answer(InternalError(request_id=request_id), settings, request_id)


def page(code: str) -> str | None:
    """A page that explains a kind of problem; None when there is none of this code."""
    error = known().get(code)
    if error is None:
        return None
    status = _status_of(error)
    return plain_page.page(
        code,
        f"<h1>{status} {HTTPStatus(status).phrase}</h1><p><code>{escape(code)}</code></p>"
        f"<p>{escape(getdoc(error) or '')}</p>"
        '<p><a href="/api/v1/docs">What the API offers</a></p>',
    )
