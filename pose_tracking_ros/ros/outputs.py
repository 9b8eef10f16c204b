"""Everything the tracker node publishes about an image. What nobody listens to costs nothing."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import UInt8
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from pose_tracking_ros.image_decoding import fill_image_message
from pose_tracking_ros.msg import SkeletonInfo, TrackedPoseArray, TrackEvent
from pose_tracking_ros.people import FrameResult, Track
from pose_tracking_ros.ros.conversion import PoseArrayWriter, event_message, skeleton_message
from pose_tracking_ros.ros.interop import Exchange
from pose_tracking_ros.ros.marker_array import MarkerView
from pose_tracking_ros.ros.markers import MarkerWriter, PixelPlane
from pose_tracking_ros.ros.markers_3d import SpaceMarkerWriter
from pose_tracking_ros.ros.qos import LATCHED, OUTPUT, for_images
from pose_tracking_ros.ros.target_service import TargetService
from pose_tracking_ros.settings import NodeSettings
from pose_tracking_ros.skeleton import Skeleton
from pose_tracking_ros.viewing.trails import Trails

Draw = Callable[
    [UInt8[np.ndarray, 'height width 3'], Sequence[Track], Trails | None],
    UInt8[np.ndarray, 'height width 3'],
]
"""Draws tracks and their trails on a copy of an RGB image."""


class RateLimit:
    """Says when something may happen again.

    Args:
        now_s: monotonic clock, s.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._next_s = float('-inf')

    def allows(self, rate_hz: float) -> bool:
        """Return whether the time has come, and count from now if so."""
        now_s = self._now_s()
        if now_s < self._next_s:
            return False
        period_s = 1 / rate_hz
        # Counted from when it was due, so that a limit near the camera's rate does not halve it;
        # after a pause from now.
        was_due_s = self._next_s if now_s - self._next_s < period_s else now_s
        self._next_s = was_due_s + period_s
        return True


class Outputs:
    """The publishers of the tracker node; they work while the node is active.

    Args:
        node: owns the publishers.
        skeleton: of the keypoints; announced at once, for those who come later too.
        model_id: as the engine states it.
        draw: draws the annotated image.
        target: says which of the people is the target.
        exchange: publishes for other systems.
    """

    def __init__(
        self,
        node: LifecycleNode,
        skeleton: Skeleton,
        model_id: str,
        draw: Draw,
        target: TargetService,
        exchange: Exchange,
    ) -> None:
        self._node = node
        self._draw = draw
        self._target_service = target
        self._exchange = exchange
        self._poses = node.create_lifecycle_publisher(TrackedPoseArray, 'tracked_poses', OUTPUT)
        self._target = node.create_lifecycle_publisher(TrackedPoseArray, '~/target', OUTPUT)
        self._events = node.create_lifecycle_publisher(TrackEvent, '~/events', OUTPUT)
        self._markers = node.create_lifecycle_publisher(MarkerArray, '~/markers', OUTPUT)
        self._space_markers = node.create_lifecycle_publisher(MarkerArray, '~/markers_3d', OUTPUT)
        self._annotated = node.create_lifecycle_publisher(
            Image, '~/image_annotated', for_images('reliable')
        )
        self._skeleton = node.create_publisher(SkeletonInfo, '~/skeleton_info', LATCHED)
        self._skeleton.publish(skeleton_message(skeleton))
        self._pose_writer = PoseArrayWriter(skeleton, model_id)
        self._marker_writer = MarkerWriter(skeleton)
        self._space_writer = SpaceMarkerWriter(skeleton)
        self._marker_rate = RateLimit()
        self._space_rate = RateLimit()
        self._annotated_rate = RateLimit()
        self._annotated_message = Image()
        self._trails = Trails()
        self._trails_session_id = 0
        # Tells at once what is missing.
        exchange.follow_settings()

    @property
    def wants_camera_info(self) -> bool:
        """Whether somebody looks at the markers, which stand where the camera sees them."""
        return bool(self._markers.get_subscription_count())

    def destroy(self) -> None:
        """Remove the publishers."""
        for publisher in (
            self._poses,
            self._target,
            self._events,
            self._markers,
            self._space_markers,
            self._annotated,
        ):
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._skeleton)
        self._exchange.close()

    def publish(
        self,
        result: FrameResult,
        *,
        header: Any,
        session_id: int,
        sequence: int,
        frames_dropped: int,
        processing_time_s: float,
        with_embeddings: bool,
        space_frame: str = '',
    ) -> None:
        """Publish the poses, also when there are none, the target and the events of an image.

        Args:
            result: what was found.
            header: of the image.
            session_id: as published.
            sequence: number of the message since activation, from 1 up.
            frames_dropped: since activation.
            processing_time_s: from taking the image until now, s.
            with_embeddings: whether appearance vectors are sent.
            space_frame: frame of the poses in space; empty for that of the image.
        """
        write = functools.partial(
            self._pose_writer.write,
            header=header,
            session_id=session_id,
            sequence=sequence,
            frames_dropped=frames_dropped,
            processing_time_s=processing_time_s,
            with_embeddings=with_embeddings,
            space_frame=space_frame,
        )
        self._poses.publish(write(result))
        target = self._target_service.see(result.tracks, session_id)
        if target is not None:
            self._target.publish(write(replace(result, tracks=target)))
        for event in result.events:
            self._events.publish(event_message(event, header=header, session_id=session_id))

    def show(
        self,
        result: FrameResult,
        image: UInt8[np.ndarray, 'height width 3'],
        *,
        header: Any,
        stamp_s: float,
        settings: NodeSettings,
        camera_info: Any | None,
        space_frame: str = '',
    ) -> None:
        """Publish for other systems, and markers and the annotated image to those who look.

        Args:
            result: what was found.
            image: RGB; it is not changed.
            header: of the image.
            stamp_s: time of the image, s.
            settings: rates and sizes.
            camera_info: the latest `sensor_msgs/CameraInfo`, None when there is none.
            space_frame: frame of the poses in space; empty for that of the image.
        """
        view = MarkerView.of(settings, stamp_s, result.session_id)
        if self._markers.get_subscription_count():
            if self._marker_rate.allows(settings.max_markers_hz):
                plane = PixelPlane.of_camera(
                    settings.marker_scale_m, result.people.image_size, camera_info
                )
                self._markers.publish(
                    self._marker_writer.write(result.tracks, header=header, plane=plane, view=view)
                )
        else:
            self._marker_writer.forget()
        self._show_in_space(result, header, settings.max_markers_hz, view, space_frame)
        self._exchange.publish(result.tracks, image, header, space_frame)
        if not self._annotated.get_subscription_count():
            self._trails = Trails()
            return
        if result.session_id != self._trails_session_id:
            # Its numbers are others' now.
            self._trails, self._trails_session_id = Trails(), result.session_id
        if settings.trail_s > 0:
            self._trails.max_age_s = settings.trail_s
            self._trails.update(result.tracks, stamp_s)
        if self._annotated_rate.allows(settings.max_annotated_hz):
            trails = self._trails if settings.trail_s > 0 else None
            fill_image_message(self._annotated_message, self._draw(image, result.tracks, trails))
            self._annotated_message.header = header
            self._annotated.publish(self._annotated_message)

    def _show_in_space(
        self, result: FrameResult, header: Any, rate_hz: float, view: MarkerView, space_frame: str
    ) -> None:
        if not self._space_markers.get_subscription_count():
            self._space_writer.forget()
        elif self._space_rate.allows(rate_hz):
            self._space_markers.publish(
                self._space_writer.write(
                    result.tracks, header=header, space_frame=space_frame, view=view
                )
            )

    def clear(self, header: Any) -> None:
        """Delete the markers that are shown, end what others follow, and forget the trails.

        Args:
            header: stamp and frame of the deletion.
        """
        for writer, publisher in (
            (self._marker_writer, self._markers),
            (self._space_writer, self._space_markers),
        ):
            deletion = writer.clear(header)
            if deletion is not None:
                publisher.publish(deletion)
        self._trails = Trails()
        self._exchange.close()
        self._target_service.forget_image()
