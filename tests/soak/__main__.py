"""`python -m tests.soak [MINUTES]`: soak a forge, print the table, and fail when something was lost."""

import sys
import tempfile
from pathlib import Path

from tests.soak.leaking import Work, leak
from tests.soak.soaking import Plan, soak

BEFORE = Work(landings=300, readers=200, uploads=200)
WORK = Work(landings=2000, readers=500, uploads=200)


def main(minutes: float) -> int:
    """Run it; the exit code is 0 when nothing was lost, doubled or broken."""
    with tempfile.TemporaryDirectory(prefix="micelio-soak-") as folder:
        outcome = soak(Path(folder) / "data", Plan(seconds=60 * minutes))
        print(f"{outcome}\n\nAfter {WORK}, without kills:", flush=True)
        leaked = leak(Path(folder) / "leaks", BEFORE, WORK)
        print(leaked)
    wrong = [*outcome.wrong, *leaked.wrong]
    for sentence in wrong[:50]:
        print(f"WRONG  {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10))
