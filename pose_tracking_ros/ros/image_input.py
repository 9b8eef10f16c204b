"""Subscribe to the camera: fitting QoS, also when publishers change, and a reason for silence."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

try:
    from rclpy.event_handler import QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
except ModuleNotFoundError:  # Humble
    from rclpy.qos_event import (
        QoSRequestedIncompatibleQoSInfo,
        SubscriptionEventCallbacks,
    )

from pose_tracking_ros.ros.health import Health, silence_text
from pose_tracking_ros.ros.message_reader import MessageReader
from pose_tracking_ros.ros.qos import (
    for_images,
    mismatch_text,
    mixture_text,
    offers_on,
    reliability_for,
)

_TYPES = {'raw': Image, 'compressed': CompressedImage, 'compressedDepth': CompressedImage}


class ImageInput:
    """The subscription to the images of one camera.

    `check` is to be called about twice a second; it follows changes among the publishers and
    looks for reasons why nothing arrives.

    Args:
        node: owns the subscription.
        health: takes complaints of the kinds `qos`, `publishers`, `silence` and `message`.
        on_image: called with each message, in the thread of the executor.
        on_unreadable: called instead when what arrived is no such message.
        now_s: monotonic clock, s.
        name: of the topic.
        kind_prefix: put before the kinds of complaints, so that two inputs are told apart.
    """

    def __init__(
        self,
        node: Node,
        health: Health,
        on_image: Callable[[Any], None],
        on_unreadable: Callable[[], None] = lambda: None,
        now_s: Callable[[], float] = time.monotonic,
        name: str = 'image',
        kind_prefix: str = '',
    ) -> None:
        self._node = node
        self._health = health
        self._name = name
        self._prefix = kind_prefix
        self._on_image = on_image
        self._on_unreadable = on_unreadable
        self._now_s = now_s
        self._subscription: Subscription | None = None
        self._transport = 'raw'
        self._wanted = 'auto'
        self._reliability = 'best_effort'
        self._heard_s = 0.0

    @property
    def topic(self) -> str:
        """Fully qualified name; the transport follows the remapped name unless it is raw."""
        topic = self._node.resolve_topic_name(self._name)
        return topic if self._transport == 'raw' else f'{topic}/{self._transport}'

    @property
    def is_open(self) -> bool:
        """Whether the node is subscribed."""
        return self._subscription is not None

    @property
    def description(self) -> str:
        """Topic, transport and reliability in words, for diagnostics."""
        if not self.is_open:
            return 'not subscribed'
        return f'{self.topic} ({self._transport}, {self._reliability})'

    def open(self, transport: str, wanted: str) -> None:
        """Subscribe.

        Args:
            transport: `raw`, `compressed`, or `compressedDepth` for depth.
            wanted: `auto`, `reliable` or `best_effort`.
        """
        self.close()
        self._transport = transport
        self._wanted = wanted
        self._heard_s = self._now_s()
        self._subscribe(reliability_for(wanted, offers_on(self._node, self.topic)))

    def close(self) -> None:
        """Unsubscribe; nothing happens if that is so already."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        for kind in ('qos', 'publishers', 'silence', 'message'):
            self._health.resolve(f'{self._prefix}{kind}')

    def check(self, silence_warning_s: float) -> None:
        """Follow the publishers, and complain if nothing arrives.

        Args:
            silence_warning_s: time without image after which to complain, s.
        """
        if self._subscription is None:
            return
        offers = offers_on(self._node, self.topic)
        fitting = reliability_for(self._wanted, offers)
        # Without publishers there is nothing to adapt to.
        if offers and fitting != self._reliability:
            self._node.get_logger().info(
                f'subscribing to {self.topic} anew as {fitting}: that is what its publishers offer'
            )
            self._node.destroy_subscription(self._subscription)
            self._subscribe(fitting)
        mismatch = mismatch_text(self.topic, self._reliability, offers)
        if mismatch:
            self._health.report(f'{self._prefix}qos', mismatch)
        else:
            self._health.resolve(f'{self._prefix}qos')
        mixture = mixture_text(self.topic, offers)
        if mixture:
            self._health.report(f'{self._prefix}publishers', mixture)
        else:
            self._health.resolve(f'{self._prefix}publishers')
        silent_s = self._now_s() - self._heard_s
        silence = f'{self._prefix}silence'
        if silent_s >= silence_warning_s and silence not in self._health.active():
            self._health.report(
                silence,
                silence_text(
                    topic=self.topic,
                    transport=self._transport,
                    asked=self._reliability,
                    silent_s=silent_s,
                    offers=offers,
                    topics=dict(self._node.get_topic_names_and_types()),
                ),
            )

    def _subscribe(self, reliability: str) -> None:
        self._reliability = reliability
        message_type = _TYPES[self._transport]
        reader = MessageReader(message_type, self.topic, self._health, f'{self._prefix}message')
        # Its annotation does not know callbacks that take bytes.
        subscribe: Any = self._node.create_subscription
        self._subscription = subscribe(
            message_type,
            self.topic,
            lambda content: self._receive(reader, content),
            for_images(reliability),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._refused),
            raw=True,
        )

    def _receive(self, reader: MessageReader, content: bytes) -> None:
        self._heard_s = self._now_s()
        self._health.resolve(f'{self._prefix}silence')
        message = reader.read(content)
        if message is None:
            self._on_unreadable()
        else:
            self._on_image(message)

    def _refused(self, event: QoSRequestedIncompatibleQoSInfo) -> None:
        """Complain at once; the names follow from the publishers known, if they are known yet."""
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        text = mismatch_text(self.topic, self._reliability, offers_on(self._node, self.topic)) or (
            f'QoS mismatch on {self.topic}: a publisher offers a {policy} that does not fit what '
            f'this node asks for ({self._reliability}, volatile). Set image_qos, or change the '
            'publisher'
        )
        if self._wanted != 'auto':
            self._health.report(f'{self._prefix}qos', text)
