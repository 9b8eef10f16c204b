"""Settings of camera motion compensation."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracking_ros.settings.limits import check_settings, setting


@dataclass(frozen=True)
class CameraMotionSettings:
    """How the camera's own motion is found."""

    camera_motion: str = setting(
        'none',
        "How the camera's own motion is found: none (a camera that stands still), flow or ecc. "
        'On a CPU flow costs 2 to 4 ms per image, ecc 5 to 30 ms.',
        choices=('none', 'flow', 'ecc'),
        live=True,
    )
    camera_motion_long_side_px: int = setting(
        320,
        'Longer side of the grey image in which camera motion is sought.',
        unit='px',
        low=64,
        high=1920,
        live=True,
    )
    camera_motion_max_gap_s: float = setting(
        1.0,
        'Images further apart are not compared for camera motion.',
        unit='s',
        low=0.0,
        high=60.0,
        live=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
