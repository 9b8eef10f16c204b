"""From the topics `depth/image` and `camera_info` to tracks in metres."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from pose_tracking_ros.lifting.camera_model import CameraModel, CameraModelError
from pose_tracking_ros.lifting.depth_image import DepthImage, DepthImageError
from pose_tracking_ros.lifting.lifter import Lifter
from pose_tracking_ros.lifting.rigid_transform import RigidTransform
from pose_tracking_ros.lifting.stamp_matcher import StampMatcher
from pose_tracking_ros.people import FrameResult
from pose_tracking_ros.ros.conversion import seconds_from_stamp
from pose_tracking_ros.ros.health import Health
from pose_tracking_ros.ros.image_input import ImageInput
from pose_tracking_ros.ros.transforms import FindTransform, TransformError, TransformFinder
from pose_tracking_ros.settings import DepthSettings
from pose_tracking_ros.skeleton import Skeleton

# A third of a second at 30 Hz: depth may be that much earlier than its image. What images at hand
# need is kept for longer.
_KEPT_IMAGES = 10
# After this without depth nobody waits for it, and it is complained of.
_SILENCE_S = 2.0
_REMAP = (
    'or remap depth/image to its depth aligned with the image, set depth_transport to how that is '
    'published, or set use_depth to false'
)
_START = 'people are not placed in space: '
_ALIGN = (
    'Let the driver align depth to colour (align_depth.enable:=true, or depth_image_proc '
    'register), and remap depth/image to that'
)


class PeopleInSpace:
    """Gives the tracks of each image their pose in metres, when depth is wanted.

    Args:
        node: owns the subscription.
        health: takes complaints of the kinds `depth` and `transform`, and of `ImageInput` with
            `depth_` before them.
        skeleton: of the tracks' keypoints.
        find_transform: to `target_frame`; that of tf2 if not given.
        now_s: monotonic clock, s.
    """

    def __init__(
        self,
        node: Node,
        health: Health,
        skeleton: Skeleton,
        find_transform: FindTransform | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._health = health
        self._now_s = now_s
        self._input = ImageInput(
            node, health, self._receive, name='depth/image', kind_prefix='depth_'
        )
        self._matcher: StampMatcher[Any] = StampMatcher(_KEPT_IMAGES)
        self._lifter = Lifter(skeleton)
        self._finder: TransformFinder | None = None
        if find_transform is None:
            self._finder = TransformFinder(node)
            find_transform = self._finder.find
        self._find_transform = find_transform
        self._opened_s = math.inf
        self._heard_s = -math.inf

    @property
    def description(self) -> str:
        """The subscription to depth in words, for diagnostics."""
        return self._input.description

    def listen(self, settings: DepthSettings, wanted_qos: str) -> None:
        """Subscribe or unsubscribe, as the settings say, and follow the publishers.

        To be called about twice a second, in the thread of the executor.

        Args:
            settings: as they are now.
            wanted_qos: `auto`, `reliable` or `best_effort`.
        """
        if not settings.use_depth:
            self.close()
            return
        if settings.target_frame and self._finder is not None:
            self._finder.listen()
        if not self._input.is_open:
            self._opened_s = self._now_s()
            self._input.open(settings.depth_transport, wanted_qos)
        # Silence is told of where depth is missed.
        self._input.check(math.inf)

    def close(self) -> None:
        """Unsubscribe; nothing happens if that is so already."""
        if self._input.is_open:
            self._input.close()
            self._matcher.clear()
        self._opened_s = math.inf
        for kind in ('depth', 'transform'):
            self._health.resolve(kind)

    def expect(self, header: Any) -> None:
        """Keep the depth of an image that has arrived and waits for its turn."""
        self._matcher.pin('waiting', seconds_from_stamp(header.stamp))

    def begin(self, header: Any, step: str) -> None:
        """Keep the depth of an image that a step works on now, however long that takes."""
        self._matcher.pin(step, seconds_from_stamp(header.stamp))

    def place(
        self,
        result: FrameResult,
        settings: DepthSettings,
        *,
        header: Any,
        stamp_s: float,
        camera_info: Any | None,
    ) -> str:
        """Set the tracks' `in_space`, and return the frame it is in; empty for the camera's.

        Tracks stay without it unless depth is wanted. When something is missing, everything is
        NaN and the reason is reported.

        Args:
            result: of one image; its tracks are changed in place.
            settings: as they are now.
            header: of the image.
            stamp_s: time of the image, s.
            camera_info: of the image, usable; None when there is none.
        """
        if not settings.use_depth:
            return ''
        depth, camera, problem = None, None, ''
        try:
            depth = self._depth_for(header, stamp_s, settings)
            if camera_info is None:
                raise CameraModelError(
                    'there is no camera_info that fits the image. Remap camera_info to the '
                    "calibration of the image's camera"
                )
            camera = CameraModel.from_message(
                camera_info, result.people.image_size, is_rectified=settings.is_rectified
            )
        except (DepthImageError, CameraModelError) as error:
            problem = str(error)
        to_target, is_lost = self._transform(settings, header)
        try:
            self._lifter.lift(
                result.tracks,
                None if is_lost else depth,
                camera,
                stamp_s=stamp_s,
                session_id=result.session_id,
                to_target=to_target,
            )
        except DepthImageError as error:
            problem = str(error)
        self._tell(problem)
        return settings.target_frame

    def _receive(self, message: Any) -> None:
        self._heard_s = self._now_s()
        self._matcher.add(seconds_from_stamp(message.header.stamp), message)

    def _depth_for(self, header: Any, stamp_s: float, settings: DepthSettings) -> DepthImage:
        """Return the depth that belongs to an image.

        Raises:
            DepthImageError: there is none, or it is not aligned with the image.
        """
        is_alive = self._now_s() - self._heard_s < _SILENCE_S
        message = self._matcher.wait_for(
            stamp_s, settings.depth_max_age_s, settings.depth_wait_s if is_alive else 0.0
        )
        if message is None:
            if not is_alive:
                raise DepthImageError(
                    f'no depth arrives on {self._input.topic}. Start the depth camera, {_REMAP}'
                )
            difference_s = self._matcher.last_difference_s(stamp_s)
            raise DepthImageError(
                f'no depth within {settings.depth_max_age_s:g} s of the image; the last one '
                f'differs by {difference_s:+.3f} s. Raise depth_max_age_s or depth_wait_s, or '
                'synchronise the clocks of the cameras'
            )
        if message.header.frame_id != header.frame_id:
            raise DepthImageError(
                f'expected depth in the frame of the image, {header.frame_id!r}, got '
                f'{message.header.frame_id!r}. {_ALIGN}'
            )
        return DepthImage.from_message(message, settings.depth_min_m, settings.depth_max_m)

    def _transform(
        self, settings: DepthSettings, header: Any
    ) -> tuple[RigidTransform | None, bool]:
        """Return the transform, None for the camera's own frame, and whether it is missing."""
        if not settings.target_frame:
            self._health.resolve('transform')
            return None, False
        try:
            found = self._find_transform(settings.target_frame, header, settings.transform_wait_s)
        except TransformError as error:
            self._begin('transform', f'{_START}{error}')
            return None, True
        self._health.resolve('transform')
        return found, False

    def _tell(self, problem: str) -> None:
        if not problem:
            self._health.resolve('depth')
        elif self._now_s() - self._opened_s >= _SILENCE_S:
            # Not at once: publishers and subscribers take a moment to find each other.
            self._begin('depth', f'{_START}{problem}')

    def _begin(self, kind: str, text: str) -> None:
        """Report a problem, unless it differs from the present one in figures only."""
        present = self._health.active().get(kind, '')
        if _without_figures(present) != _without_figures(text):
            self._health.report(kind, text)


def _without_figures(text: str) -> str:
    return ''.join(letter for letter in text if not letter.isdigit() and letter not in '+-')
