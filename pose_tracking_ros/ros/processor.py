"""What is done with each image: decode, infer, track, publish; in one thread or in up to three."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import UInt8
from rclpy.clock import Clock

from pose_tracking_ros.image_decoding import ImageError, rgb_from_message
from pose_tracking_ros.people import FrameResult
from pose_tracking_ros.pipeline import Found, Pipeline
from pose_tracking_ros.ros.conversion import seconds_from_stamp
from pose_tracking_ros.ros.diagnostics import ActivityMeter
from pose_tracking_ros.ros.health import Health
from pose_tracking_ros.ros.image_checks import ImageChecks
from pose_tracking_ros.ros.image_intake import ImageIntake
from pose_tracking_ros.ros.outputs import Outputs
from pose_tracking_ros.ros.parameters import ParameterStore
from pose_tracking_ros.ros.people_in_space import PeopleInSpace
from pose_tracking_ros.ros.worker import one_after_another
from pose_tracking_ros.settings import (
    CameraMotionSettings,
    DepthSettings,
    GallerySettings,
    ImageInputSettings,
    NetworkSettings,
    NodeSettings,
    PoseNmsSettings,
    TrackerSettings,
)
from pose_tracking_ros.tracking.gallery import GalleryError


@dataclass(eq=False)
class ImageAtWork:
    """An image on its way through the steps.

    Attributes:
        header: of its message.
        image: RGB.
        stamp_s: when it was taken, s.
        camera_info: the calibration that fits it; None when there is none.
        started_s: when it was taken in, by the monotonic clock, s.
        found: the people in it, after `Processor.infer`.
        spent_s: time that each step took, s.
    """

    header: Any
    image: UInt8[np.ndarray, 'height width 3']
    stamp_s: float
    camera_info: Any | None
    started_s: float
    found: Found | None = None
    spent_s: dict[str, float] = field(default_factory=dict)


class Processor:
    """Takes image messages to the outputs, from activation to deactivation of the node.

    The steps `decode`, `infer` and `track` (which publishes) share nothing that changes, so each
    may run in a thread of its own, for successive images at the same time; each takes the images
    in their order.

    An image that cannot be processed is complained of and left out; the next one has its chance.

    Args:
        pipeline: network and tracker. The tracker starts anew.
        outputs: active publishers.
        intake: told what becomes of each image, asked for the count of dropped ones.
        parameters: settings, which may change from image to image.
        health: takes complaints of the kinds `image`, `inference`, `stamp`, `time`, `gallery`,
            `camera_motion` and `region`, and those of `ImageChecks`.
        meter: told of each image.
        clock: of the node; for images without a stamp.
        in_space: places people by depth, when that is wanted.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        outputs: Outputs,
        intake: ImageIntake,
        parameters: ParameterStore,
        health: Health,
        meter: ActivityMeter,
        clock: Clock,
        in_space: PeopleInSpace,
    ) -> None:
        self._pipeline = pipeline
        self._outputs = outputs
        self._intake = intake
        self._parameters = parameters
        self._health = health
        self._checks = ImageChecks(health)
        self._meter = meter
        self._clock = clock
        self._in_space = in_space
        self._network_settings = parameters.get(NetworkSettings)
        self._tracker_settings = parameters.get(TrackerSettings)
        self._is_reset_wanted = threading.Event()
        self._sequence = 0
        self._last_stamp_s = 0.0
        self._last_header: Any = None
        self.camera_info: Any = None
        pipeline.tracker.reset()
        # A tracker counts its sessions from 1; the time makes them differ between runs.
        self._session_offset = time.time_ns() // 1_000_000

    @property
    def session_id(self) -> int:
        """The session as published."""
        return self._session_offset + self._pipeline.tracker.session_id

    @property
    def wants_camera_info(self) -> bool:
        """Whether calibrations are to be looked at: until there is one that fits the images."""
        return self.camera_info is None or 'camera_info' in self._health.active()

    def request_reset(self) -> None:
        """Forget all tracks before the next image. May be called from any thread."""
        self._is_reset_wanted.set()

    def stations(self, count: int) -> list[Callable[[Any], Any]]:
        """Return the steps, spread over so many threads: 1 to 3.

        With two, an image is tracked while the next is decoded and inferred; with three, yet
        another one is decoded meanwhile.
        """
        steps = [self.decode, self.infer, self.track]
        return [one_after_another(steps[: 4 - count]), *steps[4 - count :]]

    def decode(self, message: Any) -> ImageAtWork | None:
        """Read a `sensor_msgs` Image or CompressedImage; None if that cannot be done."""
        started_s = time.perf_counter()
        try:
            image = rgb_from_message(message)
        except ImageError as error:
            self._health.report('image', f'image not readable: {error}')
            self._intake.count_refused()
            return None
        self._health.resolve('image')
        header = message.header
        self._in_space.begin(header, 'decode')
        stamp_s = self._stamp_of(header)
        image_size = (image.shape[1], image.shape[0])
        self._checks.check_size(image_size)
        camera_info = self._checks.usable_camera_info(self.camera_info, image_size)
        work = ImageAtWork(header, image, stamp_s, camera_info, started_s)
        work.spent_s['decode'] = time.perf_counter() - started_s
        return work

    def infer(self, work: ImageAtWork) -> ImageAtWork | None:
        """Find the people; None if the network fails."""
        started_s = time.perf_counter()
        self._in_space.begin(work.header, 'infer')
        self._follow_network_settings()
        try:
            work.found = self._pipeline.find(work.image)
        except (ValueError, RuntimeError) as error:
            # RuntimeError is what torch raises, for example when the GPU's memory is full.
            self._fail(error)
            return None
        work.spent_s['infer'] = time.perf_counter() - started_s
        return work

    def track(self, work: ImageAtWork) -> None:
        """Link the people with those of the images before, and publish."""
        started_s = time.perf_counter()
        header, stamp_s = work.header, work.stamp_s
        assert work.found is not None
        self._in_space.begin(header, 'track')
        self._follow_tracker_settings()
        session_before = self._pipeline.tracker.session_id
        try:
            result = self._pipeline.follow(work.found, work.image, stamp_s)
        except (ValueError, RuntimeError) as error:
            self._fail(error)
            return
        self._health.resolve('inference')
        self._tell_of_camera(result.camera_motion_problem)
        self._tell('region', result.region_problem)
        self._tell_of_jump(result.session_id != session_before, stamp_s)
        self._last_stamp_s = stamp_s
        self._last_header = header
        self._sequence += 1
        # After inference: depth has had that time to arrive.
        space_frame = self._in_space.place(
            result,
            self._parameters.get(DepthSettings),
            header=header,
            stamp_s=stamp_s,
            camera_info=work.camera_info,
        )
        work.spent_s['track'] = time.perf_counter() - started_s
        self._publish(work, result, space_frame)

    def _publish(self, work: ImageAtWork, result: FrameResult, space_frame: str) -> None:
        started_s = time.perf_counter()
        settings = self._parameters.get(NodeSettings)
        processing_s = started_s - work.started_s
        self._outputs.publish(
            result,
            header=work.header,
            session_id=self._session_offset + result.session_id,
            sequence=self._sequence,
            frames_dropped=self._intake.counts()['dropped'],
            processing_time_s=processing_s,
            with_embeddings=settings.publish_embeddings,
            space_frame=space_frame,
        )
        # Before the rest, which nobody may want: who has the poses may ask for the counts.
        self._intake.count_processed(self._busiest_s(work))
        self._meter.add_processed(processing_s, self._now_s() - work.stamp_s)
        self._outputs.show(
            result,
            work.image,
            header=work.header,
            stamp_s=work.stamp_s,
            settings=settings,
            camera_info=work.camera_info,
            space_frame=space_frame,
        )
        work.spent_s['publish'] = time.perf_counter() - started_s
        self._meter.add_steps(work.spent_s)

    def _busiest_s(self, work: ImageAtWork) -> float:
        """Return how long the thread that had most to do for an image was busy with it, s."""
        decode_s, infer_s, track_s = (work.spent_s[name] for name in ('decode', 'infer', 'track'))
        in_threads = {
            1: [decode_s + infer_s + track_s],
            2: [decode_s + infer_s, track_s],
            3: [decode_s, infer_s, track_s],
        }
        return max(in_threads[self._parameters.get(NodeSettings).pipeline_threads])

    def _fail(self, error: Exception) -> None:
        self._health.report('inference', f'image not processed: {error}')
        self._intake.count_failed()

    def finish(self) -> None:
        """Take back what is shown; for the end, when the worker has stopped."""
        if self._last_header is not None:
            self._outputs.clear(self._last_header)

    def _now_s(self) -> float:
        return float(self._clock.now().nanoseconds) * 1e-9

    def _follow_network_settings(self) -> None:
        network = self._parameters.get(NetworkSettings)
        if network is not self._network_settings:
            self._network_settings = network
            self._pipeline.engine.apply_settings(network)
        self._pipeline.image_input = self._parameters.get(ImageInputSettings)
        self._pipeline.pose_nms = self._parameters.get(PoseNmsSettings)

    def _follow_tracker_settings(self) -> None:
        tracker = self._parameters.get(TrackerSettings)
        if tracker is not self._tracker_settings:
            self._tracker_settings = tracker
            self._pipeline.tracker.apply_settings(tracker)
        self._pipeline.camera_motion.apply_settings(self._parameters.get(CameraMotionSettings))
        self._follow_gallery_settings()
        if self._is_reset_wanted.is_set():
            self._is_reset_wanted.clear()
            self._pipeline.tracker.reset()

    def _follow_gallery_settings(self) -> None:
        known_people = self._pipeline.known_people
        if known_people is None:
            return
        try:
            known_people.apply_settings(self._parameters.get(GallerySettings))
        except GalleryError as error:
            self._health.report('gallery', f'gallery settings not taken over: {error}')
        else:
            self._health.resolve('gallery')

    def _tell(self, kind: str, problem: str) -> None:
        """Report a problem, or that there is none."""
        if problem:
            self._health.report(kind, problem)
        else:
            self._health.resolve(kind)

    def _tell_of_camera(self, problem: str) -> None:
        if problem:
            self._health.report(
                'camera_motion', f'the motion of the camera is not compensated: {problem}'
            )
        else:
            self._health.resolve('camera_motion')

    def _stamp_of(self, header: Any) -> float:
        stamp_s = seconds_from_stamp(header.stamp)
        if stamp_s != 0:
            self._health.resolve('stamp')
            limit_s = self._parameters.get(ImageInputSettings).max_stamp_offset_s
            self._checks.check_stamp(stamp_s, self._now_s(), limit_s)
            return stamp_s
        self._health.report(
            'stamp',
            f'images with frame_id {header.frame_id!r} have no time stamp (0); tracking by the '
            'time of arrival instead. The driver should fill header.stamp',
        )
        return self._now_s()

    def _tell_of_jump(self, has_jumped: bool, stamp_s: float) -> None:
        if not has_jumped:
            self._health.resolve('time')
            return
        self._health.report(
            'time',
            f'time jumped back from {self._last_stamp_s:.3f} s to {stamp_s:.3f} s, as when a '
            f'recording starts over: tracks are forgotten, session {self.session_id} begins',
        )
