"""Every door ends every operation the same way, for everybody; and nobody learns what is private."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import grpc
import pytest

from backend.core.operations import Mode, Operation
from backend.doors import catalogue
from tests.backend.doors.cases import BYTE_ROUTES, CASES, Case
from tests.backend.doors.faces import Face, Outcome, Rest, carries, problem_of, rpc_door
from tests.backend.doors.worlds import PEOPLE, Template, World

OPERATIONS = {op.name: op for op in catalogue.offered("any")}
DOORS = ("rest", "rpc", "face")
OUTSIDE = ("stranger", "outsider")
VOLATILE = ("x-request-id", "server-timing", "ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset")

matrix: Counter[tuple[str, str, str, str]] = Counter()
"""How many calls ended how, by operation, door, person and what was asked."""


class Doors:
    """The doors of one world, each opened when it is first used."""

    def __init__(self, world: World, portal, stack: ExitStack) -> None:
        self.world = world
        self._portal = portal
        self._stack = stack
        self._open: dict[str, Rest | Face | object] = {}

    def __getitem__(self, door: str):
        if door not in self._open:
            self._open[door] = {
                "rest": lambda: Rest(self.world, self._portal),
                "face": lambda: Face(self.world),
                "rpc": lambda: self._stack.enter_context(rpc_door(self.world)),
            }[door]()
        return self._open[door]


class Worlds:
    """One world that refused calls share, and a fresh one for each call that changes something."""

    def __init__(self, template: Template, folder: Path, portal) -> None:
        self.template, self.folder, self.portal = template, folder, portal
        self.numbers = count()
        self.stack = ExitStack()
        self.shared = self.fresh(self.stack)

    def fresh(self, stack: ExitStack) -> Doors:
        world = stack.enter_context(self.template.copied(self.folder / str(next(self.numbers))))
        return Doors(world, self.portal, stack)

    def outcome(self, op: Operation, door: str, person: str, case: Case, what: str) -> Outcome | None:
        changes = what in ("ok", "private") and op.mode is not Mode.READS
        with ExitStack() as stack:
            doors = self.fresh(stack) if changes else self.shared
            payload = doors.world.filled(case.tries[what], person)
            return doors[door].outcome(op, payload, doors.world.token_of(person), case.content)


@pytest.fixture(scope="module")
def worlds(template, portal, tmp_path_factory) -> Iterator[Worlds]:
    worlds = Worlds(template, tmp_path_factory.mktemp("worlds"), portal)
    with worlds.stack:
        yield worlds


def test_every_operation_has_a_case_and_every_case_an_operation():
    assert sorted(CASES) == sorted(OPERATIONS)


def test_every_rpc_an_operation_names_is_in_the_protocol():
    assert [op.rpc for op in OPERATIONS.values() if op.rpc and not carries(op)] == []


def test_every_door_that_is_left_out_has_a_reason():
    silent = [op.name for op in OPERATIONS.values() if not op.rpc and not op.left_out.get("rpc")]

    assert silent == []


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_doors_agree(worlds, name):
    op, case = OPERATIONS[name], CASES[name]
    for what in case.tries:
        for person, expected in zip(PEOPLE, case.who, strict=True):
            ended = {}
            for door in DOORS:
                if door in op.left_out or (door == "rpc" and not (op.rpc and carries(op))):
                    continue
                outcome = worlds.outcome(op, door, person, case, what)
                if outcome is not None:
                    ended[door] = outcome
                    matrix[name, door, person, what] += 1
            assert len(set(ended.values())) == 1, f"{person} {what}: {ended}"
            code, status = ended["face"]
            if what == "ok":
                assert code == expected, person
            elif expected == "ok" and what in ("invalid", "missing"):
                assert status == (422 if what == "invalid" else 404), f"{person} {what}: {code}"


@pytest.mark.parametrize("person", OUTSIDE)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.private is not None])
def test_private_and_missing_are_the_same_to_whoever_is_outside(worlds, name, person):
    op, case = OPERATIONS[name], CASES[name]
    doors = worlds.shared
    token = doors.world.token_of(person)
    private, missing = (doors.world.filled(case.tries[what], person) for what in ("private", "missing"))

    assert told(doors["rest"].call(op, private, token)) == told(doors["rest"].call(op, missing, token))
    if op.rpc and carries(op):
        assert refusal(doors["rpc"], op, private, token) == refusal(doors["rpc"], op, missing, token)


@pytest.mark.parametrize("person", OUTSIDE)
@pytest.mark.parametrize("route", sorted(BYTE_ROUTES))
def test_routes_of_bytes_keep_what_is_private(worlds, route, person):
    doors = worlds.shared
    token = doors.world.token_of(person)
    _, private, missing = (address.format(**flat(doors.world)) for address in BYTE_ROUTES[route])

    found = doors["rest"].send("GET", private, token)

    assert found.status_code == 404
    assert told(found) == told(doors["rest"].send("GET", missing, token))


def test_the_matrix_is_whole(capsys):
    calls = Counter({door: sum(n for key, n in matrix.items() if key[1] == door) for door in DOORS})
    lines = [f"{'operation':26}" + "".join(f"{door:>8}" for door in DOORS)]
    for name in sorted(OPERATIONS):
        tried = [sum(n for key, n in matrix.items() if key[:2] == (name, door)) for door in DOORS]
        lines.append(f"{name:26}" + "".join(f"{n or '-':>8}" for n in tried))
    with capsys.disabled():
        print("\n" + "\n".join(lines))
        print(f"parity: {sum(calls.values())} calls, {len(OPERATIONS)} operations, {dict(calls)}")

    assert {key[0] for key in matrix} == set(OPERATIONS)


def told(response) -> tuple:
    """Everything a response says, but for what differs between any two requests."""
    headers = [(k, v) for k, v in response.headers.items() if k not in VOLATILE]
    body = response.json() if response.headers.get("content-type", "").endswith("json") else response.text
    if isinstance(body, dict):
        body.pop("request_id", None)
    lengths = [(k, v) for k, v in headers if k != "content-length"]
    return response.status_code, lengths, body


def refusal(door, op, payload, token) -> tuple:
    """The same of a refused call over gRPC."""
    with pytest.raises(grpc.RpcError) as refused:
        door.call(op, payload, token)
    error = refused.value
    problem = problem_of(error)
    problem.pop("request_id")
    kept = [key for key, _ in error.trailing_metadata()]
    return error.code(), error.details(), kept, problem


def flat(world: World) -> dict[str, str]:
    """Names of a world as `str.format` takes them."""
    return {name.replace(".", "_"): value for name, value in world.names.items()}
