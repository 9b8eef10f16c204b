"""Run source and tracker as ROS 2 programs, record what they publish, write the results."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from rich.console import Console

from pose_tracking_ros.demo.live_table import LiveTable
from pose_tracking_ros.demo.programs import Program, ProgramFailedError, ros_environment
from pose_tracking_ros.demo.summary import summarise, summary_text
from pose_tracking_ros.recordings.bag_writer import BagWriter
from pose_tracking_ros.recordings.formats import coco_keypoints, mot_text
from pose_tracking_ros.recordings.message_types import POSES_TYPE
from pose_tracking_ros.recordings.overlay_video import OverlayVideo, rate_of
from pose_tracking_ros.recordings.recording import FrameRecord, Recording
from pose_tracking_ros.skeleton import COCO_17

if TYPE_CHECKING:
    from pose_tracking_ros.ros.demo_recorder import DemoRecorder

OVERLAY, SHEET, BAG = 'overlay.mp4', 'contact_sheet.png', 'bag'
TRACKS, KEYPOINTS, SUMMARY, LOGS = 'tracks.txt', 'keypoints.json', 'summary.json', 'logs'
POSES_TOPIC = '/tracked_poses'
_OUTPUTS = (OVERLAY, SHEET, BAG, TRACKS, KEYPOINTS, SUMMARY, LOGS)

# Loading the largest network on a slow disk.
_START_TIMEOUT_S = 180.0
# One inference of the largest network on a slow CPU.
_LAST_RESULT_TIMEOUT_S = 10.0
_SPIN_S = 0.05


@dataclass(frozen=True)
class DemoOptions:
    """What to play and where to put the results.

    Attributes:
        video: as the video source takes it: a file, a folder, a camera index, simulation:SCENE.
        max_duration_s: so much of the clip is played, s; 0 for all of it.
        output: folder of the results; created if missing.
        tracker: ROS parameters of the tracker node that differ from the defaults.
    """

    video: str
    max_duration_s: float
    output: Path
    tracker: dict[str, Any]


def run_demo(options: DemoOptions, console: Console) -> bool:
    """Play the video through source and tracker, and write everything there is to show.

    An interrupt ends the run early; the results so far are written all the same, and then the
    KeyboardInterrupt goes on.

    Returns:
        Whether there was a result for any image.

    Raises:
        ProgramFailedError: a program ended that should not have, or did not come up.
        ImportError: ROS 2 or the messages are not there.
    """
    # Before rclpy is imported: it reads them once.
    os.environ.update(ros_environment(os.environ))
    from pose_tracking_ros.ros.demo_recorder import DemoRecorder

    clear_outputs(options.output)
    recording = Recording()
    started_s = time.monotonic()
    try:
        with ExitStack() as stack:
            bag = stack.enter_context(BagWriter(options.output / BAG))
            bag.add(POSES_TOPIC, POSES_TYPE)
            overlay = stack.enter_context(
                OverlayVideo(options.output / OVERLAY, options.output / SHEET)
            )

            def take(
                frame: FrameRecord,
                image: UInt8[np.ndarray, 'height width 3'] | None,
                cdr: bytes,
                received_ns: int,
            ) -> None:
                bag.write(POSES_TOPIC, received_ns, cdr)
                number = recording.number_of(frame)
                if image is not None and number is not None:
                    overlay.add(image, frame, number, rate_of(recording.source_stamps_ns))

            recorder = DemoRecorder(recording, take)
            stack.callback(recorder.close)
            logs = options.output / LOGS
            console.print('Starting source and tracker', soft_wrap=True)
            parameters = {'image_qos': 'reliable', 'autostart': False, **options.tracker}
            tracker = stack.enter_context(
                Program('tracker_node', parameters, logs / 'tracker_node.log')
            )
            source = stack.enter_context(
                Program('video_source', _source_parameters(options), logs / 'video_source.log')
            )
            _bring_up(recorder, source, tracker)
            console.print(f'Playing {options.video}', soft_wrap=True)
            started_s = time.monotonic()
            table = stack.enter_context(LiveTable(recording, console))
            _record(recorder, recording, source, tracker, table, options.max_duration_s)
    finally:
        recording.wall_time_s = time.monotonic() - started_s
        write_results(recording, options)
        console.print(summary_text(summarise(recording, options.video)), soft_wrap=True)
    return bool(recording.frames)


def clear_outputs(output: Path) -> None:
    """Make the output folder and remove what an earlier run left in it, and nothing else."""
    for name in _OUTPUTS:
        path = output / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (output / LOGS).mkdir(parents=True)


def write_results(recording: Recording, options: DemoOptions) -> None:
    """Write the files that are made from the whole recording, which may be empty."""
    output = options.output
    (output / TRACKS).write_text(mot_text(recording), encoding='utf-8')
    keypoints = coco_keypoints(recording, COCO_17)
    (output / KEYPOINTS).write_text(json.dumps(keypoints), encoding='utf-8')
    summary = summarise(recording, options.video)
    (output / SUMMARY).write_text(json.dumps(summary, indent=2) + '\n', encoding='utf-8')


def _source_parameters(options: DemoOptions) -> dict[str, Any]:
    return {
        'video': options.video,
        'loop': False,
        'exit_at_end': True,
        'wait_for_subscriber': True,
        'reliability': 'reliable',
    }


def _bring_up(recorder: DemoRecorder, source: Program, tracker: Program) -> None:
    """Start in an order that loses no image.

    The source holds its first image until somebody subscribes. Subscribing last, when everybody
    knows everybody, lets all begin with that image.
    """

    def wait_for(what: str, condition: Callable[[], bool | None]) -> bool:
        end_s = time.monotonic() + _START_TIMEOUT_S
        while (outcome := condition()) is None:
            recorder.spin(_SPIN_S)
            source.check_running()
            tracker.check_running()
            if time.monotonic() > end_s:
                raise ProgramFailedError(
                    f'{what}: not within {_START_TIMEOUT_S:.0f} s; the last words of '
                    f'tracker_node:\n{tracker.last_words()}\nand of video_source:\n'
                    f'{source.last_words()}'
                )
        return outcome

    def ask_for(transition: str) -> None:
        if not wait_for(f'to {transition} the tracker', recorder.request(transition)):
            raise ProgramFailedError(
                f'tracker_node refused to {transition}; its last words:\n{tracker.last_words()}'
            )

    wait_for('finding source and tracker', lambda: recorder.knows_programs or None)
    ask_for('configure')
    wait_for('finding the results', lambda: recorder.hears_tracker or None)
    ask_for('activate')
    recorder.subscribe_images()


def _record(
    recorder: DemoRecorder,
    recording: Recording,
    source: Program,
    tracker: Program,
    table: LiveTable,
    max_duration_s: float,
) -> None:
    """Spin until the source has ended, or has played enough, and the last result is in."""
    while source.exit_code is None:
        recorder.spin(_SPIN_S)
        table.update()
        tracker.check_running()
        stamps = recording.source_stamps_ns
        played_s = (stamps[-1] - stamps[0]) * 1e-9 if stamps else 0.0
        if 0 < max_duration_s <= played_s:
            source.stop()
    if source.exit_code:
        source.check_running()
    end_s = time.monotonic() + _LAST_RESULT_TIMEOUT_S
    while time.monotonic() < end_s:
        recorder.spin(_SPIN_S)
        stamps = recording.source_stamps_ns
        # The newest image is never dropped, hence it has a result.
        if stamps and recording.frames and recording.frames[-1].stamp_ns >= stamps[-1]:
            break
        tracker.check_running()
