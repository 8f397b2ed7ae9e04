import pytest

from backend.embedding import lettering
from backend.embedding.lettering import broken, drawn, width_of

SCRIPTS = {
    "Latin": "Zażółć",
    "Greek": "Ωμέγα",
    "Cyrillic": "Привет",
    "Hebrew": "שלום",
    "Arabic": "مرحبا",
    "Devanagari": "नमस्ते",
    "Tamil": "தமிழ்",
    "Thai": "ภาษาไทย",
    "Khmer": "ខ្មែរ",
    "Georgian": "ქართული",
    "Ethiopic": "አማርኛ",
    "Armenian": "հայերեն",
    "Han": "中文说明",
    "Kana": "ひらがなカタカナ",
    "Hangul": "한국어",
    "emoji": "🍄🚀",
    "symbols": "→∀∈★",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_letter_of_common_scripts_has_a_font(script):
    missing = [letter for letter in SCRIPTS[script] if ord(letter) not in _known(letter)]

    assert missing == []
    assert width_of(SCRIPTS[script], 10) > 10
    assert drawn(SCRIPTS[script], 10, 0, 0).path.startswith("M")


def _known(letter: str) -> frozenset[int]:
    return lettering._unicodes(lettering._font_with(letter))


def test_arabic_letters_are_joined():
    apart = sum(width_of(letter, 100) for letter in "مرحبا")

    assert width_of("مرحبا", 100) < 0.9 * apart


def test_a_line_from_right_to_left_ends_at_the_right():
    line = drawn("שלום main 42", 20, 80, 100, right=1000)
    xs = [float(step.split(" ")[0]) for step in line.path.replace("Q", "M").replace("L", "M").split("M")[1:]]

    assert line.right_to_left and min(xs) >= 1000 - line.width - 1 and max(xs) <= 1001


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("abc אבג def", ["abc ", "אבג", " def"]),
        ("אבג abc דהו", ["דהו", "abc", "אבג"]),
        ("אבג 42", ["42", "אבג"]),
        ("only latin", ["only latin"]),
    ],
)
def test_runs_stand_as_they_are_read(text, order):
    placed = [run.text.strip() or run.text for run in lettering._in_order(list(lettering._runs(text)))]

    assert [each for each in placed if each.strip()] == [each.strip() for each in order]


def test_a_text_is_broken_at_spaces_and_cut_with_an_ellipsis():
    text = "a watcher that reads too slowly is told so"

    lines = broken(text, 20, 120, most=3)
    assert len(lines) == 3 and lines[-1].endswith("…")
    assert all(width_of(line, 20) <= 120 for line in lines)
    assert " ".join(broken(text, 20, 120, most=99)) == text


@pytest.mark.parametrize(
    "text", ["W" * 500, "漢" * 500, "e\u0301" * 300, "\u202eabc\u0000\n\ud800", "", "𐎀" * 50]
)
def test_no_text_leaves_its_room(text):
    assert all(width_of(line, 46) <= 1040 for line in broken(text, 46, 1040, most=4))
