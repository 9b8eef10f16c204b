"""Every setting of the product: one declaration each, with default, unit, range and description.

ROS parameters, the command lines and the docs are derived from these classes. A setting marked
`live` may be changed while running; the others need a restart (or a cleanup and configure).
Range checks happen on construction, so a settings object that exists is valid.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What a setting means and which values it takes.

    Attributes:
        description: one sentence for users.
        unit: physical unit, empty for none.
        low: smallest allowed value (inclusive), None for no limit.
        high: largest allowed value (inclusive), None for no limit.
        choices: allowed values of a text setting, empty for any.
        live: whether it may change while running.
        startup: whether it is read only once, when the process starts.
    """

    description: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    startup: bool = False


def setting(default: Any, description: str, **limits: Any) -> Any:
    """Declare a dataclass field that carries its `Limits`."""
    return dataclasses.field(
        default=default, metadata={'limits': Limits(description=description, **limits)}
    )


def limits_of(settings_class: type, name: str) -> Limits:
    """Return the limits declared for a setting."""
    for field in dataclasses.fields(settings_class):
        if field.name == name:
            limits = field.metadata['limits']
            assert isinstance(limits, Limits)
            return limits
    raise KeyError(f'{settings_class.__name__} has no setting {name!r}')


def check_settings(settings: Any) -> None:
    """Check each value against its limits.

    Raises:
        ValueError: names the setting, what was expected, and what came.
    """
    for field in dataclasses.fields(settings):
        limits: Limits = field.metadata['limits']
        value = getattr(settings, field.name)
        expected = type(field.default)
        is_whole_float = expected is float and type(value) is int
        if type(value) is not expected and not is_whole_float:
            raise ValueError(
                f'{field.name}: expected {expected.__name__}, got {type(value).__name__} {value!r}'
            )
        if limits.choices and value not in limits.choices:
            raise ValueError(
                f'{field.name}: expected one of {", ".join(limits.choices)}; got {value!r}'
            )
        unit = f' {limits.unit}' if limits.unit else ''
        # Written so that NaN fails.
        if limits.low is not None and not value >= limits.low:
            raise ValueError(f'{field.name}: expected at least {limits.low}{unit}, got {value}')
        if limits.high is not None and not value <= limits.high:
            raise ValueError(f'{field.name}: expected at most {limits.high}{unit}, got {value}')


@dataclass(frozen=True)
class NetworkSettings:
    """Which network runs, where, and what it reports."""

    preset: str = setting(
        'lite',
        'Network architecture.',
        choices=(
            'lite',
            'fastpose-mobilenetv2',
            'fastpose-18',
            'fastpose-50',
            'fastpose-101',
        ),
    )
    weights: str = setting(
        'default', 'Checkpoint: a file, or "default" for the one shipped with the preset.'
    )
    device: str = setting(
        'auto', 'Where the network runs: auto (CUDA, else CPU), cpu, cuda or cuda:N.'
    )
    threads: int = setting(0, 'CPU threads of the network; 0 lets torch decide.', low=0, high=256)
    image_long_side_px: int = setting(
        448,
        'Longer side of the image inside the network; the frame is scaled to it.',
        unit='px',
        low=64,
        high=4096,
        live=True,
    )
    min_person_score: float = setting(
        0.3, 'People below this score are not reported.', low=0.0, high=1.0, live=True
    )
    nms_iou: float = setting(
        0.5, 'Of two boxes that overlap more, the worse is dropped.', low=0.0, high=1.0, live=True
    )
    max_people: int = setting(
        100, 'At most so many people are reported per image.', low=1, high=1000, live=True
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)


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


@dataclass(frozen=True)
class NodeSettings:
    """How the tracker node listens, what it publishes, and when it complains."""

    image_transport: str = setting(
        'raw',
        'raw subscribes to the topic image, compressed to image/compressed.',
        choices=('raw', 'compressed'),
    )
    image_qos: str = setting(
        'auto',
        'Reliability asked of the camera; auto takes reliable if every publisher offers it.',
        choices=('auto', 'reliable', 'best_effort'),
    )
    autostart: bool = setting(
        True, 'Configure and activate at once, without a life cycle manager.', startup=True
    )
    enlarge_malloc: bool = setting(
        True,
        'Keep large images on the heap instead of mapping each anew (mallopt; glibc only).',
        startup=True,
    )
    diagnostics_period_s: float = setting(
        1.0, 'Time between two diagnostics.', unit='s', low=0.1, high=60.0, startup=True
    )
    silence_warning_s: float = setting(
        5.0,
        'Warn, with a likely cause, when no image came for this long.',
        unit='s',
        low=0.5,
        high=3600.0,
        live=True,
    )
    publish_embeddings: bool = setting(
        False, 'Put the appearance vector into each tracked pose.', live=True
    )
    max_markers_hz: float = setting(
        15.0,
        'Markers are published at most this often.',
        unit='Hz',
        low=0.1,
        high=1000.0,
        live=True,
    )
    max_annotated_hz: float = setting(
        15.0,
        'The annotated image is published at most this often.',
        unit='Hz',
        low=0.1,
        high=1000.0,
        live=True,
    )
    marker_scale_m: float = setting(
        0.01, 'Size of one pixel in the markers.', unit='m', low=1e-6, high=10.0, live=True
    )
    trail_s: float = setting(
        2.0,
        'Length of the trails in the annotated image; 0 for none.',
        unit='s',
        low=0.0,
        high=60.0,
        live=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)


@dataclass(frozen=True)
class VideoSourceSettings:
    """What the video source node plays, and how it stamps and publishes it."""

    video: str = setting(
        'simulation:street',
        'A file, a folder of images, a webcam index, or simulation:SCENE.',
        startup=True,
    )
    loop: bool = setting(True, 'Start over at the end of the source.', startup=True)
    exit_at_end: bool = setting(
        False, 'End the process, with code 0, after the last image.', startup=True
    )
    rate_hz: float = setting(
        0.0,
        'Images per second; 0 takes the rate of the source.',
        unit='Hz',
        low=0.0,
        high=1000.0,
        startup=True,
    )
    stamp: str = setting(
        'source',
        'source: start time plus position in the source, jumping back when it loops; '
        'now: the clock when the image is published.',
        choices=('source', 'now'),
        startup=True,
    )
    encoding: str = setting(
        'rgb8', 'Encoding of the images.', choices=('rgb8', 'bgr8'), startup=True
    )
    reliability: str = setting(
        'reliable',
        'Reliability offered to subscribers.',
        choices=('reliable', 'best_effort'),
        startup=True,
    )
    wait_for_subscriber: bool = setting(
        False, 'Hold the first image until somebody subscribes.', startup=True
    )
    frame_id: str = setting(
        'camera_optical_frame', 'Frame of the images: x right, y down, z forward.', startup=True
    )
    horizontal_fov_deg: float = setting(
        60.0,
        'Horizontal field of view assumed for camera_info.',
        unit='deg',
        low=1.0,
        high=179.0,
        startup=True,
    )
    enlarge_malloc: bool = setting(
        True,
        'Keep large images on the heap instead of mapping each anew (mallopt; glibc only).',
        startup=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
