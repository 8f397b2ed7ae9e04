"""What tests cost in processor seconds, and the order that lets two workers end together.

Time on the clock says as much about whoever else uses the machine; processor time of a test and of the
processes it waited for says what the test costs. `--cpu` prints it by file and for the slowest tests.
Whole files go to workers (`--dist loadfile`), so a long file that starts last decides when everything ends:
`long_files.txt` names the long ones, and folders, in the order in which they start; what is not named there
comes after.
"""

import resource
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

LONG_FILES = Path(__file__).with_name("long_files.txt")
SLOWEST = 40
SINCE = pytest.StashKey[float]()
KEPT: dict[str, float] = {}
"""What fixtures that outlive a test have cost, as far as it is known only when they end."""


def spent() -> float:
    """Processor seconds of this process and of every process below it that has ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def ranks() -> dict[str, int]:
    """Which file starts when."""
    lines = LONG_FILES.read_text().splitlines()
    return {path: rank for rank, path in enumerate(line for line in lines if not line.startswith("#"))}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Ask with --cpu."""
    parser.addoption("--cpu", action="store_true", help="print processor seconds by file and slowest tests")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; the order inside a file stays."""
    known = ranks()

    def rank(item: pytest.Item) -> int:
        path = item.location[0]
        return known.get(path, known.get(path.rpartition("/")[0], len(known)))

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Each part of a test is charged with what was spent since the part before it."""
    item.stash[SINCE] = spent()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A report carries its seconds to whoever prints, also from a worker of xdist."""
    report = yield
    now = spent()
    report.cpu = now - item.stash[SINCE] - sum(KEPT.values())
    report.cpu_kept = dict(KEPT)
    KEPT.clear()
    item.stash[SINCE] = now
    return report


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef) -> Iterator[None]:
    """What a lasting fixture started is charged to it at its end, not to the test that is last by chance."""
    lasts, before = fixturedef.scope != "function", [0.0]

    def charge() -> None:
        KEPT[fixturedef.argname] = spent() - before[-1]

    if lasts:
        # Finalizers run from the last to the first: its own end lies between these two.
        fixturedef.addfinalizer(charge)
    done = yield
    if lasts:
        fixturedef.addfinalizer(lambda: before.append(spent()))
    return done


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Files by what they cost, then the slowest parts of tests."""
    if not config.getoption("--cpu"):
        return
    reports = [each for some in terminalreporter.stats.values() for each in some if hasattr(each, "cpu")]
    files: dict[str, float] = defaultdict(float)
    for report in reports:
        files[report.location[0]] += report.cpu
    total = sum(files.values()) + sum(sum(report.cpu_kept.values()) for report in reports)
    terminalreporter.section(f"{total:.1f} processor seconds")
    for path, seconds in sorted(files.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{seconds:7.1f} {path}")
    kept: dict[str, float] = defaultdict(float)
    for report in reports:
        for name, seconds in report.cpu_kept.items():
            kept[name] += seconds
    for name, seconds in sorted(kept.items(), key=lambda item: -item[1])[:SLOWEST]:
        terminalreporter.write_line(f"{seconds:7.1f} fixture {name}")
    for report in sorted(reports, key=lambda each: -each.cpu)[:SLOWEST]:
        terminalreporter.write_line(f"{report.cpu:7.1f} {report.when:8} {report.nodeid}")
