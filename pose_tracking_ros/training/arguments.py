"""What the commands of this package ask for in the same way."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_data_root(parser: argparse.ArgumentParser) -> None:
    """Add the option for the folder of the data."""
    parser.add_argument(
        '--data-root',
        type=Path,
        default=Path(os.environ.get('POSE_TRACKING_DATA', 'data')),
        help='folder of the data named in the config; default $POSE_TRACKING_DATA, else data/',
    )
