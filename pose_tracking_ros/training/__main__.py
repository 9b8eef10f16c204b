"""Train the network: `python -m pose_tracking_ros.training config/training/lite.yaml`.

`check` instead of a configuration checks the data, `label` labels pictures; see their --help.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pose_tracking_ros.network.weights import WeightsError
from pose_tracking_ros.training import check_command, label_command
from pose_tracking_ros.training.arguments import add_data_root
from pose_tracking_ros.training.config import ConfigError, load_config
from pose_tracking_ros.training.loop import Run
from pose_tracking_ros.training.pictures import DataError


def main() -> int:
    """Train, resume, check or label; exit 0 when done, 3 when interrupted, 2 on bad input."""
    commands = {'check': check_command.main, 'label': label_command.main}
    if (name := ''.join(sys.argv[1:2])) in commands:
        return commands[name](sys.argv[2:])
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.training',
        description=__doc__,
    )
    parser.add_argument('config', type=Path, help='training configuration (YAML)')
    add_data_root(parser)
    parser.add_argument(
        '--output', type=Path, help='folder of the run; default runs/NAME; resumed if it exists'
    )
    arguments = parser.parse_args()
    try:
        config = load_config(arguments.config)
        run = Run(config, arguments.data_root, arguments.output or Path('runs') / config.name)
        finished = run.train()
    except (ConfigError, DataError, WeightsError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'{"finished" if finished else "interrupted"} at step {run.step}: {run.folder}')
    return 0 if finished else 3


if __name__ == '__main__':
    sys.exit(main())
