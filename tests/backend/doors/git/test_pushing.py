"""Real `git push`, through a served forge: every way refs move, and every reason they do not."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

from backend.instance.doctor import examine, rebuild
from tests.backend.doors.git.pushes import Desk
from vcs.doctor import verify


def test_each_commit_of_a_push_is_a_position_of_one_session_and_keeps_its_sha1(desk: Desk):
    made = [desk.commit(name) for name in ("a.txt", "b/c.txt", "d.txt")]

    said = desk.push("origin", "HEAD:main", "-o", "goal=Write three files")

    session = desk.session()
    assert "Landed 3 commits on main as #2 to #4." in said
    assert f"/acme/{desk.project}/sessions/{session['id']}" in said
    assert desk.place.shas(desk.project)[1:] == made
    assert desk.refs() == {"HEAD": made[-1], "refs/heads/main": made[-1]}
    assert (session["goal"], session["status"], session["author"]) == ("Write three files", "landed", "grace")
    assert [change["path"] for change in session["changes"]] == ["a.txt", "b/c.txt", "d.txt"]
    page = desk.place.run("list_landings", "ada", organization="acme", project=desk.project)
    goals = [item["goal"] for item in page["items"]][:3]
    assert goals == ["Write three files", "Write b/c.txt", "Write a.txt"]
    assert len({item["session"] for item in page["items"][:3]}) == 1


def test_the_goal_is_the_subject_and_prompts_are_its_conversation(desk: Desk):
    desk.commit("a.txt", message="Say it\n\nAt length.\n\nPrompt: do say\nPrompt: and again")

    desk.push("origin", "main", "-o", "prompt=first")

    session = desk.session()
    assert (session["goal"], session["summary"]) == ("Say it", "At length.")
    assert [note["text"] for note in session["conversation"]] == ["first", "do say", "and again"]


def test_a_push_that_would_lose_landings_is_refused_with_who_was_there(desk: Desk):
    desk.place.land(desk.project, {"src/a.txt": b"2\n", "other.txt": b""})
    desk.commit("src/a.txt", "3\n")

    said = desk.refused("--force", "origin", "main")

    assert "non-fast-forward" in said and "landings never go back" in said
    assert "both changed src/a.txt: landing #2 by grace, Write src/a.txt, other.txt" in said
    assert "git push origin HEAD:refs/for/main" in said
    desk.ok("pull", "-q", "--rebase", "-X", "theirs", "origin", "main")
    assert "Landed on main as #3." in desk.push("origin", "main")


def test_branches_and_tags_are_made_moved_forced_and_deleted(desk: Desk):
    first = desk.tip()
    second = desk.commit("x.txt")
    desk.ok("tag", "-a", "v1", "-m", "one")

    desk.push("origin", "HEAD:refs/heads/side", "HEAD:refs/heads/deep/er", "v1")
    assert desk.refs()["refs/heads/side"] == second
    assert desk.refs()["refs/tags/v1^{}"] == second
    desk.push("--force", "origin", f"{first}:refs/heads/side")
    desk.push("origin", ":refs/heads/deep/er", ":v1")

    assert desk.refs() == {"HEAD": first, "refs/heads/main": first, "refs/heads/side": first}
    kinds = [record.kind.value for _, _, record in desk.place.repository(desk.project).records()]
    assert kinds == ["create", "land", "refs", "refs", "refs"]
    assert (
        desk.place.run("list_sessions", "ada", organization="acme", project=desk.project)["items"][1:] == []
    )
    fresh = desk.other("fresh")
    assert fresh.ok("for-each-ref", "--format=%(refname)", "refs/remotes").split() == [
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/main",
        "refs/remotes/origin/side",
    ]


def test_names_that_cannot_be_are_refused_and_the_rest_moves(desk: Desk):
    desk.commit("x.txt")
    desk.push("origin", "HEAD:refs/heads/a")

    ran = desk.run(
        "push", "origin", "HEAD:refs/heads/a/b", "HEAD:refs/landings/9", "HEAD:refs/sessions/9",
        "HEAD:refs/heads/fine", "HEAD:refs/for/other", ":refs/heads/main",
    )  # fmt: skip

    assert ran.code != 0
    for reason in (
        "refs/heads/a/b cannot exist beside refs/heads/a",
        "Micelio makes these refs itself",
        "Only main takes proposals",
        "The default branch cannot be deleted",
    ):
        assert reason in ran.err
    assert {"refs/heads/a", "refs/heads/fine"} <= desk.refs().keys()
    assert "refs/heads/a/b" not in desk.refs()


def test_an_atomic_push_moves_all_or_nothing(desk: Desk):
    desk.commit("x.txt")
    desk.push("origin", "HEAD:refs/heads/a")

    said = desk.refused("--atomic", "origin", "HEAD:refs/heads/a/b", "HEAD:refs/heads/c", "main")
    assert "Another ref of this atomic push was refused" in said or "atomic" in said

    desk.push("--atomic", "origin", "main", "HEAD:refs/heads/c")
    assert len(desk.place.shas(desk.project)) == 2
    assert "refs/heads/c" in desk.refs()


def test_follow_tags_push_options_and_many_refs_are_one_record(desk: Desk):
    desk.commit("x.txt")
    for number in range(40):
        desk.ok("tag", "-a", f"t{number}", "-m", "x")

    desk.push("--follow-tags", "origin", "main", "-o", "goal=Tagged", "-o", "unknown=ignored")

    *_, (_, _, last) = desk.place.repository(desk.project).records()
    assert isinstance(last.refs, str) and last.positions == (2, 2)
    assert sum(name.endswith("^{}") for name in desk.refs()) == 40


def test_a_mirror_arrives_whole_with_a_default_branch_of_its_own(bare: Desk):
    bare.ok("checkout", "-q", "-b", "trunk")
    bare.commit("a.txt")
    bare.ok("branch", "side")
    bare.commit("b.txt")
    bare.ok("notes", "add", "-m", "noted")
    bare.ok("tag", "-a", "v1", "-m", "one")
    held = dict(
        line.split() for line in bare.ok("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    )

    bare.push("--mirror", "origin")

    shown = bare.place.run("get_project", organization="acme", project=bare.project)
    trunk = f"refs/heads/{shown['default_branch']}"
    arrived = {name: sha1 for name, sha1 in bare.refs().items() if not name.endswith("^{}")}
    assert arrived == {"HEAD": held[trunk], **held}
    bare.git.ok("clone", "-q", "--mirror", bare.url("grace"), "back.git")
    assert bare.git.ok("for-each-ref", "refs/landings", at="back.git").count("\n") == 1
    bare.git.ok("push", "--mirror", at="back.git")
    bare.git.ok("update-ref", "refs/landings/1", "refs/heads/trunk", at="back.git")
    moved = bare.git("push", "--mirror", at="back.git")
    assert moved.code != 0 and moved.err.count("Micelio makes these refs itself") == 1


def test_the_first_push_of_one_branch_makes_it_the_default(bare: Desk):
    bare.ok("checkout", "-q", "-b", "master")
    made = [bare.commit("a.txt"), bare.commit("b.txt")]

    said = bare.push("origin", "master")

    assert "Landed 2 commits on master as #1 to #2." in said
    shown = bare.place.run("get_project", organization="acme", project=bare.project)
    assert (shown["default_branch"], shown["position"]) == ("master", 2)
    assert bare.refs() == {"HEAD": made[1], "refs/heads/master": made[1]}
    tree = bare.place.run("list_blobs", organization="acme", project=bare.project, ref="master")
    assert [entry["path"] for entry in tree["items"]] == ["a.txt", "b.txt"]
    assert bare.git.ok("clone", "-q", bare.url("grace"), "again") == ""
    assert (bare.git.home / "again" / "b.txt").exists()


def test_only_members_push_and_only_admins_to_a_protected_trunk(desk: Desk):
    desk.commit("x.txt")
    desk.ok("remote", "add", "mallory", desk.url("mallory"))
    desk.ok("remote", "add", "nobody", desk.url(""))
    desk.ok("remote", "add", "ada", desk.url("ada"))

    assert "Only members of acme" in desk.refused("mallory", "main", "HEAD:refs/heads/x")
    assert "Authentication failed" in desk.refused("nobody", "main")
    desk.place.run(
        "update_project", "ada", organization="acme", project=desk.project, protect_main_branch=True
    )
    assert "Only admins of acme, and collaborators who are admins, land in" in desk.refused("origin", "main")
    desk.push("origin", "HEAD:refs/heads/x")
    desk.push("ada", "main")
    desk.commit("z.txt")
    source = {"direction": "pull", "url": "https://example.org/source.git"}
    desk.place.run("create_mirror", "ada", organization="acme", project=desk.project, **source)
    assert "mirrors another repository" in desk.refused("ada", "main")
    desk.place.run("update_project", "ada", organization="acme", project=desk.project, archived=True)
    assert "archived and read-only" in desk.refused("ada", "HEAD:refs/heads/y")


def test_what_nobody_may_see_is_not_there(desk: Desk):
    for person, told in (("mallory", "not found"), ("", "Authentication failed")):
        ran = desk.git("push", desk.place.of("secret", person), "HEAD:main", at="work")
        assert ran.code != 0 and told in ran.err
        missing = desk.git("push", desk.place.of("nothing", person), "HEAD:main", at="work")
        assert ran.err.replace("secret", "nothing") == missing.err


def test_paths_that_no_tree_may_hold_are_named(desk: Desk):
    blob = desk.git.ok("hash-object", "-w", "--stdin", at="work", input="[core]\n").strip()
    inner = desk.git.ok("mktree", at="work", input=f"100644 blob {blob}\tconfig\n").strip()
    reasons = {
        f"040000 tree {inner}\t.GIT\n": ".GIT cannot be stored",
        f"100644 blob {blob}\tREADME\n100644 blob {blob}\treadme\n": "the same file as README",
        f"100644 blob {blob}\tgit~1\n": "git~1 cannot be stored",
        f"100644 blob {blob}\t..\n": ".. cannot be stored",
    }
    for listing, told in reasons.items():
        tree = desk.git.ok("mktree", at="work", input=listing).strip()
        outer = desk.git.ok("mktree", at="work", input=f"040000 tree {tree}\tsub\n").strip()
        made = desk.ok("commit-tree", "-m", "bad", "-p", "HEAD", outer).strip()
        said = desk.refused("origin", f"{made}:main")
        assert f"sub/{told}" in said or told in said, said
        assert "sub/" in said
    path = desk.git.home / "tree"
    for name in ("/etc/passwd", ".git/config"):
        path.write_bytes(b"100644 %s\0%s" % (name.encode(), bytes.fromhex(blob)))
        tree = desk.ok("hash-object", "-w", "-t", "tree", "--literally", str(path)).strip()
        made = desk.ok("commit-tree", "-m", "bad", "-p", "HEAD", tree).strip()
        said = desk.refused("origin", f"{made}:main")
        assert f"{name} cannot be stored" in said, said


def test_every_byte_of_a_commit_is_kept(desk: Desk):
    tree, parent = desk.tip("HEAD^{tree}"), desk.tip()
    odd = (
        f"tree {tree}\nparent {parent}\n"
        "author A U <a@b> 1 +0545\ncommitter  C <> 2147483648 -1234\n"
        f"mergetag object {parent}\n type commit\n tag x\n tagger T <t@u> 1 +0000\n \n signed\n"
        "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n"
        "encoding ISO-8859-1\n\nGr\xfc\xdfe\n\nno newline at the end"
    ).encode("latin-1")
    path = desk.git.home / "odd"
    path.write_bytes(odd)
    made = desk.ok("hash-object", "-w", "-t", "commit", "--literally", str(path)).strip()

    desk.push("origin", f"{made}:main")

    assert desk.place.shas(desk.project)[-1] == made
    assert desk.session()["goal"] == "Grüße"
    fresh = desk.other("fresh")
    shown = subprocess.run(
        ["git", "cat-file", "commit", made], cwd=desk.git.home / fresh.at, capture_output=True, check=True
    )
    assert shown.stdout == odd


def test_what_was_pushed_is_sound_and_rebuilt_the_same(bare: Desk):
    bare.ok("checkout", "-q", "-b", "master")
    bare.commit("a.txt")
    bare.push("origin", "master", "HEAD:refs/tags/t")
    bare.push("origin", "HEAD:refs/heads/main")
    bare.commit("b.txt")
    bare.push("origin", "master", ":refs/tags/t")
    bare.commit("c.txt")
    bare.push("origin", "HEAD:refs/for/master")
    forge, row = bare.place.forge, bare.place.row(bare.project)

    assert [fault for fault in verify(forge.store, row.pool, row.id) if not fault.information] == []
    found = [each for finding in (examine(forge), rebuild(forge)) for each in finding if each.fault]
    assert found == []
    assert bare.refs().keys() == {"HEAD", "refs/heads/master", "refs/heads/main"}
    shown = bare.place.run("get_project", organization="acme", project=bare.project)
    assert (shown["default_branch"], shown["position"]) == ("master", 2)


def test_an_agent_s_token_pushes_where_it_may_only(desk: Desk):
    made = desk.place.run(
        "create_access_token", name="agent", scopes=["project:read", "session:read", "session:write"],
        kind="agent", paths=["docs"], project=f"acme/{desk.project}",
    )  # fmt: skip
    desk.ok("remote", "add", "agent", desk.url("").replace("http://", f"http://x-token:{made['token']}@"))
    desk.commit("docs/a.md")
    desk.push("agent", "main")
    desk.commit("src/b.py")

    for where in ("main", "HEAD:refs/heads/x", "HEAD:refs/for/main"):
        assert "may change only docs, not src/b.py" in desk.refused("agent", where)


def test_large_pushes_are_staged_and_arrive_whole(desk: Desk):
    desk.write({f"many/{number % 40}/{number}.txt": f"{number}\n" * 9 for number in range(3100)})
    desk.write({"big.bin": "0123456789abcdef" * (3 << 16)})
    made = desk.commit("last.txt")

    said = desk.push("origin", "main")

    assert "Landed on main as #2." in said
    fresh = desk.other("fresh")
    assert fresh.tip() == made
    assert fresh.ok("fsck", "--full") == "" and len(fresh.ok("ls-files").splitlines()) == 3104
    assert len(desk.session()["changes"]) == 300


def test_sixteen_push_while_thirty_two_clone_and_nothing_is_lost(desk: Desk):
    blob = desk.tip("HEAD:README.md")
    ways = (("--depth=1",), (), ("--filter=blob:none", "--bare"), ("--single-branch",))

    def push(number: int) -> None:
        mine, name = f"refs/mine/{number}", f"f{number}.txt"
        for _ in range(60):
            desk.ok("fetch", "-q", "--refmap=", "origin", f"+main:{mine}")
            listed = desk.ok("ls-tree", mine) + f"100644 blob {blob}\t{name}\n"
            tree = desk.git.ok("mktree", at="work", input=listed).strip()
            made = desk.ok("commit-tree", "-m", f"Write {name}", "-p", mine, tree).strip()
            if desk.run("push", "-q", "origin", f"{made}:main").code == 0:
                return
        raise AssertionError("never landed")

    def clone(number: int) -> list[str]:
        desk.git.ok("clone", "-q", *ways[number % 4], desk.url(""), f"c{number}")
        return desk.git.ok("rev-list", "HEAD", at=f"c{number}").split()

    with ThreadPoolExecutor(48) as pool:
        pushes, clones = pool.map(push, range(16)), pool.map(clone, range(32))
        cloned = [*enumerate(clones)]
        list(pushes)

    fresh, shas = desk.other("fresh"), desk.place.shas(desk.project)
    assert {f"f{number}.txt" for number in range(16)} <= set(fresh.ok("ls-files").split())
    assert len(shas) == 17
    assert fresh.ok("rev-list", "--count", "HEAD").strip() == "17"
    for number, held in cloned:
        whole = shas[shas.index(held[0]) :: -1]
        assert held == (whole if number % 4 else whole[:1])
