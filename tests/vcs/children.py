"""Processes that share nothing with the test that starts them.

They are forked from one process that has imported what the tests with such children import, and done nothing
else: starting eight interpreters and importing it in each cost more than what they then did.
"""

import multiprocessing
from multiprocessing.context import ForkServerContext

__all__ = ["ANEW"]

ANEW: ForkServerContext = multiprocessing.get_context("forkserver")
ANEW.set_forkserver_preload(["tests.vcs.test_s3", "tests.vcs.test_storms", "tests.vcs.test_store"])
