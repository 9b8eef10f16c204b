"""Where the files beside the Python package are: in a checkout, or in an installation."""

from __future__ import annotations

from pathlib import Path


def data_file(relative: str) -> Path:
    """Return a file that belongs to the package, for example `config/fastdds.xml`.

    Raises:
        FileNotFoundError: neither the checkout nor an installation around this module has it.
    """
    # <checkout>/pose_tracking_ros, or <prefix>/lib/python3.x/site-packages/....
    for parent in Path(__file__).resolve().parents[1:]:
        for folder in (parent, parent / 'share' / 'pose_tracking_ros'):
            if (folder / 'package.xml').is_file() and (folder / relative).is_file():
                return folder / relative
    raise FileNotFoundError(
        f'expected {relative} in the checkout or in share/pose_tracking_ros above {__file__}; '
        'use the checkout, or install with colcon build'
    )
