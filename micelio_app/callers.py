"""The address behind the request or the tab that is being answered: strangers are counted by it.

It comes from the front door, which knows which proxies to believe, and goes along with the task.
"""

from contextvars import ContextVar

ADDRESS_HEADER = "x-micelio-address"
"""Where the front door puts it for tabs; nobody else can."""

caller: ContextVar[str] = ContextVar("caller", default="")
