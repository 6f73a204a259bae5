"""What a listener hears of a task, whatever becomes of it."""

from __future__ import annotations

import pytest

from crossdistill.listening import Listener, reported, tracked
from tests.listening import Heard


def test_each_item_is_a_step_once_it_has_been_dealt_with() -> None:
    heard, dealt_with = Heard(), []
    for item in tracked(heard, "abc", 3, "letters"):
        assert heard.events == [("begin", "letters"), *[("step", "letters")] * len(dealt_with)]
        dealt_with.append(item)
    assert dealt_with == ["a", "b", "c"]
    assert heard.totals == {"letters": 3}
    assert heard.events == [("begin", "letters"), *[("step", "letters")] * 3, ("end", "letters")]
    assert heard.problems == {"letters": ""}


@pytest.mark.parametrize(("error", "problem"), [(ValueError("no\nsuch  file"), "no such file"), (KeyError, "KeyError")])
def test_a_task_that_fails_has_an_end_with_its_problem(error: Exception, problem: str) -> None:
    heard = Heard()
    with pytest.raises((ValueError, KeyError)), reported(heard, "work", 2):
        raise error
    assert heard.events == [("begin", "work"), ("end", "work")]
    assert heard.problems == {"work": problem}


def test_items_that_are_left_end_the_task() -> None:
    heard = Heard()
    items = tracked(heard, "abc", 3, "letters")
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert heard.events == [("begin", "letters"), ("end", "letters")]
    assert heard.problems["letters"]


def test_a_listener_that_overrides_nothing_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    listener = Listener()
    assert list(tracked(listener, [1, 2], 2, "numbers")) == [1, 2]
    listener.say("a line")
    assert capsys.readouterr() == ("", "")
