"""What there is to be told to other systems, made by hand, and the messages to tell it in."""

import re

import numpy as np
import pytest
from foreign_messages import (
    HRI_CONSTANTS,
    HRI_MSGS,
    PEOPLE_MSGS,
    VISION_MSGS_3,
    VISION_MSGS_4,
    stand_in,
)

from pose_tracking_ros.people import KeypointState, PoseInSpace, Track, TrackState
from pose_tracking_ros.settings import InteropSettings

SIZE = (200, 100)
STAND_INS = {
    'hri_msgs': lambda: stand_in(HRI_MSGS, HRI_CONSTANTS),
    'vision_msgs 3': lambda: stand_in(VISION_MSGS_3),
    'vision_msgs 4': lambda: stand_in(VISION_MSGS_4),
    'people_msgs': lambda: stand_in(PEOPLE_MSGS),
}


def messages_of(package, kind):
    """Return the module of messages, a stand-in or the real one; skip where that is missing."""
    if kind == 'stand-in':
        return STAND_INS[package]()
    name = f'{package.split()[0]}.msg'
    return pytest.importorskip(name, reason=f'{name} is not installed: apt has it, PyPI has not')


def track(track_id=7, *, state=TrackState.CONFIRMED, is_matched=True, person_id='', **changes):
    fields = {
        'track_id': track_id,
        'state': state,
        'is_matched': is_matched,
        'box': np.array([20, 10, 60, 90], np.float32),
        'score': 0.75,
        'visibility': 1.0,
        'velocity': np.zeros(2),
        'keypoints': np.column_stack([np.linspace(20, 60, 17), np.linspace(10, 90, 17)]),
        'keypoint_scores': np.linspace(0.5, 0.9, 17),
        'keypoint_states': np.full(17, KeypointState.VISIBLE),
        'embedding': np.zeros(0),
        'age_s': 1.0,
        'time_since_update_s': 0.0 if is_matched else 0.5,
        'person_id': person_id,
        'person_similarity': 0.8 if person_id else np.nan,
    }
    return Track(**{**fields, **changes})


def in_space(position=(1.0, 2.0, 3.0), velocity=(0.5, 0.0, -0.5)):
    return PoseInSpace(
        np.zeros((17, 3)), np.zeros((17, 3, 3)), np.array(position), np.array(velocity)
    )


def moment(*tracks, space_frame='', uses_depth=True, **settings):
    from std_msgs.msg import Header

    from pose_tracking_ros.ros.interop import Moment

    header = Header(frame_id='camera')
    header.stamp.sec = 12
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    return Moment(
        list(tracks), image, header, InteropSettings(**settings), uses_depth, space_frame
    )


class Recorder:
    """Takes the place of a node, and keeps what is published under which name."""

    def __init__(self):
        self.open = {}
        self.sent = []
        self.subscribers = 0

    def get_namespace(self):
        return '/'

    def create_publisher(self, kind, topic, profile, event_callbacks=None):
        recorder = self

        class Publisher:
            def publish(self, message):
                assert recorder.open[topic] is self
                assert isinstance(message, kind)
                recorder.sent.append((topic, message))

            def get_subscription_count(self):
                return recorder.subscribers

        assert topic not in self.open
        self.open[topic] = Publisher()
        return self.open[topic]

    def destroy_publisher(self, publisher):
        (topic,) = [topic for topic, p in self.open.items() if p is publisher]
        del self.open[topic]

    def last(self, topic):
        return [message for name, message in self.sent if name == topic][-1]

    def bodies(self):
        return sorted({t.split('/')[3] for t in self.open if re.match('/humans/bodies/.*/', t)})
