"""Whether the node keeps up: what is said, when it begins and ends."""

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not there: run make setup')

from pose_tracking_ros.ros.health import Health
from pose_tracking_ros.ros.load_watch import LoadWatch


class Drive:
    """A node in time: so many images per second arrive, each takes so long."""

    def __init__(self):
        self.now_s = 0.0
        self.told = []
        self.health = Health(self.told.append, now_s=lambda: self.now_s)
        self.watch = LoadWatch(self.health, lambda: self.now_s)
        self.counts = dict.fromkeys(('received', 'skipped', 'dropped', 'processed'), 0)
        self.busy_s = 0.0

    def go(self, seconds, *, arrive_hz, drop_share, spent_s, skip_hz=0):
        for _ in range(round(seconds * 2)):
            self.now_s += 0.5
            arrived = arrive_hz // 2
            dropped = round(arrived * drop_share)
            self.counts['received'] += arrived + skip_hz // 2
            self.counts['skipped'] += skip_hz // 2
            self.counts['dropped'] += dropped
            self.counts['processed'] += arrived - dropped
            self.busy_s += (arrived - dropped) * spent_s
            self.watch.check(self.counts, self.busy_s)
        return self.health.active().get('load', '')


@pytest.fixture
def drive():
    return Drive()


def test_figures_and_a_rate_that_would_do_are_named(drive):
    text = drive.go(6, arrive_hz=30, drop_share=2 / 3, spent_s=0.1)
    assert '100 of 150 images of the last 5 s' in text
    assert 'comes every 33 ms and takes 100 ms' in text
    assert 'max_rate_hz to 10.0' in text
    drive.go(60, arrive_hz=30, drop_share=0.6, spent_s=0.1)
    assert drive.told == [text]


def test_a_node_that_keeps_up_is_left_alone(drive):
    assert drive.go(30, arrive_hz=30, drop_share=0.0, spent_s=0.02) == ''
    assert drive.go(0.5, arrive_hz=30, drop_share=1.0, spent_s=0.02) == ''
    assert drive.told == []


def test_it_ends_when_nearly_nothing_is_dropped_and_not_before(drive):
    drive.go(6, arrive_hz=40, drop_share=0.5, spent_s=0.05)
    assert drive.go(10, arrive_hz=40, drop_share=0.1, spent_s=0.03)
    assert drive.go(10, arrive_hz=40, drop_share=0.0, spent_s=0.02) == ''


def test_it_ends_when_no_images_come(drive):
    assert drive.go(6, arrive_hz=40, drop_share=0.5, spent_s=0.05)
    assert drive.go(10, arrive_hz=0, drop_share=0, spent_s=0) == ''


def test_skipped_images_are_no_load(drive):
    assert drive.go(30, arrive_hz=10, drop_share=0, spent_s=0.02, skip_hz=20) == ''


def test_drops_in_spite_of_fast_processing_point_at_other_programs(drive):
    assert 'other programs' in drive.go(6, arrive_hz=20, drop_share=0.5, spent_s=0.01)


def test_a_network_that_finishes_nothing_is_told(drive):
    assert 'none was finished' in drive.go(6, arrive_hz=20, drop_share=1.0, spent_s=0)
