"""Mail: written in the transaction of what it tells, sent afterwards by a worker.

A mail is a row first, so it is sent if and only if what it tells was committed. Where no SMTP
server is set, the worker prints it on the screen of `serve`, and administrators find it in the
outbox. Bodies carry one-time links: a body is sealed with SECRET_KEY_BASE while it waits, and
erased once a server took it. A crash between the server's yes and our row sends a mail twice,
under one Message-ID, and never loses it.
"""

import base64
import hashlib
import smtplib
import ssl
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import ClassVar

from sqlmodel import Field, SQLModel, col, delete, select, update

from backend.core.config import Settings, SmtpSettings
from backend.core.context import Context
from backend.core.db import UtcTime
from backend.core.errors import MicelioError, Unavailable
from backend.core.events import RECORD, fact
from backend.core.jobs import every, on
from backend.core.operations import Mode
from vcs.errors import Kind
from vcs.objects import new_id

TLS_PORT = 465
ANSWER_SECONDS = 30
LEASE = timedelta(minutes=5)
"""How long one worker has for one mail before another may try."""
LONGEST_PAUSE = timedelta(hours=4)
TRIED_FOR = timedelta(days=3)
BODY_KEPT = timedelta(days=7)
KEPT = timedelta(days=30)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Mail(SQLModel, table=True):
    """One mail. `due_at` is when it is tried (again); null when nothing more happens with it."""

    __tablename__: ClassVar[str] = "mails"
    __table_args__ = RECORD

    id: str = Field(primary_key=True)
    recipient: str
    subject: str
    body: str
    created_at: datetime = Field(sa_type=UtcTime, index=True)
    due_at: datetime | None = Field(default=None, sa_type=UtcTime, index=True)
    attempts: int = 0
    sent_at: datetime | None = Field(default=None, sa_type=UtcTime)
    printed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    problem: str = ""


class MailFailed(Unavailable):
    """The server did not take a mail now."""

    code = "mail.failed"
    message = "{problem}"


class MailRefused(MicelioError):
    """The server will never take this mail."""

    kind = Kind.INVALID
    code = "mail.refused"
    message = "{problem}"


@fact
@dataclass(frozen=True)
class MailWritten:
    """A mail waits; its row says for whom."""

    mail: str


def write_mail(ctx: Context, *, to: str, subject: str, body: str) -> None:
    """Write a mail in this transaction; a worker sends it after the commit."""
    row = Mail(
        id=new_id(),
        recipient=to,
        subject=subject,
        body=_sealed(ctx.forge.settings, body),
        created_at=ctx.now(),
        due_at=ctx.now(),
    )
    ctx.db.add(row)
    ctx.emit(MailWritten(mail=row.id))


def body_of(settings: Settings, mail: Mail) -> str:
    """What a mail says; empty once it was sent, or when it waited too long to be of use."""
    from cryptography.fernet import Fernet, InvalidToken

    if not mail.body:
        return ""
    try:
        return Fernet(_key(settings)).decrypt(mail.body.encode()).decode()
    except InvalidToken:
        # SECRET_KEY_BASE was changed: nobody can read it any more.
        return ""


def outbox(ctx: Context, *, before: str, limit: int) -> list[Mail]:
    """Mails by id, newest first, older than the one named."""
    older = select(Mail).order_by(col(Mail.id).desc()).limit(limit)
    return list(ctx.db.exec(older.where(col(Mail.id) < before) if before else older).all())


@on(MailWritten, queue="mail", attempts=1, mode=Mode.STEPS)
def deliver_mail(ctx: Context, fact: MailWritten) -> None:
    """Send a mail that is due, or print it; what fails is tried again later, by `resend_mail`."""
    now = ctx.now()
    due = (col(Mail.id) == fact.mail) & (col(Mail.due_at) <= now)
    with ctx.transaction() as tx:
        # Of two workers with the same mail, one changes the row and the other finds it changed.
        claim = update(Mail).where(due).values(due_at=now + LEASE, attempts=col(Mail.attempts) + 1)
        mail = tx.db.get(Mail, fact.mail) if tx.db.exec(claim).rowcount else None
    if mail is None:
        return
    settings = ctx.forge.settings
    if not settings.smtp.host:
        _print(mail, body_of(settings, mail))
        return _settle(ctx, mail, printed_at=now)
    try:
        _send(settings, mail)
    except MailRefused as error:
        _settle(ctx, mail, problem=error.sentence)
    except MailFailed as error:
        pause = min(timedelta(minutes=2 ** min(mail.attempts, 10)), LONGEST_PAUSE)
        later = now + pause if now - mail.created_at < TRIED_FOR else None
        _settle(ctx, mail, problem=error.sentence, due_at=later)
    else:
        _settle(ctx, mail, sent_at=now, body="", problem="")


@every(seconds=60)
def resend_mail(ctx: Context) -> None:
    """Hand mails out again that are due, whoever dropped them."""
    waiting = ctx.now() - timedelta(seconds=30)
    for id in ctx.db.exec(select(Mail.id).where(col(Mail.due_at) <= waiting).limit(100)):
        ctx.emit(MailWritten(mail=id))


@every(seconds=3600)
def forget_mail(ctx: Context) -> None:
    """Erase bodies whose links have ended anyway, and rows nobody looks for."""
    now = ctx.now()
    old = (col(Mail.created_at) < now - BODY_KEPT) & (col(Mail.body) != "")
    ctx.db.exec(update(Mail).where(old).values(body=""))
    ctx.db.exec(delete(Mail).where(col(Mail.created_at) < now - KEPT))


def _settle(ctx: Context, mail: Mail, **values: object) -> None:
    with ctx.transaction() as tx:
        tx.db.exec(update(Mail).where(col(Mail.id) == mail.id).values(**{"due_at": None, **values}))


def _print(mail: Mail, body: str) -> None:
    rule = "-" * 72
    text = f"\n{rule}\nTo: {mail.recipient}\nSubject: {mail.subject}\n\n{body}\n{rule}\n"
    sys.stdout.write(
        text.encode(sys.stdout.encoding or "utf-8", "replace").decode(sys.stdout.encoding or "utf-8")
    )
    sys.stdout.flush()


def _send(settings: Settings, mail: Mail) -> None:
    try:
        with _connected(settings.smtp) as server:
            server.send_message(_message(settings, mail))
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        raise _refusal(code, said) from None
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        raise _refusal(error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPNotSupportedError as error:
        raise MailRefused(problem=f"The mail server cannot carry it: {error}") from None
    except smtplib.SMTPAuthenticationError as error:
        raise MailFailed(
            problem=f"The mail server refused SMTP_USERNAME or SMTP_PASSWORD ({error.smtp_code})."
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailFailed(problem=f"The mail server {settings.smtp.host} did not take it: {error}") from None


def _connected(smtp: SmtpSettings) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if smtp.port == TLS_PORT:
        server: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=ANSWER_SECONDS, context=context)
    else:
        server = smtplib.SMTP(smtp.host, smtp.port, timeout=ANSWER_SECONDS)
    try:
        server.ehlo()
        if smtp.port != TLS_PORT and server.has_extn("starttls"):
            server.starttls(context=context)
        elif smtp.port != TLS_PORT and smtp.host not in LOOPBACK:
            raise MailFailed(
                problem=f"The mail server {smtp.host} offers no STARTTLS, so nothing was sent. "
                "Use port 465, or another server."
            )
        if smtp.username:
            server.login(smtp.username, smtp.password)
    except BaseException:
        server.close()
        raise
    return server


def _refusal(code: int, said: bytes | str) -> MicelioError:
    told = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    problem = f"The mail server said {code}: {told[:300]}"
    return MailRefused(problem=problem) if code >= 500 else MailFailed(problem=problem)


def _message(settings: Settings, mail: Mail) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Micelio <{settings.smtp.sender}>"
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = f"<{mail.id}@{settings.host}>"
    # RFC 3834: no holiday note comes back.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body_of(settings, mail))
    return message


def _sealed(settings: Settings, body: str) -> str:
    from cryptography.fernet import Fernet

    return Fernet(_key(settings)).encrypt(body.encode()).decode()


def _key(settings: Settings) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(f"mail\0{settings.secret_key}".encode()).digest())
