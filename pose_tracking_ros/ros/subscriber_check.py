"""Whether somebody waits for results in vain, because they ask for more than is offered."""

from __future__ import annotations

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from pose_tracking_ros.ros.health import Health

# Questions to the graph take about a tenth of a millisecond per topic.
_PERIOD_S = 1.0


class SubscriberCheck:
    """Looks, once a second, at the subscribers of everything that a node publishes.

    Args:
        node: owns the publishers, and the timer of this check.
        health: takes complaints of the kind `subscriber_qos`.
    """

    def __init__(self, node: Node, health: Health) -> None:
        self._node = node
        self._health = health
        # Simulated time may stand still.
        node.create_timer(_PERIOD_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _check(self) -> None:
        problems = [self._problem(publisher) for publisher in list(self._node.publishers)]
        text = '; '.join(sorted(problem for problem in problems if problem))
        if text:
            self._health.report('subscriber_qos', text)
        else:
            self._health.resolve('subscriber_qos')

    def _problem(self, publisher: Publisher) -> str:
        try:
            topic = publisher.topic_name
        except InvalidHandle:
            # It was removed in the meantime, by another thread.
            return ''
        refused = {}
        for info in self._node.get_subscriptions_info_by_topic(topic):
            if excess := _excess(publisher.qos_profile, info.qos_profile):
                refused[f'{info.node_namespace.rstrip("/")}/{info.node_name}'] = excess
        if not refused:
            return ''
        names = ', '.join(f'{name} (asks for {excess})' for name, excess in refused.items())
        return (
            f'QoS mismatch on {topic}: nothing of this node reaches {names}. It should ask for '
            'no more than is offered (ros2 topic info -v shows both sides)'
        )


def _excess(offered: QoSProfile, asked: QoSProfile) -> str:
    """Return what is asked for beyond what is offered, in words; empty when they connect.

    Deadlines and the like are left out: this package offers none, and rclpy's own comparison
    takes one that is not set for one of zero.
    """
    excess = []
    if (offered.reliability, asked.reliability) == (
        ReliabilityPolicy.BEST_EFFORT,
        ReliabilityPolicy.RELIABLE,
    ):
        excess.append('reliable, best effort is offered')
    if (offered.durability, asked.durability) == (
        DurabilityPolicy.VOLATILE,
        DurabilityPolicy.TRANSIENT_LOCAL,
    ):
        excess.append('transient local, volatile is offered')
    return ' and '.join(excess)
