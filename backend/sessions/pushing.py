"""Pushing: what a git client sends becomes part of the project, through the gates of every landing.

A push that moves the trunk is one session. Its row is not written before: the record in the log
says all about it, and whoever catches up first writes the row. So a push that is refused, or dies,
leaves nothing behind but a permit that the sweeper takes away.
"""

import base64
import logging
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy.exc import IntegrityError

from backend.accounts.identity import still_good
from backend.core.context import Actor, Context, Forge, Via
from backend.core.errors import Forbidden, InvalidInput, MicelioError
from backend.organizations.models import Organization
from backend.projects import access as project_access
from backend.projects import code, git, projection
from backend.projects.access import Ability
from backend.projects.models import Landing, Project
from backend.sessions import access, permits
from backend.sessions.landing import PERMIT, batcher, withdraw
from backend.sessions.models import Permit
from backend.sessions.redaction import redact
from vcs import faults
from vcs.git.messages import Message, read_message
from vcs.git.process import GitFailed
from vcs.git.receive import (
    Command,
    Quarantine,
    Request,
    Verdict,
    is_pushable,
    quarantine,
)
from vcs.git.scanning import PackRefused, check_pack
from vcs.git.source import MissingFromSource, SourceRefused
from vcs.git.taking import Names, Received, give_up, take
from vcs.landing import Landed, LandingTaken, LandingUnknown, PermitGone, Push
from vcs.lists import RefChange, is_derived_ref
from vcs.log import RecordKind
from vcs.objects import EMPTY_TREE, format_time, new_id
from vcs.paths import quote
from vcs.pushes import NotFastForward, RefBlocked, RefsMoved
from vcs.repository import Repository

FOR = "refs/for/"
NOTES = "refs/notes/micelio"
LARGEST_PUSH = 2 << 30
TOLD_CONFLICTS = 10
NOT_TAKEN = "nothing was taken over, since the pack cannot be used"
LONGEST_PROMPT = 100_000
MOST_PROMPTS = 200

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What became of a push, for the client (`verdicts`, `unpack`) and for people (`told`)."""

    verdicts: list[Verdict]
    told: list[str] = field(default_factory=list)
    unpack: str = ""


@dataclass
class Pushing:
    """One push while it is looked at."""

    ctx: Context
    project: Project
    owner: Organization
    request: Request
    outcome: Outcome
    repository: Repository
    trunk: str
    refs: Mapping[str, bytes]
    verdicts: dict[str, Verdict]
    names: Names
    standing: set[str] = field(default_factory=set)
    """Refs that stand already where they are to go, though nobody moves them."""
    kept: bool = False
    """Whether what was staged is needed, or may be."""

    @property
    def forge(self) -> Forge:
        """The forge it comes to."""
        return self.ctx.forge

    @property
    def address(self) -> str:
        """The project's address."""
        return f"{self.owner.handle}/{self.project.handle}"

    def url(self, session: str) -> str:
        """Where people see a session."""
        return f"{self.forge.settings.public_url}/{self.address}/sessions/{session}"

    def tell(self, line: str) -> None:
        """Say something to whoever pushes."""
        self.outcome.told.append(line)

    def left(self) -> list[Command]:
        """The commands that are not refused yet and have something to do."""
        return [
            verdict.command
            for verdict in self.outcome.verdicts
            if not verdict.refused and verdict.command.name not in self.standing
        ]

    def refuse(self, name: str, sentence: str) -> None:
        """Refuse one command, and with it all of an atomic push."""
        self.verdicts[name].refused = sentence
        if self.request.atomic:
            for verdict in self.outcome.verdicts:
                verdict.refused = verdict.refused or "Another ref of this atomic push was refused."


Propose = Callable[[Pushing, Command, Quarantine, Received], None]


def begin(forge: Forge, actor: Actor, project: Project) -> tuple[Path, dict[str, bytes]]:
    """The project's repository, up to date, and the refs that a push is told of."""
    shown = git.show(forge, actor, project)
    repository = code.repository(forge, project.id, project.pool)
    refs = repository.refs()
    sha1s = repository.index.sha1s_of(list(set(refs.values())))
    return shown.path, {name: sha1s[id] for name, id in refs.items() if id in sha1s}


def receive_push(
    forge: Forge,
    actor: Actor,
    project: Project,
    owner: Organization,
    request: Request,
    body: BinaryIO,
    propose: Propose,
) -> Outcome:
    """Take over what a push brings, or say ref by ref why not. Never raises for what a client sent."""
    outcome = Outcome([Verdict(command) for command in request.commands])
    try:
        size = check_pack(body, request.pack_at) if request.pack_at is not None else 0
    except PackRefused as error:
        _refuse_all(outcome, NOT_TAKEN, unpack=error.sentence)
        return outcome
    main, refs = begin(forge, actor, project)
    repository = code.repository(forge, project.id, project.pool)
    head, _ = repository.remembered()
    tree = repository.commit(head.main).tree if head.main else EMPTY_TREE
    pushing = Pushing(
        Context(forge, actor),
        project,
        owner,
        request,
        outcome,
        repository,
        _trunk_of(request.commands, head.trunk, born=head.main is not None),
        refs,
        {verdict.command.name: verdict for verdict in outcome.verdicts},
        Names(repository, tree),
    )
    _judge(pushing)
    if not pushing.left():
        return outcome
    try:
        with quarantine(git_quarantine(forge), main) as held:
            if request.pack_at is not None:
                held.unpack(body, request.pack_at, size, LARGEST_PUSH)
            faults.reach("push.unpacked")
            _in_quarantine(pushing, held, propose)
    except (PackRefused, SourceRefused, MissingFromSource) as error:
        _refuse_all(outcome, NOT_TAKEN, unpack=error.sentence)
    except (GitFailed, FileNotFoundError):
        # Somebody drops this node's repository while it is borrowed.
        log.exception("a push to %s could not be looked at", pushing.address)
        _refuse_all(outcome, "The repository is being made again on this machine. Push again in a moment.")
    except MicelioError as error:
        _refuse_all(outcome, error.sentence)
    return outcome


def git_quarantine(forge: Forge) -> Path:
    """Where pushes are looked at."""
    return forge.settings.data / "git" / "quarantine"


def _refuse_all(outcome: Outcome, sentence: str, *, unpack: str = "") -> None:
    outcome.unpack = unpack
    for verdict in outcome.verdicts:
        verdict.refused = verdict.refused or sentence


def _trunk_of(commands: Sequence[Command], trunk: str, *, born: bool) -> str:
    """What the trunk is called after this push: the first one may bring another name."""
    heads = [command.name for command in commands if command.name[:11] == "refs/heads/" and command.new]
    if born or not heads or trunk in heads:
        return trunk
    return next((name for name in ("refs/heads/main", "refs/heads/master") if name in heads), heads[0])


def _judge(pushing: Pushing) -> None:
    """Refuse what needs no look at any object: names, and what somebody may not do."""
    with pushing.ctx.transaction(write=False) as tx:
        for command in pushing.request.commands:
            name = command.name
            try:
                if not is_pushable(name):
                    raise Forbidden(problem="git has no refs of this name")
                if _is_landing_there(pushing, command):
                    # A mirror that was cloned with them is pushed back.
                    pushing.standing.add(name)
                    continue
                if is_derived_ref(name):
                    raise Forbidden(problem="Micelio makes these refs itself; nobody pushes them")
                ability = _ability(pushing, command)
                if ability is not None:
                    project_access.require(tx, pushing.project, pushing.owner, ability)
            except MicelioError as error:
                pushing.refuse(name, error.sentence)
    left = pushing.left()
    if pushing.request.atomic and len(left) > 1 and any(map(_is_proposal, left)):
        pushing.refuse(pushing.left()[0].name, "An atomic push moves refs or proposes, not both.")


def _is_landing_there(pushing: Pushing, command: Command) -> bool:
    """Whether a command asks for a landing's ref to be what it is."""
    number = re.fullmatch(r"refs/landings/([1-9][0-9]{0,11})", command.name)
    found = pushing.repository.index.position(int(number[1])) if number else None
    return found is not None and pushing.repository.sha1_of(found.commit) == command.new


def _is_proposal(command: Command) -> bool:
    return command.name.startswith(FOR)


def _ability(pushing: Pushing, command: Command) -> Ability | None:
    name = command.name
    if name == pushing.trunk:
        if command.new is None:
            raise Forbidden(problem="The default branch cannot be deleted: its landings stay.")
        return Ability.LAND
    if _is_proposal(command):
        if command.new is None:
            raise Forbidden(problem="There is nothing to delete: what was proposed is a session.")
        if name.removeprefix(FOR) not in (pushing.trunk, pushing.trunk.removeprefix("refs/heads/")):
            short = pushing.trunk.removeprefix("refs/heads/")
            raise Forbidden(problem=f"Only {short} takes proposals: push to {FOR}{short}.")
        return Ability.PROPOSE
    if name == NOTES and any(_is_proposal(each) for each in pushing.request.commands):
        # What notes say goes into the session; the ref itself moves for members only.
        return Ability.PROPOSE
    return Ability.PUSH


def _in_quarantine(pushing: Pushing, held: Quarantine, propose: Propose) -> None:
    _drop_notes(pushing)
    tips = _tips(pushing)
    held.look(pushing.repository.index.ids_of)
    if len(held.kinds(tips)) < len(tips):
        raise PackRefused(problem="The push moves a ref to an object that it does not bring.")
    limit_paths(pushing, held, pushing.left())
    _refuse_going_back(pushing, held)
    if not pushing.left():
        return
    received = take(held, pushing.repository, _tips(pushing), list(set(pushing.refs.values())), pushing.names)
    faults.reach("push.taken")
    try:
        _settle(pushing, held, received, propose)
    finally:
        if not pushing.kept:
            give_up(pushing.repository, received.keys)


def _settle(pushing: Pushing, held: Quarantine, received: Received, propose: Propose) -> None:
    """Move refs, then make sessions."""
    moving = [command for command in pushing.left() if not _is_proposal(command)]
    if moving:
        _land(pushing, held, received, moving)
    for command in pushing.left():
        if _is_proposal(command):
            try:
                propose(pushing, command, held, received)
            except MicelioError as error:
                pushing.refuse(command.name, error.sentence)


def _tips(pushing: Pushing) -> list[bytes]:
    """What refs are to move to, notes that are only read left out."""
    kept = [each for each in pushing.left() if pushing.verdicts[each.name].became != FOR]
    return list(dict.fromkeys(command.new for command in kept if command.new))


def _drop_notes(pushing: Pushing) -> None:
    """Notes of a proposal by somebody who moves no refs are read, not stored."""
    if NOTES not in pushing.verdicts:
        return
    # Decided again with the permit; here it only says what is tried.
    with pushing.ctx.transaction(write=False) as tx:
        may = project_access.abilities(tx, pushing.project)
    if Ability.PUSH not in may:
        pushing.verdicts[NOTES].became = FOR


def _refuse_going_back(pushing: Pushing, held: Quarantine) -> None:
    """The trunk only goes forward; where it cannot, say who was there first."""
    verdict = pushing.verdicts.get(pushing.trunk)
    if verdict is None or verdict.refused or verdict.command.new is None:
        return
    now, new = pushing.refs.get(pushing.trunk), verdict.command.new
    if now is None or now == new:
        return
    if held.has(new) != b"commit":
        pushing.refuse(pushing.trunk, "A branch is moved to a commit, and this is none.")
        return
    if held.is_descendant(now, new):
        return
    short = pushing.trunk.removeprefix("refs/heads/")
    _tell_conflicts(pushing, held, now, new)
    sentence = NotFastForward(name=short).sentence
    pushing.tell(sentence)
    pushing.tell(f"Or have it reviewed and merged by path: git push origin HEAD:{FOR}{short}")
    pushing.refuse(pushing.trunk, f"non-fast-forward: {sentence}")


def _tell_conflicts(pushing: Pushing, held: Quarantine, trunk: bytes, new: bytes) -> None:
    """Paths that both sides changed, with the landing that moved each."""
    repository = pushing.repository
    base, count = fork_point(repository, held, trunk, new)
    if base is None:
        return
    theirs, ours = (changed_paths(held, base.hex(), each.hex()) for each in (trunk, new))
    both = sorted(theirs & ours)
    head, _ = repository.remembered()
    with pushing.ctx.transaction(write=False) as tx:
        for path in both[:TOLD_CONFLICTS]:
            change = repository.last_change(path, at=head.position, most=count + 1)
            row = tx.db.get(Landing, (pushing.project.id, change.position)) if change else None
            by = f": landing #{row.position} by {row.author or 'micelio'}, {row.goal}" if row else ""
            pushing.tell(f"  both changed {quote(path)}{by}")
    if len(both) > TOLD_CONFLICTS:
        pushing.tell(f"  and {len(both) - TOLD_CONFLICTS} more")


def fork_point(
    repository: Repository, held: Quarantine, trunk: bytes | None, tip: bytes
) -> tuple[bytes | None, int]:
    """The newest position's commit that a commit has in its history, and how many positions came since."""
    if trunk is None:
        return None, 0
    head, _ = repository.remembered()

    def has(position: int) -> bool:
        commit = repository.commit_at(position)
        return commit is None or held.is_descendant(repository.sha1_of(commit), tip)

    printed = held.source.run("rev-list", "--first-parent", "--count", trunk.hex(), f"^{tip.hex()}")
    # So it is nearly always: each position is the first parent of the next.
    found = max(0, head.position - int(printed))
    if not has(found) or (found < head.position and has(found + 1)):
        found = bisect_left(range(1, head.position + 1), True, key=lambda each: not has(each))
    commit = repository.commit_at(found)
    return (repository.sha1_of(commit) if commit else None), head.position - found


def changed_paths(held: Quarantine, old: str, new: str) -> set[bytes]:
    """The paths that differ between two commits."""
    printed = held.source.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
    return set(printed.split(b"\0")) - {b""}


def _land(pushing: Pushing, held: Quarantine, received: Received, moving: Sequence[Command]) -> None:
    """Move trunk and refs with one record; refs that stand elsewhere by now are left out, unless atomic."""
    left = [command for command in moving if pushing.verdicts[command.name].became != FOR]
    while left := [each for each in left if not pushing.verdicts[each.name].refused]:
        try:
            push = _push(pushing, held, received, left)
            landed = _append(pushing, push) if push else None
        except (RefsMoved, RefBlocked, NotFastForward) as error:
            named = error.details.get("names") or [error.details.get("name", "")]
            hit = [name for name in named if name in pushing.verdicts] or [pushing.trunk]
            for name in hit:
                pushing.refuse(name, error.sentence)
            continue
        except MicelioError as error:
            for command in left:
                pushing.refuse(command.name, error.sentence)
            return
        if push is not None and landed is not None:
            _tell_landed(pushing, push, landed)
        return


def _push(pushing: Pushing, held: Quarantine, received: Received, commands: Sequence[Command]) -> Push | None:
    """The push as the log takes it; None when it changes nothing."""
    changes: list[RefChange] = []
    trunk: tuple[str | None, str] | None = None
    moved: list[str] = []
    for command in commands:
        if command.old == command.new:
            continue
        old = pushing.repository.index.id_of(command.old) if command.old else None
        new = received.ids[command.new] if command.new else None
        if command.old is not None and old is None:
            moved.append(command.name)
        elif command.name == pushing.trunk and new is not None:
            trunk = (old, new)
        else:
            changes.append(RefChange(command.name, old, new))
    if moved:
        raise RefsMoved(moved)
    if trunk is None and not changes:
        return None
    head, _ = pushing.repository.remembered()
    message = _spoken(pushing, held)
    return Push(
        landing=new_id(),
        session=new_id() if trunk else None,
        revision=1 if trunk else None,
        actor=pushing.ctx.actor.id,
        kind=RecordKind.PUSH if trunk else RecordKind.REFS,
        trunk=trunk,
        refs=changes,
        trunk_name=pushing.trunk if trunk and trunk[0] is None and pushing.trunk != head.trunk else None,
        summary=_told(pushing, held, message, trunk=trunk is not None),
        objects=received.objects,
        staged=received.keys,
        hints=received.hints,
        accept_names=pushing.names.kept,
    )


def _spoken(pushing: Pushing, held: Quarantine) -> Message:
    """What the tip's message says; of a push that moves no trunk nothing is needed."""
    verdict = pushing.verdicts.get(pushing.trunk)
    tip = verdict.command.new if verdict and not verdict.refused else None
    return read_message(held.contents([tip])[tip][1]) if tip else Message()


def option(request: Request, name: str) -> str:
    """The last value of a push option, empty when it was not given."""
    given = [text.partition("=")[2] for text in request.options if text.partition("=")[0] == name]
    return given[-1].strip() if given else ""


def prompts_of(request: Request, message: Message) -> list[str]:
    """What was asked, by options and trailers; InvalidInput for one that cannot be read."""
    found: list[str] = []
    for text in request.options:
        name, _, value = text.partition("=")
        if name == "prompt64":
            try:
                value = base64.b64decode(value, validate=True).decode()
            except ValueError:
                raise InvalidInput(problem="prompt64= takes UTF-8 text in base64: base64 -w0.") from None
        if name in ("prompt", "prompt64") and value.strip():
            found.append(value.replace("\0", "").strip())
    return [text[:LONGEST_PROMPT] for text in (*found, *message.prompts)][:MOST_PROMPTS]


def _told(pushing: Pushing, held: Quarantine, message: Message, *, trunk: bool) -> dict[str, Any]:
    """What people are told, as the log keeps it in an erasable object."""
    actor, request = pushing.ctx.actor, pushing.request
    now = format_time(pushing.ctx.now())
    said = [
        {"role": "human", "actor": actor.handle, "text": text, "at": now}
        for text in prompts_of(request, message)
    ]
    told: dict[str, Any] = {
        "goal": redact(option(request, "goal") or message.subject or f"Push to {pushing.trunk}")[:2000],
        "summary": redact(message.body)[:10_000],
        "author": actor.handle,
        "authors": {actor.handle: actor.name or actor.handle},
        "agent": option(request, "agent")[:100],
        "model": option(request, "model")[:100],
        "source": "push",
        "started_at": now,
        "conversation": redact(said),
        "decisions": [],
    }
    if not trunk:
        return told | {"goal": _moves_of(pushing)}
    head, _ = pushing.repository.remembered()
    return told | {"base": head.position}


def _moves_of(pushing: Pushing) -> str:
    names = [command.name.split("/", 2)[-1] for command in pushing.left()]
    return f"Move {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"


def _append(pushing: Pushing, push: Push) -> Landed:
    forge, project = pushing.forge, pushing.project
    with pushing.ctx.transaction() as tx:
        _permit(pushing, tx, push)
    faults.reach("push.permitted")
    pushing.kept = True
    try:
        # A history of many thousand commits takes longer to decide than a permit holds.
        with permits.renewed(forge, push.landing):
            landed = batcher(forge, project.id, project.pool).land(push)
    except (LandingUnknown, PermitGone):
        # Only the log knows, or the sweeper has it already.
        raise
    except MicelioError:
        pushing.kept = False
        with pushing.ctx.transaction() as tx:
            withdraw(tx, push.landing, "")
        raise
    faults.reach("push.landed")
    projection.follow(forge, code.repository(forge, project.id, project.pool), landed.sequence)
    return landed


def _permit(pushing: Pushing, ctx: Context, push: Push) -> None:
    """Ask once more who this is and whether they may; then give the permit."""
    ctx = ctx.acting_as(still_good(ctx, ctx.actor))
    needed = [Ability.LAND] if push.trunk else []
    needed += [Ability.PUSH] if push.refs else []
    for ability in needed:
        project_access.by_id(ctx, pushing.project.id, ability)
    ctx.db.add(
        Permit(
            landing=push.landing,
            project_id=pushing.project.id,
            session_id=push.session,
            revision=push.revision,
            actor_id=ctx.actor.id,
            expires_at=ctx.now() + PERMIT,
        )
    )
    forced = option(pushing.request, "reason")
    ctx.audit(
        "project.push",
        pushing.address,
        landing=push.landing,
        refs=[change.name for change in push.refs][:100],
        trunk=push.trunk is not None,
        reason=forced,
    )
    try:
        ctx.db.flush()
    except IntegrityError:
        raise LandingTaken(landing=push.landing) from None


def limit_paths(pushing: Pushing, held: Quarantine, commands: Sequence[Command]) -> None:
    """Raise Forbidden when an agent's token changes paths that it may not."""
    actor = pushing.ctx.actor
    if actor.via is not Via.AGENT or not actor.limits.get("paths"):
        return
    trunk = pushing.refs.get(pushing.trunk)
    for command in commands:
        if command.new is None:
            continue
        base, _ = fork_point(pushing.repository, held, trunk, command.new)
        old = base.hex() if base else "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        access.within_paths(pushing.ctx, sorted(changed_paths(held, old, command.new.hex())))


def _tell_landed(pushing: Pushing, push: Push, landed: Landed) -> None:
    short = pushing.trunk.removeprefix("refs/heads/")
    if landed.first is not None and push.session is not None:
        count = (landed.position or 0) - landed.first + 1
        if count == 1:
            pushing.tell(f"Landed on {short} as #{landed.position}.")
        else:
            pushing.tell(f"Landed {count} commits on {short} as #{landed.first} to #{landed.position}.")
        pushing.tell(f"Session: {pushing.url(push.session)}")
