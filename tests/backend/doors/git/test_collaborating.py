"""Collaborators clone and push with git as far as their role goes."""

from backend.projects.models import CollaboratorRole
from tests.backend.doors.git.pushes import admit, clone


def test_a_private_project_is_cloned_by_a_reader_and_pushed_to_by_a_writer(own, git):
    assert git("clone", "-q", own.of("secret", "linus"), "none").code != 0
    admit(own, "linus", CollaboratorRole.READ)
    desk = clone(own, "secret", git, "work", "linus")
    desk.commit("x.txt")

    refused = desk.refused("origin", "HEAD:main")
    assert "Only members of acme" in refused
    assert "refs/for" in refused or "Ask for a review" in refused
    proposed = desk.push("origin", "HEAD:refs/for/main")
    assert "/acme/secret/sessions/" in proposed

    admit(own, "linus", CollaboratorRole.WRITE)
    assert "Landed on main as #3." in desk.push("origin", "HEAD:main")
