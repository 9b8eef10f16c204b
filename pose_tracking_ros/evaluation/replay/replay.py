"""Replay: every image of a bag through the pipeline that the node runs, without DDS in between.

Reading and decoding run ahead of the pipeline in one thread, drawing and writing behind it in
another. Nothing but the bag and the configuration decides what comes out: two runs give the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.arrival import Processed, through_mailbox
from pose_tracking_ros.evaluation.replay.configuration import Configuration
from pose_tracking_ros.evaluation.replay.ground_truth import load_ground_truth, match_truth
from pose_tracking_ros.evaluation.replay.overlap import ReadAhead, WriteBehind
from pose_tracking_ros.evaluation.replay.result import ReplayResult
from pose_tracking_ros.evaluation.replay.scoring import score_recording
from pose_tracking_ros.evaluation.replay.source import (
    SourceImage,
    SourceReport,
    find_image_topic,
    readable_images,
)
from pose_tracking_ros.evaluation.replay.timing import Stopwatch
from pose_tracking_ros.image_selection import StampRateLimit
from pose_tracking_ros.inference.engine import Engine
from pose_tracking_ros.people import FrameResult, TrackEvent
from pose_tracking_ros.pipeline import make_pipeline
from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.recordings.recording import FrameRecord, Recording
from pose_tracking_ros.settings import ImageInputSettings, NetworkSettings, NodeSettings

# A few images bridge the time in which the disk or the encoder is slow; each may have 6 MB.
_AHEAD: Final = 4
_BEHIND: Final = 4


@dataclass(frozen=True)
class Realism:
    """How a node would keep up: images arrive as recorded, and those that come too fast drop.

    Attributes:
        processing_ms: how long an image takes, ms; None to measure it here, image by image, so
            that results differ between runs and machines.
    """

    processing_ms: float | None = None

    def __post_init__(self) -> None:
        """Check the time."""
        if self.processing_ms is not None and not 0 <= self.processing_ms < float('inf'):
            raise EvaluationError(f'processing_ms: expected 0 or more, got {self.processing_ms}')


@dataclass(frozen=True, eq=False)
class ReplayedImage:
    """An image and everything that came of it.

    Attributes:
        source: the image.
        result: of the pipeline.
        frame: the result as recorded.
        sequence: number among the processed images, from 1 up.
    """

    source: SourceImage
    result: FrameResult
    frame: FrameRecord
    sequence: int


class Output(Protocol):
    """Takes the processed images, in order, in a thread of its own; a context manager."""

    def add(self, image: ReplayedImage) -> None:
        """Write what is to be written of an image."""

    def __enter__(self) -> Any:
        """Be ready."""

    def __exit__(self, *error: Any) -> None:
        """Complete the files."""


def replay(
    bag: Path,
    topic: str | None,
    configuration: Configuration,
    engine: Engine,
    *,
    realism: Realism | None = None,
    ground_truth: str | None = None,
    make_outputs: Callable[[BagReader, str], Sequence[Output]] = lambda reader, topic: (),
    should_stop: Callable[[], bool] = lambda: False,
    max_images: int | None = None,
    console: Console | None = None,
) -> ReplayResult:
    """Run a bag's images through network and tracker.

    Args:
        bag: folder or file.
        topic: of the images; None where the bag has one such topic only.
        configuration: settings of network and tracker.
        engine: for these settings; live ones are applied here.
        realism: simulates the mailbox of the node; None processes every image.
        ground_truth: file or topic; None for a replay without figures of accuracy.
        make_outputs: given the open bag and the topic, returns what takes the images.
        should_stop: asked before each image; the replay is then over, with what it has.
        max_images: only so many images are read; None for all.
        console: shows the progress; nobody if not given.

    Raises:
        EvaluationError: several topics have images and none was named, or the truth is unusable.
        BagError: the bag cannot be read, lacks the topic, or no image in it is readable.
    """
    with BagReader(bag) as reader:
        topic = find_image_topic(reader, topic)
        total = reader.topics[topic].count
        truth = None if ground_truth is None else load_ground_truth(ground_truth, reader, topic)
        outputs = make_outputs(reader, topic)
    run = _Run(engine, configuration, realism)
    report = SourceReport()
    total = total if max_images is None else min(total, max_images)
    with ExitStack() as stack:
        for output in outputs:
            stack.enter_context(output)

        def write(image: ReplayedImage) -> None:
            for output in outputs:
                output.add(image)

        progress = stack.enter_context(_Bar(console, configuration.name, total))
        writer = stack.enter_context(WriteBehind(write, _BEHIND))
        images = stack.enter_context(
            ReadAhead(lambda: readable_images(bag, topic, report, max_images), _AHEAD)
        )
        for image in run.process(_until(should_stop, images)):
            writer.put(image)
            progress.show(len(run.recording.source_stamps_ns))
    run.stopwatch.stop()
    stamps_ns = run.recording.source_stamps_ns
    result = ReplayResult(
        bag=bag,
        topic=topic,
        configuration=configuration.name,
        settings=configuration.differences,
        is_realistic=realism is not None,
        recording=run.recording,
        events=run.events,
        dropped_ns=run.dropped_ns,
        problems=[*report.problems, *run.problems()],
        truth=None if truth is None else match_truth(truth, stamps_ns),
        timing=run.stopwatch.figures(len(stamps_ns), engine.device_name),
        is_complete=not should_stop(),
    )
    return replace(result, figures=score_recording(result))


def _until(
    should_stop: Callable[[], bool], images: Iterable[SourceImage]
) -> Iterator[SourceImage]:
    for image in images:
        if should_stop():
            return
        yield image


class _Run:
    """The pipeline, and what has come out of it so far."""

    def __init__(
        self, engine: Engine, configuration: Configuration, realism: Realism | None
    ) -> None:
        self.recording = Recording()
        self.events: list[TrackEvent] = []
        self.dropped_ns: list[int] = []
        self._rate_limit = StampRateLimit()
        self._max_rate_hz = configuration.get(ImageInputSettings).max_rate_hz
        self._skipped = 0
        self.stopwatch = Stopwatch()
        self._engine = engine
        self._realism = realism
        self._keeps_looks = configuration.get(NodeSettings).publish_embeddings
        engine.apply_settings(configuration.get(NetworkSettings))
        self._pipeline = make_pipeline(engine, configuration)
        # Numbers of the images with each.
        self._problems: dict[str, list[int]] = {}

    def process(self, images: Iterable[SourceImage]) -> Iterator[ReplayedImage]:
        """Yield what comes of the images; all of them, or those that a node would have taken."""
        steps = self._in_time(images) if self._realism else self._one_by_one(images)
        for sequence, done in enumerate(steps, start=1):
            yield self._recorded(done, sequence)

    def problems(self) -> list[str]:
        """Return what the pipeline had to say, one sentence each."""
        return [
            f'In {len(numbers)} images, first in image {numbers[0]}: {told}.'
            for told, numbers in self._problems.items()
        ]

    def _noted(self, images: Iterable[SourceImage]) -> Iterator[SourceImage]:
        for image in images:
            self.recording.note_source(image.stamp_ns)
            if self._rate_limit.allows(image.stamp_s, self._max_rate_hz):
                yield image
            else:
                self._skipped += 1
                self.dropped_ns.append(image.stamp_ns)

    def _one_by_one(
        self, images: Iterable[SourceImage]
    ) -> Iterator[Processed[SourceImage, FrameResult]]:
        for image in self._noted(images):
            result, _ = self._infer(image)
            now_ns = image.received_ns
            # No time passes: nothing here depends on how fast this machine is.
            yield Processed(image, result, started_ns=now_ns, finished_ns=now_ns, dropped=0)

    def _in_time(
        self, images: Iterable[SourceImage]
    ) -> Iterator[Processed[SourceImage, FrameResult]]:
        return through_mailbox(
            self._noted(images),
            self._infer,
            on_drop=lambda image: self.dropped_ns.append(image.stamp_ns),
        )

    def _infer(self, image: SourceImage) -> tuple[FrameResult, int]:
        """Return the result and how long it takes in the node, measured or as told, ns."""
        started = time.perf_counter()
        result = self._pipeline.process(image.pixels, image.stamp_s)
        spent_s = time.perf_counter() - started
        self.stopwatch.add(spent_s, result.timings_s)
        camera = result.camera_motion_problem
        camera = camera and f'the motion of the camera is not compensated: {camera}'
        for told in (camera, result.region_problem):
            if told:
                self._problems.setdefault(told, []).append(image.number)
        if self._realism is None or self._realism.processing_ms is None:
            return result, round((image.reading_s + spent_s) * 1e9)
        return result, round(self._realism.processing_ms * 1e6)

    def _recorded(self, done: Processed[SourceImage, FrameResult], sequence: int) -> ReplayedImage:
        result = done.result
        tracks = result.tracks
        if not self._keeps_looks:
            # As published; a long bag's looks would fill the memory.
            tracks = [replace(track, embedding=track.embedding[:0].copy()) for track in tracks]
        frame = FrameRecord(
            stamp_ns=done.item.stamp_ns,
            image_size=result.people.image_size,
            tracks=tracks,
            frames_dropped=done.dropped + self._skipped,
            processing_time_s=done.processing_time_s,
            latency_s=done.latency_s if self._realism else None,
            session_id=result.session_id,
            model_id=self._engine.model_id,
            source_number=done.item.number,
        )
        self.recording.add(frame)
        for event in result.events:
            self.recording.events[event.kind] += 1
        self.events += result.events
        return ReplayedImage(done.item, result, frame, sequence)


class _Bar:
    """A progress bar with images and images per second; a context manager."""

    def __init__(self, console: Console | None, name: str, total: int) -> None:
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('images, {task.fields[rate]}'),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=console is None,
        )
        self._task = self._progress.add_task(f'replay {name}', total=total, rate='')
        self._started_s = time.monotonic()

    def show(self, done: int) -> None:
        """Show how many images are done."""
        rate_hz = done / max(time.monotonic() - self._started_s, 1e-6)
        self._progress.update(self._task, completed=done, rate=f'{rate_hz:.1f} Hz')

    def __enter__(self) -> _Bar:
        """Begin to show."""
        self._progress.start()
        self._started_s = time.monotonic()
        return self

    def __exit__(self, *error: Any) -> None:
        """Take the bar away."""
        self._progress.stop()
