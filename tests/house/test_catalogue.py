import subprocess
import sys

from tests.house.tree import CHECKOUT, product


def test_every_slice_is_in_the_catalogue():
    slices = {
        ".".join(name.with_suffix("").parts)
        for name in product()
        if len(name.parts) == 3 and name.parts[0] == "backend" and name.stem in ("service", "jobs")
    }
    asked = "import sys, backend.doors.catalogue; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", asked], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert slices - {"backend.core.jobs"} - set(loaded) == set()
