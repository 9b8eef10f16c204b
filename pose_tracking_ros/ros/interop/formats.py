"""What a format of another system is, to the rest of the node."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import UInt8
from rclpy.node import Node
from rosidl_generator_py.import_type_support_impl import UnsupportedTypeSupport

from pose_tracking_ros.people import Track, TrackState
from pose_tracking_ros.settings import InteropSettings


class FormatError(Exception):
    """The messages of a format cannot be used. Says why, and what to do."""


@dataclass(frozen=True, eq=False)
class Moment:
    """What there is to be told of one image.

    Attributes:
        tracks: all living ones, in the order of their ids.
        image: RGB.
        header: of the image.
        settings: as they are now.
        uses_depth: whether people are placed in space.
        space_frame: frame of the poses in space; empty for that of the image.
    """

    tracks: Sequence[Track]
    image: UInt8[np.ndarray, 'height width 3']
    header: Any
    settings: InteropSettings
    uses_depth: bool
    space_frame: str

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def people(self) -> list[Track]:
        """The tracks that stand for people in view, seen or hidden: neither new nor lost ones.

        Other systems take whatever is published for a person; a new track may turn out to be none.
        """
        in_view = (TrackState.CONFIRMED, TrackState.OCCLUDED)
        return [track for track in self.tracks if track.state in in_view]


class Outlet(Protocol):
    """Publishes in one format, from one thread at a time."""

    def publish(self, moment: Moment) -> str:
        """Publish what an image showed; return what is wrong, empty for nothing."""

    def close(self) -> None:
        """Say that nobody is there any more, where somebody would wait, and end."""


@dataclass(frozen=True)
class Format:
    """How people are published for some other system.

    Attributes:
        setting: switches it on, a field of `InteropSettings`; also the kind of its complaints.
        package: that has the messages.
        fields: what is filled in, per message: a package with other fields is another version.
        make: makes the outlet, given the node and the module of messages.
    """

    setting: str
    package: str
    fields: Mapping[str, Sequence[str]]
    make: Callable[[Node, Any], Outlet]

    def open(self, node: Node) -> Outlet:
        """Return the outlet.

        Raises:
            FormatError: the messages cannot be used.
        """
        messages = self.messages()
        try:
            return self.make(node, messages)
        except UnsupportedTypeSupport as error:
            raise FormatError(
                f'{self.setting} is on, but the messages of {self.package} cannot be sent from '
                f'here ({error}): they were built for another Python or another middleware. Build '
                f'{self.package} from source for this one with colcon, or set {self.setting} to '
                'false'
            ) from error

    def messages(self) -> Any:
        """Return the module of messages.

        Raises:
            FormatError: it is not installed, or of a version that is not known here.
        """
        distribution = os.environ.get('ROS_DISTRO', '') or '$ROS_DISTRO'
        apt_name = f'ros-{distribution}-{self.package.replace("_", "-")}'
        remedy = f'sudo apt install {apt_name}, or set {self.setting} to false'
        try:
            messages = importlib.import_module(f'{self.package}.msg')
        except ImportError as error:
            raise FormatError(
                f'{self.setting} is on, but the messages of {self.package} are not installed '
                f'({error}). Install them and start this node anew: {remedy}'
            ) from error
        for name, wanted in self.fields.items():
            kind = getattr(messages, name, None)
            has = () if kind is None else tuple(kind.get_fields_and_field_types())
            if not set(wanted) <= set(has):
                raise FormatError(
                    f'{self.setting} is on, but this version of {self.package} is not known: '
                    f'expected {name} with {", ".join(wanted)}; got '
                    f'{", ".join(has) or "no such message"}. Install the one of your ROS 2: '
                    f'{remedy}'
                )
        return messages
