"""Letters: what people are told by mail, each one plain text that says who wrote and what to do.

A letter never quotes what a stranger typed, but for handles and addresses that were checked: a
mail in our name must not carry somebody else's words.
"""

from datetime import datetime

from backend.core.config import Settings
from backend.core.context import Context
from backend.core.mail import write_mail


def confirm_sign_up(ctx: Context, to: str, *, handle: str, link: str, until: datetime) -> None:
    """The link that finishes signing up."""
    _write(
        ctx,
        to,
        f"Confirm your address for {ctx.forge.settings.host}",
        f"Somebody, most likely you, asked for the account {handle} on {ctx.forge.settings.public_url}. "
        "This link makes it:",
        link,
        f"It works once, until {_when(until)}. If it was not you, do nothing, and nothing is made.",
    )


def already_here(ctx: Context, to: str, *, handle: str) -> None:
    """Somebody used an address that has an account."""
    url = ctx.forge.settings.public_url
    _write(
        ctx,
        to,
        f"You have an account on {ctx.forge.settings.host} already",
        f"Somebody, most likely you, wanted to use this address for an account on {url}. "
        f"It has one: {handle}.",
        f"Sign in at {url}/signin. If the password is forgotten, choose a new one at {url}/forgot.",
        "If it was not you, do nothing: nothing was changed, and whoever asked was not told of it.",
    )


def reset_password(ctx: Context, to: str, *, handle: str, link: str, until: datetime) -> None:
    """The link that lets a new password be chosen."""
    _write(
        ctx,
        to,
        f"Choose a new password for {ctx.forge.settings.host}",
        f"Somebody, most likely you, said that the password of {handle} was forgotten. "
        "With this link you choose a new one:",
        link,
        f"It works once, until {_when(until)}. Until you do, the old password stays as it is. "
        "If it was not you, do nothing.",
    )


def password_changed(ctx: Context, to: str, *, handle: str) -> None:
    """The password is another one now."""
    url = ctx.forge.settings.public_url
    _write(
        ctx,
        to,
        f"Your password on {ctx.forge.settings.host} was changed",
        f"The password of {handle} was changed{_from(ctx)}. Other browsers and programs were signed out; "
        "access tokens that you made yourself stay good.",
        f"If it was not you, choose a new password at {url}/forgot and look at {url}/settings/tokens.",
    )


def confirm_email(ctx: Context, to: str, *, handle: str, link: str, until: datetime) -> None:
    """The link that makes this address the account's."""
    _write(
        ctx,
        to,
        f"Confirm your new address for {ctx.forge.settings.host}",
        f"{handle} on {ctx.forge.settings.public_url} wants to be reached at this address. "
        "This link says yes:",
        link,
        f"It works once, until {_when(until)}. If you do not know what this is, do nothing.",
    )


def email_change_asked(ctx: Context, to: str, *, handle: str, email: str) -> None:
    """To the address of now: somebody wants another one."""
    url = ctx.forge.settings.public_url
    _write(
        ctx,
        to,
        f"Your address on {ctx.forge.settings.host} is about to change",
        f"{handle} asked to be reached at {email} instead of here{_from(ctx)}. "
        "The change is made when the link we sent there is opened.",
        f"If it was not you, somebody knows your password: choose a new one at {url}/forgot now.",
    )


def email_changed(ctx: Context, to: str, *, handle: str, email: str) -> None:
    """To both addresses: the account has another one now."""
    _write(
        ctx,
        to,
        f"Your address on {ctx.forge.settings.host} was changed",
        f"{handle} is reached at {email} from now on. The address before is used no more.",
        "If it was not you, tell an administrator of the forge.",
    )


def invitation(ctx: Context, to: str, *, by: str, link: str, until: datetime) -> None:
    """The link by which somebody may make an account."""
    _write(
        ctx,
        to,
        f"{by} invites you to {ctx.forge.settings.host}",
        f"{by} invites you to {ctx.forge.settings.public_url}, a place where people and agents work on code "
        "together. This link makes your account:",
        link,
        f"It works once, until {_when(until)}. If you do not know {by}, do nothing.",
    )


def team_invitation(
    ctx: Context, to: str, *, by: str, place: str, role: str, project: bool, link: str, until: datetime
) -> None:
    """Somebody asks the owner of this address into an organization or a project."""
    url = ctx.forge.settings.public_url
    what = f"to work on the project {place}" if project else f"to the organization {place}"
    article = "an" if role in ("admin", "owner") else "a"
    kind = {"read": "a reader", "write": "a writer"}.get(role, f"{article} {role}")
    _write(
        ctx,
        to,
        f"{by} invites you to {place} on {ctx.forge.settings.host}",
        f"{by} invites you {what} on {url}, as {kind}. Here you see it, and say yes or no:",
        link,
        f"It waits for your answer until {_when(until)}. If you do not know {by}, do nothing.",
    )


def new_device(ctx: Context, to: str, *, handle: str, device: str) -> None:
    """Somebody signed in where the account never was before."""
    url = ctx.forge.settings.public_url
    _write(
        ctx,
        to,
        f"New sign-in to {ctx.forge.settings.host}: {device}",
        f"{handle} signed in with {device}{_from(ctx)}, on {_when(ctx.now())}. "
        "We had not seen it with your account before.",
        f"If it was you, there is nothing to do. If not, sign it out at {url}/settings "
        "and change your password.",
    )


def account_deleted(ctx: Context, to: str, *, handle: str) -> None:
    """The last mail an account gets."""
    _write(
        ctx,
        to,
        f"Your account on {ctx.forge.settings.host} was deleted",
        f"{handle} was deleted{_from(ctx)}: password, tokens, sign-ins, memberships and what you said about "
        "yourself are gone, and so is this address.",
        f"What you landed in other people's projects stays, under the handle {handle}. "
        "Nobody else can ever have that handle.",
    )


def _write(ctx: Context, to: str, subject: str, *parts: str) -> None:
    body = "\n\n".join(part if part.startswith("http") else _filled(part) for part in ("Hello,", *parts))
    write_mail(ctx, to=to, subject=subject, body=f"{body}\n\n-- \n{_signature(ctx.forge.settings)}\n")


def _signature(settings: Settings) -> str:
    return f"Micelio at {settings.public_url}"


def _filled(text: str) -> str:
    # Addresses are long words and stay whole.
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > 74:
            lines, line = [*lines, line], word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def _from(ctx: Context) -> str:
    return f" from the address {ctx.actor.address}" if ctx.actor.address else ""


def _when(at: datetime) -> str:
    return f"{at:%-d %B %Y at %H:%M} UTC"
