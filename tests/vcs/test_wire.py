"""The protocol: checked-in stubs are what the protos say, and every rpc reads like its operation."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROTOS = sorted(path.relative_to(CHECKOUT) for path in CHECKOUT.glob("vcs/wire/*.proto"))


def test_checked_in_stubs_are_made_from_the_protos(tmp_path):
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, *map(str, PROTOS)],
        cwd=CHECKOUT,
        check=True,
    )

    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*_pb2*")}
    kept = {path.relative_to(CHECKOUT): path.read_text() for path in CHECKOUT.glob("vcs/wire/*_pb2*.py*")}
    assert made.keys() == kept.keys()
    assert [str(path) for path in made if made[path] != kept[path]] == [], "run `make protos`"


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.stem)
def test_every_field_and_rpc_has_its_comment(proto):
    lines = (CHECKOUT / proto).read_text().splitlines()

    bare = [line for line in lines if re.search(r"= \d+;", line) and not re.search(r"; // \S", line)]
    bare += [
        line
        for before, line in itertools.pairwise(lines)
        if line.strip().startswith("rpc ") and not before.strip().startswith("// ")
    ]
    assert bare == []


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.stem)
def test_content_and_paths_are_bytes(proto):
    fields = re.findall(r"(\w+) (path|paths|data|previous) = ", (CHECKOUT / proto).read_text())
    texts = {(kind, name) for kind, name in fields if kind != "bytes"}

    # EventResponse.previous is a hash, LandingResponse.previous a commit; tokens keep what people typed.
    assert texts <= {("string", "previous"), ("string", "paths")}
