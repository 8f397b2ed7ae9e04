"""What is stated of organizations, people's own among them."""

from dataclasses import dataclass

from backend.core.events import fact


@fact
@dataclass(frozen=True)
class OwnerChanged:
    """What an organization or a person says of itself is another now, or nothing any more."""

    organization: str
