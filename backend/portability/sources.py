"""Sources: which addresses imports and mirrors may talk to, and how git is made to talk to just those.

A name is resolved once, here; every address it has must be a public one unless the operator
allows private ones, and git then talks to the address that was checked, whatever the name says
by then. Redirects are followed here, each checked like the first, and never by git.
"""

import base64
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from vcs.errors import Kind, MicelioError

SCHEMES = {"http": 80, "https": 443, "git": 9418}
READ, WRITE = "git-upload-pack", "git-receive-pack"
"""The services of a repository that is read, and of one that is pushed to."""
REDIRECTS = 5
PATIENCE = 20.0


class SourceForbidden(MicelioError):
    """The forge does not connect to such addresses."""

    kind = Kind.INVALID
    code = "import.forbidden_address"
    message = (
        "{host} is at {address}, which is no public address. An operator can allow it: IMPORT_PRIVATE=yes."
    )


class BadSource(MicelioError):
    """This is nothing an import can read."""

    kind = Kind.INVALID
    code = "import.bad_source"
    message = "{problem}"


@dataclass(frozen=True)
class Credentials:
    """User and token of a private source; they never appear in a text."""

    username: str
    token: str

    def __repr__(self) -> str:
        return "Credentials(…)"

    @property
    def header(self) -> str:
        """The value of an Authorization header."""
        both = f"{self.username or 'x-token'}:{self.token}".encode()
        return "Basic " + base64.b64encode(both).decode()


@dataclass(frozen=True)
class Reachable:
    """An address that may be read, and what makes git read it so: configuration for its environment."""

    url: str
    config: Mapping[str, str]


def check_url(text: str) -> str:
    """The address as it may be stored: without credentials, query and fragment. BadSource."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise BadSource(problem=f"{text!r} is no address.") from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise BadSource(problem="Give an address like https://github.com/org/project; ssh is not read.")
    if parts.username is not None or parts.password is not None:
        raise BadSource(
            problem="Leave user and token out of the address and give them as `username` and `token`."
        )
    if any(ord(each) < 33 or each == "\\" for each in text.strip()):
        raise BadSource(problem=f"{text!r} is no address.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = host if port in (None, SCHEMES[parts.scheme]) else f"{host}:{port}"
    return urlunsplit((parts.scheme, where, parts.path.rstrip("/") or "/", "", ""))


def reach(url: str, credentials: Credentials | None, *, private: bool, service: str = READ) -> Reachable:
    """Follow an address to where a git repository answers for a service, checking each step.

    Raises SourceForbidden, BadSource when there is no repository or the credentials do not fit.
    """
    first = urlsplit(url)
    for _ in range(REDIRECTS + 1):
        address = _resolved(url, private=private)
        here = urlsplit(url)
        if here.scheme == "git":
            # git:// has no way to be pinned: the address itself takes the place of the name.
            host = f"[{address}]" if ":" in address else address
            port = here.port or SCHEMES["git"]
            return Reachable(urlunsplit(("git", f"{host}:{port}", here.path, "", "")), {})
        # To another host a token does not follow.
        given = credentials if (here.scheme, here.netloc) == (first.scheme, first.netloc) else None
        status, location = _ask(url, address, given, service)
        if status in (301, 302, 303, 307, 308) and location:
            url = _redirected(url, location)
            continue
        if status == 200:
            return Reachable(url, _pinned(url, address, given))
        if status in (401, 403, 404):
            told = "with these credentials" if credentials else "without credentials"
            done = "read" if service == READ else "pushed to"
            raise BadSource(
                problem=f"There is no repository at {url} that can be {done} {told} (HTTP {status})."
            )
        raise BadSource(problem=f"{url} does not answer like a git repository (HTTP {status}).")
    raise BadSource(problem=f"{url} redirects more than {REDIRECTS} times.")


def _resolved(url: str, *, private: bool) -> str:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or SCHEMES[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise BadSource(problem=f"The name {host} cannot be resolved. Check the address.") from None
    addresses = [str(each[4][0]) for each in found]
    if not private:
        for address in addresses:
            if not is_public(address):
                raise SourceForbidden(host=host, address=address)
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, looked at through every way to write it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


def _redirected(url: str, location: str) -> str:
    from urllib.parse import urljoin

    there = urljoin(f"{url}/info/refs", location).partition("?")[0]
    if not there.endswith("/info/refs"):
        raise BadSource(problem=f"{url} redirects to {there}, which is no git repository.")
    if url.startswith("https:") and not there.startswith("https:"):
        raise BadSource(problem=f"{url} redirects to an unprotected address.")
    return check_url(there.removesuffix("/info/refs"))


def _ask(url: str, address: str, credentials: Credentials | None, service: str) -> tuple[int, str]:
    """What the repository's door answers: status, and where it sends us on to."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or SCHEMES[parts.scheme]
    headers = {"User-Agent": "git/2.39 (micelio)"}
    if service == READ:
        headers["Git-Protocol"] = "version=2"
    if credentials is not None:
        headers["Authorization"] = credentials.header
    connection = _Pinned(host, port, address, secure=parts.scheme == "https")
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/info/refs?service={service}", headers=headers)
        answer = connection.getresponse()
        status, location = answer.status, answer.getheader("Location") or ""
        kind = answer.getheader("Content-Type") or ""
        if status == 200 and not kind.startswith(f"application/x-{service}-advertisement"):
            raise BadSource(problem=f"{url} is a web page and no git repository. Is that its clone address?")
        return status, location
    except ssl.SSLError as error:
        raise BadSource(problem=f"{host} could not be trusted: {error.reason or 'TLS failed'}.") from None
    except (OSError, http.client.HTTPException) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadSource(problem=f"{host} does not answer: {said.lower()}.") from None
    finally:
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, in the name of a host."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=PATIENCE)
        self._address = address
        self._secure = secure

    def connect(self) -> None:
        """Open it; the certificate must be the host's."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
            if self._secure
            else plain
        )


def _pinned(url: str, address: str, credentials: Credentials | None) -> dict[str, str]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or SCHEMES[parts.scheme]
    config = {"http.followRedirects": "false", "http.lowSpeedLimit": "1000", "http.lowSpeedTime": "60"}
    target = f"[{address}]" if ":" in address else address
    if host != address:
        config["http.curloptResolve"] = f"{host}:{port}:{target}"
    if credentials is not None:
        config["http.extraHeader"] = f"Authorization: {credentials.header}"
    return config
