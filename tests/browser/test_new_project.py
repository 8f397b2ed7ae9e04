"""A project is begun in the browser: empty, from files, or as a fork."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import CHECKOUT


def test_a_stranger_signs_in_first(strangers_page, world):
    strangers_page.goto("/new?fork=acme/tools")
    strangers_page.wait_for_url("**/signin?next=/new%3Ffork%3Dacme%252Ftools")


def test_a_name_is_checked_while_it_is_typed(page, world):
    page.goto("/new?owner=acme")
    name = page.get_by_label("Name")
    expect(page.get_by_label("Owner")).to_have_value("acme")
    name.fill("tools")
    expect(page.get_by_text("There is already a project acme/tools.")).to_be_visible()
    expect(name).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Owner").select_option("ada")
    expect(page.get_by_text("ada/tools is free.")).to_be_visible()
    name.fill("not a name")
    expect(page.get_by_text("cannot be a project's handle")).to_be_visible()
    page.get_by_role("button", name="Create it").click()
    expect(page.get_by_role("alert").filter(has_text="Not done.")).to_be_visible()


def test_a_folder_is_the_first_landing(page, world, tmp_path):
    folder = tmp_path / "garden"
    for path, text in {
        "README.md": "# Moss\n",
        "src/a.py": "a = 1\n",
        ".git/HEAD": "no",
        "b/c/d.txt": "",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    page.goto("/new")
    page.get_by_text("From files").click()
    page.get_by_label("Name").fill("garden")
    page.get_by_role("button", name="Create it and land the files").click()
    expect(page.get_by_text("Choose at least one file, or begin empty.")).to_be_visible()
    page.get_by_label("A folder").set_input_files(folder)
    expect(page.get_by_text("3 files,")).to_be_visible()
    expect(page.get_by_text("Left out: .git.")).to_be_visible()
    page.get_by_text("Everybody may see it").click()
    page.get_by_role("button", name="Create it and land the files").click()

    page.wait_for_url("**/ada/garden")
    expect(page.get_by_role("heading", name="Moss")).to_be_visible()
    expect(page.locator("table.files tbody tr")).to_have_count(3)
    expect(page.get_by_text("Public")).to_be_visible()


def test_a_project_is_forked_from_its_page(page, world):
    page.goto("/acme/attic")
    page.get_by_role("link", name="Fork", exact=True).click()
    expect(page.get_by_text("ada/attic is free.")).to_be_visible()
    page.get_by_role("button", name="Fork it").click()
    page.wait_for_url("**/ada/attic")
    expect(page.get_by_text("Forked from acme/attic")).to_be_visible()
    page.get_by_role("link", name="acme/attic").first.click()
    page.get_by_role("link", name="1 fork").click()
    page.wait_for_url("**/acme/attic/forks")
    expect(page.get_by_role("link", name="ada/attic")).to_be_visible()


@pytest.fixture
def terminal(forge, rest, tmp_path):
    """Ada's shell: `mic` and git know who she is."""
    basic = base64.b64encode(f"ada:{rest.token}".encode()).decode()
    bin = Path(sys.executable).parent
    mine = {
        "MIC_HOME": str(tmp_path / "mic"),
        "MICELIO_TOKEN": rest.token,
        "PYTHONPATH": str(CHECKOUT),
        "PATH": f"{bin}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
    }
    told = (
        f"[user]\nname = Ada\nemail = ada@example.org\n[http]\nextraHeader = Authorization: Basic {basic}\n"
    )
    (tmp_path / "gitconfig").write_text(told)

    def terminal(lines: str, folder: Path) -> None:
        ran = subprocess.run(
            ["sh", "-e"],
            input=lines,
            cwd=folder,
            env=forge.environment | mine,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{lines}\n{ran.stdout}\n{ran.stderr}"

    return terminal


@pytest.mark.parametrize("way", [0, 1, 2], ids=["mic", "new git repository", "old git repository"])
def test_what_an_empty_project_says_to_type_lands_its_first_files(
    open_context, ada, world, terminal, tmp_path, way
):
    context = open_context(state=ada)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto("/new")
    page.get_by_label("Name").fill(f"begun-{way}")
    page.get_by_role("button", name="Create it").click()
    page.wait_for_url(f"**/ada/begun-{way}")
    page.get_by_text("Nothing has landed here yet").wait_for()
    page.locator(".setting-up").get_by_role("button", name="Copy").nth(way).click()
    lines = page.evaluate("navigator.clipboard.readText()")
    work = tmp_path / "work"
    work.mkdir()
    if way == 2:
        terminal("git init -qb main; echo hello > hello.txt; git add .; git commit -qm Old; git tag v1", work)

    terminal(lines.replace("# put your files here", "echo hello > hello.txt"), work)

    page.reload()
    expect(page.get_by_role("link", name="hello.txt")).to_be_visible()
    context.close()
