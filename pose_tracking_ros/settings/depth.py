"""Settings of depth and poses in space."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracking_ros.settings.limits import check_settings, setting


@dataclass(frozen=True)
class DepthSettings:
    """Whether people are placed in space, by which depth, and in which frame."""

    use_depth: bool = setting(
        False,
        'Subscribe to depth/image and camera_info, and fill keypoints_3d, pose and twist. Depth '
        'must be aligned with the image.',
        live=True,
    )
    depth_transport: str = setting(
        'raw',
        'raw subscribes to the topic depth/image, compressedDepth to depth/image/compressedDepth, '
        'PNG or RVL.',
        choices=('raw', 'compressedDepth'),
    )
    depth_max_age_s: float = setting(
        0.05,
        'Depth is taken for an image when their stamps differ by no more than this.',
        unit='s',
        low=0.0,
        high=10.0,
        live=True,
    )
    depth_wait_s: float = setting(
        0.05,
        'How long a tracked image waits for depth that has not arrived yet.',
        unit='s',
        low=0.0,
        high=1.0,
        live=True,
    )
    depth_min_m: float = setting(
        0.2, 'Nearer depth counts as unknown.', unit='m', low=0.0, high=1.0, live=True
    )
    depth_max_m: float = setting(
        10.0, 'Farther depth counts as unknown.', unit='m', low=1.0, high=1000.0, live=True
    )
    is_rectified: bool = setting(
        False,
        'The images are rectified: camera_info is used without distortion (its p, not k and d).',
        live=True,
    )
    target_frame: str = setting(
        '',
        'Frame of the poses in space, and then the frame_id of tracked_poses; found by tf2 at the '
        "image's stamp. Empty: the frame of the camera.",
        live=True,
    )
    transform_wait_s: float = setting(
        0.05,
        'How long an image waits for the transform to target_frame.',
        unit='s',
        low=0.0,
        high=1.0,
        live=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
