"""Every way in which git itself reads a project, against what the log says."""

import pytest

VERSIONS = pytest.mark.parametrize("version", ["0", "1", "2"])


@VERSIONS
def test_a_clone_has_every_commit_by_the_name_the_log_gives_it(place, git, version):
    git.ok("-c", f"protocol.version={version}", "clone", "-q", place.of("open"), "a")

    assert git.ok("rev-list", "--reverse", "HEAD", at="a").split() == place.shas("open")
    assert git.ok("fsck", "--full", "--strict", at="a") == ""
    assert git.ok("symbolic-ref", "HEAD", at="a").strip() == "refs/heads/main"
    branches = git.ok("for-each-ref", "--format=%(refname)", "refs/remotes", at="a").split()
    assert branches == [f"refs/remotes/origin/{name}" for name in ("HEAD", "main", "side", "topic/deep")]
    assert git.ok("tag", at="a") == "v1\n"


@VERSIONS
def test_each_version_of_the_protocol_is_spoken_when_it_is_asked_for(place, git, version):
    ran = git("-c", f"protocol.version={version}", "ls-remote", place.of("open"), GIT_TRACE_PACKET="1")

    assert ran.code == 0
    assert ("< version 2" in ran.err, "< version 1" in ran.err) == (version == "2", version == "1")


def test_an_address_that_ends_in_git_is_the_same(place, git):
    assert git.ok("ls-remote", place.of("open") + ".git") == git.ok("ls-remote", place.of("open"))


def test_a_shallow_clone_is_deepened_and_made_whole(place, git):
    shas = place.shas("open")
    git.ok("clone", "-q", "--depth=1", place.of("open"), "a")
    assert git.ok("rev-list", "HEAD", at="a").split() == shas[-1:]
    git.ok("fetch", "-q", "--deepen=2", at="a")
    assert git.ok("rev-list", "HEAD", at="a").split() == shas[:2:-1]
    git.ok("fetch", "-q", "--unshallow", at="a")

    assert git.ok("rev-list", "HEAD", at="a").split() == shas[::-1]
    assert git.ok("fsck", "--full", at="a") == ""


def test_a_clone_ends_where_a_tag_or_a_time_says(place, git):
    shas = place.shas("open")
    git.ok("clone", "-q", "--shallow-exclude=v1", place.of("open"), "a")
    assert git.ok("rev-list", "HEAD", at="a").split() == shas[:1:-1]
    when = git.ok("log", "-1", "--format=%ct", "HEAD", at="a").strip()
    git.ok("clone", "-q", f"--shallow-since={int(when) - 86400}", place.of("open"), "b")

    assert git.ok("rev-list", "HEAD", at="b").split() == shas[::-1]
    later = git("clone", f"--shallow-since={int(when) + 86400}", place.of("open"), "c")
    assert later.code == 128 and "shallow info" in later.err


@pytest.mark.parametrize(("version", "filter"), [("2", "blob:none"), ("0", "blob:none"), ("2", "tree:0")])
def test_a_partial_clone_leaves_out_what_it_says_and_gets_it_when_it_is_needed(place, git, version, filter):
    speak = ("-c", f"protocol.version={version}")
    git.ok(*speak, "clone", "-q", "--bare", f"--filter={filter}", place.of("open"), "a")
    kinds = git.ok("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)", at="a").split()
    assert "blob" not in kinds
    assert ("tree" in kinds) == (filter == "blob:none")

    assert git.ok(*speak, "show", "main:d/3.txt", at="a") == "line\n" * 4


def test_a_sparse_checkout_gets_only_its_files(place, git):
    git.ok("clone", "-q", "--filter=blob:none", "--sparse", place.of("open"), "a")
    git.ok("sparse-checkout", "set", "d", at="a")

    assert (git.home / "a/d/3.txt").read_bytes() == b"line\n" * 4
    assert (git.home / "a/big.txt").exists()
    assert not (git.home / "a/src").exists()
    missing = git.ok("rev-list", "--objects", "--missing=print", "HEAD", at="a")
    assert "\n?" in missing


def test_a_single_branch_and_a_tag_are_cloned_alone(place, git):
    git.ok("clone", "-q", "--single-branch", "--no-tags", "--branch=side", place.of("open"), "a")
    assert git.ok("branch", "-r", at="a").split() == ["origin/side"]
    git.ok("clone", "-q", "--branch=v1", place.of("open"), "b")

    assert git.ok("rev-parse", "HEAD", at="b").strip() == place.shas("open")[1]


def test_landings_notes_and_branches_are_fetched_by_name(place, git):
    shas = place.shas("open")
    git.ok("init", "-q", "a")
    git.ok(
        "fetch",
        "-q",
        place.of("open"),
        "+refs/landings/*:refs/landings/*",
        "refs/notes/*:refs/notes/*",
        at="a",
    )
    landings = git.ok("for-each-ref", "--format=%(refname) %(objectname)", "refs/landings", at="a").split(
        "\n"
    )
    assert landings[:-1] == [f"refs/landings/{n} {sha}" for n, sha in enumerate(shas, 1)]
    assert git.ok("rev-parse", "refs/notes/commits", at="a").strip() == shas[0]
    git.ok("clone", "-q", "--mirror", place.of("open"), "b")
    git.ok("bundle", "create", "all.bundle", "--all", at="b")

    assert "is okay" in git("bundle", "verify", "all.bundle", at="b").err


def test_ls_remote_lists_what_a_pattern_names(place, git):
    shas = place.shas("open")
    listed = git.ok("ls-remote", "--symref", place.of("open"), "HEAD", "refs/heads/*")
    assert listed.splitlines()[0] == "ref: refs/heads/main\tHEAD"
    assert f"{shas[2]}\trefs/heads/side" in listed
    assert "refs/tags" not in listed

    assert git.ok("ls-remote", "--tags", place.of("open")) == f"{shas[1]}\trefs/tags/v1\n"
    assert git.ok("ls-remote", place.of("open"), "refs/landings/3") == f"{shas[2]}\trefs/landings/3\n"
    old = git.ok("-c", "protocol.version=0", "ls-remote", place.of("open"))
    assert "refs/landings" not in old
    assert "refs/notes/commits" in old


def test_a_commit_is_fetched_by_its_name_alone(place, git):
    sha = place.shas("open")[3]
    for version in "02":
        git.ok("init", "-q", version)
        git.ok(
            "-c", f"protocol.version={version}", "fetch", "-q", "--depth=1", place.of("open"), sha, at=version
        )
        assert git.ok("rev-parse", "FETCH_HEAD", at=version).strip() == sha


@VERSIONS
def test_an_empty_project_clones_with_a_warning(place, git, version):
    ran = git("-c", f"protocol.version={version}", "clone", place.of("empty"), "a")

    assert ran.code == 0
    assert "warning: You appear to have cloned an empty repository." in ran.err
    if version == "2":
        assert git.ok("symbolic-ref", "HEAD", at="a").strip() == "refs/heads/main"


def test_a_private_project_is_cloned_by_who_may_read_it(place, git):
    git.ok("clone", "-q", place.of("secret", "grace"), "a")
    token = place.world.tokens["ada"]
    git.ok("clone", "-q", place.of("secret").replace("http://", f"http://x-token:{token}@"), "b")
    git.ok("clone", "-q", place.of("secret").replace("http://", f"http://{token}@"), "c")

    assert git.ok("rev-list", "--reverse", "HEAD", at="b").split() == place.shas("secret")


def test_git_says_in_its_own_words_why_not(place, git):
    asked = git("clone", place.of("secret"), "a")
    assert asked.code == 128 and "Authentication failed" in asked.err
    assert "mic auth setup-git" in asked.err
    unseen = git("clone", place.of("secret", "mallory"), "a")
    assert unseen.code == 128 and "not found" in unseen.err

    assert git("clone", place.of("missing", "mallory"), "a").err == unseen.err.replace("secret", "missing")
    assert not (git.home / "a").exists()


def test_an_archived_project_still_clones(own, git):
    own.run("update_project", "ada", organization="acme", project="open", archived=True)
    git.ok("clone", "-q", own.of("open"), "a")

    assert git.ok("rev-list", "--reverse", "HEAD", at="a").split() == own.shas("open")


def test_what_lands_is_in_the_next_fetch(own, git):
    git.ok("clone", "-q", own.of("open"), "a")
    landed = own.land("open", {"new.txt": b"new\n"})
    git.ok("pull", "-q", at="a")
    assert (git.home / "a/new.txt").read_bytes() == b"new\n"
    assert git.ok("rev-parse", "HEAD", at="a").strip() == own.shas("open")[landed["position"] - 1]
    git.ok("fetch", "-q", "origin", f"refs/landings/{landed['position']}", at="a")

    message = git.ok("log", "-1", "--format=%an <%ae>%n%cn%n%B", "FETCH_HEAD", at="a")
    assert message.startswith("Grace <grace@users.noreply.localhost>\nMicelio\nWrite new.txt\n")
    assert f"Micelio-Session: {landed['id']}" in message
