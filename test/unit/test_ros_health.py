"""Complaints: once, clear, and again only when they return."""

import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not there: run make setup')

from pose_tracking_ros.ros.health import Health, silence_text
from pose_tracking_ros.ros.qos import Offer, mismatch_text, reliability_for

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def health(told, clock):
    return Health(told.append, quiet_s=10.0, now_s=clock)


def test_a_lasting_problem_is_told_once(health, told, clock):
    for _ in range(5):
        health.report('image', 'unreadable')
        clock.now_s += 100
    assert told == ['unreadable']
    assert health.active() == {'image': 'unreadable'}
    assert health.counts() == {'image': 5}


def test_a_problem_that_returns_is_told_again(health, told, clock):
    health.report('image', 'unreadable')
    health.resolve('image')
    assert health.active() == {}
    clock.now_s = 11
    health.report('image', 'unreadable')
    assert told == ['unreadable'] * 2


def test_a_problem_that_flickers_is_told_at_most_now_and_then(health, told, clock):
    for _ in range(25):
        health.report('image', 'unreadable')
        health.resolve('image')
        clock.now_s += 1
    assert told == ['unreadable'] * 3
    assert health.counts() == {'image': 25}


def test_another_text_is_news(health, told, clock):
    health.report('image', 'no such encoding')
    clock.now_s = 11
    health.report('image', 'cut off')
    assert told == ['no such encoding', 'cut off']


def test_kinds_do_not_hush_each_other(health, told):
    health.report('image', 'unreadable')
    health.report('stamp', 'missing')
    health.resolve('other')
    assert told == ['unreadable', 'missing']
    assert health.active() == {'image': 'unreadable', 'stamp': 'missing'}


def offer(node='/cam', message_type=IMAGE, is_reliable=True):
    return Offer(node, message_type, is_reliable)


@pytest.mark.parametrize(
    ('wanted', 'reliable', 'expected'),
    [
        ('auto', [], 'best_effort'),
        ('auto', [True], 'reliable'),
        ('auto', [True, True], 'reliable'),
        ('auto', [True, False], 'best_effort'),
        ('auto', [False], 'best_effort'),
        ('reliable', [False], 'reliable'),
        ('best_effort', [True], 'best_effort'),
    ],
)
def test_reliable_is_asked_for_only_where_everybody_offers_it(wanted, reliable, expected):
    assert reliability_for(wanted, [offer(is_reliable=one) for one in reliable]) == expected


def test_a_mismatch_names_both_sides():
    text = mismatch_text('/image', 'reliable', [offer('/a'), offer('/b', is_reliable=False)])
    assert '/image' in text
    assert '/b offers best_effort' in text
    assert '/a' not in text
    assert mismatch_text('/image', 'best_effort', [offer(is_reliable=False)]) == ''
    assert mismatch_text('/image', 'reliable', [offer()]) == ''


def silence(**changes):
    case = {
        'topic': '/image',
        'transport': 'raw',
        'asked': 'reliable',
        'silent_s': 5.0,
        'offers': [],
        'topics': {},
    }
    return silence_text(**{**case, **changes})


@pytest.mark.parametrize(
    ('case', 'words'),
    [
        ({}, ['/image', '5 s', 'nobody publishes', 'camera driver', 'ROS_DOMAIN_ID']),
        ({'topics': {'/front/rgb': [IMAGE], '/tf': ['x']}}, ['image:=/front/rgb']),
        (
            {'topics': {'/front/rgb/compressed': [COMPRESSED]}},
            ['Only compressed', '/front/rgb/compressed', 'image_transport to compressed'],
        ),
        (
            {'transport': 'compressed', 'topics': {'/front/rgb/compressed': [COMPRESSED]}},
            ['image:=/front/rgb '],
        ),
        ({'offers': [offer(message_type=COMPRESSED)]}, [COMPRESSED, IMAGE, 'image_transport']),
        ({'offers': [offer(is_reliable=False)]}, ['QoS mismatch', '/cam', 'best_effort']),
        (
            {'offers': [offer(is_reliable=False)], 'asked': 'best_effort'},
            ['/cam', 'lost', 'fastdds.xml'],
        ),
        ({'offers': [offer()]}, ['/cam', 'idle']),
    ],
)
def test_silence_is_explained(case, words):
    text = silence(**case)
    for word in words:
        assert word in text
