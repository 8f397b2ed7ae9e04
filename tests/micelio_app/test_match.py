"""What the palette finds, asked of its own script: bun runs it as the browser does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
BUN = Path(sys.executable).parent / "bun"
ASK = """
import { best } from "./assets/match.js";
const { asked, texts, most } = JSON.parse(await Bun.stdin.text());
const folded = texts.map((text) => text.toLowerCase());
console.log(JSON.stringify(asked.map((typed) => best(typed, texts, folded, most))));
"""


@pytest.fixture
def found():
    def found(texts: list[str], *asked: str, most: int = 50) -> list[dict]:
        given = json.dumps({"texts": texts, "asked": asked, "most": most})
        ran = subprocess.run(
            [BUN, "-e", ASK],
            cwd=CHECKOUT,
            input=given,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(ran.stdout)

    return found


PATHS = [
    "src/count.py",
    "docs/account.md",
    "src/counter/__init__.py",
    "tests/test_count.py",
    "README.md",
    "c/o/u/n/t",
]


def test_names_come_before_folders_and_whole_words_before_parts(found):
    (answer,) = found(PATHS, "count")

    assert [one["text"] for one in answer["kept"]] == [
        "src/count.py",
        "tests/test_count.py",
        "docs/account.md",
        "src/counter/__init__.py",
        "c/o/u/n/t",
    ]
    assert answer["total"] == 5


def test_letters_may_stand_apart_but_none_may_be_missing(found):
    apart, case, spaces, missing, nothing = found(PATHS, "tstcnt", "ReAd", "src count", "countz", "")

    assert [one["text"] for one in apart["kept"]] == ["tests/test_count.py"]
    assert [one["text"] for one in case["kept"]] == ["README.md"]
    assert spaces["kept"][0]["text"] == "src/count.py"
    assert (missing["total"], missing["kept"]) == (0, [])
    assert [one["text"] for one in nothing["kept"]] == PATHS


def test_the_marked_letters_are_those_that_were_typed(found):
    (answer,) = found(PATHS, "scp")

    assert answer["total"] == len(answer["kept"]) == 3
    for one in answer["kept"]:
        assert "".join(one["text"][at].lower() for at in one["at"]) == "scp"


def test_of_many_only_the_best_are_kept_and_all_are_counted(found):
    paths = [f"lib/module_{n:05}/part.py" for n in range(20_000)] + ["lib/exact"]
    many, exact = found(paths, "part", "exact", most=5)

    assert many["total"] == 20_000 and [one["text"] for one in many["kept"]] == paths[:5]
    assert exact["kept"][0]["text"] == "lib/exact"
