"""Whether simulated time, where it is asked for, comes from anybody."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node

from pose_tracking_ros.ros.health import Health


class ClockCheck:
    """Looks for a node that waits for `/clock` in vain.

    Args:
        node: whose clock it is.
        health: takes complaints of the kind `clock`.
        now_s: monotonic clock, s.
    """

    def __init__(
        self, node: Node, health: Health, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._node = node
        self._health = health
        self._now_s = now_s
        self._waits_since_s: float | None = None

    def check(self, patience_s: float) -> None:
        """Complain when simulated time has not begun; to be called about twice a second.

        Args:
            patience_s: how long to wait for it, s.
        """
        is_simulated = bool(self._node.get_parameter('use_sim_time').value)
        if not is_simulated or self._node.get_clock().now().nanoseconds:
            self._waits_since_s = None
            self._health.resolve('clock')
            return
        if self._waits_since_s is None:
            self._waits_since_s = self._now_s()
        waited_s = self._now_s() - self._waits_since_s
        if waited_s >= patience_s:
            publishers = self._node.count_publishers('/clock')
            what = 'its publisher sends nothing' if publishers else 'nobody publishes it'
            self._health.begin(
                'clock',
                f'use_sim_time is set, but no /clock came for {waited_s:.0f} s: {what}, and this '
                "node's time stands still at 0. Play the bag with --clock, start the simulator, "
                'or set use_sim_time to false',
            )
