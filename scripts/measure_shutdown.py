"""Measure how long the programs take to end after a signal, in every state they can be in.

    source scripts/env.sh
    python scripts/measure_shutdown.py                   # 3 runs of each case and signal
    python scripts/measure_shutdown.py --busy 4          # beside four processes that only compute

The tracker's network is the real one, except where one image must take a minute: there, a network
on paper computes in a C library that cannot be interrupted. It exits with 1 when a program ended
with another code than 0, left shared memory of DDS behind, wrote a traceback, or took longer than
two seconds.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / 'install' / 'pose_tracking_ros' / 'lib' / 'pose_tracking_ros'
SHARED_MEMORY = Path('/dev/shm')
_MAX_S = 2.0

# Computes in a C library for minutes: not even Python's signal handlers run.
SLOW = """
import hashlib, sys
from sensor_msgs.msg import Image
from pose_tracking_ros.people import People
from pose_tracking_ros.ros import program
from pose_tracking_ros.ros.tracker_node import TrackerNode

class Engine:
    model_id = device_name = 'paper'
    fallback_reason = ''
    embedding_dim = 4
    def warm_up(self):
        self.work('warm_up')
    def infer(self, image):
        self.work('infer')
        return People.none((image.shape[1], image.shape[0]), dim=4)
    def work(self, what):
        if what == {slow!r}:
            print('slow', file=sys.stderr, flush=True)
            hashlib.pbkdf2_hmac('sha256', b'', b'', 300_000_000)

class Node(TrackerNode):
    def start(self):
        # A camera of its own.
        camera = self.create_publisher(Image, 'image', 1)
        picture = Image(width=1, height=1, step=3, encoding='rgb8', data=bytes(3))
        picture.header.stamp = self.get_clock().now().to_msg()
        self.create_timer(0.1, lambda: camera.publish(picture))
        return super().start()

program.leave(program.run(lambda: Node(lambda settings: Engine())))
"""


@dataclass(frozen=True)
class Case:
    """A state in which a signal comes.

    Attributes:
        name: for the table.
        command: what to run.
        word: the signal waits until the program has said this.
        after_s: and for so long after it, or after the start if there is no word, s.
        times: how often the signal is sent, 0.1 s apart.
    """

    name: str
    command: list[str]
    word: str = ''
    after_s: float = 0.0
    times: int = 1


@dataclass
class Result:
    """What the runs of a case showed; `faults` says what is not as promised."""

    spent_s: list[float] = field(default_factory=list)
    faults: set[str] = field(default_factory=set)


def cases(video: str, folder: Path, programs: Path) -> Iterator[Case]:
    """Yield all cases.

    Args:
        video: what `video_source` plays.
        folder: for bags.
        programs: of the installation.
    """
    tracker = [str(programs / 'tracker_node'), '--ros-args']
    for after_s in (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4):
        yield Case(f'tracker_node, {after_s * 1e3:.0f} ms after its start', tracker, '', after_s)
    by_hand = [*tracker, '-p', 'autostart:=false']
    yield Case('unconfigured', by_hand, 'waiting for a life cycle manager', 0.2)
    for after_s in (0.0, 0.5, 1.0, 2.0):
        yield Case(f'{after_s} s into configuring', tracker, 'loading network', after_s)
    yield Case('active, without images', tracker, 'subscribed to', 0.5)
    yield Case('active, two signals', tracker, 'subscribed to', 0.5, times=2)
    for slow, name in (('warm_up', 'configuring'), ('infer', 'an inference')):
        program = [sys.executable, '-c', SLOW.format(slow=slow)]
        yield Case(f'{name} that takes a minute', program, 'slow', 0.3)
    source = [str(programs / 'video_source'), '--ros-args', '-p', f'video:={video}']
    yield Case('video_source, playing', source, 'playing', 0.5)
    recorder = [str(programs / 'pose_recorder'), '--ros-args', '-p', f'output:={folder}/NEW']
    yield Case('pose_recorder, recording', recorder, 'recording', 0.5)


def segments_of(pid: int, before: set[str]) -> list[Path]:
    """Return the shared memory that a program has made, without what others share with it."""
    mapped = set(re.findall(r'/dev/shm/(\S+)', Path(f'/proc/{pid}/maps').read_text()))
    names = mapped & set(os.listdir(SHARED_MEMORY)) - before
    return [SHARED_MEMORY / name for name in names if 'port' not in name]


def measure(case: Case, signal_number: int, folder: Path, result: Result) -> None:
    """Run a case once and add to its result."""
    bag = folder / f'bag_{time.monotonic_ns()}'
    command = [word.replace(f'{folder}/NEW', str(bag)) for word in case.command]
    before = set(os.listdir(SHARED_MEMORY)) if SHARED_MEMORY.is_dir() else set()
    said = ''
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while case.word and case.word not in said:
            line = process.stderr.readline()
            if not line:
                raise RuntimeError(f'{case.name}: ended before {case.word!r}:\n{said}')
            said += line
        time.sleep(case.after_s)
        segments = segments_of(process.pid, before) if before else []
        sent_s = time.monotonic()
        for number in range(case.times):
            time.sleep(0.1 if number else 0.0)
            process.send_signal(signal_number)
        said += process.communicate(timeout=120)[1]
        result.spent_s.append(time.monotonic() - sent_s)
    if process.returncode != 0:
        result.faults.add(f'exit code {process.returncode}')
    if 'Traceback' in said:
        result.faults.add('traceback')
    if any(segment.exists() for segment in segments):
        result.faults.add('shared memory left')
    if result.spent_s[-1] > _MAX_S:
        result.faults.add('late')


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--repeat', type=int, default=3, help='runs per case and signal')
    parser.add_argument('--busy', type=int, default=0, help='processes that only compute, beside')
    parser.add_argument('--video', default='simulation', help='what video_source plays')
    parser.add_argument('--only', default='', help='cases whose name contains this')
    parser.add_argument('--programs', type=Path, default=PROGRAMS, help='folder of the programs')
    return parser.parse_args()


def main() -> int:
    """Measure everything and print a table; return 0 if all is as promised."""
    options = parse()
    os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    busy = [
        subprocess.Popen([sys.executable, '-S', '-c', 'while True: pass'])
        for _ in range(options.busy)
    ]
    is_good = True
    try:
        with TemporaryDirectory() as name:
            folder = Path(name)
            print('| state | median (s) | longest (s) | as promised |\n|---|---|---|---|')
            for case in cases(options.video, folder, options.programs):
                if options.only not in case.name:
                    continue
                result = Result()
                for _ in range(options.repeat):
                    for signal_number in (signal.SIGINT, signal.SIGTERM):
                        measure(case, signal_number, folder, result)
                spent_s = sorted(result.spent_s)
                verdict = ', '.join(sorted(result.faults)) or 'yes'
                is_good &= not result.faults
                print(
                    f'| {case.name} | {spent_s[len(spent_s) // 2]:.2f} | {spent_s[-1]:.2f} '
                    f'| {verdict} |',
                    flush=True,
                )
    except KeyboardInterrupt:
        print('interrupted; the figures so far count')
    finally:
        for process in busy:
            process.kill()
    return 0 if is_good else 1


if __name__ == '__main__':
    sys.exit(main())
