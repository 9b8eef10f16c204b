"""People as REP-155 (ROS4HRI) wants them: bodies, and persons where the gallery knows them.

https://ros.org/reps/rep-0155.html. There is no TF frame of bodies and persons, and so no
`location_confidence`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Bool, String

from pose_tracking_ros.image_decoding import fill_image_message
from pose_tracking_ros.people import Track
from pose_tracking_ros.ros.interop.formats import Format, Moment
from pose_tracking_ros.ros.interop.ros4hri_messages import (
    body_prefix,
    identifier_of,
    match_message,
    region_message,
    skeleton_message,
)
from pose_tracking_ros.ros.interop.topic_pool import TopicPool, make_publisher
from pose_tracking_ros.ros.qos import LATCHED, OUTPUT
from pose_tracking_ros.skeleton import COCO_17

BODIES = '/humans/bodies'
PERSONS = '/humans/persons'
MATCHES = '/humans/candidate_matches'


class Ros4HriOutlet:
    """Publishes `/humans/bodies`, and `/humans/persons` or `/humans/candidate_matches`.

    Args:
        node: owns the publishers.
        messages: the module `hri_msgs.msg`.
    """

    def __init__(self, node: Node, messages: Any) -> None:
        self._node = node
        self._messages = messages
        self._bodies = TopicPool(
            node,
            lambda body_id: f'{BODIES}/{body_id}',
            {
                'roi': (messages.NormalizedRegionOfInterest2D, OUTPUT),
                'skeleton2d': (messages.Skeleton2D, OUTPUT),
                'cropped': (Image, OUTPUT),
            },
        )
        self._tracked = make_publisher(node, messages.IdsList, f'{BODIES}/tracked', OUTPUT)
        self._persons: _Persons | None = None
        self._matches: _Matches | None = None
        self._header: Any = None

    def publish(self, moment: Moment) -> str:
        """Publish what an image showed; return whether somebody was left out for the limit."""
        self._header = moment.header
        prefix = body_prefix(moment.settings.ros4hri_id_prefix, self._node.get_namespace())
        people = {f'{prefix}{track.track_id}': track for track in moment.people}
        # Of a lost person the topics stay: the track may be continued under the same id.
        self._bodies.keep({f'{prefix}{track.track_id}' for track in moment.tracks})
        limit = moment.settings.ros4hri_max_bodies
        body_ids, left_out = self._bodies.admit(people, limit)
        for body_id in body_ids:
            self._publish_body(body_id, people[body_id], moment)
        self._tracked.publish(self._messages.IdsList(header=moment.header, ids=body_ids))
        self._publish_identities({key: people[key] for key in body_ids}, moment)
        if not left_out:
            return ''
        return (
            f'{left_out} of {len(people)} people are left out under {BODIES}: there are topics '
            f'for {limit}. Raise ros4hri_max_bodies'
        )

    def close(self) -> None:
        """Say that nobody is there any more, and remove the publishers."""
        if self._header is not None:
            self._tracked.publish(self._messages.IdsList(header=self._header))
        self._bodies.keep(())
        self._node.destroy_publisher(self._tracked)
        self._close_persons()
        self._close_matches()

    def _publish_body(self, body_id: str, track: Track, moment: Moment) -> None:
        size, header = moment.image_size, moment.header
        region = self._bodies.publisher(body_id, 'roi')
        if region.get_subscription_count():
            region.publish(region_message(self._messages, track, size, header))
        skeleton = self._bodies.publisher(body_id, 'skeleton2d')
        if skeleton.get_subscription_count():
            skeleton.publish(skeleton_message(self._messages, track, COCO_17, size, header))
        cropped = self._bodies.publisher(body_id, 'cropped')
        if track.is_matched and cropped.get_subscription_count():
            message = _cropped(moment, track)
            if message is not None:
                cropped.publish(message)

    def _publish_identities(self, bodies: dict[str, Track], moment: Moment) -> None:
        how = moment.settings.ros4hri_persons
        if how != 'persons':
            self._close_persons()
        if how != 'matches':
            self._close_matches()
        if how == 'persons':
            self._persons = self._persons or _Persons(self._node, self._messages)
            self._persons.publish(bodies, moment)
        elif how == 'matches':
            self._matches = self._matches or _Matches(self._node, self._messages)
            self._matches.publish(bodies)

    def _close_persons(self) -> None:
        if self._persons is not None:
            self._persons.close(self._header)
            self._persons = None

    def _close_matches(self) -> None:
        if self._matches is not None:
            self._matches.close()
            self._matches = None


def _cropped(moment: Moment, track: Track) -> Any | None:
    """Return the part of the image that a body's box covers; None when it covers nothing."""
    x1, y1 = np.floor(np.maximum(track.box[:2], 0)).astype(int)
    x2, y2 = np.ceil(np.minimum(track.box[2:], moment.image_size)).astype(int)
    if x2 <= x1 or y2 <= y1:
        return None
    message = Image(header=moment.header)
    fill_image_message(message, np.ascontiguousarray(moment.image[y1:y2, x1:x2]))
    return message


class _Persons:
    """Publishes those who are known by name, as a person manager would.

    Args:
        node: owns the publishers.
        messages: the module `hri_msgs.msg`.
    """

    def __init__(self, node: Node, messages: Any) -> None:
        self._node = node
        self._messages = messages
        self._pool = TopicPool(
            node,
            lambda person_id: f'{PERSONS}/{person_id}',
            {
                'anonymous': (Bool, LATCHED),
                'body_id': (String, LATCHED),
                'name': (String, LATCHED),
            },
        )
        self._tracked = make_publisher(node, messages.IdsList, f'{PERSONS}/tracked', OUTPUT)
        self._known = make_publisher(node, messages.IdsList, f'{PERSONS}/known', OUTPUT)
        self._body_of: dict[str, str] = {}

    def publish(self, bodies: dict[str, Track], moment: Moment) -> None:
        """Publish who is in view with which body, and who has been."""
        names, body_of = {}, {}
        for body_id, track in bodies.items():
            if track.person_id:
                person_id = identifier_of(track.person_id)
                names[person_id] = track.person_id
                body_of[person_id] = body_id
        before = set(self._pool.ids)
        limit = moment.settings.ros4hri_max_bodies
        person_ids, _ = self._pool.admit(body_of, limit)
        self._body_of = {key: self._body_of[key] for key in self._pool.ids if key in before}
        for person_id in self._pool.ids:
            if person_id not in before:
                self._pool.publisher(person_id, 'anonymous').publish(Bool(data=False))
                self._pool.publisher(person_id, 'name').publish(String(data=names[person_id]))
            body_id = body_of.get(person_id, '')
            if self._body_of.get(person_id) != body_id:
                self._body_of[person_id] = body_id
                self._pool.publisher(person_id, 'body_id').publish(String(data=body_id))
        for publisher, ids in ((self._known, self._pool.ids), (self._tracked, person_ids)):
            publisher.publish(self._messages.IdsList(header=moment.header, ids=ids))

    def close(self, header: Any) -> None:
        """Say that nobody is there any more, and remove the publishers."""
        for publisher in (self._known, self._tracked):
            publisher.publish(self._messages.IdsList(header=header))
            self._node.destroy_publisher(publisher)
        self._pool.keep(())


class _Matches:
    """Publishes which body is whose, for a person manager.

    Args:
        node: owns the publisher.
        messages: the module `hri_msgs.msg`.
    """

    def __init__(self, node: Node, messages: Any) -> None:
        self._node = node
        self._messages = messages
        self._publisher = make_publisher(node, messages.IdsMatch, MATCHES, OUTPUT)
        self._person_of: dict[str, str] = {}

    def publish(self, bodies: dict[str, Track]) -> None:
        """Publish every match of an image, and once the end of those that hold no more."""
        scores = {
            (body_id, identifier_of(track.person_id)): float(track.person_similarity)
            for body_id, track in bodies.items()
            if track.person_id
        }
        person_of = dict(scores.keys())
        for body_id, person_id in self._person_of.items():
            if person_of.get(body_id) != person_id:
                self._send(body_id, person_id, 0.0)
        for (body_id, person_id), score in scores.items():
            self._send(body_id, person_id, score)
        self._person_of = person_of

    def close(self) -> None:
        """Say that no match holds any more, and remove the publisher."""
        self.publish({})
        self._node.destroy_publisher(self._publisher)

    def _send(self, body_id: str, person_id: str, score: float) -> None:
        self._publisher.publish(match_message(self._messages, body_id, person_id, score))


ROS4HRI = Format(
    setting='publish_ros4hri',
    package='hri_msgs',
    fields={
        'IdsList': ('header', 'ids'),
        'IdsMatch': ('id1', 'id1_type', 'id2', 'id2_type', 'confidence'),
        'NormalizedPointOfInterest2D': ('x', 'y', 'c'),
        'NormalizedRegionOfInterest2D': ('header', 'xmin', 'ymin', 'xmax', 'ymax', 'c'),
        'Skeleton2D': ('header', 'skeleton'),
    },
    make=Ros4HriOutlet,
)
"""For version 2 of hri_msgs."""
