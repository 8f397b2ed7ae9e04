"""Texts are cut the same way for what is found and what is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.search import words


def cut(text):
    return [word.text for word in words.words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Retry the upload, twice", ["retry", "the", "upload", "twice"]),
        ("data-loader_v2.1", ["data", "loader", "v2", "1"]),
        ("Café ÉCOLE Straße", ["cafe", "ecole", "strasse"]),
        ("fileFinder", ["filefinder", "file", "finder"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("شُكْرًا", ["شكرا"]),
        ("検索を直す", ["検", "索", "を", "直", "す"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("…?! --", []),
        ("", []),
    ],
)
def test_a_text_is_cut_into_words_without_case_and_accents(text, expected):
    assert cut(text) == expected


def test_a_question_has_each_word_once_and_not_endlessly_many():
    assert words.asked("the The THE loader") == ["the", "loader"]
    assert len(words.asked(" ".join(f"w{n}" for n in range(99)))) == words.MOST_ASKED


def test_words_asked_for_are_marked_whole_and_once():
    text = "The fileFinder finds files"
    marked = [text[start:end] for start, end in words.marks(text, ["fi"])]

    assert marked == ["fileFinder", "finds", "files"]


@given(st.text(max_size=60))
def test_what_is_written_into_the_indexes_is_never_cut_again(text):
    for word in words.words(text):
        coded = words.coded(word.text)
        assert coded
        assert set(coded) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
        assert text[word.start : word.end]


@given(st.text(max_size=40))
def test_whatever_is_called_so_is_found_by_its_own_name(text):
    assert set(words.asked(text)) <= set(cut(text))


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_beginnings_stay_beginnings_when_coded(beginning, rest):
    assert words.coded(beginning + rest).startswith(words.coded(beginning))
