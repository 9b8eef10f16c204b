"""What a replay leaves in its folder: a bag, text and JSON in common formats, pictures."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.configuration import Configuration
from pose_tracking_ros.evaluation.replay.replay import Output, ReplayedImage
from pose_tracking_ros.evaluation.replay.result import ReplayResult
from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.recordings.bag_writer import BagWriter
from pose_tracking_ros.recordings.formats import coco_keypoints, mot_text
from pose_tracking_ros.recordings.message_types import CAMERA_INFO_TYPE, MARKERS_TYPE, POSES_TYPE
from pose_tracking_ros.recordings.overlay_video import OverlayVideo
from pose_tracking_ros.recordings.posetrack_format import posetrack_tracks
from pose_tracking_ros.settings import NodeSettings
from pose_tracking_ros.skeleton import COCO_17

if TYPE_CHECKING:
    from pose_tracking_ros.ros.bag_messages import BagMessages

BAG, OVERLAY, SHEET = 'bag', 'overlay.mp4', 'contact_sheet.png'
TRACKS, KEYPOINTS, POSETRACK = 'tracks.txt', 'keypoints.json', 'posetrack.json'
FIGURES, TIMING, REPORT = 'figures.json', 'timing.json', 'report.html'
_ALL: Final = (BAG, OVERLAY, SHEET, TRACKS, KEYPOINTS, POSETRACK, FIGURES, TIMING, REPORT)

POSES_TOPIC: Final = '/tracked_poses'
MARKERS_TOPIC: Final = '/tracker/markers'

# So many images tell the rate of the camera, also when some were dropped.
_RATE_IMAGES: Final = 8
_DEFAULT_RATE_HZ: Final = 10.0


@dataclass(frozen=True)
class Wishes:
    """Which of the larger outputs are wanted.

    Attributes:
        bag: poses and markers as ROS 2 messages; needs ROS 2.
        video: overlay video and contact sheet.
    """

    bag: bool = True
    video: bool = True


def clear_outputs(folder: Path) -> None:
    """Make the folder and remove what an earlier replay left in it, and nothing else."""
    for name in _ALL:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


def make_outputs(
    folder: Path,
    wishes: Wishes,
    configuration: Configuration,
    model_id: str,
    reader: BagReader,
    topic: str,
) -> list[Output]:
    """Return what takes the images while they are processed.

    Args:
        folder: of the results, without earlier ones.
        wishes: what is wanted.
        configuration: settings of the messages.
        model_id: of the network.
        reader: of the bag; asked for the calibration of the camera.
        topic: of the images.

    Raises:
        EvaluationError: a bag is wanted and ROS 2 is not there.
    """
    outputs: list[Output] = []
    if wishes.bag:
        messages = _bag_messages(configuration, model_id, find_camera_info(reader, topic))
        outputs.append(BagOutput(folder / BAG, messages))
    if wishes.video:
        outputs.append(PictureOutput(folder / OVERLAY, folder / SHEET))
    return outputs


def _bag_messages(
    configuration: Configuration, model_id: str, camera_info: Any | None
) -> BagMessages:
    try:
        from pose_tracking_ros.ros.bag_messages import BagMessages
    except ImportError as error:
        raise EvaluationError(
            f'ROS 2 or the messages are missing ({error}), and the bag of results is made of '
            'them: run make setup, then source scripts/env.sh; or leave the bag out (--no-bag)'
        ) from error
    settings = configuration.get(NodeSettings)
    return BagMessages(
        COCO_17,
        model_id,
        marker_scale_m=settings.marker_scale_m,
        camera_info=camera_info,
        with_embeddings=settings.publish_embeddings,
    )


def find_camera_info(reader: BagReader, topic: str) -> Any | None:
    """Return the first calibration recorded beside the images; None when there is none.

    Args:
        reader: of the bag.
        topic: of the images; the calibration is `camera_info` in the same namespace, for
            `NAME/compressed` in that of NAME.
    """
    raw = topic.removesuffix('/compressed')
    name = f'{raw.rpartition("/")[0]}/camera_info'
    if name not in reader.topics or reader.topics[name].type != CAMERA_INFO_TYPE:
        return None
    return next((message for _, message in reader.messages(name)), None)


class BagOutput:
    """Writes poses and markers into a bag, at the times at which the images were recorded.

    Where a node was simulated, results come later than their images by their latency.

    Args:
        folder: of the new bag.
        messages: makes them.
    """

    def __init__(self, folder: Path, messages: BagMessages) -> None:
        self._folder = folder
        self._messages = messages
        self._resources = ExitStack()

    def add(self, image: ReplayedImage) -> None:
        """Write the messages of an image."""
        header, frame = image.source.header, image.frame
        when_ns = image.source.received_ns + round((frame.latency_s or 0.0) * 1e9)
        poses = self._messages.poses(
            image.result,
            header=header,
            sequence=image.sequence,
            frames_dropped=frame.frames_dropped,
            processing_time_s=frame.processing_time_s,
        )
        self._bag.write(POSES_TOPIC, when_ns, poses)
        markers = self._messages.markers(image.result, header=header)
        self._bag.write(MARKERS_TOPIC, when_ns, markers)

    def __enter__(self) -> BagOutput:
        """Begin the bag."""
        self._bag = self._resources.enter_context(BagWriter(self._folder))
        self._bag.add(POSES_TOPIC, POSES_TYPE)
        self._bag.add(MARKERS_TOPIC, MARKERS_TYPE)
        return self

    def __exit__(self, *error: Any) -> None:
        """Complete the bag."""
        self._resources.close()


class PictureOutput:
    """Draws the tracks into the images, as video and contact sheet.

    Args:
        video: file of the video.
        sheet: file of the contact sheet.
    """

    def __init__(self, video: Path, sheet: Path) -> None:
        self._overlay = OverlayVideo(video, sheet)
        self._waiting: list[ReplayedImage] = []
        self._rate_hz: float | None = None

    def add(self, image: ReplayedImage) -> None:
        """Draw an image; the first ones wait until the rate of the camera is known."""
        if self._rate_hz is not None:
            self._draw(image, self._rate_hz)
            return
        self._waiting.append(image)
        if len(self._waiting) == _RATE_IMAGES:
            self._draw_waiting()

    def _draw_waiting(self) -> None:
        rate_hz = self._rate_hz = rate_of_images(self._waiting) or _DEFAULT_RATE_HZ
        for image in self._waiting:
            self._draw(image, rate_hz)
        self._waiting = []

    def _draw(self, image: ReplayedImage, rate_hz: float) -> None:
        self._overlay.add(image.source.pixels, image.frame, image.source.number, rate_hz)

    def __enter__(self) -> PictureOutput:
        """Be ready to draw."""
        self._overlay.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Complete video and contact sheet."""
        try:
            self._draw_waiting()
        finally:
            self._overlay.__exit__(None, None, None)


def rate_of_images(images: list[ReplayedImage]) -> float | None:
    """Return the camera's rate in Hz by processed images; None if time does not tell it."""
    stamps_ns = np.array([image.frame.stamp_ns for image in images], np.int64)
    numbers = np.array([image.source.number for image in images], np.int64)
    periods_ns = np.diff(stamps_ns) / np.diff(numbers)
    periods_ns = periods_ns[periods_ns > 0]
    return round(1e9 / float(np.median(periods_ns)), 3) if len(periods_ns) else None


def write_results(result: ReplayResult, folder: Path) -> None:
    """Write the files that are made from the whole recording, which may be short or empty."""
    recording = result.recording
    (folder / TRACKS).write_text(mot_text(recording), encoding='utf-8')
    _write_json(folder / KEYPOINTS, coco_keypoints(recording, COCO_17))
    _write_json(folder / POSETRACK, posetrack_tracks(recording, result.bag.stem))
    _write_json(folder / FIGURES, result.figures, indent=2)
    _write_json(folder / TIMING, result.timing, indent=2)


def _write_json(path: Path, content: Any, indent: int | None = None) -> None:
    text = json.dumps(content, indent=indent, allow_nan=False)
    path.write_text(text + '\n', encoding='utf-8')
