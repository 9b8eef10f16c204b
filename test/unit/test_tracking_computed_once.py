"""A property that is computed when first asked for."""

from pose_tracking_ros.tracking.computed_once import computed_once


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    @computed_once
    def answer(self) -> int:
        """The answer."""
        self.calls += 1
        return 42


def test_it_is_computed_once_per_object_and_only_when_asked_for():
    one, other = Counter(), Counter()
    assert (one.calls, one.answer, one.answer, one.calls) == (0, 42, 42, 1)
    assert other.calls == 0
    assert other.answer == 42


def test_it_is_documented_as_written():
    assert vars(Counter)['answer'].__doc__ == 'The answer.'
