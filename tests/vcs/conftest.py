"""Fixtures of version control: the stores we have, and real git repositories to agree with."""

import pytest

from tests.vcs.buckets import moto_server, new_bucket
from tests.vcs.gits import Git
from vcs.local import LocalStore
from vcs.store import MemoryStore


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    """Each store in turn: what one promises, all keep."""
    made = MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def local_store(tmp_path):
    made = LocalStore(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture(scope="session")
def moto():
    """The address of an S3 server that keeps conditions."""
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(moto):
    """An empty bucket there."""
    return new_bucket(moto)


@pytest.fixture(scope="session")
def git_sha256(tmp_path_factory):
    """A real repository of git's SHA-256 format: the oracle of our ids."""
    return Git(tmp_path_factory.mktemp("sha256"), "sha256")


@pytest.fixture(scope="session")
def oracle(tmp_path_factory):
    """A real repository as everybody has them."""
    return Git(tmp_path_factory.mktemp("sha1"), "sha1")
