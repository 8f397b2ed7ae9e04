"""Names: what becomes of each ref of a source in the project it comes into.

In a project that has nothing they all keep their names. Where something stands already, nothing
of it moves: a name that is taken comes in below `imported/`. Only what an earlier import of the
same source left, and nobody has moved since, follows the source.

Under a mirror every ref keeps its name, and one that has no way forward stays as it is and is named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vcs.lists import is_derived_ref

FAMILIES = ("refs/heads/", "refs/tags/", "refs/notes/")


@dataclass(frozen=True)
class Planned:
    """One ref: its name there and here, what stands here now and what will (None: it goes)."""

    there: str
    here: str
    old: str | None
    new: str | None


def planned(
    wanted: Mapping[str, str],
    here: Mapping[str, str],
    *,
    source_trunk: str | None,
    trunk: str | None,
    followed: Mapping[str, tuple[str, str]],
    forward: Callable[[str, str], bool],
) -> list[Planned]:
    """What to do with each ref of the source, in order of their names.

    `wanted` are the source's refs, `here` the project's; `trunk` is the project's default branch once it
    has a commit. `followed` says where the last import of this source left a ref: name and id.
    `forward(name, old)` tells whether the source's ref goes on from a commit; the trunk moves only then.
    """
    taken = dict(here)
    plan: list[Planned] = []
    for name in sorted(wanted, key=lambda each: (each != source_trunk, each)):
        if not name.startswith(FAMILIES) or is_derived_ref(name):
            continue
        new = wanted[name]
        target, old = _place(name, new, taken, trunk, followed, forward)
        taken[target] = new
        plan.append(Planned(name, target, old, new))
    return plan


DIVERGED = "moved here and there; neither goes on from the other"
TRUNK_DIVERGED = "has landings here that the source lacks, and landings never go back"
IN_THE_WAY = "another ref here is in the way of this name"


def mirrored(
    wanted: Mapping[str, str],
    here: Mapping[str, str],
    *,
    trunk: str | None,
    left: Mapping[str, str],
    overwrite: bool,
    prune: bool,
    forward: Callable[[str, str, str], bool],
) -> tuple[list[Planned], list[tuple[str, str]]]:
    """What a mirror does with each ref, and the refs that stay as they are, each with the reason.

    `left` says where the mirror's last runs left refs. What stands there still follows wherever the source
    went; what was moved here goes forward only, unless `overwrite`; the trunk always goes forward only.
    `prune` takes away what the mirror left and the source has no more. `forward(name, old, new)` tells
    whether `new` goes on from `old`.
    """
    taken = dict(here)
    plan: list[Planned] = []
    refused: list[tuple[str, str]] = []
    for name in sorted(left) if prune else ():
        if name not in wanted and name != trunk and taken.get(name) == left[name]:
            plan.append(Planned(name, name, taken.pop(name), None))
    for name in sorted(wanted):
        old, new = taken.get(name), wanted[name]
        if not name.startswith(FAMILIES) or is_derived_ref(name):
            continue
        untouched = name != trunk and left.get(name) == old
        if old is None and _is_taken(name, taken):
            refused.append((name, IN_THE_WAY))
        elif old in (None, new) or untouched or forward(name, old, new):
            plan.append(Planned(name, name, old, new))
            taken[name] = new
        elif forward(name, new, old):
            # Only here something came on top: there is nothing to bring.
            continue
        elif overwrite and name != trunk:
            plan.append(Planned(name, name, old, new))
        else:
            refused.append((name, TRUNK_DIVERGED if name == trunk else DIVERGED))
    return [each for each in plan if each.old != each.new or left.get(each.here) != each.new], refused


def _place(
    name: str,
    new: str,
    taken: Mapping[str, str],
    trunk: str | None,
    followed: Mapping[str, tuple[str, str]],
    forward: Callable[[str, str], bool],
) -> tuple[str, str | None]:
    left = followed.get(name)
    if left is not None and taken.get(left[0]) == left[1] and (left[0] != trunk or forward(name, left[1])):
        return left[0], left[1]
    for candidate in _candidates(name):
        if taken.get(candidate) == new:
            return candidate, new
        if not _is_taken(candidate, taken):
            return candidate, None
    raise AssertionError("unreachable")


def _candidates(name: str):  # type: ignore[no-untyped-def]
    yield name
    family = next(each for each in FAMILIES if name.startswith(each))
    rest = name.removeprefix(family)
    yield f"{family}imported/{rest}"
    number = 2
    while True:
        yield f"{family}imported-{number}/{rest}"
        number += 1


def _is_taken(name: str, taken: Mapping[str, str]) -> bool:
    """Whether git could not have this ref beside those: the name, a folder of it, or a ref that is one."""
    if name in taken or any(other.startswith(f"{name}/") for other in taken):
        return True
    parts = name.split("/")
    return any("/".join(parts[:end]) in taken for end in range(3, len(parts)))
