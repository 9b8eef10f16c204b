"""Track a video through real ROS 2 and show what comes out: `python -m pose_tracking_ros.demo`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from pose_tracking_ros.demo.clip import ClipUnavailableError, street_clip
from pose_tracking_ros.demo.programs import ProgramFailedError
from pose_tracking_ros.demo.run import DemoOptions, run_demo
from pose_tracking_ros.settings import NetworkSettings, limits_of

SIMULATION = 'simulation:street'
_DEFAULT_DURATION_S = 60.0
_INTERRUPTED = 130


def choose_video(wish: str | None, cache: Path, console: Console) -> str:
    """Return what the video source is to play.

    Args:
        wish: a path, a camera index, `simulation` or `simulation:SCENE`; None for the street clip,
            or the simulation where the clip cannot be had.
        cache: where the street clip is kept.
        console: takes what is to be said about it.

    Raises:
        FileNotFoundError: the wish is none of these, and no such file or folder exists.
    """
    if wish is None:
        try:
            clip = street_clip(cache, lambda line: console.print(line, soft_wrap=True))
        except ClipUnavailableError as error:
            console.print(
                f'No street clip: {error}. Playing the simulation instead; '
                'VIDEO=path plays a video of yours.',
                soft_wrap=True,
            )
            return SIMULATION
        return str(clip.resolve())
    if wish == 'simulation':
        return SIMULATION
    if wish.isdecimal() or wish.startswith('simulation:'):
        return wish
    path = Path(wish).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f'VIDEO: expected a file, a folder of images, a camera index or "simulation"; there '
            f'is no {wish!r}'
        )
    return str(path.resolve())


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.demo', description=(__doc__ or '').split(':')[0]
    )
    parser.add_argument(
        '--video',
        help='a file, a folder of images, a camera index, or "simulation"; default: a street clip',
    )
    parser.add_argument(
        '--duration-s',
        type=float,
        default=_DEFAULT_DURATION_S,
        help='play at most so much of it; 0 for all (default: %(default)s)',
    )
    parser.add_argument(
        '--output', type=Path, default=Path('demo_output'), help='folder of the results'
    )
    parser.add_argument(
        '--cache', type=Path, default=Path('.cache/demo'), help='where the street clip is kept'
    )
    for name in ('preset', 'weights', 'device'):
        parser.add_argument(f'--{name}', help=limits_of(NetworkSettings, name).description)
    options = parser.parse_args(arguments)
    if not options.duration_s >= 0:
        parser.error(f'--duration-s: expected 0 or more, got {options.duration_s}')
    return options


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    # Completing the files takes seconds, in which a second Ctrl-C must not cut them off.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit code: 0, 1 with a message, or 130 after an interrupt."""
    options = parse(arguments)
    console = Console(highlight=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    tracker = {
        name: value
        for name in ('preset', 'weights', 'device')
        if (value := getattr(options, name)) is not None
    }
    try:
        video = choose_video(options.video, options.cache, console)
        demo = DemoOptions(video, options.duration_s, options.output, tracker)
        has_results = run_demo(demo, console)
    except (OSError, ProgramFailedError) as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    except ImportError as error:
        print(
            f'demo: ROS 2 or its messages are missing ({error}); run make setup, then '
            'source scripts/env.sh',
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f'demo: interrupted; what there was is in {options.output}/', file=sys.stderr)
        return _INTERRUPTED
    if not has_results:
        print(
            f'demo: no image was processed; see {options.output}/logs for the reason',
            file=sys.stderr,
        )
        return 1
    console.print(f'Results: {options.output}/ (overlay.mp4, contact_sheet.png, bag, ...)')
    return 0


if __name__ == '__main__':
    sys.exit(main())
