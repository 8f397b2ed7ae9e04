"""What is stated of organizations, people's own among them."""

from dataclasses import dataclass

from backend.core.events import fact


@fact
@dataclass(frozen=True)
class OwnerChanged:
    """What an organization or a person says of itself is another now, or nothing any more."""

    organization: str


@fact
@dataclass(frozen=True)
class OrganizationRenamed:
    """An organization has another handle; `actor` is the account's id."""

    organization: str
    actor: str | None
