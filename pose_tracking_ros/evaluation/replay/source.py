"""The images of a bag as the replay takes them: readable, numbered, with a time each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.recordings.bag_reader import BagReader


def seconds_from_ns(stamp_ns: int) -> float:
    """Return a stamp in s, to the last bit as the node converts it."""
    whole, nanoseconds = divmod(stamp_ns, 10**9)
    return float(whole) + float(nanoseconds) * 1e-9


@dataclass(frozen=True, eq=False)
class SourceImage:
    """A readable image.

    Attributes:
        number: among the readable ones, from 1 up.
        stamp_ns: time of the image, ns; that of its recording where the message has none.
        received_ns: when it was recorded, ns.
        header: of the message, unchanged.
        pixels: RGB; not to be written to.
        reading_s: how long reading and decoding took, s.
    """

    number: int
    stamp_ns: int
    received_ns: int
    header: Any
    pixels: UInt8[np.ndarray, 'height width 3']
    reading_s: float

    @property
    def stamp_s(self) -> float:
        """Time of the image, s."""
        return seconds_from_ns(self.stamp_ns)


@dataclass
class SourceReport:
    """What was wrong with the bag, filled while it is read.

    Attributes:
        problems: one sentence each; none for a bag that is fine.
    """

    problems: list[str] = field(default_factory=list)


def find_image_topic(reader: BagReader, wish: str | None) -> str:
    """Return the topic of the images.

    Args:
        reader: of the bag.
        wish: a topic's name, with or without the leading slash; None takes the only one there is.

    Raises:
        EvaluationError: no topic was named, and there is not exactly one with images.
        BagError: there is no such topic, or it does not hold images.
    """
    if wish is None:
        if len(reader.image_topics) != 1:
            raise EvaluationError(
                f'{reader.path}: expected --image TOPIC, as there is not exactly one topic of '
                f'images; there are: {", ".join(sorted(reader.image_topics)) or "none"}'
            )
        return reader.image_topics[0]
    topic = f'/{wish}' if f'/{wish}' in reader.topics else wish
    reader.check_image_topic(topic)
    return topic


def readable_images(
    bag: Path, topic: str, report: SourceReport, max_images: int | None = None
) -> Iterator[SourceImage]:
    """Yield the images that can be decoded, in the order in which they were recorded.

    The bag is opened in the thread that iterates: SQLite refuses to serve another one.

    Args:
        bag: folder or file.
        topic: of the images.
        report: is told at the end what is wrong; of a bag not read to its end, only the files.
        max_images: only so many readable images; None for all.

    Raises:
        BagError: the bag cannot be read, or no image in it.
    """
    unstamped = 0
    with BagReader(bag) as reader:
        images = reader.images(topic)
        number = 0
        while max_images is None or number < max_images:
            started = time.perf_counter()
            image = next(images, None)
            if image is None:
                break
            number += 1
            unstamped += image.stamp_ns == 0
            yield SourceImage(
                number=number,
                stamp_ns=image.stamp_ns or image.received_ns,
                received_ns=image.received_ns,
                header=image.message.header,
                pixels=image.rgb(),
                reading_s=time.perf_counter() - started,
            )
        report.problems += reader.problems
    if unstamped:
        report.problems.append(
            f'{topic}: {unstamped} images without a stamp are tracked by the time at which they '
            'were recorded.'
        )
