"""Settings of pose non-maximum suppression."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracking_ros.settings.limits import check_settings, setting


@dataclass(frozen=True)
class PoseNmsSettings:
    """How people who were found twice are told by their poses, after the boxes were compared."""

    pose_nms: str = setting(
        'none',
        'How people found twice are told by their poses.',
        choices=('none', 'oks', 'parametric'),
        live=True,
    )
    pose_nms_max_oks: float = setting(
        0.7, 'oks: of two poses more alike than this the worse goes.', low=0.0, high=1.0, live=True
    )
    pose_nms_form: str = setting(
        'scaled',
        "parametric: form of AlphaPose's similarity; the paper's, the same independent of the "
        "image's size, or that of the released code, which also merges the poses.",
        choices=('paper', 'scaled', 'released'),
        live=True,
    )
    pose_nms_score_scale: float = setting(
        0.04,
        'parametric: joint scores well above this count fully (sigma_1).',
        low=1e-4,
        high=100.0,
        live=True,
    )
    pose_nms_distance_scale: float = setting(
        0.5,
        'parametric: how far apart equal joints may be (sigma_2); px² in the form paper, tenths '
        'of the box squared in scaled, px in released.',
        low=1e-3,
        high=1e6,
        live=True,
    )
    pose_nms_distance_weight: float = setting(
        1.4,
        'parametric: weight of distances against scores (lambda).',
        low=0.0,
        high=100.0,
        live=True,
    )
    pose_nms_min_similarity: float = setting(
        17.0,
        'parametric: poses more alike than this are the same person (eta).',
        low=0.0,
        high=1000.0,
        live=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
