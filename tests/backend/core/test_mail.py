"""Mail goes out if and only if what it tells was committed, encrypted, and once."""

from dataclasses import replace

import pytest
from sqlmodel import select

from backend.core import jobs, mail
from backend.core.config import SmtpSettings
from backend.core.context import SYSTEM, Context
from tests.mailbox import Mailbox, trusted

LINK = "https://forge.example.org/reset?token=abc"


@pytest.fixture
def mailbox(tmp_path, monkeypatch):
    with Mailbox(tmp_path) as mailbox:
        monkeypatch.setenv("SSL_CERT_FILE", str(mailbox.certificate))
        yield mailbox


@pytest.fixture
def sending(forge, mailbox):
    """The forge, once its mail goes through that server."""
    smtp = SmtpSettings(host="localhost", port=mailbox.port, sender="forge@example.org")
    forge.settings = replace(forge.settings, smtp=smtp, url="https://forge.example.org")
    return forge


def write(forge, subject="Choose a new password", body=f"Hello,\n\n{LINK}\n"):
    with Context(forge, SYSTEM).transaction() as ctx:
        mail.write_mail(ctx, to="ada@example.org", subject=subject, body=body)


def rows(forge):
    with forge.db.transaction(write=False) as db:
        return db.exec(select(mail.Mail).order_by(mail.Mail.id)).all()


def beat(forge):
    """What a worker does each minute."""
    jobs.run_timer(forge, jobs.timers()["core.mail.resend_mail"])
    jobs.drain(forge)


def test_a_mail_is_sent_over_tls_and_its_body_is_gone_then(sending, mailbox):
    write(sending, subject="Grüße, Ada")
    assert LINK not in rows(sending)[0].body, "a waiting body is sealed"
    jobs.drain(sending)

    (got,) = mailbox.mails
    assert mailbox.encrypted
    assert (got["To"], got["From"], got["Subject"]) == (
        "ada@example.org",
        "Micelio <forge@example.org>",
        "Grüße, Ada",
    )
    assert got.get_content_type() == "text/plain"
    assert got.get_content() == f"Hello,\n\n{LINK}\n"
    (row,) = rows(sending)
    assert got["Message-ID"] == f"<{row.id}@forge.example.org>"
    assert (row.body, row.due_at, row.sent_at is not None) == ("", None, True)


def test_a_mail_of_a_transaction_that_failed_is_never_sent(sending, mailbox):
    with pytest.raises(ValueError), Context(sending, SYSTEM).transaction() as ctx:
        mail.write_mail(ctx, to="ada@example.org", subject="No", body="No")
        raise ValueError
    jobs.drain(sending)

    assert (rows(sending), mailbox.mails) == ([], [])


def test_a_server_that_is_busy_is_asked_again_with_growing_pauses(sending, mailbox, clock):
    mailbox.answer = "451 Try again later"
    write(sending)
    jobs.drain(sending)
    beat(sending)

    (row,) = rows(sending)
    assert (row.attempts, row.sent_at) == (1, None), "not before its time"
    assert "451" in row.problem and row.body
    clock.advance(minutes=3)
    beat(sending)
    assert rows(sending)[0].attempts == 2

    mailbox.answer = ""
    clock.advance(minutes=10)
    beat(sending)
    (row,) = rows(sending)
    assert (row.sent_at, row.problem, len(mailbox.mails)) == (clock.now, "", 1)


def test_what_a_server_refuses_for_good_is_not_tried_again(sending, mailbox, clock):
    mailbox.answer = "550 No such mailbox"
    write(sending)
    jobs.drain(sending)
    clock.advance(days=1)
    beat(sending)

    (row,) = rows(sending)
    assert (row.attempts, row.due_at) == (1, None)
    assert row.problem == "The mail server said 550: No such mailbox"


def test_nobody_is_tried_for_ever(sending, mailbox, clock):
    mailbox.answer = "451 Try again later"
    write(sending)
    jobs.drain(sending)
    for _ in range(40):
        clock.advance(hours=4, minutes=1)
        beat(sending)

    (row,) = rows(sending)
    assert row.due_at is None
    assert 10 < row.attempts < 30
    assert "451" in row.problem


def test_a_certificate_that_nobody_vouches_for_gets_nothing(sending, mailbox, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted()))
    write(sending)
    jobs.drain(sending)

    (row,) = rows(sending)
    assert "certificate verify failed" in row.problem.lower()
    assert mailbox.mails == []


def test_a_server_elsewhere_without_encryption_gets_nothing(sending, mailbox):
    mailbox.offers_tls = False
    # Any name that is not this machine's own; it resolves to it all the same.
    away = replace(sending.settings.smtp, host="127.0.0.2")
    sending.settings = replace(sending.settings, smtp=away)
    write(sending)
    jobs.drain(sending)

    assert "offers no STARTTLS, so nothing was sent" in rows(sending)[0].problem
    assert mailbox.mails == []


def test_a_worker_that_was_killed_leaves_the_mail_to_the_next(sending, mailbox, clock):
    write(sending)
    with Context(sending, SYSTEM).transaction() as ctx:
        (row,) = rows(sending)
        ctx.db.merge(row).due_at = clock.now + mail.LEASE
    jobs.drain(sending)
    assert mailbox.mails == [], "somebody else has it"

    clock.advance(minutes=6)
    beat(sending)
    assert len(mailbox.mails) == 1


def test_without_a_server_the_mail_is_printed_and_kept_for_a_week(forge, clock, capsys):
    write(forge)
    jobs.drain(forge)

    assert "To: ada@example.org\nSubject: Choose a new password\n\nHello," in capsys.readouterr().out
    (row,) = rows(forge)
    assert (row.due_at, row.printed_at) == (None, clock.now)
    assert LINK in mail.body_of(forge.settings, row)

    clock.advance(days=8)
    jobs.run_timer(forge, jobs.timers()["core.mail.forget_mail"])
    assert [row.body for row in rows(forge)] == [""]
    clock.advance(days=30)
    jobs.run_timer(forge, jobs.timers()["core.mail.forget_mail"])
    assert rows(forge) == []
