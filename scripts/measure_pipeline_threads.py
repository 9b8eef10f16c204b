"""Measure what it brings to let the steps of the work on images overlap (`pipeline_threads`).

Images arrive at a steady rate, faster than the network takes them, in one process without a
middleware. One, two and three threads take turns of a few seconds; of each, the best turn counts,
because other programs on the machine make a turn slower, never faster:

    source scripts/env.sh
    python scripts/measure_pipeline_threads.py CLIP --threads 2 --format jpeg
"""

from __future__ import annotations

import argparse
import sys
import time
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from std_msgs.msg import Header

from pose_tracking_ros.image_decoding import rgb_from_message
from pose_tracking_ros.inference import load_engine
from pose_tracking_ros.people import FrameResult
from pose_tracking_ros.pipeline import Found, Pipeline
from pose_tracking_ros.ros.conversion import PoseArrayWriter
from pose_tracking_ros.ros.mailbox import Mailbox
from pose_tracking_ros.ros.worker import Line, one_after_another
from pose_tracking_ros.settings import NetworkSettings, TrackerSettings
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.tracking.tracker import Tracker
from pose_tracking_ros.viewing.sources import open_video

Work = tuple[float, Any, Found | None]


def messages_of(video: str, form: str, count: int) -> list[Any]:
    """Return the first images of a clip as raw or compressed messages."""
    source = open_video(video)
    messages = []
    for _, image in source:
        message = SimpleNamespace(header=Header())
        if form == 'jpeg':
            found, data = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            assert found
            message.format, message.data = 'jpeg', data.tobytes()
        else:
            message.encoding, message.is_bigendian = 'rgb8', 0
            message.height, message.width = image.shape[:2]
            message.step, message.data = 3 * image.shape[1], np.ascontiguousarray(image).tobytes()
        messages.append(message)
        if len(messages) == count:
            break
    return messages


class Turn:
    """One number of threads at work for a while.

    Args:
        pipeline: network and tracker; the tracker starts anew.
        threads: 1 to 3.
    """

    def __init__(self, pipeline: Pipeline, threads: int) -> None:
        pipeline.tracker.reset()
        self._pipeline = pipeline
        self._writer = PoseArrayWriter(COCO_17, pipeline.engine.model_id)
        self.latencies_s: list[float] = []
        steps = [self._decode, self._infer, self._track]
        self._mailbox: Mailbox[tuple[float, Any]] = Mailbox()
        self._line = Line(
            self._mailbox, [one_after_another(steps[: 4 - threads]), *steps[4 - threads :]]
        )

    def run(self, messages: list[Any], rate_hz: float, seconds: float) -> tuple[float, float]:
        """Return images per second, and the median time from arrival to result, ms."""
        began_s = time.perf_counter()
        for number in range(int(rate_hz * seconds)):
            time.sleep(max(0.0, began_s + number / rate_hz - time.perf_counter()))
            self._mailbox.put((time.perf_counter(), messages[number % len(messages)]))
        count, spent_s = len(self.latencies_s), time.perf_counter() - began_s
        self._mailbox.close()
        assert self._line.join(60)
        self._line.raise_failure()
        return count / spent_s, 1e3 * float(np.median(self.latencies_s))

    def _decode(self, arrived: tuple[float, Any]) -> Work:
        return arrived[0], rgb_from_message(arrived[1]), None

    def _infer(self, work: Work) -> Work:
        return work[0], work[1], self._pipeline.find(work[1])

    def _track(self, work: Work) -> None:
        arrived_s, image, found = work
        assert found is not None
        self._write(self._pipeline.follow(found, image, arrived_s))
        self.latencies_s.append(time.perf_counter() - arrived_s)

    def _write(self, result: FrameResult) -> None:
        self._writer.write(
            result,
            header=Header(),
            session_id=1,
            sequence=1,
            frames_dropped=0,
            processing_time_s=0.0,
            with_embeddings=False,
        )


def main() -> int:
    """Measure and print; return 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('video', help='clip, or simulation:SCENE')
    parser.add_argument('--threads', type=int, default=2, help='of the network')
    parser.add_argument('--engine', default='auto')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--format', choices=['raw', 'jpeg'], default='raw')
    parser.add_argument('--rate-hz', type=float, default=30.0)
    parser.add_argument('--rounds', type=int, default=6)
    parser.add_argument('--seconds', type=float, default=5.0, help='of a turn')
    options = parser.parse_args()
    engine = load_engine(
        NetworkSettings(device=options.device, threads=options.threads, engine=options.engine)
    )
    print(engine.device_name, flush=True)
    engine.warm_up()
    messages = messages_of(options.video, options.format, 60)
    pipeline = Pipeline(engine, Tracker(TrackerSettings()))
    results: dict[int, list[tuple[float, float]]] = {1: [], 2: [], 3: []}
    for number in range(options.rounds):
        for threads, turns in results.items():
            turns.append(Turn(pipeline, threads).run(messages, options.rate_hz, options.seconds))
        shown = '  '.join(f'{t[-1][0]:5.1f} Hz {t[-1][1]:4.0f} ms' for t in results.values())
        print(f'round {number + 1}: {shown}', flush=True)
    for threads, turns in results.items():
        rates_hz, latencies_ms = zip(*turns, strict=True)
        print(
            f'{threads} threads: best {max(rates_hz):.1f} Hz, {min(latencies_ms):.0f} ms; '
            f'median {np.median(rates_hz):.1f} Hz, {np.median(latencies_ms):.0f} ms'
        )
    return 0


if __name__ == '__main__':
    sys.exit(main())
