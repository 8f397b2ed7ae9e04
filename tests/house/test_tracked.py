import re
import shutil
import subprocess
import tomllib
from os.path import normpath
from urllib.parse import urlsplit

import pytest
from pip._internal.models.index import PyPI, TestPyPI

from tests.house.tree import CHECKOUT, product, texts, tracked

OF_A_MACHINE = re.compile(r"(?<![\w.:$}~-])/(?:work|root|home|Users|opt/(?:pypi|wheels))/\w")


def registry_hosts() -> set[str]:
    """Hosts that packages come from, as pip and npm know them; no test names one."""
    hosts = {PyPI.netloc, PyPI.file_storage_domain, TestPyPI.netloc, TestPyPI.file_storage_domain}
    asked = [["pip", "config", "list"]]
    if shutil.which("npm"):
        asked.append(["npm", "config", "get", "registry"])
    for command in asked:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        hosts |= {urlsplit(url).hostname or "" for url in re.findall(r"https?://[^\s'\"]+", said)}
    return hosts - {""}


def test_no_tracked_file_names_a_package_registry():
    hosts = re.compile("|".join(re.escape(host) for host in registry_hosts()))

    assert [f"{name}: {found[0]}" for name, text in texts() if (found := hosts.search(text))] == []


def test_no_tracked_file_names_a_folder_of_somebodys_machine():
    assert [f"{name}: {found[0]}" for name, text in texts() if (found := OF_A_MACHINE.search(text))] == []


def test_nothing_built_or_private_is_tracked():
    ignored = subprocess.run(
        ["git", "ls-files", "-ci", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert ignored == ""


@pytest.mark.parametrize(
    "name",
    [
        *("README.md", "CHANGELOG.md", "AGENTS.md", "LICENSE", "Makefile", ".ci/run", ".env.example"),
        *("requirements.lock", "requirements-test.lock", "docs/ARCHITECTURE.md"),
    ],
)
def test_what_a_newcomer_looks_for_is_there(name):
    assert name in {str(path) for path in tracked()}


def test_the_architecture_page_mentions_every_package():
    page = (CHECKOUT / "docs/ARCHITECTURE.md").read_text()
    packages = {name.parent for name in product() if name.name == "__init__.py" and len(name.parts) <= 3}

    assert sorted(str(package) for package in packages if package.name not in page) == []


def test_each_decision_has_a_number_of_its_own():
    pages = sorted((CHECKOUT / "docs/decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]

    assert numbers == [f"{number:04}" for number in range(1, len(pages) + 1)]
    assert all(page.read_text().startswith(f"# {page.name[:4]} ") for page in pages)


def test_links_between_pages_lead_to_tracked_files():
    there = {str(path) for path in tracked()} | {str(folder) for path in tracked() for folder in path.parents}
    broken = []
    for name, text in texts():
        for link in (
            re.findall(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)", text)
            if name.suffix == ".md" and name.parts[0] != "tests"
            else ()
        ):
            target = normpath(link.lstrip("/") if link.startswith("/") else name.parent / link)
            if target not in there:
                broken.append(f"{name}: {link}")

    assert broken == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
def test_every_locked_package_has_an_exact_version_and_hashes(lock):
    lines = [line for line in (CHECKOUT / lock).read_text().splitlines() if line and line[0] != "#"]
    loose = [
        line for line in lines if not re.match(r"    --hash=sha256:[0-9a-f]{64}|[a-z0-9.-]+==\S+ \\$", line)
    ]

    assert lines and loose == []


def test_the_lock_holds_every_package_the_project_names():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    for lock, wanted in (
        ("requirements.lock", project["dependencies"]),
        ("requirements-test.lock", project["dependencies"] + project["optional-dependencies"]["test"]),
    ):
        text = (CHECKOUT / lock).read_text()
        missing = [
            w for w in wanted if re.sub(r"\[.*?\]", "", w).lower().replace("_", "-") + " \\" not in text
        ]
        assert missing == [], f"run make lock: {lock} is older than pyproject.toml"
