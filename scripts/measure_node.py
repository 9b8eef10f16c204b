"""Measure how many frames per second the real node holds, and whether its memory stays flat.

The real `video_source` loops over a clip in one process, the real `tracker_node` with its network
runs in another, and this program counts `/tracked_poses`:

    source scripts/env.sh
    python scripts/measure_node.py CLIP --minutes 5.2 --threads 2 --json node.json

It exits with 0 when at least `--min-rate-hz` frames per second are processed and the resident
memory differs by at most 5 % between the first minute's end and the last.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
_START_TIMEOUT_S = 90.0
_MAX_MEMORY_CHANGE = 0.05


@dataclass(frozen=True)
class Minute:
    """What one minute of running showed.

    Attributes:
        end_s: since the first result, s.
        rate_hz: processed frames per second.
        dropped: frames counted as dropped in this minute.
        people: mean number of tracks per frame.
        processing_median_ms: of the node's own figure, image in to message out.
        processing_p95_ms: likewise.
        age_median_ms: from the image's stamp to the arrival of its result.
        rss_mb: resident memory of the node at the end of the minute.
    """

    end_s: float
    rate_hz: float
    dropped: int
    people: float
    processing_median_ms: float
    processing_p95_ms: float
    age_median_ms: float
    rss_mb: float


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process, MB."""
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def command(module: str, parameters: dict[str, object]) -> list[str]:
    """Return the command line of one of our nodes."""
    line = [sys.executable, '-m', f'pose_tracking_ros.ros.{module}', '--ros-args']
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else value
        line += ['-p', f'{name}:={text}']
    return line


def observe(pid: int, minutes: float, length_s: float) -> list[Minute]:
    """Count results until the time is over; return a record per interval.

    Raises:
        RuntimeError: no result came.
    """
    import rclpy
    from pose_tracking_ros.msg import TrackedPoseArray
    from rclpy.executors import SingleThreadedExecutor

    rclpy.init()
    node = rclpy.create_node('measure_node')
    seen: list[tuple[int, int, float, float]] = []

    def receive(message: TrackedPoseArray) -> None:
        span, stamp = message.processing_time, message.header.stamp
        processing_ms = span.sec * 1e3 + span.nanosec * 1e-6
        age_ms = 1e3 * (time.time() - stamp.sec) - stamp.nanosec * 1e-6
        seen.append((message.frames_dropped, len(message.poses), processing_ms, age_ms))

    node.create_subscription(TrackedPoseArray, 'tracked_poses', receive, 50)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while not seen and time.monotonic() < deadline_s:
        executor.spin_once(timeout_sec=0.2)
    if not seen:
        raise RuntimeError(
            f'no /tracked_poses within {_START_TIMEOUT_S:.0f} s; see the output above'
        )
    began_s = time.monotonic()
    records: list[Minute] = []
    while time.monotonic() - began_s < minutes * 60:
        start_s, first, dropped = time.monotonic(), len(seen), seen[-1][0]
        while time.monotonic() - start_s < length_s:
            executor.spin_once(timeout_sec=0.2)
        rows = seen[first:]
        if not rows:
            raise RuntimeError(f'no result for {length_s:.0f} s')
        times = [row[2] for row in rows]
        record = Minute(
            end_s=time.monotonic() - began_s,
            rate_hz=len(rows) / (time.monotonic() - start_s),
            dropped=rows[-1][0] - dropped,
            people=float(np.mean([row[1] for row in rows])),
            processing_median_ms=float(np.median(times)),
            processing_p95_ms=float(np.percentile(times, 95)),
            age_median_ms=float(np.median([row[3] for row in rows])),
            rss_mb=resident_mb(pid),
        )
        records.append(record)
        print(
            f'{record.end_s:6.0f} s {record.rate_hz:6.2f} Hz {record.dropped:5d} dropped '
            f'{record.people:5.1f} people {record.processing_median_ms:6.0f} ms median '
            f'{record.processing_p95_ms:6.0f} ms 95 % {record.age_median_ms:6.0f} ms old '
            f'{record.rss_mb:7.0f} MB',
            flush=True,
        )
    node.destroy_node()
    rclpy.try_shutdown()
    return records


def main() -> int:
    """Measure and print; return 0 if rate and memory are as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('video', help='clip to loop over')
    parser.add_argument('--minutes', type=float, default=5.2)
    parser.add_argument('--interval-s', type=float, default=60.0, help='length of a record')
    parser.add_argument('--preset', default='lite')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--rate-hz', type=float, default=0.0, help='of the clip; 0 for its own')
    parser.add_argument('--pipeline-threads', type=int, default=1)
    parser.add_argument('--min-rate-hz', type=float, default=5.0)
    parser.add_argument('--json', type=Path, help='write the figures to this file')
    options = parser.parse_args()
    # For the two nodes and for this process alike.
    os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(ROOT / 'config' / 'fastdds.xml')
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    names = ('preset', 'device', 'threads', 'pipeline_threads')
    tracker = {name: getattr(options, name) for name in names}
    source = {
        'video': options.video,
        'loop': True,
        'stamp': 'now',
        'wait_for_subscriber': True,
        'rate_hz': options.rate_hz,
    }
    programs = [subprocess.Popen(command('tracker_node', tracker))]
    try:
        programs.append(subprocess.Popen(command('video_source', source)))
        records = observe(programs[0].pid, options.minutes, options.interval_s)
    finally:
        for program in programs:
            program.send_signal(signal.SIGINT)
        for program in programs:
            program.wait(timeout=20)
    change = records[-1].rss_mb / records[0].rss_mb - 1
    rate_hz = float(np.mean([record.rate_hz for record in records]))
    print(f'{rate_hz:.2f} Hz on average; memory {100 * change:+.1f} % from first to last record')
    if options.json is not None:
        report = {
            'rate_hz': rate_hz,
            'rss_change': change,
            'records': [asdict(r) for r in records],
        }
        options.json.write_text(json.dumps(report, indent=2) + '\n')
    return 0 if rate_hz >= options.min_rate_hz and abs(change) <= _MAX_MEMORY_CHANGE else 1


if __name__ == '__main__':
    sys.exit(main())
