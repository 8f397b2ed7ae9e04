"""What operators get in `deploy/` is checked by the programs that will read it, and names what there is."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from backend.doors.manage import COMMANDS
from tests.house.tree import CHECKOUT, tracked

DEPLOY = CHECKOUT / "deploy"
FILES = sorted(str(name) for name in tracked() if name.parts[0] == "deploy")
OF_OTHERS = {"DB_PASSWORD", "MICELIO_WEB", "MICELIO_GRPC", "MICELIO_GRPC_LISTEN"}
"""Variables of compose.yaml and Caddyfile themselves."""
SETTING = re.compile(
    r"\b(?:MICELIO|STORAGE|S3|RATE_LIMIT|ENCRYPTION|PHX|SECRET_KEY|REDIS|DATABASE)_[A-Z0-9_]+\b"
)
PROGRAM = "/opt/micelio/.venv/bin/micelio"


def run(program: str, *words: object, package: str = "", **environ: str) -> str:
    """Run a validator; what it said if it refused, else nothing."""
    found = shutil.which(program, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.fail(f"{program} is not installed: run `make packages`, or apt-get install {package}")
    command = [found, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environ})
    return (done.stdout + done.stderr) if done.returncode else ""


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def manifests() -> list[dict]:
    names = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    return [
        each
        for name in names
        if name.stem != "kustomization"
        for each in documents(f"kubernetes/{name.name}")
    ]


def test_everything_is_there():
    expected = ["Caddyfile", "Dockerfile", "compose.yaml", "fly.toml", "nginx.conf"]
    expected += ["systemd/micelio.service", "systemd/micelio@.service", "kubernetes/kustomization.yaml"]

    assert {f"deploy/{name}" for name in expected} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_settings_that_are_named_exist(name):
    known = set(re.findall(r"^#? ?([A-Z0-9_]+)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))

    assert set(SETTING.findall((CHECKOUT / name).read_text())) - known - OF_OTHERS == set()


def test_processes_that_are_started_exist():
    compose = documents("compose.yaml")[0]["services"]
    started = [each["command"] for each in compose.values() if each.get("image", "").startswith("micelio")]
    pods = [
        each["spec"]["template"]["spec"]["containers"][0]
        for each in manifests()
        if "template" in each.get("spec", {})
    ]
    started += [pod["args"] for pod in pods]
    fly = tomllib.loads((DEPLOY / "fly.toml").read_text())
    started += [[word] for word in (*fly["processes"].values(), fly["deploy"]["release_command"])]

    assert {len(words) for words in started} == {1}
    assert {words[0] for words in started} == {"prepare", "web", "grpc", "worker"} <= set(COMMANDS)


def test_the_image_is_made_of_files_that_are_there_and_let_in():
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    sources = {word for line in copied for word in line.split()}
    let_in = set(re.findall(r"^!(\S+)$", (CHECKOUT / ".dockerignore").read_text(), re.MULTILINE))
    frontend = (CHECKOUT / "micelio_app/frontend.py").read_text()
    built_from = set(re.findall(r'"([^"]+)"', re.search(r"^SOURCES = \((.*)\)$", frontend, re.MULTILINE)[1]))

    assert [name for name in sources if not (CHECKOUT / name).exists()] == []
    assert sources == let_in
    assert built_from <= sources


def test_dockerfile_by_hadolint():
    assert run("hadolint", DEPLOY / "Dockerfile") == ""


def test_compose_file_by_the_schema_of_compose():
    assert run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml") == ""


def test_kubernetes_manifests_by_their_schemas():
    names = [
        DEPLOY / "kubernetes" / name for name in documents("kubernetes/kustomization.yaml")[0]["resources"]
    ]
    names = [name.with_name("secret.example.yaml") if name.name == "secret.yaml" else name for name in names]

    assert sorted(names) == sorted(
        p for p in (DEPLOY / "kubernetes").glob("*.yaml") if p.stem != "kustomization"
    )
    assert run("kubernetes-validate", "--strict", *names) == ""


def test_caddyfile_by_caddy(tmp_path):
    environ = {"MICELIO_HOST": "forge.example.org", "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    several = {
        "MICELIO_WEB": "10.0.0.11:4000 10.0.0.12:4000",
        "MICELIO_GRPC": "10.0.0.11:4001 10.0.0.12:4001",
    }
    for more in ({}, several):
        words = ("validate", "--adapter", "caddyfile", "--config", DEPLOY / "Caddyfile")
        assert run("caddy", *words, package="caddy", **environ, **more) == ""


def test_nginx_site_by_nginx(tmp_path):
    certified(tmp_path)
    site = (DEPLOY / "nginx.conf").read_text().replace("/etc/ssl/forge.example.org", str(tmp_path))
    temp = "".join(
        f"{name}_temp_path {tmp_path};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "all.conf").write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {temp}\n{site}}}"
    )

    assert (
        run("nginx", "-t", "-e", tmp_path / "log", "-c", tmp_path / "all.conf", package="nginx-light") == ""
    )


@pytest.mark.parametrize("unit", ["micelio.service", "micelio@.service"])
def test_units_by_systemd(tmp_path, unit):
    text = (DEPLOY / "systemd" / unit).read_text()
    assert PROGRAM in text
    (tmp_path / unit).write_text(text.replace(PROGRAM, sys.executable))

    assert run("systemd-analyze", "verify", "--man=no", tmp_path / unit, package="systemd") == ""


def certified(folder: Path) -> None:
    """A certificate that nobody has to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "forge.example.org")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, form, plain))
