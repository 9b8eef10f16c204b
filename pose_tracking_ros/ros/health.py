"""What is wrong, said once and clearly: silence is the most common complaint in this field."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pose_tracking_ros.ros.qos import Offer, mismatch_text

IMAGE_TYPES = {'raw': 'sensor_msgs/msg/Image', 'compressed': 'sensor_msgs/msg/CompressedImage'}
"""Message type per image transport."""


@dataclass
class _Problem:
    text: str
    is_active: bool
    warned_s: float


class Health:
    """Collects problems by kind; each is warned of when it begins, and again only if it returns.

    A problem that comes and goes with every frame is warned of at most every `quiet_s`. Safe to
    use from several threads.

    Args:
        warn: takes the text of a warning.
        quiet_s: shortest time between two warnings of one kind, s.
        now_s: monotonic clock, s.
    """

    def __init__(
        self,
        warn: Callable[[str], None],
        quiet_s: float = 10.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._warn = warn
        self._quiet_s = quiet_s
        self._now_s = now_s
        self._lock = threading.Lock()
        self._problems: dict[str, _Problem] = {}
        self._counts: dict[str, int] = {}

    def report(self, kind: str, text: str) -> None:
        """Note a problem; warn of it unless it is known already."""
        now_s = self._now_s()
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._problems.get(kind)
            is_news = known is None or not known.is_active or known.text != text
            may_warn = known is None or now_s - known.warned_s >= self._quiet_s
            warns = is_news and may_warn
            warned_s = now_s if warns or known is None else known.warned_s
            self._problems[kind] = _Problem(text, is_active=True, warned_s=warned_s)
        if warns:
            self._warn(text)

    def begin(self, kind: str, text: str) -> None:
        """Note a problem that lasts; while it does, its first text stays.

        For texts with figures that would differ, and be warned of, each time.
        """
        with self._lock:
            known = self._problems.get(kind)
            lasting = known.text if known is not None and known.is_active else text
        self.report(kind, lasting)

    def resolve(self, kind: str) -> None:
        """Note that a problem is over, if it was there."""
        with self._lock:
            if kind in self._problems:
                self._problems[kind].is_active = False

    def active(self) -> dict[str, str]:
        """Return the present problems: kind to text."""
        with self._lock:
            return {kind: p.text for kind, p in self._problems.items() if p.is_active}

    def counts(self) -> dict[str, int]:
        """Return how often each kind was reported so far."""
        with self._lock:
            return dict(self._counts)


def silence_text(
    *,
    topic: str,
    transport: str,
    asked: str,
    silent_s: float,
    offers: Sequence[Offer],
    topics: Mapping[str, Sequence[str]],
) -> str:
    """Explain why no image came, as far as it can be told, and what to do.

    Args:
        topic: fully qualified name subscribed to.
        transport: `raw` or `compressed`.
        asked: reliability asked for.
        silent_s: how long nothing came, s.
        offers: publishers of the topic.
        topics: all topics known, with their message types.
    """
    start = f'no image on {topic} for {silent_s:.0f} s: '
    wanted_type = IMAGE_TYPES[transport]
    if not offers:
        return start + 'nobody publishes there. ' + _alternatives(transport, topics)
    wrong = sorted({o.message_type for o in offers} - {wanted_type})
    if wrong and len(wrong) == len({o.message_type for o in offers}):
        return start + (
            f'its publisher sends {", ".join(wrong)}, this node expects {wanted_type}. '
            'Set image_transport to fit'
        )
    names = ', '.join(sorted(offer.node for offer in offers))
    mismatch = mismatch_text(topic, asked, offers)
    if mismatch:
        return start + mismatch
    if asked == 'best_effort' and transport == 'raw':
        return start + (
            f'{names} publishes there, but nothing arrives. Either it is idle, or large '
            'best-effort images are lost by default Fast DDS: start every process with the '
            'profile config/fastdds.xml, or make the publisher reliable (docs/transport.md)'
        )
    return start + f'{names} publishes there, but is idle or not reachable. Look at its log'


def _alternatives(transport: str, topics: Mapping[str, Sequence[str]]) -> str:
    """Name topics that carry images."""
    fitting = sorted(name for name, types in topics.items() if IMAGE_TYPES[transport] in types)
    if fitting:
        # With `compressed` the suffix is added to the topic `image` by this node.
        shown = [name.removesuffix('/compressed') for name in fitting][:5]
        return (
            f'Images are published on {", ".join(fitting[:5])}; remap image:={shown[0]} '
            '(launch argument image)'
        )
    other = 'compressed' if transport == 'raw' else 'raw'
    fitting = sorted(name for name, types in topics.items() if IMAGE_TYPES[other] in types)
    if fitting:
        return (
            f'Only {other} images are published, on {", ".join(fitting[:5])}: set '
            f'image_transport to {other} and remap image'
        )
    return 'No topic carries images: is the camera driver running, in the same ROS_DOMAIN_ID?'
