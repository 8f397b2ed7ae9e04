import pytest

from backend.accounts.passwords import Passwords, WeakPassword, check_password

ADA = ("ada", "countess@example.org", "Ada Lovelace")


@pytest.mark.parametrize(
    "password",
    [
        "moss grows on old stones",
        "correct-donkey-cell-paperclip",
        "Tr0ub4dor&3xylophone",
        "ключ от старого дома",
        "k8#vP2!xQz9@",
    ],
)
def test_an_unusual_long_password_is_good(password):
    check_password(password, about=ADA)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("pw", "password.short"),
        ("eleven char", "password.short"),
        ("x" * 1025, "password.long"),
        ("ada-is-a-programmer", "password.personal"),
        ("i am the COUNTESS", "password.personal"),
        ("aaaaaaaaaaaaaaaa", "password.pattern"),
        ("xyzw.xyzw.xyzw.", "password.pattern"),
        ("abcdefghijklmnop", "password.pattern"),
        ("qwertyuiop1234", "password.pattern"),
        ("0987654321poiu", "password.pattern"),
        ("password1234", "password.common"),
        ("P4ssw0rd!2031", "password.common"),
        ("iLoveYou4Ever", "password.common"),
        ("Correct Horse Battery Staple", "password.common"),
    ],
)
def test_what_would_be_guessed_is_refused_and_told_why(password, code):
    with pytest.raises(WeakPassword) as refusal:
        check_password(password, about=ADA)

    assert refusal.value.code == code
    assert password not in refusal.value.sentence


def test_a_hash_is_argon2id_at_the_costs_of_the_rfc():
    assert Passwords().hash("moss grows on old stones").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_only_the_right_password_verifies_and_nobody_has_none():
    cheap = Passwords(time_cost=1, memory_cost=8, parallelism=1)
    stored = cheap.hash("moss grows on old stones")

    assert cheap.verify(stored, "moss grows on old stones")
    assert not cheap.verify(stored, "moss grows on old stone")
    assert not cheap.verify("", "the password of nobody")
    assert not cheap.verify("garbage", "moss grows on old stones")


def test_the_same_letters_typed_on_another_system_are_the_same_password():
    cheap = Passwords(time_cost=1, memory_cost=8, parallelism=1)

    assert cheap.verify(cheap.hash("caf\u00e9 au lait matin"), "cafe\u0301 au lait matin")


def test_a_hash_with_other_costs_is_outdated():
    assert Passwords().outdated(Passwords(time_cost=1, memory_cost=8, parallelism=1).hash("x"))
