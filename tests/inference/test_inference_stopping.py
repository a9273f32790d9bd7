"""Stop texts, however the text is cut into pieces."""

from hypothesis import given
from hypothesis import strategies as st

from reference_stack.inference.stopping import StopTexts

LETTERS = st.text("ab.", max_size=30)


@given(
    pieces=st.lists(LETTERS, max_size=8),
    stops=st.lists(st.text("ab.", min_size=1, max_size=4), max_size=4),
)
def test_the_text_before_the_first_stop_comes_out_whole_however_it_is_cut(
    pieces: list[str], stops: list[str]
) -> None:
    whole = "".join(pieces)
    reader = StopTexts(stops)
    out, stopped = "", False
    for piece in pieces:
        passed, stopped = reader.add(piece)
        out += passed
        if stopped:
            break
    else:
        out += reader.end()
    # A stop that ends first is seen first; of those that end with the same piece, the one that
    # begins first.
    places = [place for stop in stops if (place := whole.find(stop)) >= 0]
    if len(stops) <= 1:
        assert out == (whole[: min(places)] if places else whole)
    assert stopped == bool(places)
    assert whole.startswith(out)
    assert not any(stop in out for stop in stops)


def test_text_that_can_not_be_a_stop_is_passed_on_at_once() -> None:
    reader = StopTexts(["###"])
    assert reader.add("hello") == ("hello", False)
    assert reader.add(" #") == (" ", False)
    assert reader.add("#") == ("", False)
    assert reader.add("1") == ("##1", False)
    assert reader.add("a ### b") == ("a ", True)
