"""Measure how many images of the video source reach the callback of the tracker node.

The real `video_source` plays a clip of 1280 x 720 at 30 Hz in one process, the real tracker node
(without a network) receives it in another, over Fast DDS:

    source scripts/env.sh
    python scripts/measure_transport.py --json transport.json

Each line of the table is one run; by default four: with and without the shipped Fast DDS profile,
reliable and best effort. `--quick` runs only what the launch file sets.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
_PROFILE = ROOT / 'config' / 'fastdds.xml'
_QUIET_S = 2.0


def write_clip(path: Path, seconds: float, rate_hz: float, size: tuple[int, int]) -> int:
    """Write a clip of moving stripes; return its number of images."""
    count = round(seconds * rate_hz)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), rate_hz, size)
    if not writer.isOpened():
        raise OSError(f'{path}: OpenCV cannot write MJPEG here')
    width, height = size
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    for index in range(count):
        row = np.roll(ramp, 7 * index)
        writer.write(np.dstack([np.broadcast_to(row, (height, width))] * 3))
    writer.release()
    return count


def receive(seconds: float, inference_s: float) -> dict[str, float]:
    """Run the tracker node until images have come and ended; return what was counted."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from pose_tracking_ros.people import People
    from pose_tracking_ros.ros.conversion import seconds_from_stamp
    from pose_tracking_ros.ros.program import with_malloc
    from pose_tracking_ros.ros.tracker_node import TrackerNode

    class NoNetwork:
        """Finds nobody, after a while."""

        model_id = device_name = 'none'
        fallback_reason = ''
        embedding_dim = 0

        def apply_settings(self, settings: object) -> None:
            """Have none."""

        def warm_up(self) -> None:
            """Need none."""

        def infer(self, image: np.ndarray) -> People:
            """Return nobody."""
            time.sleep(inference_s)
            return People.none((image.shape[1], image.shape[0]))

    latencies_s: list[float] = []

    class CountingNode(TrackerNode):
        """The tracker node; it notes when images arrive."""

        def _receive(self, message: object) -> None:
            super()._receive(message)
            now_s = self.get_clock().now().nanoseconds * 1e-9
            latencies_s.append(now_s - seconds_from_stamp(message.header.stamp))  # type: ignore[attr-defined]

    rclpy.init()
    node = with_malloc(CountingNode(lambda settings: NoNetwork()))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    assert node.start()
    print('ready', flush=True)
    deadline_s = time.monotonic() + seconds + 60
    heard_s, count = time.monotonic(), 0
    began_s = cpu_began_s = 0.0
    while time.monotonic() < deadline_s:
        executor.spin_once(timeout_sec=0.1)
        if len(latencies_s) > count:
            heard_s, count = time.monotonic(), len(latencies_s)
            if not began_s:
                began_s, cpu_began_s = heard_s, _cpu_s()
        if count and time.monotonic() - heard_s > _QUIET_S:
            break
    cpu = (_cpu_s() - cpu_began_s) / max(time.monotonic() - began_s, 1e-9) if count else 0.0
    input_description = node._input.description
    node.stop(5.0)
    rclpy.try_shutdown()
    print(f'input: {input_description}', file=sys.stderr)
    return {
        'received': count,
        'latency_median_ms': 1e3 * float(np.median(latencies_s)) if count else float('nan'),
        'latency_p95_ms': 1e3 * float(np.percentile(latencies_s, 95)) if count else float('nan'),
        'receiver_cpu': cpu,
    }


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(
    clip: Path, sent: int, seconds: float, *, profile: bool, reliability: str, malloc: bool
) -> dict[str, object]:
    """Run source and receiver once; return the figures of the run."""
    environment = dict(os.environ)
    environment.pop('FASTRTPS_DEFAULT_PROFILES_FILE', None)
    environment.pop('FASTDDS_DEFAULT_PROFILES_FILE', None)
    if profile:
        environment['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(_PROFILE)
    environment['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    switch = f'enlarge_malloc:={str(malloc).lower()}'
    receiver = subprocess.Popen(
        [
            sys.executable,
            __file__,
            '--receive',
            f'--seconds={seconds}',
            '--ros-args',
            '-p',
            switch,
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert receiver.stdout is not None
    try:
        if receiver.stdout.readline().strip() != 'ready':
            raise RuntimeError('the receiver did not start; see its output above')
        source = [sys.executable, '-m', 'pose_tracking_ros.ros.video_source', '--ros-args']
        parameters = {
            'video': str(clip),
            'loop': 'false',
            'exit_at_end': 'true',
            'stamp': 'now',
            'wait_for_subscriber': 'true',
            'reliability': reliability,
        }
        for name, value in parameters.items():
            source += ['-p', f'{name}:={value}']
        subprocess.run(source, check=True, env=environment, timeout=seconds + 60)
        output, _ = receiver.communicate(timeout=seconds + 60)
    finally:
        if receiver.poll() is None:
            receiver.kill()
    figures = json.loads(output.splitlines()[-1])
    return {
        'profile': profile,
        'reliability': reliability,
        'enlarge_malloc': malloc,
        'sent': sent,
        **figures,
        'share': figures['received'] / sent,
    }


def main() -> int:
    """Measure and print; return 0 if what the launch file sets reaches 99 %."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seconds', type=float, default=12.0, help='length of the clip')
    parser.add_argument('--rate-hz', type=float, default=30.0)
    parser.add_argument('--size', default='1280x720', help='WIDTHxHEIGHT, px')
    parser.add_argument('--quick', action='store_true', help='only what the launch file sets')
    parser.add_argument('--json', type=Path, help='write the figures to this file')
    parser.add_argument('--receive', action='store_true', help=argparse.SUPPRESS)
    arguments, _ = parser.parse_known_args()
    if arguments.receive:
        print(json.dumps(receive(arguments.seconds, inference_s=0.1)))
        return 0
    width, height = map(int, arguments.size.split('x'))
    runs = [(True, 'reliable', True)]
    if not arguments.quick:
        runs += [
            (True, 'best_effort', True),
            (True, 'best_effort', False),
            (False, 'reliable', True),
            (False, 'best_effort', True),
        ]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / 'clip.avi'
        sent = write_clip(clip, arguments.seconds, arguments.rate_hz, (width, height))
        print('profile  reliability  malloc  arrived        median   95 %     receiver CPU')
        for profile, reliability, malloc in runs:
            result = measure(
                clip,
                sent,
                arguments.seconds,
                profile=profile,
                reliability=reliability,
                malloc=malloc,
            )
            results.append(result)
            print(
                f'{"shipped" if profile else "none":8} {reliability:12} '
                f'{"large" if malloc else "plain":7} '
                f'{result["received"]:4}/{sent} {100 * result["share"]:5.1f} %  '
                f'{result["latency_median_ms"]:5.1f} ms {result["latency_p95_ms"]:5.1f} ms  '
                f'{100 * result["receiver_cpu"]:4.0f} %',
                flush=True,
            )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=2) + '\n')
    return 0 if results[0]['share'] >= 0.99 else 1


if __name__ == '__main__':
    sys.exit(main())
