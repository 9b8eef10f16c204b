"""Quality of service: what to ask of the camera, and how to explain that it does not fit.

A best-effort subscriber receives from everybody, but large images over default Fast DDS hardly
arrive that way (docs/transport.md); a reliable one receives nothing from a best-effort publisher.
Hence `auto` looks at what the publishers offer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABILITY = {
    'reliable': ReliabilityPolicy.RELIABLE,
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
}

_IMAGE_DEPTH = 4

LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    history=HistoryPolicy.KEEP_LAST,
)
"""For what is published once and must reach those who come later."""

OUTPUT = QoSProfile(
    depth=5,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
    history=HistoryPolicy.KEEP_LAST,
)
"""For results: reliable, so that any subscriber may connect."""


def for_images(reliability: str) -> QoSProfile:
    """Return the profile for images: the given reliability, volatile, keep the last few.

    Not the last one only: when a busy machine is late by one image, DDS would replace it without
    telling. With a few, it reaches the callback, where the mailbox takes the newest and counts
    the others. Latency does not grow by it, since the callback only stores.
    """
    return QoSProfile(
        depth=_IMAGE_DEPTH,
        reliability=RELIABILITY[reliability],
        durability=DurabilityPolicy.VOLATILE,
        history=HistoryPolicy.KEEP_LAST,
    )


@dataclass(frozen=True)
class Offer:
    """What one publisher offers.

    Attributes:
        node: full name of its node.
        message_type: for example `sensor_msgs/msg/Image`.
        is_reliable: whether it offers reliable delivery.
    """

    node: str
    message_type: str
    is_reliable: bool


def offers_on(node: Node, topic: str) -> list[Offer]:
    """Return what the publishers of a topic (fully qualified) offer, as far as they are known."""
    offers = []
    for info in node.get_publishers_info_by_topic(topic):
        namespace = info.node_namespace.rstrip('/')
        offers.append(
            Offer(
                node=f'{namespace}/{info.node_name}',
                message_type=info.topic_type,
                is_reliable=info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
            )
        )
    return offers


def reliability_for(wanted: str, offers: Sequence[Offer]) -> str:
    """Return `reliable` or `best_effort`.

    Args:
        wanted: `auto`, or what the user insists on.
        offers: of the publishers known now. With none, `auto` is best effort: it connects to
            whoever comes, and is revised then.
    """
    if wanted != 'auto':
        return wanted
    return 'reliable' if offers and all(offer.is_reliable for offer in offers) else 'best_effort'


def mismatch_text(topic: str, asked: str, offers: Sequence[Offer]) -> str:
    """Explain why publishers of a topic and this node do not connect; empty when they do."""
    if asked != 'reliable':
        return ''
    refused = sorted(offer.node for offer in offers if not offer.is_reliable)
    if not refused:
        return ''
    return (
        f'QoS mismatch on {topic}: {", ".join(refused)} offers best_effort, this node asks for '
        'reliable, so nothing arrives. Set image_qos to auto or best_effort, or make the '
        'publisher reliable'
    )


def mixture_text(topic: str, offers: Sequence[Offer]) -> str:
    """Explain that several publishers share a topic of one camera; empty when they do not."""
    if len(offers) < 2:
        return ''
    names = ', '.join(sorted(offer.node for offer in offers))
    return (
        f'{len(offers)} publishers send images on {topic}: {names}. Their people and stamps mix. '
        'Give each camera a topic or namespace of its own, and a tracker each '
        '(multi_camera.launch.py). One that was killed disappears by itself, within 20 s'
    )
