"""Lines for a terminal: where they break."""

import pytest

from recpress_edge.core.terminal import hanging, text_width


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")


def test_a_line_breaks_between_words_below_its_text(narrow):
    assert hanging("note", "the quick brown fox jumps over the lazy dog") == (
        "note       the quick brown fox jumps\n           over the lazy dog"
    )


def test_a_figure_stays_with_its_unit_and_a_name_whole(narrow):
    text = "file 352.7 KiB > 322.3 KiB, over by 30.4 KiB, soft_dim10-s1-int8-tflite-history-of-users"
    assert hanging("", text, 0).splitlines() == [
        "file 352.7 KiB > 322.3 KiB, over by",  # 30.4 alone would fit
        "30.4 KiB,",
        "soft_dim10-s1-int8-tflite-history-of-users",
    ]


def test_a_terminal_that_is_not_known_has_80_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("os.get_terminal_size", lambda *_: (_ for _ in ()).throw(OSError()))
    assert text_width() == 80
