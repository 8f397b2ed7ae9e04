"""People, explore and the administration, as readers without scripts and everybody outside get them."""

import asyncio

import pytest

from backend.accounts.service import update_current_user
from backend.projects.forks import fork_project
from micelio_app import pages
from micelio_app.head import MISSING
from micelio_app.pages.oversight import NAMES
from tests.micelio_app.visiting import visited


def test_a_person_is_shown_with_what_they_say_and_where_else_they_are(bench, ada, head_of):
    bench.run(
        ada, update_current_user, name="Ada", bio="Bees & <b>", links=["https://bees.example.org/a?b&c"]
    )

    found = head_of("/ada")

    assert "Ada</h1>" in found.body
    assert "Bees &amp; &lt;b&gt;" in found.body
    address = "https://bees.example.org/a?b&amp;c"
    assert f'<a rel="me nofollow noopener noreferrer" href="{address}">{address}</a>' in found.body


def test_a_person_says_who_they_are_to_other_sites(bench, ada, head_of):
    bench.run(ada, update_current_user, name="Ada", bio="Bees")

    person, organization = head_of("/ada"), head_of("/acme")

    assert person.image.startswith("/og/ada.png?v=") and organization.image.startswith("/og/acme.png?v=")
    assert (person.json_ld["@type"], organization.json_ld["@type"]) == ("Person", "Organization")
    assert (person.json_ld["name"], person.json_ld["alternateName"]) == ("Ada", "ada")
    assert person.json_ld["description"] == "Bees" and person.json_ld["url"].endswith("/ada")
    assert "ada@example.org" not in person.tags("")


def test_a_project_says_that_it_is_source_code(bench, ada, head_of):
    bench.landed(ada, {"LICENSE": b"MIT\n", "LICENSE-fonts.txt": b"OFL\n"})

    told = head_of("/acme/notes")

    assert told.json_ld["@type"] == "SoftwareSourceCode"
    assert told.json_ld["codeRepository"].endswith("/acme/notes")
    assert told.json_ld["license"].endswith("/acme/notes/blob/HEAD/LICENSE")
    assert '<script type="application/ld+json">' in told.tags("https://forge.example")


def test_explore_without_scripts_lists_public_projects_only(bench, ada, grace, head_of):
    bench.landed(ada, {"a": b"a\n"})

    assert "1 landed in 30 days" in head_of("/explore").body
    assert "plans" not in head_of("/explore").body
    assert "plans" in head_of("/explore", grace).body


@pytest.mark.parametrize("section", ["", *(f"/{name}" for name in NAMES)])
def test_the_administration_is_there_for_administrators_only(bench, ada, margaret, head_of, section):
    assert pages.ALL
    assert head_of(f"/admin{section}") is MISSING
    assert head_of(f"/admin{section}", ada) is MISSING
    assert head_of(f"/admin{section}", margaret).status == 200


def test_a_fork_of_today_is_not_called_quiet(bench, ada, grace, head_of):
    bench.landed(ada, {"a": b"a\n"})
    bench.run(grace, fork_project, **bench.where)

    held = asyncio.run(visited("/explore", grace.browser_id)).held
    assert "nothing landed here yet" in held and "quiet for" not in held
