"""Addresses people type: of an instance, and of a project on it."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from mic.errors import Usage

_HOST = re.compile(r"[A-Za-z0-9._:%-]+")


@dataclass(frozen=True)
class ProjectAddress:
    """A project and where it is. `instance` is empty when only its name was given."""

    instance: str
    organization: str
    project: str

    @property
    def name(self) -> str:
        """`organization/project`."""
        return f"{self.organization}/{self.project}"

    @property
    def url(self) -> str:
        """Its page."""
        return f"{self.instance}/{self.name}"


def instance(text: str) -> str:
    """`https://host[:port]`; a bare host gets https, or http when it is this machine."""
    given = text.strip().rstrip("/")
    if "://" not in given:
        given = f"{'http' if is_loopback(given.rpartition(':')[0] or given) else 'https'}://{given}"
    parts = urlsplit(given)
    try:
        named = _HOST.fullmatch(parts.hostname or "") is not None
        whole = parts.scheme in ("http", "https") and named and not parts.path and (parts.port or 1)
    except ValueError:
        whole = False
    if not whole:
        raise Usage(
            problem=f"{text} is not the address of an instance. It looks like https://forge.example.org"
        )
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def clone_url(text: str) -> ProjectAddress:
    """What `mic clone` takes: `https://host/org/project[.git]`, without the scheme too, or `org/project`."""
    scheme, mark, rest = text.strip().partition("://")
    rest = rest if mark else scheme
    parts = [part for part in rest.split("/") if part]
    if mark and scheme not in ("http", "https"):
        raise Usage(problem=f"mic clones over http and https, not {scheme}.")
    if len(parts) == 2 and not mark:
        return ProjectAddress("", *_names(parts, text))
    if len(parts) != 3:
        raise Usage(
            problem=f"{text} is not the address of a project. It looks like https://forge.example.org/org/project"
        )
    host = f"{scheme}://{parts[0]}" if mark else parts[0]
    return ProjectAddress(instance(host), *_names(parts[1:], text))


def project(text: str) -> ProjectAddress:
    """`org/project`, or the address of its page."""
    if "://" in text or text.count("/") > 1:
        return clone_url(text)
    return ProjectAddress("", *_names(text.split("/"), text))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    host = host.strip("[]")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _names(parts: list[str], text: str) -> tuple[str, str]:
    if len(parts) != 2 or not all(parts):
        raise Usage(problem=f"{text} is not the name of a project. It looks like org/project.")
    return parts[0], parts[1].removesuffix(".git")
