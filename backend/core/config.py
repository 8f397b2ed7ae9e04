"""Settings: the one place that reads the environment.

Every setting has a default that works on a laptop; `contracts.md` names them all.
`Settings.from_environ` refuses nonsense with a sentence, so no process starts half-configured.
"""

import base64
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from backend.core.errors import InvalidInput

Chosen = TypeVar("Chosen", bound=StrEnum)

CHECKOUT = Path(__file__).resolve().parents[2]


class Signup(StrEnum):
    """Who may make an account."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


class StorageBackend(StrEnum):
    """Where projects are stored."""

    LOCAL = "local"
    S3 = "s3"
    TIERED = "tiered"


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class RateLimits:
    """Calls allowed per minute; `anonymous_cost` is what expensive ones of an address may cost in all."""

    anonymous: int = 300
    anonymous_cost: int = 1200
    account: int = 6000
    sign_in: int = 10


@dataclass(frozen=True)
class S3Settings:
    """A bucket and who we are to it; without an endpoint it is Amazon's, without keys the machine's role."""

    bucket: str = ""
    region: str = "us-east-1"
    endpoint_url: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class SmtpSettings:
    """Who takes our mail; without a host nobody does. `sender` is the address it comes from."""

    host: str = ""
    port: int = 587
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""


@dataclass(frozen=True)
class Settings:
    """What an operator chose, checked.

    `url` is the public address without a trailing slash, or empty when it follows the request's
    Host; `grpc_url` that of gRPC, or empty when it is the same host with `grpc_port`. `database_url`
    is an SQLAlchemy URL. Of `encryption_keys`, 32 bytes each, the first seals what is stored and the
    others still open it; none means that nothing is sealed.
    """

    data: Path
    database_url: str
    storage_path: Path
    url: str
    secret_key: str
    bind: str = "127.0.0.1"
    port: int = 4000
    grpc_port: int = 4001
    grpc_url: str = ""
    redis_url: str = ""
    storage_backend: StorageBackend = StorageBackend.LOCAL
    s3: S3Settings = field(default_factory=S3Settings)
    cdn_base_url: str = ""
    git_cache_mb: int = 2048
    memory_cache: int = 48
    encryption_keys: tuple[bytes, ...] = field(default=(), repr=False)
    signup: Signup = Signup.INVITE
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    log_format: LogFormat = LogFormat.TEXT
    trusted_proxies: tuple[str, ...] = ()
    rates: RateLimits = field(default_factory=RateLimits)
    import_private: bool = False
    import_limit: int = 20_000 << 20
    mirror_min_minutes: int = 10
    faults: str = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read and check the environment; InvalidInput names the setting that is wrong."""
        env = os.environ if environ is None else environ
        data = Path(env.get("MICELIO_DATA") or _default_data(env)).expanduser().absolute()
        port = _number(env, "PORT", 4000)
        bind = env.get("BIND") or "127.0.0.1"
        backend = _choice(env, "STORAGE_BACKEND", StorageBackend, StorageBackend.LOCAL)
        url = _public_url(env, port)
        return cls(
            data=data,
            database_url=_database_url(env.get("DATABASE_URL") or "", data),
            storage_path=Path(env.get("STORAGE_LOCAL_PATH") or data / "storage").expanduser().absolute(),
            url=url,
            secret_key=env.get("SECRET_KEY_BASE") or _kept_secret(data),
            bind=bind,
            port=port,
            grpc_port=_number(env, "GRPC_PORT", 4001),
            grpc_url=_grpc_url(env),
            redis_url=env.get("REDIS_URL") or "",
            storage_backend=backend,
            s3=_s3(env, backend),
            cdn_base_url=_cdn(env, backend),
            git_cache_mb=_number(env, "GIT_CACHE_MB", 2048),
            memory_cache=_number(env, "MEMORY_CACHE_MB", 48),
            encryption_keys=_encryption_keys(env),
            signup=_choice(env, "MICELIO_SIGNUP", Signup, Signup.INVITE),
            smtp=_smtp(env, url),
            log_format=_choice(env, "LOG_FORMAT", LogFormat, LogFormat.TEXT),
            trusted_proxies=_networks(env.get("TRUSTED_PROXIES") or ""),
            rates=RateLimits(
                anonymous=_number(env, "RATE_LIMIT_ANONYMOUS", 300),
                anonymous_cost=_number(env, "RATE_LIMIT_ANONYMOUS_COST", 1200),
                account=_number(env, "RATE_LIMIT_ACCOUNT", 6000),
                sign_in=_number(env, "RATE_LIMIT_SIGN_IN", 10),
            ),
            import_private=_yes(env, "IMPORT_PRIVATE"),
            import_limit=_number(env, "IMPORT_LIMIT_MB", 20_000) << 20,
            mirror_min_minutes=_number(env, "MIRROR_MIN_MINUTES", 10),
            faults=env.get("MICELIO_FAULTS") or "",
        )

    @property
    def public_url(self) -> str:
        """The address to print and to put into links made without a request."""
        return self.url or f"http://localhost:{self.port}"

    @property
    def host(self) -> str:
        """Host name of the public address, without port."""
        return urlsplit(self.public_url).hostname or "localhost"

    @property
    def secure(self) -> bool:
        """True when the public address is https."""
        return self.url.startswith("https://")

    @property
    def sqlite_path(self) -> Path | None:
        """File of the embedded database, or None on PostgreSQL."""
        return Path(self.database_url.removeprefix("sqlite:///")) if self._is_sqlite else None

    @property
    def _is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite:///")


def _default_data(env: Mapping[str, str]) -> Path:
    if (CHECKOUT / "rxconfig.py").is_file():
        return CHECKOUT / ".data"
    return Path(env.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "micelio"


def _database_url(given: str, data: Path) -> str:
    if not given:
        return f"sqlite:///{data / 'micelio.db'}"
    scheme, _, rest = given.partition("://")
    if scheme in ("postgres", "postgresql", "postgresql+psycopg", "ecto"):
        return f"postgresql+psycopg://{rest}"
    if scheme == "sqlite" and rest.startswith("/"):
        return given
    raise InvalidInput(
        problem=f"DATABASE_URL starts with {scheme!r}; use postgresql://user@host/name or sqlite:////absolute/path."
    )


def _public_url(env: Mapping[str, str], port: int) -> str:
    given = (env.get("MICELIO_URL") or "").rstrip("/")
    if given:
        parts = urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path:
            raise InvalidInput(problem=f"MICELIO_URL={given} must be like https://forge.example.org.")
        return given
    host = env.get("MICELIO_HOST") or env.get("PHX_HOST") or ""
    if not host:
        return ""
    local = host in ("localhost", "127.0.0.1")
    return f"http://{host}:{port}" if local else f"https://{host}"


def _grpc_url(env: Mapping[str, str]) -> str:
    given = (env.get("MICELIO_GRPC_URL") or "").rstrip("/")
    if given and not re.fullmatch(r"https?://(\[[0-9A-Fa-f:.]+\]|[^/:@\s]+):\d{1,5}", given):
        raise InvalidInput(
            problem=f"MICELIO_GRPC_URL={given} must be like https://grpc.example.org:443, with its port."
        )
    return given


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    given = env.get(name)
    if not given:
        return default
    if not given.isdigit() or int(given) > 65535:
        raise InvalidInput(problem=f"{name}={given} must be a whole number from 0 to 65535.")
    return int(given)


def _yes(env: Mapping[str, str], name: str) -> bool:
    given = (env.get(name) or "no").lower()
    if given not in ("yes", "no", "true", "false", "1", "0"):
        raise InvalidInput(problem=f"{name}={given} must be yes or no.")
    return given in ("yes", "true", "1")


def _choice(env: Mapping[str, str], name: str, choices: type[Chosen], default: Chosen) -> Chosen:
    given = env.get(name)
    if not given:
        return default
    if given not in {c.value for c in choices}:
        raise InvalidInput(problem=f"{name}={given} must be one of {', '.join(c.value for c in choices)}.")
    return choices(given)


def _s3(env: Mapping[str, str], backend: StorageBackend) -> S3Settings:
    chosen = S3Settings(
        bucket=env.get("S3_BUCKET") or "",
        region=env.get("S3_REGION") or "us-east-1",
        endpoint_url=_http_url(env, "S3_ENDPOINT_URL"),
        access_key_id=env.get("S3_ACCESS_KEY_ID") or "",
        secret_access_key=env.get("S3_SECRET_ACCESS_KEY") or "",
    )
    if backend is not StorageBackend.LOCAL and not chosen.bucket:
        raise InvalidInput(problem=f"STORAGE_BACKEND={backend} needs S3_BUCKET, the name of a bucket.")
    if bool(chosen.access_key_id) != bool(chosen.secret_access_key):
        raise InvalidInput(problem="S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY go together; set both or none.")
    return chosen


def _smtp(env: Mapping[str, str], url: str) -> SmtpSettings:
    sender = env.get("FROM_EMAIL") or f"micelio@{urlsplit(url).hostname or 'localhost'}"
    chosen = SmtpSettings(
        host=env.get("SMTP_HOST") or "",
        port=_number(env, "SMTP_PORT", 587),
        username=env.get("SMTP_USERNAME") or "",
        password=env.get("SMTP_PASSWORD") or "",
        sender=sender,
    )
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", sender):
        raise InvalidInput(problem=f"FROM_EMAIL={sender} must be an address like forge@example.org.")
    if bool(chosen.username) != bool(chosen.password):
        raise InvalidInput(problem="SMTP_USERNAME and SMTP_PASSWORD go together; set both or none.")
    return chosen


def _cdn(env: Mapping[str, str], backend: StorageBackend) -> str:
    url = _http_url(env, "STORAGE_CDN_BASE_URL")
    if url and backend is not StorageBackend.TIERED:
        raise InvalidInput(problem="STORAGE_CDN_BASE_URL is of use only with STORAGE_BACKEND=tiered.")
    return url


def _http_url(env: Mapping[str, str], name: str) -> str:
    given = (env.get(name) or "").rstrip("/")
    parts = urlsplit(given)
    if given and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
        raise InvalidInput(problem=f"{name}={given} must be like https://files.example.org.")
    return given


def _encryption_keys(env: Mapping[str, str]) -> tuple[bytes, ...]:
    current = env.get("ENCRYPTION_KEY") or ""
    previous = [
        part.strip() for part in (env.get("ENCRYPTION_PREVIOUS_KEYS") or "").split(",") if part.strip()
    ]
    if previous and not current:
        raise InvalidInput(
            problem="ENCRYPTION_PREVIOUS_KEYS is set, but ENCRYPTION_KEY is not; set it as well."
        )
    named = [("ENCRYPTION_KEY", current)] if current else []
    named += [("ENCRYPTION_PREVIOUS_KEYS", key) for key in previous]
    return tuple(_encryption_key(name, key) for name, key in named)


def _encryption_key(name: str, given: str) -> bytes:
    # A wrong key is not repeated: it may be a good one with a letter too many.
    if re.fullmatch(r"[0-9A-Fa-f]{64}", given):
        return bytes.fromhex(given)
    try:
        key = base64.b64decode(given, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise InvalidInput(
            problem=f"{name} must be 32 bytes in hex or base64; `openssl rand -hex 32` makes such a key."
        )
    return key


def _networks(given: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in given.split(",") if part.strip())
    for name in names:
        try:
            ip_network(name, strict=False)
        except ValueError:
            raise InvalidInput(
                problem=f"TRUSTED_PROXIES lists {name}, which is no address or network."
            ) from None
    return names


def _kept_secret(data: Path) -> str:
    """Make SECRET_KEY_BASE once and keep it beside the data, readable by its owner only."""
    path = data / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    data.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    try:
        # A link never replaces: whoever came first wins and everyone reads the same secret.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
