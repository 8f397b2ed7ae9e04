"""The guide from GitHub is walked, word by word, with a server that stands in for GitHub."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx

from tests.git_servers import elsewhere
from tests.mic import transcripts
from tests.mic.test_transcripts import run
from tests.mic.transcripts import FORGE
from tests.vcs.gits import Git

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/migrate-from-github.md"
GITHUB = "https://github.example/org"


def test_the_way_from_github_is_as_the_guide_says(forge, instance, as_ada, tmp_path):
    forge.settings = replace(forge.settings, url=FORGE, import_private=True)
    (tmp_path / "hub").mkdir()
    repository(tmp_path / "hub" / "tool")
    with elsewhere(tmp_path / "hub") as there:
        there.moved["/tool.git"] = "/tool/.git"
        walk(as_ada, instance, there.url)

    seen = httpx.get(f"{instance}/api/v1/projects/acme/tool/landings/61").json()
    assert (seen["goal"], seen["position"]) == ("Say where the project lives now", 61)


def test_hosting_is_as_the_guide_says(tmp_path):
    """Its commands are run beside the interpreter that runs this test, over an empty folder."""
    here = Path(sys.executable).parent
    mine = {"MICELIO_DATA": str(tmp_path), "PATH": f"{here}:{os.environ['PATH']}", "MICELIO_URL": FORGE}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MICELIO")} | mine
    subprocess.run([here / "micelio", "migrate"], env=environment, check=True, capture_output=True)
    known: dict[str, str] = {}
    ran = 0
    for step in transcripts.steps((GUIDE.parent / "host-it.md").read_text()):
        done = subprocess.run(
            step.command.split(), env=environment, capture_output=True, text=True, check=False
        )
        wrong = transcripts.mismatch(step, done.stdout + done.stderr, known)
        assert wrong is None, f"line {step.line}: $ {step.command}\n{wrong}"
        assert done.returncode == step.code
        ran += 1
    assert ran == 3


def walk(shell, forge: str, github: str) -> None:
    """Do what the guide says, where GitHub and the forge are at these addresses."""
    known: dict[str, str] = {}
    for step in transcripts.steps(GUIDE.read_text()):
        command = step.command.replace(FORGE, forge).replace(GITHUB, github)
        code, printed = run(shell, command, known)
        printed = printed.replace(forge, FORGE).replace(github, GITHUB)
        wrong = transcripts.mismatch(step, printed, known)
        assert wrong is None, f"line {step.line}: $ {step.command}\n{wrong}"
        assert code == step.code, f"line {step.line}: $ {step.command}\n{printed}"
        if step.command.startswith("cd "):
            shell = shell.at(step.command[3:])


def repository(folder: Path) -> None:
    """Sixty commits on main, some of them merges, with another branch and two tags."""
    folder.mkdir()
    git = Git(folder, "sha1")
    out = [b"feature done\n"]
    for number in range(1, 61):
        out.append(
            b"commit refs/heads/main\nmark :%d\ncommitter A <a@b> %d +0100\ndata 3\nc%02d\n"
            % (number, number * 99, number)
        )
        out.append(b"M 100644 inline f%d/x.txt\ndata 3\n%03d\n" % (number % 7, number))
    out.append(
        b"commit refs/heads/next\ncommitter A <a@b> 9 +0100\ndata 4\nnext\nfrom :50\n"
        b"M 100644 inline n\ndata 1\nn\n"
    )
    out.append(b"tag v1\nfrom :10\ntagger T <t@t> 5 +0000\ndata 2\nv\n")
    out.append(b"reset refs/tags/v2\nfrom :20\n\ndone\n")
    git.run("fast-import", "--quiet", input=b"".join(out))
