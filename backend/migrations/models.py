"""Every table of the house, imported in one place so that the metadata is whole."""

import backend.accounts.models
import backend.core.audit
import backend.core.events
import backend.core.idempotency
import backend.core.mail
import backend.invitations.models
import backend.organizations.models
import backend.portability.models
import backend.projects.models
import backend.search.models
import backend.sessions.models

__all__ = ["backend"]
