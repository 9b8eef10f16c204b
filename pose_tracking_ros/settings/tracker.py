"""Settings of the tracker."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracking_ros.settings.limits import check_settings, setting


@dataclass(frozen=True)
class TrackerSettings:
    """How detections become tracks. Times are image time in seconds, never frame counts."""

    strategy: str = setting(
        'occlusion_aware',
        'How detections and tracks are compared.',
        choices=('occlusion_aware', 'iou', 'reid', 'msim'),
        live=True,
    )
    min_keypoint_score: float = setting(
        0.2,
        'A joint above this score counts as seen (gamma_valid, FastPose Eq. 1).',
        low=0.0,
        high=1.0,
        live=True,
    )
    min_valid_keypoints: int = setting(
        10,
        'Appearance is trusted when more joints than this are seen (theta_valid, FastPose 3.3.1).',
        low=0,
        high=1000,
        live=True,
    )
    max_covered_share: float = setting(
        0.5,
        'A person whose box is covered by nearer people to a larger share counts as occluded.',
        low=0.0,
        high=1.0,
        live=True,
    )
    position_weight: float = setting(
        0.5,
        'Weight of position against appearance (theta_pos, FastPose Eq. 2).',
        low=0.0,
        high=1.0,
        live=True,
    )
    similarity_form: str = setting(
        'corrected',
        'FastPose Eq. 2 with likeness instead of distance (corrected), or as printed (literal), '
        'which rewards unlike looks and is there for comparison.',
        choices=('corrected', 'literal'),
        live=True,
    )
    max_appearance_distance: float = setting(
        1.0,
        'Embedding distance that counts as entirely unlike (sigma_max, FastPose Eq. 2).',
        low=0.01,
        high=2.0,
        live=True,
    )
    min_similarity: float = setting(
        0.2,
        'Pairs of track and detection below this are never matched.',
        low=0.0,
        high=1.0,
        live=True,
    )
    min_strong_score: float = setting(
        0.5,
        'Detections below this score only continue tracks that no better detection matches.',
        low=0.0,
        high=1.0,
        live=True,
    )
    min_new_track_score: float = setting(
        0.5,
        'An unmatched detection of at least this score starts a track.',
        low=0.0,
        high=1.0,
        live=True,
    )
    max_new_track_overlap: float = setting(
        0.7,
        'No track starts from a detection that has more than this IoU with a tracked one, or is '
        'covered by a nearer one to more than this share.',
        low=0.0,
        high=1.0,
        live=True,
    )
    min_duplicate_iou: float = setting(
        0.85,
        'Two tracks whose boxes overlap by this IoU, and whose poses and looks agree, follow one '
        'body.',
        low=0.1,
        high=1.0,
        live=True,
    )
    merge_after_s: float = setting(
        0.5,
        'Of two tracks that have followed one body for this long the younger is given up.',
        unit='s',
        low=0.0,
        high=600.0,
        live=True,
    )
    confirm_after_s: float = setting(
        0.15, 'A new track is tentative for this long.', unit='s', low=0.0, high=10.0, live=True
    )
    max_probation_s: float = setting(
        1.0,
        'While someone is missing, a new track whose looks cannot be judged yet stays tentative '
        'for up to this long.',
        unit='s',
        low=0.0,
        high=10.0,
        live=True,
    )
    lost_after_s: float = setting(
        0.3,
        'A track unseen for longer, with nobody in front of it, is lost.',
        unit='s',
        low=0.0,
        high=10.0,
        live=True,
    )
    max_lost_s: float = setting(
        5.0, 'A track unseen for longer is removed.', unit='s', low=0.0, high=600.0, live=True
    )
    max_recovery_distance: float = setting(
        0.6,
        'A lost track is recovered by appearance alone when the embedding distance is below this.',
        low=0.0,
        high=2.0,
        live=True,
    )
    embedding_momentum: float = setting(
        0.9,
        'Share of the old appearance kept at each valid observation.',
        low=0.0,
        high=1.0,
        live=True,
    )
    max_tracks: int = setting(
        500,
        'At most so many tracks are kept; those unseen for longest give way.',
        low=1,
        high=10000,
        live=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
