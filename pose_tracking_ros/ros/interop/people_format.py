"""People as `people_msgs/People`, which the social layers of navigation listen to."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from rclpy.node import Node
from std_msgs.msg import Header

from pose_tracking_ros.people import PoseInSpace, Track
from pose_tracking_ros.ros.interop.formats import Format, Moment
from pose_tracking_ros.ros.interop.topic_pool import make_publisher
from pose_tracking_ros.ros.qos import OUTPUT

TOPIC = 'people'


def people_message(messages: Any, moment: Moment) -> Any:
    """Return the people whose position and velocity in space are known; others are left out.

    The format has no way to say that a number is missing, and cost maps take all of them for real.

    Args:
        messages: the module `people_msgs.msg`.
        moment: what there is to be told.
    """
    header = Header(
        stamp=moment.header.stamp, frame_id=moment.space_frame or moment.header.frame_id
    )
    return messages.People(
        header=header,
        people=[
            _person(messages, track, track.in_space)
            for track in moment.people
            if track.in_space is not None and _is_known(track.in_space)
        ],
    )


def _is_known(place: PoseInSpace) -> bool:
    return bool(np.isfinite(place.position_m).all() and np.isfinite(place.velocity_m_s).all())


def _person(messages: Any, track: Track, place: PoseInSpace) -> Any:
    tags = {'track_id': str(track.track_id), 'state': track.state.name.lower()}
    return messages.Person(
        name=track.person_id or str(track.track_id),
        position=_point(place.position_m),
        velocity=_point(place.velocity_m_s),
        reliability=float(track.score),
        tagnames=list(tags),
        tags=list(tags.values()),
    )


def _point(values: np.ndarray) -> Point:
    x, y, z = map(float, values)
    return Point(x=x, y=y, z=z)


class PeopleOutlet:
    """Publishes `people`.

    Args:
        node: owns the publisher.
        messages: the module `people_msgs.msg`.
    """

    def __init__(self, node: Node, messages: Any) -> None:
        self._node = node
        self._messages = messages
        self._publisher = make_publisher(node, messages.People, TOPIC, OUTPUT)
        self._header: Any = None

    def publish(self, moment: Moment) -> str:
        """Publish, also when nobody is there; without depth that is the problem."""
        if not moment.uses_depth:
            return (
                'publish_people_msgs is on, but without depth nobody has a position in space: '
                'nothing is published. Set use_depth to true (docs/depth.md), or '
                'publish_people_msgs to false'
            )
        message = people_message(self._messages, moment)
        self._header = message.header
        self._publisher.publish(message)
        return ''

    def close(self) -> None:
        """Say that nobody is there any more, and remove the publisher."""
        if self._header is not None:
            self._publisher.publish(self._messages.People(header=self._header))
        self._node.destroy_publisher(self._publisher)


PEOPLE = Format(
    setting='publish_people_msgs',
    package='people_msgs',
    fields={
        'People': ('header', 'people'),
        'Person': ('name', 'position', 'velocity', 'reliability', 'tagnames', 'tags'),
    },
    make=PeopleOutlet,
)
