"""What `mic` refuses or is refused, and the exit code of each.

MicelioError                 `vcs.errors`
├── Refused                  the forge said no: its kind, code, sentence and details
├── Unreachable              6  nobody answers there
├── NotSignedIn              4  no token for this instance
├── SignInEnded              4  the one there was renews itself no more
├── NotLetIn                 4  nobody let this machine in
├── NoDeviceCodes            4  this instance has no codes to sign in with
├── Plaintext                4  the token would travel readable
├── NotAWorkspace            1
├── AlreadyAWorkspace        1
├── DamagedWorkspace         1
├── Busy                     1
├── NoSession, SessionOpen   1
├── KeepsChanging            1
├── OffTheTrunk              1
├── ImportFailed             1
├── NothingToPush            1
├── RemoteThere, RemoteMoved 3
├── RemoteFailed             6  a remote did not answer, or not well
│   ├── RemoteLocked         4
│   └── RemoteMissing        5
├── NoSuchPath, NoSuchRemote 5
└── Usage                    2
"""

from typing import Any, ClassVar

from vcs.errors import Kind, MicelioError

EXIT_CODES = {
    Kind.INVALID: 1,
    Kind.CORRUPT: 1,
    Kind.EXHAUSTED: 1,
    Kind.CONFLICT: 3,
    Kind.UNAUTHENTICATED: 4,
    Kind.FORBIDDEN: 4,
    Kind.NOT_FOUND: 5,
    Kind.UNAVAILABLE: 6,
}


def exit_code(error: MicelioError) -> int:
    """The exit code that tells scripts what sort of failure this is."""
    if isinstance(error, Refused):
        return EXIT_CODES.get(error.refused_as, 1)
    return 2 if isinstance(error, Usage) else EXIT_CODES.get(error.kind, 1)


class Refused(MicelioError):
    """The forge refused; `refused_as`, `refusal` and details are its own."""

    code: ClassVar[str] = "refused"

    def __init__(self, sentence: str, kind: Kind, refusal: str, **details: Any) -> None:
        super().__init__(sentence, **details)
        self.refused_as = kind
        self.refusal = refusal


class Unreachable(MicelioError):
    """Nobody answers there."""

    kind = Kind.UNAVAILABLE
    code = "mic.unreachable"
    message = "{instance} cannot be reached ({problem}). Check the address and your network, then try again."


class NotSignedIn(MicelioError):
    """This needs a token and there is none."""

    kind = Kind.UNAUTHENTICATED
    code = "mic.not_signed_in"
    message = "You are not signed in to {instance}. Run: mic auth login --instance {instance}"


class SignInEnded(MicelioError):
    """It was signed out elsewhere, the password was changed, or it was not used for a week."""

    kind = Kind.UNAUTHENTICATED
    code = "mic.sign_in_ended"
    message = (
        "Your sign-in to {instance} has ended: it was signed out, or not used for a week. "
        "Run: mic auth login --instance {instance}"
    )


class NotLetIn(MicelioError):
    """Nobody said yes to the code."""

    kind = Kind.UNAUTHENTICATED
    code = "mic.not_let_in"
    message = "{problem}, so nothing was stored. Run mic auth login again for a new code."


class NoDeviceCodes(MicelioError):
    """The instance cannot let a machine in by a code."""

    kind = Kind.UNAUTHENTICATED
    code = "mic.no_device_codes"
    message = "{instance} lets nobody in by a code. Make a token there, and run: mic auth login --token-stdin"


class Plaintext(MicelioError):
    """The token would travel readable for everybody on the way."""

    kind = Kind.UNAUTHENTICATED
    code = "mic.plaintext"
    message = (
        "{address} is not encrypted, so your token was not sent. "
        "Use https, or add --insecure if you trust the network."
    )


class NotAWorkspace(MicelioError):
    """No `.mic` folder here or above."""

    code = "mic.not_a_workspace"
    message = "{folder} is not in a workspace. Go into one, or make one: mic clone URL"


class AlreadyAWorkspace(MicelioError):
    """There is a `.mic` folder already."""

    code = "mic.already_a_workspace"
    message = "{folder} is already a workspace. Leave it, or remove its .mic folder if you do not need it."


class DamagedWorkspace(MicelioError):
    """A file of ours in `.mic` cannot be read."""

    kind = Kind.CORRUPT
    code = "mic.damaged"
    message = "{file} cannot be used: {problem}. Clone the project again and copy your changes over."


class Busy(MicelioError):
    """Another command is changing this workspace."""

    code = "mic.busy"
    message = "Another mic command is changing this workspace. Wait for it to end, then try again."


class NoSession(MicelioError):
    """The workspace has no open session."""

    code = "mic.no_session"
    message = 'No session is open here. Start one: mic session start "what you are going to do"'


class SessionOpen(MicelioError):
    """The workspace has an open session."""

    code = "mic.session_open"
    message = (
        "Session {short} is open here: {goal}. "
        "Land it (mic session land) or give it up (mic session abandon) first."
    )


class KeepsChanging(MicelioError):
    """Files changed each time they were read."""

    code = "mic.keeps_changing"
    message = (
        "Files keep changing while they are read. Wait until what writes them has ended, then push again."
    )


class OffTheTrunk(MicelioError):
    """The workspace stands on something that never landed."""

    code = "mic.off_the_trunk"
    message = (
        "This workspace stands on a ref beside main, and sessions begin on main. "
        "Clone the project without --ref."
    )


class NoSuchPath(MicelioError):
    """A path that is not there."""

    kind = Kind.NOT_FOUND
    code = "mic.no_such_path"
    message = "There is no {path} in {where}. List what there is: mic ls"


class ImportFailed(MicelioError):
    """An import ended without having landed."""

    code = "mic.import_failed"
    message = "{problem}"


class NoSuchRemote(MicelioError):
    """The workspace has no remote of that name."""

    kind = Kind.NOT_FOUND
    code = "mic.no_such_remote"
    message = "There is no remote {name} here. See which there are: mic remote list"


class RemoteThere(MicelioError):
    """The name is taken."""

    kind = Kind.CONFLICT
    code = "mic.remote_there"
    message = "There is a remote {name} already. Change where it is: mic remote set-url {name} URL"


class NothingToPush(MicelioError):
    """The trunk has no commit yet."""

    code = "mic.nothing_to_push"
    message = "Nothing has landed in this project yet, so there is nothing to push."


class RemoteMoved(MicelioError):
    """A remote took a ref not, most often because it has commits that the forge has not."""

    kind = Kind.CONFLICT
    code = "mic.remote_moved"
    message = "{name} did not take everything: {problem}. See what it has: mic fetch {name}"


class RemoteFailed(MicelioError):
    """A remote cannot be reached, or git could not go on with it."""

    kind = Kind.UNAVAILABLE
    code = "mic.remote_failed"
    message = "{name} could not be used ({problem}). Check its address: mic remote show {name}"


class RemoteLocked(RemoteFailed):
    """A remote wants other credentials."""

    kind = Kind.UNAUTHENTICATED
    code = "mic.remote_locked"
    message = "{name} did not let you in ({problem}). Give git credentials for it: git help credentials"


class RemoteMissing(RemoteFailed):
    """There is no repository at a remote's address."""

    kind = Kind.NOT_FOUND
    code = "mic.remote_missing"
    message = "There is no repository at {name}, or you may not see it ({problem})."


class Usage(MicelioError):
    """The command line does not make sense."""

    code = "mic.usage"
    message = "{problem}"
