"""The letters people get, and a browser that sends forms."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx
import pytest
from sqlmodel import select
from starlette.applications import Starlette
from starlette.responses import JSONResponse

from backend.accounts.web import routes
from backend.core import jobs
from backend.core.config import Signup
from backend.core.context import Forge
from backend.core.mail import Mail, body_of
from backend.doors import oauth

HOME = "http://testserver"


@dataclass(frozen=True)
class Letter:
    """One mail as its reader sees it."""

    to: str
    subject: str
    body: str

    @property
    def token(self) -> str:
        """The secret of the link in it."""
        found = re.search(r"\?token=(\S+)", self.body)
        assert found is not None, self.body
        return found[1]


@pytest.fixture
def letters(forge) -> Callable[[], list[Letter]]:
    """Every mail since the last look, oldest first, once the jobs that write them are done."""
    seen: set[str] = set()

    def letters() -> list[Letter]:
        jobs.drain(forge)
        with forge.db.transaction(write=False) as db:
            rows = [row for row in db.exec(select(Mail).order_by(Mail.id)).all() if row.id not in seen]
        seen.update(row.id for row in rows)
        return [Letter(row.recipient, row.subject, body_of(forge.settings, row)) for row in rows]

    return letters


@pytest.fixture
def open_signup(forge):
    forge.settings = replace(forge.settings, signup=Signup.OPEN)


def refuse(request, error):
    return JSONResponse({"code": error.code}, 403)


class Site:
    """A browser that keeps its cookies and follows nothing."""

    def __init__(self, forge: Forge) -> None:
        self.app = Starlette(routes=[*routes(forge, refuse), *oauth.routes(forge)])
        self.headers = {"origin": HOME}
        self.cookies = httpx.Cookies()

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, **sent) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, client=("192.0.2.99", 4711))
            async with httpx.AsyncClient(transport=transport, base_url=HOME, cookies=self.cookies) as client:
                answer = await client.request(
                    method, path, headers={**self.headers, **(headers or {})}, **sent
                )
                self.cookies = client.cookies
                return answer

        return asyncio.run(send())

    def post(self, path: str, headers: dict[str, str] | None = None, **sent) -> httpx.Response:
        return self.send("POST", path, headers, **sent)

    def submit(self, path: str, **fields: str) -> str:
        """Send a form; where it leads."""
        return self.post(path, data=fields).headers["location"]


@pytest.fixture
def site(forge) -> Site:
    return Site(forge)
