"""Operations: one registry, one pipeline, for every door.

`@operation` only records a plain function: its scope, its REST address and whether agents get
it as a tool. `invoke` is the one way to run it: validate, check scope, rate limit, unit of work,
ring. Doors turn bytes on a wire into a payload and an answer back; they add no rules.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

from prometheus_client import Counter, Histogram
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from backend.core.context import Actor, Context, Forge, Via
from backend.core.errors import Forbidden, MicelioError, Unauthenticated, ValidationFailed

Function = TypeVar("Function", bound=Callable[..., BaseModel])

SCOPES = {
    "project:read": "Read project contents",
    "project:write": "Create and update projects",
    "session:read": "Read sessions",
    "session:write": "Create and land sessions",
    "org:read": "Read organization information",
    "org:admin": "Manage organizations",
    "user": "Read and change your own account",
    "admin": "Run the instance",
}

_calls = Counter("micelio_operations", "Operations run", ["operation", "outcome"])
_seconds = Histogram("micelio_operation_seconds", "Time an operation took", ["operation"])


class Mode(StrEnum):
    """How an operation uses the database."""

    READS = "reads"
    WRITES = "writes"
    STEPS = "steps"


@dataclass(frozen=True)
class Operation:
    """One verb of the forge.

    `method` and `path` are its REST address (`{name}` marks an argument). `cost` is what a stranger
    pays for it from what their address may spend. `doors` lists the
    transports that carry it; a door left out has its reason in `left_out`.
    """

    name: str
    function: Callable[..., BaseModel]
    arguments: type[BaseModel]
    result: type[BaseModel]
    scope: str | None
    mode: Mode
    method: str
    path: str
    status: int
    anonymous: bool
    tool: bool
    rpc: str
    left_out: Mapping[str, str]
    cost: int

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    @property
    def description(self) -> str:
        """The whole docstring, dedented."""
        return inspect.cleandoc(self.function.__doc__ or "")


_registry: dict[str, Operation] = {}


def operation(
    *,
    scope: str | None,
    http: str,
    mode: Mode | None = None,
    status: int | None = None,
    anonymous: bool | None = None,
    tool: bool = False,
    rpc: str = "",
    left_out: Mapping[str, str] | None = None,
    cost: int = 0,
) -> Callable[[Function], Function]:
    """Record a function as an operation.

    `http` is "METHOD /path". Reads are open to strangers unless `anonymous=False` (what they
    may see is decided by access checks inside); everything else needs somebody. `rpc` is
    "Service.Method" when gRPC carries it. `scope=None` asks nothing of a token: for what its
    holder may always know or do, whoever that is.
    """
    if scope is not None and scope not in SCOPES:
        raise ValueError(f"unknown scope {scope}")
    method, _, path = http.partition(" ")
    chosen = mode or (Mode.READS if method == "GET" else Mode.WRITES)

    def record(function: Function) -> Function:
        name = function.__name__
        if name in _registry:
            raise ValueError(f"two operations are named {name}")
        if not function.__doc__:
            raise ValueError(f"operation {name} has no docstring")
        _registry[name] = Operation(
            name=name,
            function=function,
            arguments=_arguments(function),
            result=get_type_hints(function)["return"],
            scope=scope,
            mode=chosen,
            method=method,
            path=path,
            status=status or (201 if method == "POST" and _makes(name) else 200),
            anonymous=chosen is Mode.READS if anonymous is None else anonymous,
            tool=tool,
            rpc=rpc,
            left_out=dict(left_out or {}),
            cost=cost,
        )
        return function

    return record


def operations() -> dict[str, Operation]:
    """Every operation by name, in the order of the alphabet."""
    return dict(sorted(_registry.items()))


def operation_of(function: Callable[..., BaseModel]) -> Operation:
    """The operation a function was recorded as."""
    return _registry[function.__name__]


def invoke(
    forge: Forge,
    actor: Actor,
    op: Operation | Callable[..., BaseModel],
    payload: Mapping[str, Any],
    *,
    before: Callable[[Context], None] | None = None,
    after: Callable[[Context, BaseModel], None] | None = None,
) -> BaseModel:
    """Run an operation for somebody and return its schema.

    `before` and `after` run in the operation's own transaction when it has one that writes, else
    in one of their own; what they raise takes the operation back.

    Raises ValidationFailed, Unauthenticated, Forbidden, RateLimited, and what the operation raises.
    """
    op = op if isinstance(op, Operation) else operation_of(op)
    with _seconds.labels(op.name).time():
        try:
            result = _run(forge, actor, op, payload, before, after)
        except MicelioError as error:
            _calls.labels(op.name, error.code).inc()
            raise
    _calls.labels(op.name, "ok").inc()
    return result


def _run(
    forge: Forge,
    actor: Actor,
    op: Operation,
    payload: Mapping[str, Any],
    before: Callable[[Context], None] | None,
    after: Callable[[Context, BaseModel], None] | None,
) -> BaseModel:
    permit(actor, op)
    count(forge, actor)
    arguments = _validated(op, payload)
    charge(forge, actor, op.cost)
    ctx = Context(forge, actor)
    if op.mode is Mode.WRITES:
        with ctx.transaction() as inside:
            if before is not None:
                before(inside)
            result = op.function(inside, **arguments)
            if after is not None:
                after(inside, result)
            return result
    if before is not None:
        with ctx.transaction(write=False) as inside:
            before(inside)
    if op.mode is Mode.STEPS:
        result = op.function(ctx, **arguments)
    else:
        with ctx.transaction(write=False) as inside:
            result = op.function(inside, **arguments)
    if after is not None:
        with ctx.transaction() as inside:
            after(inside, result)
    return result


def check(actor: Actor, op: Operation, payload: Mapping[str, Any]) -> None:
    """Raise what `invoke` would raise before it runs anything: for doors that read content first."""
    permit(actor, op)
    _validated(op, payload)


def result_inside(ctx: Context, op: Operation, payload: Mapping[str, Any]) -> BaseModel:
    """What a reading operation gives inside a transaction that is open already; not counted."""
    permit(ctx.actor, op)
    return op.function(ctx, **_validated(op, payload))


def permit(actor: Actor, op: Operation) -> None:
    """Raise Unauthenticated or Forbidden unless this credential may ask for the operation at all."""
    if actor.via is Via.NOBODY and not op.anonymous:
        raise Unauthenticated
    if op.scope is None or not actor.signed_in or actor.scopes is None:
        return
    if op.scope not in actor.scopes:
        raise Forbidden(problem=f"This token lacks the scope {op.scope}. Make one that has it.")


def rate_of(forge: Forge, actor: Actor) -> tuple[str, int]:
    """Under which key this actor's calls are counted, and how many are allowed in a minute."""
    rates = forge.settings.rates
    if actor.signed_in:
        return f"account:{actor.id}", rates.account
    return f"address:{actor.address}", rates.anonymous


def charge(forge: Forge, actor: Actor, cost: int) -> None:
    """Let a stranger pay for something expensive; RateLimited when their address has spent its budget."""
    if cost and actor.via is Via.NOBODY:
        forge.charge(f"cost:{actor.address}", forge.settings.rates.anonymous_cost, cost)


def count(forge: Forge, actor: Actor) -> None:
    """Count one call of somebody's; RateLimited when it is one too many."""
    if actor.via is not Via.SYSTEM:
        forge.limit(*rate_of(forge, actor))


def _validated(op: Operation, payload: Mapping[str, Any]) -> dict[str, Any]:
    try:
        model = op.arguments.model_validate(dict(payload))
    except ValidationError as error:
        raise ValidationFailed([_field(e) for e in error.errors(include_url=False)]) from None
    found = {name: getattr(model, name) for name in type(model).model_fields}
    if dirty := sorted(name for name, value in found.items() if _unstorable(value)):
        raise ValidationFailed(
            [{"field": n, "problem": "holds a NUL or an unpaired surrogate character"} for n in dirty]
        )
    return found


def _field(error: Mapping[str, Any]) -> dict[str, str]:
    where = ".".join(str(part) for part in error["loc"]) or "(all)"
    if error["type"] == "extra_forbidden":
        return {"field": where, "problem": "is not an argument of this operation"}
    if error["type"] == "missing":
        return {"field": where, "problem": "is required"}
    message = re.sub(r"^(Value error|Assertion failed), ", "", error["msg"])
    return {"field": where, "problem": message[:1].lower() + message[1:]}


def _unstorable(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value)
    if isinstance(value, BaseModel):
        return _unstorable(value.model_dump())
    if isinstance(value, Mapping):
        return any(_unstorable(k) or _unstorable(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return any(_unstorable(v) for v in value)
    return False


def _arguments(function: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise ValueError(f"{function.__name__}: {parameter.name} must be keyword-only")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    name = "".join(word.capitalize() for word in function.__name__.split("_")) + "Arguments"
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
    return create_model(name, __config__=config, **fields)


def _makes(name: str) -> bool:
    return name.split("_")[0] in ("create", "start", "append", "add")
