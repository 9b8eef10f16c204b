"""Measure several cameras on one machine: a process for each tracker, or one process for all.

A real `video_source` per camera loops over a clip, the trackers run with their network, and this
program counts `/cameraN/tracked_poses`:

    source scripts/env.sh
    python scripts/measure_cameras.py CLIP --cameras 2
    python scripts/measure_cameras.py CLIP --cameras 2 --one-process

Memory is the proportional set size: what processes share is divided among them.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
_START_TIMEOUT_S = 120.0

Rows = Mapping[str, list[tuple[float, float, int]]]
"""Per camera: time of arrival, s, age of the image, ms, and images dropped so far."""


def command(module: str, parameters: Mapping[str, object], namespace: str = '/') -> list[str]:
    """Return the command line of one of our nodes."""
    line = [sys.executable, '-m', f'pose_tracking_ros.ros.{module}', '--ros-args']
    line += ['-r', f'__ns:={namespace}']
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else value
        line += ['-p', f'{name}:={text}']
    return line


def memory_mb(pid: int) -> float:
    """Return the proportional set size of a process, MB."""
    text = Path(f'/proc/{pid}/smaps_rollup').read_text()
    found = re.search(r'^Pss:\s+(\d+) kB', text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024e-6


def observe(cameras: list[str], seconds: float) -> Rows:
    """Count results for a while, from the moment when every camera has one.

    Raises:
        RuntimeError: a camera has no result.
    """
    import rclpy
    from pose_tracking_ros.msg import TrackedPoseArray
    from rclpy.executors import SingleThreadedExecutor

    rclpy.init()
    node = rclpy.create_node('measure_cameras')
    seen: dict[str, list[tuple[float, float, int]]] = {camera: [] for camera in cameras}

    def listen(camera: str) -> None:
        def receive(message: TrackedPoseArray) -> None:
            stamp = message.header.stamp
            age_ms = 1e3 * (time.time() - stamp.sec) - stamp.nanosec * 1e-6
            seen[camera].append((time.monotonic(), age_ms, message.frames_dropped))

        node.create_subscription(TrackedPoseArray, f'/{camera}/tracked_poses', receive, 50)

    for camera in cameras:
        listen(camera)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while not all(seen.values()) and time.monotonic() < deadline_s:
        executor.spin_once(timeout_sec=0.2)
    if not all(seen.values()):
        silent = [camera for camera, rows in seen.items() if not rows]
        raise RuntimeError(f'no results of {", ".join(silent)} within {_START_TIMEOUT_S:.0f} s')
    for rows in seen.values():
        rows.clear()
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        executor.spin_once(timeout_sec=0.2)
    node.destroy_node()
    rclpy.try_shutdown()
    return seen


def main() -> int:
    """Measure and print; return 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('video', help='clip to loop over')
    parser.add_argument('--cameras', type=int, default=2)
    parser.add_argument('--one-process', action='store_true')
    parser.add_argument('--seconds', type=float, default=30.0)
    parser.add_argument('--rate-hz', type=float, default=0.0, help='of the clip; 0 for its own')
    parser.add_argument('--threads', type=int, default=1, help='of the network, in each process')
    parser.add_argument('--engine', default='auto')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--max-batch', type=int, default=4)
    parser.add_argument('--max-network-copies', type=int, default=0)
    options = parser.parse_args()
    os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(ROOT / 'config' / 'fastdds.xml')
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    cameras = [f'camera{number}' for number in range(options.cameras)]
    network = {name: getattr(options, name) for name in ('threads', 'engine', 'device')}
    if options.one_process:
        own = {
            'cameras': ','.join(cameras),
            'max_batch': options.max_batch,
            'max_network_copies': options.max_network_copies,
        }
        lines = [command('multi_camera_node', network | own)]
    else:
        lines = [command('tracker_node', network, f'/{camera}') for camera in cameras]
    source = {
        'video': options.video,
        'stamp': 'now',
        'wait_for_subscriber': True,
        'rate_hz': options.rate_hz,
    }
    trackers = [subprocess.Popen(line) for line in lines]
    programs = list(trackers)
    try:
        programs += [
            subprocess.Popen(command('video_source', source, f'/{camera}')) for camera in cameras
        ]
        seen = observe(cameras, options.seconds)
        memory = sum(memory_mb(tracker.pid) for tracker in trackers)
    finally:
        for program in programs:
            program.send_signal(signal.SIGINT)
        for program in programs:
            program.wait(timeout=20)
    for camera, rows in seen.items():
        ages_ms = [row[1] for row in rows]
        print(
            f'{camera}: {len(rows) / options.seconds:5.2f} Hz, age {np.median(ages_ms):4.0f} ms '
            f'median, {np.percentile(ages_ms, 95):4.0f} ms 95 %'
        )
    total_hz = sum(len(rows) for rows in seen.values()) / options.seconds
    print(f'together {total_hz:.2f} Hz, {memory:.0f} MB in {len(trackers)} processes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
