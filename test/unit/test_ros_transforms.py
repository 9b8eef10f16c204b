"""Transforms from tf2, which is played here: PyPI does not have it."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 is not there: run make setup')
pytest.importorskip('pose_tracking_ros.msg', reason='the messages are not built: run make build')

from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from std_msgs.msg import Header

from pose_tracking_ros.ros.transforms import TransformError, TransformFinder

HEADER = Header(frame_id='camera', stamp=Time(sec=5, nanosec=250_000_000))


class PaperError(Exception):
    pass


class PaperBuffer:
    def __init__(self):
        self.answer = TransformStamped()
        self.answer.transform.translation.x = 2.0
        self.asked = []

    def lookup_transform(self, target, source, stamp, timeout):
        self.asked.append((target, source, stamp.nanoseconds, timeout.nanoseconds))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def finder(monkeypatch):
    buffer = PaperBuffer()
    listeners = []
    tf2 = SimpleNamespace(
        Buffer=lambda: buffer,
        TransformListener=lambda *arguments: listeners.append(arguments),
        TransformException=PaperError,
    )
    monkeypatch.setitem(sys.modules, 'tf2_ros', tf2)
    finder = TransformFinder('node')
    finder.listen()
    finder.listen()
    assert listeners == [(buffer, 'node')]
    return SimpleNamespace(find=finder.find, buffer=buffer)


def test_the_transform_is_that_of_the_images_stamp(finder):
    found = finder.find('map', HEADER, 0.05)
    assert finder.buffer.asked == [('map', 'camera', 5_250_000_000, 50_000_000)]
    np.testing.assert_allclose(found.points(np.zeros(3)), [2, 0, 0])


def test_a_missing_transform_is_told_with_the_remedy(finder):
    finder.buffer.answer = PaperError('frame map does not exist')
    with pytest.raises(TransformError, match='frame map does not exist') as caught:
        finder.find('map', HEADER, 0.05)
    assert "from 'camera' to target_frame 'map'" in str(caught.value)
    assert 'static_transform_publisher' in str(caught.value)


def test_what_is_no_rotation_is_told(finder):
    finder.buffer.answer.transform.rotation.w = 0.0
    with pytest.raises(TransformError, match='quaternion of length 1'):
        finder.find('map', HEADER, 0.05)


def test_without_tf2_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tf2_ros', None)
    finder = TransformFinder('node')
    finder.listen()
    with pytest.raises(TransformError, match='tf2-ros-py'):
        finder.find('map', HEADER, 0.05)
