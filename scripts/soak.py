"""Run the node for a long time and look for what grows: memory, threads, file handles, latency.

A scene in which people come and go is rendered into a clip (rendering could not keep the rate),
which `video_source` shows again and again; the real `tracker_node` with its network tracks the
people; this program listens and prints a line per minute:

    source scripts/env.sh
    python scripts/soak.py --minutes 30 --json soak.json

It can be interrupted; the figures so far count. It exits with 0 when results kept coming and, from
the end of the first interval to the last, memory grew by at most 5 %, and threads and file handles
by none.
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
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from measure_node import command, resident_mb

if TYPE_CHECKING:
    from pose_tracking_ros.msg import TrackedPoseArray

ROOT = Path(__file__).resolve().parent.parent
_START_TIMEOUT_S = 120.0
_MAX_MEMORY_GROWTH = 0.05


@dataclass(frozen=True)
class Interval:
    """What one interval of running showed.

    Attributes:
        end_s: since the first result, s.
        rate_hz: processed images per second.
        dropped: images counted as dropped in this interval.
        people: mean number of tracks per image.
        new_ids: ids that were not seen before.
        latency_ms: median, 95 %, 99 % and longest time from the image's stamp to the arrival of
            its result here, ms.
        rss_mb: resident memory of the node at the end, MB.
        threads: of the node at the end.
        handles: open files and sockets of the node at the end.
    """

    end_s: float
    rate_hz: float
    dropped: int
    people: float
    new_ids: int
    latency_ms: tuple[float, float, float, float]
    rss_mb: float
    threads: int
    handles: int

    def line(self) -> str:
        """Return the figures for people."""
        median, most, nearly_all, longest = self.latency_ms
        return (
            f'{self.end_s / 60:6.1f} min {self.rate_hz:5.1f} Hz {self.dropped:5d} dropped '
            f'{self.people:4.1f} people {self.new_ids:4d} new ids | latency ms {median:5.0f} '
            f'(95 % {most:.0f}, 99 % {nearly_all:.0f}, longest {longest:.0f}) | '
            f'{self.rss_mb:6.0f} MB {self.threads:3d} threads {self.handles:3d} handles'
        )


def threads_of(pid: int) -> int:
    """Return the number of threads of a process."""
    return len(os.listdir(f'/proc/{pid}/task'))


def handles_of(pid: int) -> int:
    """Return the number of open files and sockets of a process."""
    return len(os.listdir(f'/proc/{pid}/fd'))


def rendered(scene_name: str, rate_hz: float, folder: Path) -> Path:
    """Return a clip of a simulated scene, made in a folder."""
    from rich.progress import track

    from pose_tracking_ros.simulation.scenes import make_scene
    from pose_tracking_ros.viewing.video import VideoWriter

    scene = make_scene(scene_name, rate_hz=rate_hz)
    path = folder / f'{scene_name}.mp4'
    with VideoWriter(path, rate_hz) as writer:
        for index in track(range(scene.frame_count), f'rendering {scene_name}', transient=True):
            writer.write(scene.render(index))
    return path


class Listener:
    """Subscribes to the results and adds them up, interval by interval."""

    def __init__(self, pid: int) -> None:
        import rclpy
        from pose_tracking_ros.msg import TrackedPoseArray
        from rclpy.executors import SingleThreadedExecutor

        rclpy.init()
        self._pid = pid
        self._node = rclpy.create_node('soak')
        self._node.create_subscription(TrackedPoseArray, 'tracked_poses', self._receive, 50)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._latencies_ms: list[float] = []
        self._people: list[int] = []
        self._ids: set[int] = set()
        self._dropped = 0

    def _receive(self, message: TrackedPoseArray) -> None:
        stamp = message.header.stamp
        now_s = self._node.get_clock().now().nanoseconds * 1e-9
        self._latencies_ms.append((now_s - stamp.sec - stamp.nanosec * 1e-9) * 1e3)
        self._people.append(len(message.poses))
        self._ids.update(pose.track_id for pose in message.poses)
        self._dropped = message.frames_dropped

    def wait(self) -> None:
        """Wait for the first result.

        Raises:
            RuntimeError: none came.
        """
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not self._people:
            self._executor.spin_once(timeout_sec=0.2)
            if time.monotonic() > deadline_s:
                raise RuntimeError(
                    f'no /tracked_poses within {_START_TIMEOUT_S:.0f} s; see the output above'
                )

    def observe(self, length_s: float, began_s: float) -> Interval:
        """Listen for an interval and return what it showed.

        Raises:
            RuntimeError: nothing came.
        """
        self._latencies_ms, self._people = [], []
        dropped, ids = self._dropped, len(self._ids)
        start_s = time.monotonic()
        while (spent_s := time.monotonic() - start_s) < length_s:
            self._executor.spin_once(timeout_sec=min(0.2, length_s - spent_s))
        if not self._people:
            raise RuntimeError(f'no result for {length_s:.0f} s; see the output above')
        median, most, nearly_all = np.percentile(self._latencies_ms, [50, 95, 99])
        return Interval(
            end_s=time.monotonic() - began_s,
            rate_hz=len(self._people) / spent_s,
            dropped=self._dropped - dropped,
            people=float(np.mean(self._people)),
            new_ids=len(self._ids) - ids,
            latency_ms=(float(median), float(most), float(nearly_all), max(self._latencies_ms)),
            rss_mb=resident_mb(self._pid),
            threads=threads_of(self._pid),
            handles=handles_of(self._pid),
        )


def verdict(intervals: list[Interval]) -> list[str]:
    """Return what grew, in words; nothing when all is well. One interval tells nothing."""
    if len(intervals) < 2:
        return []
    first, last = intervals[0], intervals[-1]
    grown = []
    if last.rss_mb > (1 + _MAX_MEMORY_GROWTH) * first.rss_mb:
        grown.append(f'memory from {first.rss_mb:.0f} to {last.rss_mb:.0f} MB')
    if last.threads > first.threads:
        grown.append(f'threads from {first.threads} to {last.threads}')
    if last.handles > first.handles:
        grown.append(f'file handles from {first.handles} to {last.handles}')
    return grown


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--minutes', type=float, default=30.0)
    parser.add_argument('--interval-s', type=float, default=60.0, help='time between two lines')
    parser.add_argument('--video', help='a clip to show instead of the scene')
    parser.add_argument('--scene', default='leave_and_return', help='simulated scene')
    parser.add_argument('--rate-hz', type=float, default=30.0, help='of the camera')
    parser.add_argument('--json', type=Path, help='write the figures to this file')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', dest='assignments',
        help='a parameter of tracker_node, for example threads=1',
    )  # fmt: skip
    return parser.parse_args()


def run(video: str | Path, options: argparse.Namespace) -> list[Interval]:
    """Start the nodes, observe them until the time is over or it is interrupted, end them."""
    source: dict[str, object] = {
        'video': video, 'rate_hz': options.rate_hz, 'stamp': 'now', 'wait_for_subscriber': True,
    }  # fmt: skip
    tracker: dict[str, object] = dict(text.split('=', 1) for text in options.assignments)
    programs = [subprocess.Popen(command('tracker_node', tracker))]
    intervals: list[Interval] = []
    try:
        programs.append(subprocess.Popen(command('video_source', source)))
        listener = Listener(programs[0].pid)
        listener.wait()
        began_s = time.monotonic()
        while time.monotonic() - began_s < options.minutes * 60:
            intervals.append(listener.observe(options.interval_s, began_s))
            print(intervals[-1].line(), flush=True)
    except KeyboardInterrupt:
        print('interrupted; the figures so far count')
    finally:
        for program in programs:
            program.send_signal(signal.SIGINT)
        for program in programs:
            program.wait(timeout=20)
    return intervals


def main() -> int:
    """Run everything and print; return 0 if nothing grew."""
    options = parse()
    # For the two nodes and for this process alike.
    os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(ROOT / 'config' / 'fastdds.xml')
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    with TemporaryDirectory() as folder:
        video = options.video or rendered(options.scene, options.rate_hz, Path(folder))
        intervals = run(video, options)
    if options.json is not None:
        records = [asdict(interval) for interval in intervals]
        options.json.write_text(json.dumps(records, indent=2) + '\n')
    grown = verdict(intervals)
    print('grew: ' + '; '.join(grown) if grown else 'nothing grew')
    return 1 if grown or not intervals else 0


if __name__ == '__main__':
    sys.exit(main())
