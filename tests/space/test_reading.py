from __future__ import annotations

import pytest

from archwright.errors import SpaceError
from archwright.space.catalog._reading import Reader


def test_it_moves_forward() -> None:
    reader = Reader("  one, 23;", "list")
    reader.skip()
    assert reader.name(("one", "two"), "a word") == "one"
    assert not reader.take(";")
    assert reader.expect(";", ",") == ","
    reader.skip()
    assert reader.number((1, 23), "a number") == 23
    assert reader.take(";")
    reader.end()


def test_an_arrow_points_at_the_place() -> None:
    reader = Reader("one,\ttow", "list")
    reader.take("one,")
    reader.skip()
    with pytest.raises(SpaceError) as caught:
        reader.name(("one", "two"), "a word")
    assert str(caught.value) == (
        "list, at character 5: expected a word, one of one, two; got 'tow' (did you mean two?)\n"
        "  one, tow\n"
        "       ^"
    )


def test_only_the_surroundings_of_a_long_text_are_shown() -> None:
    reader = Reader("a" * 100 + "b" + "c" * 100, "list")
    reader.take("a" * 100)
    with pytest.raises(SpaceError) as caught:
        reader.expect("x", "y")
    message, shown, arrow = str(caught.value).split("\n")
    assert message == f"list, at character 100: expected 'x' or 'y'; got 'b{'c' * 23}'..."
    assert shown == f"  ...{'a' * 60}b{'c' * 59}..."
    assert shown[arrow.index("^")] == "b"


def test_the_end() -> None:
    with pytest.raises(SpaceError, match="at character 0: expected a number, one of 1, 2; got the"):
        Reader("", "list").number((1, 2), "a number")
    with pytest.raises(SpaceError, match="at character 1: expected the end of the text; got 'x'"):
        Reader(" x", "list").end()


@pytest.mark.parametrize("text", ["3", "01", "11", "-1", "9" * 5000])
def test_numbers_that_are_not_allowed(text: str) -> None:
    with pytest.raises(SpaceError, match="expected a number, one of 1, 2; got"):
        Reader(text, "list").number((1, 2), "a number")


def test_only_texts_are_read() -> None:
    with pytest.raises(SpaceError, match="list is read from a text; got 5"):
        Reader(5, "list")  # type: ignore[arg-type]
