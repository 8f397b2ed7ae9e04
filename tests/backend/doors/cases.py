"""One case per operation: what everybody may do with it, at every door.

`ok` is a payload that works for whoever may. `who` says how it ends for a stranger, an outsider,
a member and an owner. `invalid`, `missing` and `private` change the payload: to something no door
takes, to something that does not exist, and to the same kind of thing that only members see.
A new operation without a case fails the parity test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.forges import PASSWORD

NOBODY = "01a00000-0000-7000-8000-000000000000"
NO_BLOB = "0" * 64
LONG = "x" * 400
OK, SIGN_IN, HIDDEN, REFUSED = "ok", "auth.required", "not_found", "auth.forbidden"
OVER = "invitation.over"

ANYONE = (OK, OK, OK, OK)
SIGNED_IN = (SIGN_IN, OK, OK, OK)
NO_TOKEN = (SIGN_IN, REFUSED, REFUSED, REFUSED)
OWNERS = (SIGN_IN, REFUSED, REFUSED, OK)
OWNERS_INSIDE = (SIGN_IN, HIDDEN, REFUSED, OK)
INSIDERS_READ = (HIDDEN, HIDDEN, OK, OK)
INSIDERS_WRITE = (SIGN_IN, HIDDEN, OK, OK)


@dataclass(frozen=True)
class Case:
    """How an operation is tried."""

    who: tuple[str, str, str, str]
    ok: Mapping[str, Any] = field(default_factory=dict)
    invalid: Mapping[str, Any] = field(default_factory=lambda: {"surprise": "x"})
    missing: Mapping[str, Any] | None = None
    private: Mapping[str, Any] | None = None
    content: bytes = b""

    @property
    def tries(self) -> dict[str, Mapping[str, Any]]:
        """Payloads by what they are."""
        tries = {"ok": self.ok, "invalid": {**self.ok, **self.invalid}}
        if self.missing is not None:
            tries["missing"] = {**self.ok, **self.missing}
        if self.private is not None:
            tries["private"] = {**self.ok, **self.private}
        return tries


def about_me(who: tuple[str, str, str, str] = SIGNED_IN, **parts: Any) -> Case:
    """A case about the asker's own things."""
    return Case(who, **parts)


def about_organization(who: tuple[str, str, str, str], **parts: Any) -> Case:
    """A case about acme; organizations are not secret."""
    ok = {"organization": "acme", **parts.pop("ok", {})}
    return Case(who, ok, missing={"organization": "nothing"}, **parts)


def about_project(who: tuple[str, str, str, str], **parts: Any) -> Case:
    """A case about the public project acme/open."""
    ok = {"organization": "acme", "project": "open", **parts.pop("ok", {})}
    parts.setdefault("invalid", {"project": LONG})
    return Case(who, ok, missing={"project": "nothing"}, private={"project": "secret"}, **parts)


def about_session(who: tuple[str, str, str, str], **parts: Any) -> Case:
    """A case about grace's open session in acme/open, which members see."""
    ok = {"session": "$open.draft", **parts.pop("ok", {})}
    parts.setdefault("invalid", {"session": "not an id"})
    return Case(who, ok, missing={"session": NOBODY}, private={"session": "$secret.draft"}, **parts)


def about_import(who: tuple[str, str, str, str], **parts: Any) -> Case:
    """A case about an import into acme/open that grace asked for."""
    ok = {"import_id": "$open.import", **parts.pop("ok", {})}
    return Case(
        who,
        ok,
        invalid={"import_id": "1"},
        missing={"import_id": NOBODY},
        private={"import_id": "$secret.import"},
    )


def about_my_invitation(who: tuple[str, str, str, str]) -> Case:
    """A case about an invitation to the asker's own address."""
    return Case(
        who,
        ok={"invitation_id": "$invited"},
        invalid={"invitation_id": "1"},
        missing={"invitation_id": NOBODY},
        private={"invitation_id": "$invited.linus"},
    )


def about_their_invitation() -> Case:
    """A case about an invitation to acme that its admins look after."""
    return Case(
        (SIGN_IN, HIDDEN, HIDDEN, OK),
        ok={"invitation_id": "$invited.linus"},
        invalid={"invitation_id": "1"},
        missing={"invitation_id": NOBODY},
        private={"invitation_id": "$invited.hedy"},
    )


def about_mirror(**parts: Any) -> Case:
    """A case about a push mirror of acme/open."""
    ok = {"organization": "acme", "project": "open", "mirror_id": "$open.mirror", **parts.pop("ok", {})}
    private = {"project": "secret", "mirror_id": "$secret.mirror"}
    return Case(OWNERS, ok, invalid={"mirror_id": "1"}, missing={"project": "nothing"}, private=private)


CASES: dict[str, Case] = {
    # accounts
    "get_current_user": about_me(),
    "update_current_user": about_me(ok={"name": "Somebody"}, invalid={"name": LONG}),
    "change_password": about_me(
        ok={"current": PASSWORD, "new": "a heron stands in the reeds"}, invalid={"new": "short"}
    ),
    "get_account": Case(ANYONE, ok={"handle": "hedy"}, missing={"handle": "nobody"}),
    "list_devices": about_me(),
    "revoke_device": about_me(
        ok={"device_id": "$browser"},
        invalid={"device_id": "1"},
        missing={"device_id": NOBODY},
        private={"device_id": "$browser.hedy"},
    ),
    "sign_out_everywhere": about_me(),
    "get_device_request": Case(NO_TOKEN, ok={"user_code": "BCDF-GHJK"}),
    "approve_device_request": Case(NO_TOKEN, ok={"user_code": "BCDF-GHJK"}),
    "deny_device_request": Case(NO_TOKEN, ok={"user_code": "BCDF-GHJK"}),
    "request_password_reset": Case(ANYONE, ok={"handle": "hedy"}, invalid={"handle": LONG}),
    "sign_up": Case(
        (OK, REFUSED, REFUSED, REFUSED),
        ok={"handle": "lovelace", "email": "l@example.org", "password": "a heron stands in the reeds"},
        invalid={"email": "l"},
    ),
    "create_invitation": Case(NO_TOKEN, ok={"email": "l@example.org"}),
    "list_invitations": Case(NO_TOKEN),
    "revoke_invitation": Case(NO_TOKEN, ok={"invitation_id": NOBODY}),
    "change_email": about_me(
        ok={"email": "new@example.org", "password": PASSWORD}, invalid={"email": "nowhere"}
    ),
    "delete_current_user": Case(NO_TOKEN, ok={"handle": "x"}),
    "create_access_token": about_me(
        ok={"name": "ci", "scopes": ["project:read"]},
        invalid={"scopes": ["everything"]},
        missing={"kind": "agent", "project": "acme/nothing"},
        private={"kind": "agent", "project": "acme/secret"},
    ),
    "list_access_tokens": about_me(),
    "revoke_access_token": about_me(
        ok={"token_id": "$spare"},
        invalid={"token_id": "1"},
        missing={"token_id": NOBODY},
        private={"token_id": "$spare.hedy"},
    ),
    "create_account": Case(NO_TOKEN, ok={"handle": "lovelace", "email": "l@example.org"}),
    "create_sign_in_link": Case(NO_TOKEN, ok={"handle": "linus"}, missing={"handle": "nobody"}),
    "get_instance": Case(ANYONE),
    "list_mails": Case(NO_TOKEN, invalid={"limit": 101}),
    "list_accounts": Case(NO_TOKEN, invalid={"limit": 101}),
    "list_hosted_organizations": Case(NO_TOKEN, invalid={"limit": 101}),
    "list_hosted_projects": Case(NO_TOKEN, invalid={"limit": 101}),
    "list_jobs": Case(NO_TOKEN, invalid={"limit": 101}),
    "list_audit": Case(NO_TOKEN, invalid={"limit": 101}),
    "get_instance_health": Case(NO_TOKEN),
    # organizations
    "create_organization": about_me(ok={"handle": "guild"}, invalid={"handle": LONG}),
    "get_organization": about_organization(ANYONE, invalid={"organization": LONG}),
    "list_organizations": about_me(invalid={"limit": 101}),
    "update_organization": about_organization(OWNERS_INSIDE, ok={"name": "Acme Ltd"}, invalid={"name": LONG}),
    "rename_organization": about_organization(
        OWNERS_INSIDE, ok={"handle": "acme-labs"}, invalid={"handle": LONG}
    ),
    "list_members": about_organization(INSIDERS_READ, invalid={"limit": 101}),
    "update_member": about_organization(
        OWNERS_INSIDE, ok={"handle": "hedy", "role": "admin"}, invalid={"role": "king"}
    ),
    "remove_member": about_organization(OWNERS_INSIDE, ok={"handle": "hedy"}, invalid={"handle": LONG}),
    "delete_organization": Case(
        OWNERS_INSIDE,
        ok={"organization": "hall", "confirm": "hall"},
        invalid={"confirm": LONG},
        missing={"organization": "nothing"},
    ),
    # invitations
    "invite_member": about_organization(OWNERS_INSIDE, ok={"invitee": "mallory"}, invalid={"role": "king"}),
    "list_member_invitations": about_organization(OWNERS_INSIDE, invalid={"organization": LONG}),
    "invite_collaborator": about_project(OWNERS, ok={"invitee": "mallory"}, invalid={"role": "king"}),
    "list_collaborator_invitations": about_project(OWNERS),
    "list_my_invitations": about_me(),
    "get_team_invitation": about_my_invitation((OVER, OK, OK, OK)),
    "accept_team_invitation": about_my_invitation(SIGNED_IN),
    "decline_team_invitation": about_my_invitation(SIGNED_IN),
    "resend_team_invitation": about_their_invitation(),
    "revoke_team_invitation": about_their_invitation(),
    # projects
    "list_collaborators": about_project((SIGN_IN, REFUSED, OK, OK), invalid={"limit": 101}),
    "update_collaborator": about_project(
        OWNERS, ok={"handle": "hedy", "role": "read"}, invalid={"role": "king"}
    ),
    "remove_collaborator": about_project(OWNERS, ok={"handle": "hedy"}, invalid={"handle": LONG}),
    "create_project": about_organization(
        INSIDERS_WRITE, ok={"project": "fresh"}, invalid={"visibility": "loud"}
    ),
    "fork_project": about_project(SIGNED_IN, ok={"handle": "mine"}, invalid={"into": LONG}),
    "list_forks": about_project(ANYONE, invalid={"limit": 101}),
    "check_project_handle": about_organization(
        INSIDERS_WRITE, ok={"handle": "fresh"}, invalid={"handle": LONG}
    ),
    "get_project": about_project(ANYONE),
    "list_all_projects": Case(ANYONE, invalid={"limit": 101}),
    "get_overview": Case(ANYONE, invalid={"limit": 101}),
    "list_projects": about_organization(ANYONE, invalid={"limit": 101}),
    "update_project": about_project(OWNERS, ok={"description": "New."}, invalid={"visibility": "loud"}),
    "rename_project": about_project(OWNERS, ok={"handle": "opened"}, invalid={"handle": LONG}),
    "transfer_project": about_project(
        OWNERS, ok={"into": "acme", "handle": "opened"}, invalid={"handle": LONG}
    ),
    "delete_project": about_project(OWNERS),
    "list_deleted_projects": about_organization(OWNERS_INSIDE, invalid={"organization": LONG}),
    "restore_project": Case(
        (SIGN_IN, HIDDEN, HIDDEN, OK),
        ok={"organization": "acme", "project": "gone"},
        invalid={"project": LONG},
        missing={"project": "nothing"},
        private={"project": "secret"},
    ),
    "resolve_ref": about_project(ANYONE, ok={"ref": "@1"}),
    "get_tree": about_project(ANYONE, ok={"ref": "@1", "path": "src"}),
    "get_file": about_project(ANYONE, ok={"ref": "HEAD", "path": "src/main.py"}),
    "list_blobs": about_project(ANYONE, ok={"ref": "@1"}),
    "list_paths": about_project(ANYONE, ok={"ref": "@1"}),
    "list_landings": about_project(ANYONE, invalid={"limit": 101}),
    "get_landing": about_project(ANYONE, ok={"position": 1}),
    "get_landing_diff": about_project(ANYONE, ok={"position": 1}),
    "compare_refs": about_project(ANYONE, ok={"old": "@1", "new": "@2"}, invalid={"old": LONG}),
    "list_refs": about_project(ANYONE),
    "get_commit": about_project(ANYONE, ok={"ref": "@1"}, invalid={"ref": LONG}),
    # imports
    "import_project": about_organization(
        INSIDERS_WRITE,
        ok={"project": "fresh", "source_url": "https://example.org/a.git"},
        invalid={"visibility": "loud"},
    ),
    "get_import": about_import(INSIDERS_WRITE),
    "list_imports": about_me(ok={"organization": "acme", "project": "open"}),
    "cancel_import": about_import(INSIDERS_WRITE),
    "rollback_import": about_import(INSIDERS_WRITE, ok={"import_id": "$open.imported"}),
    # finding
    "explore_projects": Case(ANYONE),
    "get_desk": about_me(),
    "get_profile": Case(ANYONE, ok={"handle": "hedy"}, missing={"handle": "nobody"}),
    "list_landings_of_account": Case(
        ANYONE, ok={"handle": "grace"}, invalid={"limit": 101}, missing={"handle": "nobody"}
    ),
    "list_waiting_sessions": about_me(invalid={"limit": 101}),
    # search
    "search_forge": Case(ANYONE, ok={"q": "open"}, invalid={"kind": "stone"}),
    "jump_to": Case(ANYONE, ok={"q": "op"}, invalid={"limit": 31}),
    # mirrors
    "create_mirror": about_project(
        OWNERS,
        ok={"direction": "push", "url": "https://example.org/copy.git", "token": "one"},
        invalid={"direction": "sideways"},
    ),
    "list_mirrors": about_project(OWNERS),
    "update_mirror": about_mirror(ok={"paused": True}),
    "sync_mirror": about_mirror(),
    "remove_mirror": about_mirror(),
    # sessions
    "start_session": about_project(SIGNED_IN, ok={"goal": "Try"}, invalid={"goal": " "}),
    "get_session": about_session(INSIDERS_READ),
    "list_sessions": about_project(ANYONE, invalid={"limit": 101}),
    "list_my_sessions": about_me(invalid={"limit": 101}),
    "abandon_session": about_session(INSIDERS_WRITE, ok={"reason": "Enough."}),
    "append_session_events": about_session(
        INSIDERS_WRITE, ok={"events": [{"kind": "progress", "body": {"text": "On it"}}]}
    ),
    "add_session_note": about_session(INSIDERS_WRITE, ok={"content": "Hm."}, invalid={"content": " "}),
    "add_session_decision": about_session(INSIDERS_WRITE, ok={"content": "So."}, invalid={"content": " "}),
    "list_session_events": about_session(INSIDERS_READ),
    "get_session_file": about_session(INSIDERS_READ, ok={"path": "README.md"}),
    "put_session_file": about_session(
        INSIDERS_WRITE,
        ok={"path": "docs/a file", "blob": "$open.blob"},
        invalid={"mode": "777"},
        content=b"not yet\n",
    ),
    "delete_session_file": about_session(INSIDERS_WRITE, ok={"path": "src"}),
    "rename_session_file": about_session(INSIDERS_WRITE, ok={"path": "README.md", "to": "READ.me"}),
    "push_session": about_session(
        INSIDERS_WRITE, ok={"files": [{"path": "a", "blob": "$open.blob", "mode": "100644"}]}
    ),
    "missing_blobs": about_session(INSIDERS_WRITE, ok={"blobs": [NO_BLOB]}, invalid={"blobs": ["x"]}),
    "get_session_diff": about_session(INSIDERS_READ),
    "land_session": about_session(INSIDERS_WRITE, ok={"summary": "Done."}),
}

BYTE_ROUTES: dict[str, tuple[str, str, str]] = {
    "archive": (
        "/acme/open/archive/main.tar.gz",
        "/acme/secret/archive/main.tar.gz",
        "/acme/nothing/archive/main.tar.gz",
    ),
    "archive_over_the_api": (
        "/api/v1/projects/acme/open/archive/main.zip",
        "/api/v1/projects/acme/secret/archive/main.zip",
        "/api/v1/projects/acme/nothing/archive/main.zip",
    ),
    "stream_session_events": (
        "/api/v1/sessions/{open_draft}/events/stream",
        "/api/v1/sessions/{secret_draft}/events/stream",
        f"/api/v1/sessions/{NOBODY}/events/stream",
    ),
    "stream_events": (
        "/api/v1/events/stream?session={open_draft}",
        "/api/v1/events/stream?session={secret_draft}",
        f"/api/v1/events/stream?session={NOBODY}",
    ),
}
"""Routes that are no operation, as addresses: what is there, what is private, what is missing."""
