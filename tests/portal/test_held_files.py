"""Files that wait for a second form, such as one that is to be converted."""

from __future__ import annotations

from softswitch.portal.held_files import HELD_SECONDS, MAX_HELD, HeldFiles


def test_a_file_is_taken_once_by_the_session_that_brought_it() -> None:
    files = HeldFiles()
    token = files.hold("one", "hello.wav", b"RIFF", 0.0)
    assert files.take("two", token, 1.0) is None
    taken = files.take("one", token, 1.0)
    assert taken is not None and (taken.name, taken.content) == ("hello.wav", b"RIFF")
    assert files.take("one", token, 1.0) is None


def test_a_file_is_kept_for_ten_minutes_and_one_of_each_session() -> None:
    files = HeldFiles()
    first = files.hold("one", "a", b"a", 0.0)
    second = files.hold("one", "b", b"b", 1.0)
    assert files.take("one", first, 1.0) is None
    assert files.take("one", second, 1.0 + HELD_SECONDS) is None


def test_the_oldest_is_forgotten_when_there_are_too_many() -> None:
    files = HeldFiles()
    tokens = [files.hold(str(place), "a", b"a", 0.0) for place in range(MAX_HELD + 1)]
    assert files.take("0", tokens[0], 1.0) is None
    assert files.take("1", tokens[1], 1.0) is not None
