"""Make a bag of a video, a folder of images or a rendered scene, with its ground truth."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import UInt8
from rich.console import Console
from rich.progress import track

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.ground_truth import (
    TRUTH_TOPIC,
    check_truth_size,
    truth_from_file,
)
from pose_tracking_ros.evaluation.replay.truth import TruthFrame
from pose_tracking_ros.evaluation.replay.truth_matching import match_truth
from pose_tracking_ros.evaluation.replay.truth_messages import message_from_truth
from pose_tracking_ros.evaluation.replay.truth_scene import (
    START_STAMP_NS,
    frame_from_scene,
    stamp_of,
)
from pose_tracking_ros.image_decoding import fill_image_message
from pose_tracking_ros.recordings.bag_files import is_bag
from pose_tracking_ros.recordings.bag_writer import BagWriter
from pose_tracking_ros.recordings.message_types import (
    CAMERA_INFO_TYPE,
    COMPRESSED_IMAGE_TYPE,
    IMAGE_TYPE,
    POSES_TYPE,
    blank_message,
    fill_header,
)
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.simulation.source import SimulationSource
from pose_tracking_ros.viewing.sources import VideoSource, open_video

IMAGE_TOPIC: Final = '/camera/image_raw'
COMPRESSED_TOPIC: Final = '/camera/image_raw/compressed'
INFO_TOPIC: Final = '/camera/camera_info'
_FRAME_ID: Final = 'camera_optical_frame'
_SIMULATION: Final = 'simulation'
_DEFAULT_SCENE: Final = 'street'
_DEFAULT_SIZE: Final = (640, 480)
_DEFAULT_RATE_HZ: Final = 15.0

_Image = UInt8[np.ndarray, 'height width 3']


@dataclass(frozen=True)
class BagPlan:
    """What to make a bag of, and how.

    Attributes:
        source: a video file, a folder of images, or `simulation:SCENE`.
        output: folder of the new bag.
        rate_hz: images per second; None for that of the video, 10 for a folder, 15 for a scene. A
            video keeps all of its images; only their stamps change.
        duration_s: only so much from the beginning, s; None for all.
        seed: of a scene.
        image_size: width and height of a scene's images, px.
        jpeg_quality: 1 to 100 for CompressedImage; None for raw images, which lose nothing.
        annotations: truth of a video or folder: COCO, PoseTrack or MOT.
        start_ns: stamp of the first image, ns since 1970.
        overwrite: whether a bag that is there already is replaced.
    """

    source: str
    output: Path
    rate_hz: float | None = None
    duration_s: float | None = None
    seed: int | None = None
    image_size: tuple[int, int] | None = None
    jpeg_quality: int | None = None
    annotations: Path | None = None
    start_ns: int = START_STAMP_NS
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check ranges, and that the options fit the source.

        Raises:
            EvaluationError: names the option.
        """
        for name, value in (('rate-hz', self.rate_hz), ('duration-s', self.duration_s)):
            if value is not None and not 0 < value < float('inf'):
                raise EvaluationError(f'--{name}: expected more than 0, got {value}')
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise EvaluationError(
                f'--compressed: expected a JPEG quality in 1 to 100, got {self.jpeg_quality}'
            )
        if not 0 <= self.start_ns < 2**31 * 10**9:
            raise EvaluationError(
                f'--start-stamp: expected a time from 1970 to 2038, got {self.start_ns} ns'
            )
        for name, is_given in (
            ('seed', self.seed is not None),
            ('image-size', self.image_size is not None),
        ):
            if is_given and not self.is_simulation:
                raise EvaluationError(
                    f'--{name}: expected only with simulation:SCENE, got it for {self.source}'
                )
        if self.annotations is not None and self.is_simulation:
            raise EvaluationError(
                f'--annotations: expected only for a video or a folder, as {self.source} writes '
                'its own truth'
            )

    @property
    def is_simulation(self) -> bool:
        """Whether the source is a rendered scene."""
        return self.source.partition(':')[0] == _SIMULATION


@dataclass(frozen=True)
class MadeBag:
    """What a new bag holds.

    Attributes:
        path: its folder.
        image_topic: name of the topic with the images.
        images: their number.
        truths: number of images with ground truth.
        unused_truths: truth in the annotations for which there is no image.
        size_bytes: of all its files.
    """

    path: Path
    image_topic: str
    images: int
    truths: int
    unused_truths: int
    size_bytes: int


def make_bag(plan: BagPlan, console: Console) -> MadeBag:
    """Write the bag; it appears whole or not at all, also when interrupted.

    Args:
        plan: what to write.
        console: shows the progress.

    Raises:
        EvaluationError: source or annotations cannot be used, or the output is there already.
        ValueError: the scene is not known, or the video cannot be read.
    """
    _check_output(plan)
    source = _open_source(plan)
    try:
        if plan.annotations is not None:
            # All that is wrong with it shows now, not after an hour of writing images.
            check_truth_size(plan.annotations, source.image_size, source.name)
        with _appearing_whole(plan.output) as folder:
            with BagWriter(folder) as bag:
                counts = _Contents(plan, bag, source).write(console)
            size_bytes = sum(file.stat().st_size for file in folder.iterdir())
    except OSError as error:
        raise EvaluationError(f'{plan.output}: cannot be written: {error}') from error
    finally:
        source.close()
    topic = IMAGE_TOPIC if plan.jpeg_quality is None else COMPRESSED_TOPIC
    return MadeBag(plan.output, topic, *counts, size_bytes)


def _check_output(plan: BagPlan) -> None:
    if not plan.output.exists():
        return
    if not plan.overwrite:
        raise EvaluationError(
            f'{plan.output}: expected a new folder, it is there already; choose another name, or '
            'replace it with --force'
        )
    if not is_bag(plan.output):
        raise EvaluationError(
            f'{plan.output}: expected a bag to replace, got something else; it is left alone'
        )


def _open_source(plan: BagPlan) -> VideoSource:
    if plan.is_simulation:
        return SimulationSource(
            make_scene(
                plan.source.partition(':')[2] or _DEFAULT_SCENE,
                seed=plan.seed or 0,
                image_size=plan.image_size or _DEFAULT_SIZE,
                duration_s=plan.duration_s,
                rate_hz=plan.rate_hz or _DEFAULT_RATE_HZ,
            )
        )
    if plan.source.isdecimal():
        raise EvaluationError(
            f'{plan.source}: expected a video file, a folder of images or simulation:SCENE, got a '
            'camera; record it with `ros2 bag record`'
        )
    try:
        return open_video(plan.source, plan.rate_hz)
    except OSError as error:
        raise EvaluationError(str(error)) from error


@contextmanager
def _appearing_whole(output: Path) -> Iterator[Path]:
    """Give a folder to write to that takes the place of the output when all went well."""
    output.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f'.{output.name}.', dir=output.parent))
    try:
        # rosbags names the file in it after the folder.
        folder = workshop / output.name
        yield folder
        if output.exists():
            output.rename(workshop / 'replaced')
        folder.rename(output)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


class _Contents:
    """Writes one source's messages into a bag.

    Args:
        plan: what to write.
        bag: new and empty.
        source: of the images.
    """

    def __init__(self, plan: BagPlan, bag: BagWriter, source: VideoSource) -> None:
        self._plan = plan
        self._bag = bag
        self._source = source
        self._scene = source.scene if isinstance(source, SimulationSource) else None
        self._truths = 0

    def write(self, console: Console) -> tuple[int, int, int]:
        """Return the numbers of images, of truths, and of truths without an image."""
        is_raw = self._plan.jpeg_quality is None
        self._bag.add(
            IMAGE_TOPIC if is_raw else COMPRESSED_TOPIC,
            IMAGE_TYPE if is_raw else COMPRESSED_IMAGE_TYPE,
        )
        self._bag.add(INFO_TOPIC, CAMERA_INFO_TYPE)
        if self._scene is not None or self._plan.annotations is not None:
            self._bag.add(TRUTH_TOPIC, POSES_TYPE)
        stamps_ns: list[int] = []
        for stamp_s, image in track(
            self._images(),
            description=f'making {self._plan.output.name}',
            total=self._expected(),
            console=console,
            transient=True,
        ):
            stamp_ns = stamp_of(stamp_s, self._plan.start_ns)
            self._write_image(stamp_ns, image)
            if self._scene is not None:
                truth = self._scene.truth(len(stamps_ns))
                self._write_truth(frame_from_scene(truth, self._plan.start_ns))
            stamps_ns.append(stamp_ns)
        if not stamps_ns:
            raise EvaluationError(f'{self._source.name}: expected at least one image, got none')
        unused = 0
        if self._plan.annotations is not None:
            match = match_truth(truth_from_file(self._plan.annotations, stamps_ns), stamps_ns)
            unused = len(match.extra_ns)
            for frame in match.frames:
                if frame is not None:
                    self._write_truth(frame)
        return len(stamps_ns), self._truths, unused

    def _images(self) -> Iterator[tuple[float, _Image]]:
        """Yield images with their time since the start, s."""
        rate_hz = self._plan.rate_hz
        for index, (stamp_s, image) in enumerate(self._source):
            if rate_hz is not None:
                stamp_s = index / rate_hz
            if self._plan.duration_s is not None and stamp_s >= self._plan.duration_s:
                return
            yield stamp_s, image

    def _expected(self) -> int | None:
        count = self._source.frame_count
        if self._plan.duration_s is None:
            return count
        wanted = round(self._plan.duration_s * (self._plan.rate_hz or self._source.rate_hz))
        return wanted if count is None else min(count, wanted)

    def _write_image(self, stamp_ns: int, image: _Image) -> None:
        info = blank_message(CAMERA_INFO_TYPE)
        fill_header(info.header, stamp_ns, _FRAME_ID)
        _fill_camera_info(info, image, self._source.intrinsics)
        self._bag.write_message(INFO_TOPIC, stamp_ns, info)
        if self._plan.jpeg_quality is None:
            message = blank_message(IMAGE_TYPE)
            fill_image_message(message, image)
            message.data = np.frombuffer(message.data, dtype=np.uint8)
            topic = IMAGE_TOPIC
        else:
            message = blank_message(COMPRESSED_IMAGE_TYPE)
            message.format = 'rgb8; jpeg compressed bgr8'
            message.data = _jpeg(image, self._plan.jpeg_quality)
            topic = COMPRESSED_TOPIC
        fill_header(message.header, stamp_ns, _FRAME_ID)
        self._bag.write_message(topic, stamp_ns, message)

    def _write_truth(self, frame: TruthFrame) -> None:
        self._truths += 1
        message = message_from_truth(frame, self._source.image_size, _FRAME_ID, self._truths)
        self._bag.write_message(TRUTH_TOPIC, frame.stamp_ns, message)


def _jpeg(image: _Image, quality: int) -> UInt8[np.ndarray, 'bytes']:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    is_done, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_done:
        raise EvaluationError(f'OpenCV cannot encode an image of shape {image.shape} as JPEG')
    return np.asarray(data, dtype=np.uint8).reshape(-1)


def _fill_camera_info(
    info: Any, image: _Image, intrinsics: tuple[float, float, float, float] | None
) -> None:
    """Describe a camera without distortion; without intrinsics the matrices stay zero.

    Zero is how `sensor_msgs/CameraInfo` says that a camera is not calibrated.
    """
    info.height, info.width = image.shape[:2]
    if intrinsics is None:
        return
    fx, fy, cx, cy = intrinsics
    # In ROS, as in OpenCV, a pixel's middle is a whole number.
    cx, cy = cx - 0.5, cy - 0.5
    info.distortion_model = 'plumb_bob'
    info.d = np.zeros(5)
    info.k = np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], dtype=np.float64)
    info.r = np.eye(3).reshape(-1)
    info.p = np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], dtype=np.float64)
