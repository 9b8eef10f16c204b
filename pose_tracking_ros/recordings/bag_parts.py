"""What bag files consist of, whichever way they are stored: channels, messages, errors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from rosbags.interfaces import MessageDefinition


class BagError(ValueError):
    """A bag cannot be used. The text says what was expected, what came, what to do."""


@dataclass(frozen=True)
class Channel:
    """One topic of one file.

    Attributes:
        topic: its name.
        type_name: of the messages, as in `sensor_msgs/msg/Image`.
        definition: of the type, as the file has it; possibly none.
        count: readable messages, as far as is known before they are read.
    """

    topic: str
    type_name: str
    definition: MessageDefinition
    count: int


class StoredMessage(NamedTuple):
    """A message as it was recorded.

    Attributes:
        channel: it belongs to.
        received_ns: when it was recorded, ns.
        cdr: serialised, possibly compressed.
    """

    channel: Channel
    received_ns: int
    cdr: bytes


class StorageReader(Protocol):
    """Reads one file."""

    @property
    def channels(self) -> Sequence[Channel]:
        """What the file holds."""

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with the file, one sentence each; complete after reading."""

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """Yield the messages of some topics by the time of recording, then place in the file."""

    def close(self) -> None:
        """Free the file."""


def time_text(stamp_ns: int) -> str:
    """Return a time in s with all of its digits, as `ros2 topic echo` has them."""
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    return f'{seconds}.{nanoseconds:09d} s'
