"""Examine the ROS 2 installation, and who publishes and listens in the running graph."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rclpy
import rclpy.serialization
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.utilities import get_rmw_implementation_identifier

from pose_tracking_ros.doctor.findings import Finding, Level
from pose_tracking_ros.msg import TrackedPoseArray
from pose_tracking_ros.ros.health import IMAGE_TYPES, silence_text
from pose_tracking_ros.ros.qos import OUTPUT, Offer, mismatch_text, offers_on

_PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
_POSES_TYPE = 'pose_tracking_ros/msg/TrackedPoseArray'
_SPIN_S = 0.05


def examine_ros() -> Iterator[Finding]:
    """Yield findings about the installation: middleware, messages, profile."""
    middleware = get_rmw_implementation_identifier()
    distribution = os.environ.get('ROS_DISTRO', 'from Python packages')
    domain = os.environ.get('ROS_DOMAIN_ID', '0')
    yield Finding(Level.OK, 'ROS 2', f'{distribution}, {middleware}, ROS_DOMAIN_ID {domain}')
    yield _messages()
    if 'fastrtps' in middleware:
        yield _profile()


def _messages() -> Finding:
    try:
        rclpy.serialization.serialize_message(TrackedPoseArray())
    except (ImportError, RuntimeError, TypeError) as error:
        return Finding(
            Level.ERROR,
            'messages',
            f'cannot be serialised: {error}',
            'they were built for another ROS 2, Python or NumPy: build this package anew '
            '(colcon build, or make build)',
        )
    return Finding(Level.OK, 'messages', 'TrackedPoseArray can be sent')


def _profile() -> Finding:
    given = {name: os.environ[name] for name in _PROFILES if os.environ.get(name)}
    missing = [f'{name}={path}' for name, path in given.items() if not Path(path).is_file()]
    if missing:
        return Finding(
            Level.ERROR,
            'Fast DDS profile',
            f'no such file: {", ".join(missing)}',
            'name a file that exists, or unset the variable',
        )
    if given:
        return Finding(Level.OK, 'Fast DDS profile', ', '.join(sorted(set(given.values()))))
    return Finding(
        Level.WARNING,
        'Fast DDS profile',
        'none is set in this shell',
        'large best-effort images get lost without one: tracker.launch.py sets it for what it '
        f'starts; set {_PROFILES[0]} to config/fastdds.xml for the camera driver too '
        '(docs/transport.md)',
    )


def examine_graph(image: str | None, listen_s: float) -> Iterator[Finding]:
    """Yield findings about the running graph.

    Args:
        image: topic of the camera; None looks at whatever carries images.
        listen_s: time to find others and hear their diagnostics, s; less when both a camera and
            a tracker have been found.
    """
    context = Context()
    rclpy.init(context=context)
    node = Node('doctor', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    statuses: dict[str, DiagnosticStatus] = {}

    def note(message: Any) -> None:
        # The tracker calls itself `node: what it does`, as diagnostic viewers group by.
        statuses.update({status.name.split(':')[0]: status for status in message.status})

    try:
        node.create_subscription(DiagnosticArray, '/diagnostics', note, OUTPUT)
        end_s = time.monotonic() + listen_s
        while time.monotonic() < end_s and not _is_complete(node, image, statuses):
            executor.spin_once(timeout_sec=_SPIN_S)
        yield from _cameras(node, image, listen_s)
        yield from _trackers(node, statuses)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


def _is_complete(node: Node, image: str | None, statuses: dict[str, DiagnosticStatus]) -> bool:
    """Return whether a camera and a tracker are there, and all trackers have been heard."""
    cameras = (
        [node.resolve_topic_name(image)] if image else _topics_of(node, *IMAGE_TYPES.values())
    )
    trackers = [tracker for tracker, _ in _trackers_on(node)]
    has_camera = any(node.count_publishers(name) for name in cameras)
    return has_camera and bool(trackers) and all(t.lstrip('/') in statuses for t in trackers)


def _trackers_on(node: Node) -> list[tuple[str, str]]:
    """Return each tracker and the topic of its poses; its private `target` is of the same type."""
    return [
        (offer.node, name)
        for name in _topics_of(node, _POSES_TYPE)
        for offer in offers_on(node, name)
        if not name.startswith(f'{offer.node}/')
    ]


def _topics_of(node: Node, *types: str) -> list[str]:
    """Return the topics of any of the types that somebody publishes, in alphabetical order."""
    return sorted(
        name
        for name, names in node.get_topic_names_and_types()
        if set(types) & set(names) and node.count_publishers(name)
    )


def _cameras(node: Node, image: str | None, listen_s: float) -> Iterator[Finding]:
    if image is not None:
        name = node.resolve_topic_name(image)
        is_compressed = name.endswith('/compressed')
        transport = 'compressed' if is_compressed else 'raw'
        offers = offers_on(node, name)
        if offers and any(o.message_type == IMAGE_TYPES[transport] for o in offers):
            yield Finding(Level.OK, 'camera', _offer_text(name, offers))
        else:
            text = silence_text(
                topic=name,
                transport=transport,
                asked='best_effort',
                silent_s=listen_s,
                offers=offers,
                topics=dict(node.get_topic_names_and_types()),
            )
            problem, _, remedy = text.partition('. ')
            yield Finding(
                Level.ERROR, 'camera', problem, remedy or 'look at the log of the camera driver'
            )
        return
    carrying = _topics_of(node, *IMAGE_TYPES.values())
    if not carrying:
        yield Finding(
            Level.WARNING,
            'camera',
            'no topic carries images',
            'start the camera driver, in the same ROS_DOMAIN_ID; without one: '
            'ros2 launch pose_tracking_ros tracker.launch.py video:=simulation:street',
        )
    for name in carrying:
        yield Finding(Level.OK, 'camera', _offer_text(name, offers_on(node, name)))


def _offer_text(topic: str, offers: list[Offer]) -> str:
    described = ', '.join(
        f'{offer.node} ({"reliable" if offer.is_reliable else "best effort"})' for offer in offers
    )
    return f'{topic} from {described}'


def _trackers(node: Node, statuses: dict[str, DiagnosticStatus]) -> Iterator[Finding]:
    trackers = _trackers_on(node)
    if not trackers:
        yield Finding(
            Level.WARNING,
            'tracker',
            'nobody publishes tracked poses',
            'start it: ros2 launch pose_tracking_ros tracker.launch.py image:=TOPIC; if it runs, '
            'it is not configured: ros2 lifecycle set /tracker_node configure, then activate',
        )
    for tracker, poses in trackers:
        yield from _tracker(node, tracker, poses, statuses.get(tracker.lstrip('/')))


def _tracker(
    node: Node, tracker: str, poses: str, status: DiagnosticStatus | None
) -> Iterator[Finding]:
    yield from _inputs(node, tracker)
    if status is None:
        yield Finding(
            Level.WARNING,
            'tracker',
            f'{tracker} publishes {poses}, but its diagnostics were not heard',
            'listen longer (--listen-s 10), or look at its log',
        )
        return
    message = status.message.strip()
    if status.level == DiagnosticStatus.OK:
        yield Finding(Level.OK, 'tracker', f'{tracker}: {message}')
        return
    level = Level.WARNING if status.level == DiagnosticStatus.WARN else Level.ERROR
    yield Finding(level, 'tracker', f'{tracker}: {message}', 'as it says; see the troubleshooting')


def _inputs(node: Node, tracker: str) -> Iterator[Finding]:
    """Compare what the tracker asks of image topics with what their publishers offer."""
    for topic, types in node.get_topic_names_and_types():
        if not set(types) & set(IMAGE_TYPES.values()):
            continue
        for info in node.get_subscriptions_info_by_topic(topic):
            if f'{info.node_namespace.rstrip("/")}/{info.node_name}' != tracker:
                continue
            is_reliable = info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
            asked = 'reliable' if is_reliable else 'best_effort'
            mismatch = mismatch_text(topic, asked, offers_on(node, topic))
            if mismatch:
                problem, _, remedy = mismatch.partition('. ')
                yield Finding(Level.ERROR, 'QoS', problem, remedy)
