"""Which depth belongs to which image: under jitter, loss, disorder and jumping clocks."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pose_tracking_ros.lifting.stamp_matcher import StampMatcher

PERIOD_S = 1 / 30


def matcher_with(*stamps_s: float, max_items: int = 10) -> StampMatcher[float]:
    matcher: StampMatcher[float] = StampMatcher(max_items)
    for stamp_s in stamps_s:
        matcher.add(stamp_s, stamp_s)
    return matcher


def test_the_very_stamp_wins_and_stays() -> None:
    matcher = matcher_with(1.0, 1.01, 1.02)
    assert matcher.nearest(1.01, 0.05) == 1.01
    assert matcher.nearest(1.01, 0.0) == 1.01


def test_the_nearest_counts_only_within_the_tolerance() -> None:
    matcher = matcher_with(1.0, 2.0)
    assert matcher.nearest(1.03, 0.05) == 1.0
    assert matcher.nearest(1.4, 0.05) is None
    assert StampMatcher[float](3).nearest(1.0, 10.0) is None


def test_jitter_and_loss_leave_each_image_its_nearest() -> None:
    rng = np.random.default_rng(0)
    matcher: StampMatcher[int] = StampMatcher(10)
    matched = 0
    for number in range(300):
        image_s = 100 + number * PERIOD_S
        is_lost = rng.random() < 0.2
        if not is_lost:
            matcher.add(image_s + rng.uniform(-0.008, 0.008), number)
        found = matcher.nearest(image_s, 0.01)
        assert found == (None if is_lost else number)
        matched += found is not None
    assert 200 < matched < 280


def test_late_and_swapped_items_are_found() -> None:
    matcher = matcher_with(1.0, 1.1, 1.066, 1.033)
    assert matcher.nearest(1.033, 0.005) == 1.033
    assert matcher.nearest(1.1, 0.005) == 1.1


def test_a_backward_jump_forgets_the_time_before_and_goes_on() -> None:
    matcher = matcher_with(*np.arange(50.0, 50.3, PERIOD_S))
    matcher.add(10.0, 10.0)
    assert len(matcher) == 1
    assert matcher.nearest(50.0, 1.0) is None
    assert matcher.nearest(10.0, 0.01) == 10.0
    matcher.add(10.0 + PERIOD_S, 10.0 + PERIOD_S)
    assert len(matcher) == 2


def test_one_stamp_far_ahead_does_not_block_what_follows() -> None:
    matcher = matcher_with(1.0, 1e9, max_items=4)
    for number in range(8):
        stamp_s = 2.0 + number * PERIOD_S
        matcher.add(stamp_s, stamp_s)
        assert matcher.nearest(stamp_s, 0.001) == stamp_s
    assert matcher.nearest(1e9, 1.0) is None


def test_memory_is_bounded() -> None:
    matcher = matcher_with(*np.arange(0.0, 100.0, PERIOD_S), max_items=7)
    assert len(matcher) == 7
    assert matcher.added == 3000


def test_what_a_pinned_image_needs_stays_until_it_is_done() -> None:
    matcher = matcher_with(1.0, 1.1, max_items=3)
    matcher.pin('in work', 1.02)
    for number in range(50):
        matcher.add(2 + number * PERIOD_S, 0.0)
    assert matcher.nearest(1.02, 0.03) == 1.0
    assert len(matcher) == 4
    # Also when the clock jumps back in the meantime.
    matcher.add(0.1, 0.1)
    assert matcher.nearest(1.02, 0.03) == 1.0
    assert len(matcher) == 2
    matcher.pin('in work', 0.1)
    for number in range(5):
        matcher.add(0.2 + number * PERIOD_S, 0.0)
    assert matcher.nearest(1.02, 0.03) is None
    assert matcher.nearest(0.1, 0.0) == 0.1
    assert len(matcher) <= 4


def test_waiting_ends_when_the_item_comes() -> None:
    matcher: StampMatcher[float] = StampMatcher(4)
    matcher.add(0.99, 0.99)
    timer = threading.Timer(0.05, lambda: matcher.add(1.0, 1.0))
    timer.start()
    # The one at hand would do, but the very stamp is still to come.
    assert matcher.wait_for(1.0, 0.02, timeout_s=30.0) == 1.0
    timer.join()


def test_waiting_ends_when_a_later_one_shows_that_it_is_lost() -> None:
    matcher = matcher_with(0.99, 1.03)
    assert matcher.wait_for(1.0, 0.02, timeout_s=30.0) == 0.99
    assert matcher.wait_for(1.01, 0.005, timeout_s=30.0) is None


def test_waiting_ends_in_time() -> None:
    assert matcher_with(0.5).wait_for(1.0, 0.02, timeout_s=0.01) is None


def test_the_difference_to_the_newest_is_told() -> None:
    assert matcher_with(1.0, 1.5).last_difference_s(1.2) == pytest.approx(0.3)
    assert np.isnan(StampMatcher[float](2).last_difference_s(1.0))
