"""Settings of what is looked at: how many of the images, which part of them, which stamps."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracking_ros.settings.limits import check_settings, setting

_MAX_SIDE_PX = 65535


@dataclass(frozen=True)
class ImageInputSettings:
    """Which images are processed, and which part of each.

    The region is given in pixels of the whole image; so are all results.
    """

    max_rate_hz: float = setting(
        0.0,
        'At most so many images per second, by their stamps, are processed; the others are '
        'skipped and counted. 0: all.',
        unit='Hz',
        low=0.0,
        high=1000.0,
        live=True,
    )
    roi_x_px: int = setting(
        0,
        'Left edge of the region of interest. Results stay in pixels of the whole image.',
        unit='px',
        low=0,
        high=_MAX_SIDE_PX,
        live=True,
    )
    roi_y_px: int = setting(
        0,
        'Top edge of the region of interest.',
        unit='px',
        low=0,
        high=_MAX_SIDE_PX,
        live=True,
    )
    roi_width_px: int = setting(
        0,
        'Width of the region of interest; 0: to the right edge of the image.',
        unit='px',
        low=0,
        high=_MAX_SIDE_PX,
        live=True,
    )
    roi_height_px: int = setting(
        0,
        'Height of the region of interest; 0: to the bottom edge of the image.',
        unit='px',
        low=0,
        high=_MAX_SIDE_PX,
        live=True,
    )
    max_stamp_offset_s: float = setting(
        10.0,
        "Warn when an image's stamp differs from the node's clock by more than this; 0: never.",
        unit='s',
        low=0.0,
        high=1e9,
        live=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
