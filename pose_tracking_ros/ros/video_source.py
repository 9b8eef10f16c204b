"""A camera made of a file, a folder of images, a webcam or the simulation.

Publishes `image` and `camera_info`, and `depth/image` of a simulated scene when that is asked for,
at the source's rate. A thread reads and publishes; the
executor only serves parameters.

Stamps: with `stamp:=source`, the default, an image carries the time of the node's start plus its
position in the source. Intervals are exactly those of the recording, however unevenly the machine
publishes; when the source loops, time jumps back with it, as in a looped bag, and trackers start
anew, which is right since everybody in the picture has changed. With `stamp:=now` an image carries
the time of its publication, as from a live camera, and looping goes unnoticed.
"""

from __future__ import annotations

if __name__ == '__main__':
    # Before anything slow is imported, so that a signal in the meantime ends it with 0.
    from pose_tracking_ros.ros.program_start import end_at_once_on_signals

    end_at_once_on_signals()

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

import numpy as np
from builtin_interfaces.msg import Time
from jaxtyping import Float, UInt8
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from pose_tracking_ros.image_decoding import fill_image_message
from pose_tracking_ros.lifting.depth_image import fill_depth_message
from pose_tracking_ros.ros.parameters import ParameterStore
from pose_tracking_ros.ros.program import ProgramEnd, leave, run, with_malloc
from pose_tracking_ros.ros.qos import for_images
from pose_tracking_ros.ros.worker import Task
from pose_tracking_ros.settings import VideoSourceSettings

if TYPE_CHECKING:
    from pose_tracking_ros.viewing.sources import VideoSource

_CHECK_PERIOD_S = 0.1
_POLL_PERIOD_S = 0.05
# A subscriber knows the publisher a little later than the publisher knows it, and `auto`
# subscribers of this project connect a second time when they have seen what is offered.
_SETTLING_S = 1.0
# Later than this is told, and not made up for by publishing faster.
_MAX_LATENESS_S = 0.5
_ACKNOWLEDGE_TIMEOUT_S = 1.0


OpenVideo = Callable[[str, 'float | None'], 'VideoSource']
"""Opens what a name stands for, at a rate in Hz if one is wished for."""


class _DepthSource(Protocol):
    """A source that knows how far away everything is."""

    def depth(self, index: int, *, is_exact: bool) -> Float[np.ndarray, 'height width']:
        """Return the depth that belongs to an image, m; NaN where unknown."""


def _open_video(video: str, rate_hz: float | None) -> VideoSource:
    # Only here, so that an interrupt while a scene or a camera is set up ends the program cleanly.
    from pose_tracking_ros.viewing.sources import open_video

    return open_video(video, rate_hz)


def camera_info_of(
    image_size: tuple[int, int],
    intrinsics: tuple[float, float, float, float] | None,
    horizontal_fov_deg: float,
) -> CameraInfo:
    """Return the calibration of a camera without distortion.

    Args:
        image_size: width and height, px.
        intrinsics: fx, fy, cx, cy in px; None for square pixels and the axis in the middle.
        horizontal_fov_deg: field of view across the width, degrees; used without intrinsics.
    """
    width, height = image_size
    if intrinsics is None:
        focal_px = width / 2 / math.tan(math.radians(horizontal_fov_deg) / 2)
        intrinsics = (focal_px, focal_px, width / 2, height / 2)
    fx, fy, cx, cy = map(float, intrinsics)
    # In ROS, as in OpenCV, a pixel's middle is a whole number.
    cx, cy = cx - 0.5, cy - 0.5
    return CameraInfo(
        width=width,
        height=height,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


class VideoSourceNode(Node):
    """Publishes a source's images as a camera would.

    Args:
        open_video: opens what the parameter `video` names; that of the project if not given.
        options: passed on to the node (`context`, `parameter_overrides`, `namespace`, ...).

    Raises:
        ParameterError: a parameter given at start is not usable.
    """

    def __init__(self, open_video: OpenVideo = _open_video, **options: Any) -> None:
        super().__init__('video_source', **options)
        store = ParameterStore(self, (VideoSourceSettings,))
        self._settings = store.get(VideoSourceSettings)
        self._open_video = open_video
        profile = for_images(self._settings.reliability)
        self._images = self.create_publisher(Image, 'image', profile)
        self._infos = self.create_publisher(CameraInfo, 'camera_info', profile)
        self._depths: Any = None
        if self._settings.depth:
            self._depths = self.create_publisher(Image, 'depth/image', profile)
            self._depth_message = Image()
        self._stopping = threading.Event()
        self._task: Task | None = None
        self._message = Image()
        self._info = CameraInfo()
        self._published = 0
        self.create_timer(_CHECK_PERIOD_S, self._check)

    @property
    def node(self) -> Node:
        """The node itself, as `program.run` wants it."""
        return self

    @property
    def published(self) -> int:
        """Number of images published so far."""
        return self._published

    @property
    def is_finished(self) -> bool:
        """Whether the last image has been published."""
        return self._task is not None and self._task.is_done

    def start(self) -> bool:
        """Open the source and begin; return False, after saying why, if it cannot be opened."""
        try:
            source = self._open_video(self._settings.video, self._settings.rate_hz or None)
        except (OSError, ValueError) as error:
            self.get_logger().error(f'cannot open the video: {error}')
            return False
        if self._settings.depth and not hasattr(source, 'depth'):
            self.get_logger().error(
                f'depth: expected simulation:SCENE, since {self._settings.video} has no depth'
            )
            source.close()
            return False
        self._info = camera_info_of(
            source.image_size, source.intrinsics, self._settings.horizontal_fov_deg
        )
        rate_hz = self._settings.rate_hz or source.rate_hz
        self.get_logger().info(
            f'playing {self._settings.video} at {rate_hz:g} Hz on {self._images.topic_name}'
        )
        self._task = Task(lambda: self._play(source))
        return True

    def stop(self, timeout_s: float) -> bool:
        """Stop publishing; return whether the thread ended in time."""
        self._stopping.set()
        return self._task is None or self._task.join(timeout_s)

    def _check(self) -> None:
        if self._task is None or not self._task.is_done or not self.context.ok():
            return
        self._task.raise_failure()
        if self._settings.exit_at_end:
            raise ProgramEnd

    def _play(self, source: VideoSource) -> None:
        """Publish the source until its end, or for ever, and close it; runs in the thread."""
        try:
            self._play_rounds(source)
        finally:
            source.close()

    def _play_rounds(self, source: VideoSource) -> None:
        if self._settings.wait_for_subscriber and not self._wait_for_subscriber():
            return
        started = self.get_clock().now()
        began_s = time.monotonic()
        while True:
            published_before = self._published
            self._play_once(source, started.nanoseconds)
            if self._stopping.is_set():
                return
            if self._published == published_before:
                raise ValueError(f'{self._settings.video}: expected images, but there is none')
            if not self._settings.loop:
                break
        self._images.wait_for_all_acked(Duration(seconds=_ACKNOWLEDGE_TIMEOUT_S))
        elapsed_s = time.monotonic() - began_s
        self.get_logger().info(
            f'end of {self._settings.video}: {self._published} images in {elapsed_s:.1f} s'
        )

    def _wait_for_subscriber(self) -> bool:
        """Return True when somebody has subscribed for a while, False when it is time to stop."""
        since_s = math.inf
        while not self._stopping.wait(_POLL_PERIOD_S):
            if not self._images.get_subscription_count():
                since_s = math.inf
                continue
            since_s = min(since_s, time.monotonic())
            if time.monotonic() - since_s >= _SETTLING_S:
                return True
        return False

    def _play_once(self, source: VideoSource, started_ns: int) -> None:
        began_s = time.monotonic()
        rate_hz = self._settings.rate_hz
        # Files keep their rate when they are opened; here they are played faster or slower.
        is_own_rate = rate_hz in (0.0, source.rate_hz)
        for index, (source_position_s, image) in enumerate(source):
            position_s = source_position_s if is_own_rate else index / rate_hz
            due_s = began_s + position_s
            if self._stopping.wait(max(0.0, due_s - time.monotonic())):
                return
            lateness_s = time.monotonic() - due_s
            if lateness_s > _MAX_LATENESS_S:
                began_s += lateness_s
                self.get_logger().warning(
                    f'{lateness_s:.1f} s late at {position_s:.1f} s: the source or this machine '
                    'is too slow for the rate; images are not left out',
                    throttle_duration_sec=10.0,
                )
            stamp_ns = started_ns + round(position_s * 1e9)
            if self._settings.stamp == 'now':
                stamp_ns = self.get_clock().now().nanoseconds
            depth = None
            if self._depths is not None:
                exact = not self._settings.depth_errors
                depth = cast('_DepthSource', source).depth(index, is_exact=exact)
            self._publish(image, depth, stamp_ns)

    def _publish(
        self,
        image: UInt8[np.ndarray, 'height width 3'],
        depth: Float[np.ndarray, 'height width'] | None,
        stamp_ns: int,
    ) -> None:
        message, info = self._message, self._info
        fill_image_message(message, image, self._settings.encoding)
        message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        message.header.frame_id = self._settings.frame_id
        info.header = message.header
        self._images.publish(message)
        self._infos.publish(info)
        if depth is not None:
            fill_depth_message(self._depth_message, depth, self._settings.depth_encoding)
            self._depth_message.header = message.header
            self._depths.publish(self._depth_message)
        self._published += 1


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the node as a program and end the process."""
    leave(run(lambda: with_malloc(VideoSourceNode()), arguments))


if __name__ == '__main__':
    main()
