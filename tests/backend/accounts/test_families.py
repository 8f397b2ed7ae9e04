"""A family of tokens against a model of it: one refresh token is good at a time, and a copy ends all."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.accounts import families
from backend.accounts.identity import of_token
from backend.accounts.people import account_called
from backend.core.context import Actor, Context
from backend.core.errors import WrongCredentials

CALLER = Actor(address="192.0.2.7", user_agent="mic/0.1.0 (build-3; Linux)")
STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "one", "two"])), max_size=9)
"""How far back from the newest the token is that somebody refreshes, and the key of the request."""


@dataclass
class Model:
    """What a family should be: every token there was, with the key it was used with."""

    tokens: list[families.Tokens]
    keys: list[str] = field(default_factory=list)
    alive: bool = True

    def expected(self, at: int, key: str) -> str:
        newest = len(self.tokens) - 1
        if not self.alive:
            return "nothing"
        if at == newest:
            return "next"
        return "same" if key and at == newest - 1 and self.keys[at] == key else "end"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_family_is_what_its_model_says(forge, ada, steps):
    with Context(forge, CALLER).transaction() as ctx:
        account = account_called(ctx, "ada")
        _, first = families.found_family(
            ctx, account, client="mic", scopes=["user"], address="", user_agent=""
        )
    model = Model([first])
    for back, key in steps:
        at = max(0, len(model.tokens) - 1 - back)
        expected = model.expected(at, key)
        with Context(forge, CALLER).transaction() as ctx:
            got = families.refresh(ctx, model.tokens[at].refresh, client="mic", key=key)
        if expected == "next":
            model.tokens.append(got)
            model.keys.append(key)
        elif expected == "same":
            assert (got.access, got.refresh) == (model.tokens[at + 1].access, model.tokens[at + 1].refresh)
        else:
            assert got is None
            model.alive = False
        assert len({tokens.refresh for tokens in model.tokens}) == len(model.tokens)

    for tokens in model.tokens:
        assert signed_in(forge, tokens.access) == model.alive


def signed_in(forge, token: str) -> bool:
    try:
        return of_token(forge, token, CALLER).signed_in
    except WrongCredentials:
        return False
