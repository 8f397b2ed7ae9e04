"""`python -m tests.bench [ONLY]`: print the figures, those whose group or name begins so."""

import importlib
import sys

from tests.bench.figures import Figure
from tests.bench.stage import stage

GROUPS = (
    "machine",
    "start",
    "pages",
    "every_page",
    "fair",
    "watchers",
    "landings",
    "ten_files",
    "batches",
    "writers",
    "conflicts",
    "search",
    "status",
    "diffs",
    "transfer",
    "sizes",
    "blobs",
    "git",
    "imports",
)


def main(only: str) -> int:
    """Run the groups and print a line a figure; the exit code is 0 when nothing was missed."""
    groups = [group for group in GROUPS if only.startswith(group) or group.startswith(only)]
    if not groups:
        print(f"bench: no group is called {only}; there are {', '.join(GROUPS)}.", file=sys.stderr)
        return 2
    figures: list[Figure] = []
    with stage(only) as built:
        for group in groups:
            for figure in importlib.import_module(f"tests.bench.{group}").measure(built):
                print(figure, flush=True)
                figures.append(figure)
    return 1 if any(figure.verdict == "missed" for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
