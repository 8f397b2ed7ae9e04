import pytest

from backend.accounts.handles import RESERVED, BadHandle, HandleTaken, check_handle, claim_handle
from backend.accounts.models import Owner
from micelio_app import routes


@pytest.mark.parametrize("text", ["a", "7", "ada", "ada-lovelace", "x" * 39, "a-1-b"])
def test_letters_digits_and_single_dashes_make_a_handle(text):
    assert check_handle(text) == text


@pytest.mark.parametrize(
    "text", ["", "-ada", "ada-", "a--b", "x" * 40, "a.b", "a_b", "a b", "ädä", "a/b", "..", "a\nb", "\u0661"]
)
def test_nothing_else_does(text):
    with pytest.raises(BadHandle):
        check_handle(text)


def test_handles_are_lower_case_however_they_are_typed():
    assert check_handle(" Ada ") == "ada"


def test_a_reserved_word_is_refused_in_any_case():
    with pytest.raises(HandleTaken) as refusal:
        check_handle("API")
    assert refusal.value.code == "handle.taken"


def test_every_first_segment_that_pages_use_is_reserved():
    first = {pattern.split("/")[1] for pattern in routes.PAGES if not pattern.startswith("/[")}

    assert first | routes.RESERVED <= RESERVED | {""}


def test_a_handle_belongs_to_whoever_took_it_first(as_system, ada):
    with pytest.raises(HandleTaken), as_system.transaction() as ctx:
        claim_handle(ctx, "ada", owner=Owner.ORGANIZATION, owner_id="another")
