"""Topics of people who come and go: made with them, removed with them, never too many."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

try:
    from rclpy.event_handler import PublisherEventCallbacks
except ModuleNotFoundError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks

TopicKinds = Mapping[str, tuple[Any, QoSProfile]]
"""Per last part of a topic's name: type and profile."""

# Without events a publisher is nothing that the executor waits for: it can come and go in the
# worker's thread.
_NO_EVENTS = PublisherEventCallbacks(use_default_callbacks=False)


def make_publisher(node: Node, kind: Any, topic: str, profile: QoSProfile) -> Publisher:
    """Return a publisher that may be made and destroyed beside a running executor."""
    return node.create_publisher(kind, topic, profile, event_callbacks=_NO_EVENTS)


class TopicPool:
    """The publishers of everybody, by id.

    Args:
        node: owns the publishers.
        name_of: the namespace of an id.
        kinds: what there is for each id.
    """

    def __init__(self, node: Node, name_of: Callable[[str], str], kinds: TopicKinds) -> None:
        self._node = node
        self._name_of = name_of
        self._kinds = kinds
        self._topics: dict[str, dict[str, Publisher]] = {}

    @property
    def ids(self) -> list[str]:
        """Who has topics, those first who have had them for longest."""
        return list(self._topics)

    def publisher(self, key: str, topic: str) -> Publisher:
        """Return the publisher of somebody who was admitted."""
        return self._topics[key][topic]

    def keep(self, living: Collection[str]) -> None:
        """Remove the topics of all others."""
        for key in [key for key in self._topics if key not in living]:
            self.remove(key)

    def admit(self, wanted: Iterable[str], limit: int) -> tuple[list[str], int]:
        """Give topics to those in view; who has some keeps them, others yield them.

        Args:
            wanted: ids of those in view.
            limit: for how many there may be topics.

        Returns:
            Who of them has topics now, and how many of them were left out.
        """
        wanted = list(dict.fromkeys(wanted))
        admitted = [key for key in wanted if key in self._topics][:limit]
        admitted += [key for key in wanted if key not in self._topics][: limit - len(admitted)]
        for key in [key for key in self._topics if key not in admitted]:
            if len(set(self._topics) | set(admitted)) > limit:
                self.remove(key)
        for key in admitted:
            if key not in self._topics:
                self._topics[key] = {
                    topic: make_publisher(
                        self._node, kind, f'{self._name_of(key)}/{topic}', profile
                    )
                    for topic, (kind, profile) in self._kinds.items()
                }
        return [key for key in wanted if key in admitted], len(wanted) - len(admitted)

    def remove(self, key: str) -> None:
        """Remove somebody's topics."""
        for publisher in self._topics.pop(key).values():
            self._node.destroy_publisher(publisher)
