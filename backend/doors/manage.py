"""`micelio`: what an operator can ask for, each in its own words.

Every refusal is one sentence on standard error and a non-zero exit, never a traceback. What a
command needs is imported when it runs: the supervisor stays small because it loads none of it.
"""

import argparse
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.core.config import CHECKOUT, Settings
from backend.core.errors import InvalidInput, MicelioError, Unavailable

if TYPE_CHECKING:
    from backend.core.context import Forge
    from backend.core.db import Database

OLDEST_GIT = (2, 35)
LAST_WORDS_SECONDS = 4.0
HIDDEN = "(hidden)"


@dataclass(frozen=True)
class Face:
    """What the layer above lends: how to start this program again, and the pages it serves."""

    command: tuple[str, ...]
    app: str
    """The ASGI factory, as "module:name"."""
    build: Callable[[], None]
    """Build the pages if their sources changed."""
    enter: Callable[[Settings], None]
    """Make this process ready to load the app."""


@dataclass(frozen=True)
class Command:
    """One word after `micelio`. Without `help` it is one that only `serve` says."""

    run: Callable[[argparse.Namespace, Settings, Face], int]
    help: str = ""
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def main(words: Sequence[str], face: Face) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(words)
    if args.lifeline is not None:
        _follow(args.lifeline)
    try:
        return COMMANDS[args.command].run(args, _settings(), face)
    except MicelioError as refusal:
        print(f"micelio: {refusal.sentence}", file=sys.stderr)
        return 1


def check_git() -> None:
    """Raise Unavailable unless a git that is new enough is on the PATH."""
    program = shutil.which("git")
    need = ".".join(map(str, OLDEST_GIT))
    if program is None:
        raise Unavailable(problem=f"There is no git on the PATH; install git {need} or newer.")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        version = said.strip().removeprefix("git version ") or "of unknown version"
        raise Unavailable(problem=f"The git on the PATH is {version}; install git {need} or newer.")


def _serve(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    from backend.doors import serve

    check_git()
    return serve.run(settings, face.command)


def _web(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    check_git()
    _check_schema(args, face)
    face.enter(settings)
    Granian(
        face.app,
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.bind,
        port=settings.port,
        log_level=LogLevels.error,
        # Event streams never end by themselves; their readers come back to the next process.
        workers_kill_timeout=2,
    ).serve()
    return 0


def _grpc(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    from backend.doors.rpc import serve_grpc
    from backend.projects.forgetting import Forgetter

    _check_schema(args, face)
    stop = _told_to_stop()
    with closing(_forge(settings)) as forge, closing(Forgetter(forge)):
        serve_grpc(forge, stop)
    return 0


def _worker(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    from backend.doors.worker import Worker
    from backend.projects.forgetting import Forgetter

    _check_schema(args, face)
    stop = _told_to_stop()
    with closing(_forge(settings)) as forge, _only_worker(settings), closing(Forgetter(forge)):
        Worker(forge).run(stop)
    return 0


@contextmanager
def _only_worker(settings: Settings) -> Iterator[None]:
    """`jobs.db` has one worker: a second one would take up the jobs the first is at."""
    if settings.sqlite_path is None:
        yield
        return
    with open(settings.data / "worker.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                problem=f"Another worker runs on {settings.data}. Stop it, or use PostgreSQL for several."
            ) from None
        yield


def _migrate_arguments(parser: argparse.ArgumentParser) -> None:
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="only say whether the schema is current")
    choice.add_argument("--down", metavar="REVISION", help="take the schema back to a revision, or to `base`")


def _migrate(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    from backend.core import migrate

    with closing(_database(settings)) as db:
        if args.down:
            migrate.downgrade(db, args.down)
            print(f"The schema is at {args.down}.")
        elif args.check:
            found, newest = migrate.current(db), migrate.head()
            print(f"The schema is at {found or 'base'}; this version has {newest}.")
            return 0 if found == newest else 1
        else:
            applied = migrate.upgrade(db, backups=settings.data / "backups")
            print(f"Applied {', '.join(applied)}." if applied else "The schema is current.")
    return 0


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rebuild", action="store_true", help="also make every projection anew from the log")


def _doctor(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    from backend.instance import doctor

    _check_schema(args, face)
    faults = 0
    with closing(_forge(settings)) as forge:
        for look in (doctor.examine, doctor.rebuild) if args.rebuild else (doctor.examine,):
            for finding in look(forge):
                faults += finding.fault
                print(f"{'FAULT' if finding.fault else 'note '}  {finding.project}: {finding.sentence}.")
    print(f"{faults} faults found." if faults else "Everything is in order.")
    return 1 if faults else 0


def _purge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", metavar="ORG/PROJECT", help="where it is; its forks are covered too")
    parser.add_argument("--path", action="append", default=[], help="erase all that ever stood here")
    parser.add_argument(
        "--blob", action="append", default=[], metavar="ID", help="erase this content everywhere"
    )
    parser.add_argument(
        "--summary", action="append", default=[], type=int, metavar="POSITION", help="erase a landing's words"
    )
    parser.add_argument("--reason", default="", help="why, for the audit; it must not quote the secret")
    parser.add_argument("--only", action="store_true", help="leave forks as they are")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _purge(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    from backend.core.context import SYSTEM, Context
    from backend.projects.erasing import erase_from_project

    _check_schema(args, face)
    if not args.yes and not _means_it(args.project):
        print("Nothing was erased.")
        return 1
    organization, _, project = args.project.partition("/")
    with closing(_forge(settings)) as forge:
        done = erase_from_project(
            Context(forge, SYSTEM),
            organization=organization,
            project=project,
            paths=args.path,
            blobs=args.blob,
            positions=args.summary,
            reason=args.reason,
            only=args.only,
        )
    for one in done.projects:
        told = f"{one.objects} objects erased, {one.positions} positions have new commits"
        print(f"{one.address}: {told}, {one.files} files written anew.")
    print(f"{done.deleted} files deleted from the store." if done.projects else "Nothing of it is there.")
    for address in done.unreached:
        print(f"Still there: {address} uses files that hold it. Run this without --only.")
    for sentence in done.not_reached:
        print(f"Not reached: {sentence}")
    return 1 if done.unreached else 0


def _means_it(project: str) -> bool:
    """Ask whoever sits there; nobody there is a no."""
    if not sys.stdin.isatty():
        raise InvalidInput(problem="Erasing cannot be taken back. Add --yes when nobody can be asked.")
    return input(f"This rewrites history and cannot be taken back. Type {project} to go on: ") == project


def _create_admin_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--email", required=True, help="where to reach the administrator")
    parser.add_argument("--handle", required=True, help="the name in addresses, as in /HANDLE/project")
    parser.add_argument("--token", action="store_true", help="also make an access token and show it once")


def _create_admin(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    from backend.accounts.links import create_admin

    _check_schema(args, face)
    with closing(_forge(settings)) as forge:
        made = create_admin(forge, email=args.email, handle=args.handle, token=args.token)
    print(f"{made.handle} is an administrator.")
    print(f"Sign in once, until {made.expires_at:%-d %B}: {made.link}")
    if made.token:
        print(f"Access token, shown this once: {made.token}")
    return 0


def _prepare(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    """What `serve` does first: several nodes have one of them do it. Prints the link, if any."""
    from backend.accounts.links import first_admin_link
    from backend.core import migrate
    from backend.core.context import SYSTEM, Context
    from backend.instance.first_start import host_checkout
    from backend.instance.recovery import recover
    from backend.search.index import catch_up_all

    with closing(_database(settings)) as db:
        migrate.upgrade(db, backups=settings.data / "backups")
    with closing(_forge(settings)) as forge:
        recover(forge)
        host_checkout(forge, CHECKOUT)
        catch_up_all(Context(forge, SYSTEM))
        print(first_admin_link(forge) or "")
    return 0


def _build(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    face.build()
    return 0


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="play N times as fast")
    parser.add_argument("--loop", action="store_true", help="start another session after each landing")
    parser.add_argument("--url", default="", help="a forge elsewhere, as in http://localhost:4000")
    parser.add_argument("--token", default="", help="an agent's token; without, one is made in the database")


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed < float("inf"):
        raise ValueError
    return speed


def _demo(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    from backend.instance.demo import Api, Player, lent_token, local_url, require_forge

    url = (args.url or local_url(settings)).rstrip("/")
    require_forge(Api(url))
    try:
        if args.token:
            Player(Api(url, args.token), args.speed).play(again=args.loop)
            return 0
        _check_schema(args, face)
        with closing(_forge(settings)) as forge, lent_token(forge) as token:
            Player(Api(url, token), args.speed).play(again=args.loop)
    except KeyboardInterrupt:
        print("\nStopped. `micelio demo` goes on from here.")
        return 130
    return 0


def _config(args: argparse.Namespace, settings: Settings, face: Face) -> int:
    for name, value in shown(settings).items():
        print(f"{name}={value}")
    return 0


def shown(settings: Settings) -> dict[str, str]:
    """Every setting by the name it has in the environment, as it is in force, secrets hidden."""
    values: dict[str, object] = {
        "MICELIO_URL": settings.public_url,
        "BIND": settings.bind,
        "PORT": settings.port,
        "GRPC_PORT": settings.grpc_port,
        "MICELIO_GRPC_URL": settings.grpc_url,
        "MICELIO_DATA": settings.data,
        "DATABASE_URL": _without_password(settings.database_url),
        "REDIS_URL": _without_password(settings.redis_url),
        "STORAGE_BACKEND": settings.storage_backend.value,
        "STORAGE_LOCAL_PATH": settings.storage_path,
        "STORAGE_CDN_BASE_URL": _without_password(settings.cdn_base_url),
        "GIT_CACHE_MB": settings.git_cache_mb,
        "MEMORY_CACHE_MB": settings.memory_cache,
        "S3_BUCKET": settings.s3.bucket,
        "S3_REGION": settings.s3.region,
        "S3_ENDPOINT_URL": _without_password(settings.s3.endpoint_url),
        "S3_ACCESS_KEY_ID": HIDDEN if settings.s3.access_key_id else "",
        "S3_SECRET_ACCESS_KEY": HIDDEN if settings.s3.secret_access_key else "",
        "ENCRYPTION_KEY": HIDDEN if settings.encryption_keys else "",
        "ENCRYPTION_PREVIOUS_KEYS": HIDDEN if settings.encryption_keys[1:] else "",
        "SECRET_KEY_BASE": HIDDEN,
        "MICELIO_SIGNUP": settings.signup.value,
        "SMTP_HOST": settings.smtp.host,
        "SMTP_PORT": settings.smtp.port,
        "SMTP_USERNAME": settings.smtp.username,
        "SMTP_PASSWORD": HIDDEN if settings.smtp.password else "",
        "FROM_EMAIL": settings.smtp.sender,
        "RATE_LIMIT_ANONYMOUS": settings.rates.anonymous,
        "RATE_LIMIT_ANONYMOUS_COST": settings.rates.anonymous_cost,
        "RATE_LIMIT_ACCOUNT": settings.rates.account,
        "RATE_LIMIT_SIGN_IN": settings.rates.sign_in,
        "TRUSTED_PROXIES": ",".join(settings.trusted_proxies),
        "IMPORT_PRIVATE": "yes" if settings.import_private else "no",
        "IMPORT_LIMIT_MB": settings.import_limit >> 20,
        "MIRROR_MIN_MINUTES": settings.mirror_min_minutes,
        "LOG_FORMAT": settings.log_format.value,
    }
    return {name: str(value) for name, value in values.items()}


def _without_password(url: str) -> str:
    return re.sub(r"(?<=://)([^:@/]*):[^@/]*@", rf"\1:{HIDDEN}@", url)


COMMANDS = {
    "serve": Command(_serve, "build, migrate and run everything on this machine"),
    "web": Command(_web, "run the web process alone"),
    "grpc": Command(_grpc, "run the gRPC process alone"),
    "worker": Command(_worker, "run the worker alone"),
    "migrate": Command(_migrate, "bring the database to this version's schema", _migrate_arguments),
    "prepare": Command(_prepare, "migrate, bring back what an old store holds, print the first sign-in link"),
    "create-admin": Command(
        _create_admin, "make an administrator and a sign-in link", _create_admin_arguments
    ),
    "doctor": Command(_doctor, "verify every project, and name what is wrong", _doctor_arguments),
    "purge": Command(_purge, "erase a secret from a project, its history and its forks", _purge_arguments),
    "demo": Command(_demo, "play a scripted agent session on micelio/micelio", _demo_arguments),
    "config": Command(_config, "show the settings in force, secrets hidden"),
    "build": Command(_build, "build the web pages, if their sources changed"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="micelio", description="Run a Micelio forge.")
    parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
    words = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        described = {"help": command.help, "description": command.help} if command.help else {}
        command.arguments(words.add_parser(name, **described))
    return parser


def _check_schema(args: argparse.Namespace, face: Face) -> None:
    """Refuse an older or newer schema; under `serve` it has just been brought up to date."""
    if args.lifeline is not None:
        return
    # In a process of its own, so that the migration tools do not stay in this one's memory.
    check = subprocess.run([*face.command, "migrate", "--check"], capture_output=True, text=True, check=False)
    if said := check.stderr.strip().removeprefix("micelio: "):
        raise Unavailable(problem=said)
    if check.returncode:
        raise Unavailable(problem="The database has an older schema. Run `micelio migrate`, then this again.")


def _database(settings: Settings) -> "Database":
    from backend.core.db import Database

    database = Database(settings.database_url, locks=settings.data / "locks")
    database.ping()
    return database


def _forge(settings: Settings) -> "Forge":
    from backend.core import observe
    from backend.core.context import Forge

    observe.configure(settings)
    # What follows the rows and the log of others does so from here on, whatever the command.
    import backend.doors.catalogue  # noqa: F401

    return Forge.open(settings)


def _settings() -> Settings:
    try:
        settings = Settings.from_environ()
        settings.data.mkdir(parents=True, exist_ok=True)
        probe = settings.data / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InvalidInput(
            problem=f"The data folder cannot be written: {error.filename}: {error.strerror}. "
            "Choose another with MICELIO_DATA."
        ) from None
    return settings


def _told_to_stop() -> threading.Event:
    """An event set by Ctrl-C or SIGTERM; what has not ended a moment later is ended."""
    stop = threading.Event()

    def tell(*_: object) -> None:
        stop.set()
        threading.Thread(target=_end_soon, daemon=True).start()

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    return stop


def _follow(lifeline: int) -> None:
    """End with the supervisor: it holds the other end of this pipe and never writes."""

    def wait() -> None:
        os.read(lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        _end_soon()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _end_soon() -> None:
    threading.Event().wait(LAST_WORDS_SECONDS)
    os._exit(1)
