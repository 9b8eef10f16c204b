"""Settings of the nodes: what they listen to, publish and complain about."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracking_ros.settings.limits import check_settings, setting


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
    pipeline_threads: int = setting(
        1,
        'Threads that share the work on images: 1: one image after another; 2: an image is '
        'tracked and published while the next is inferred; 3: yet another one is decoded '
        'meanwhile.',
        low=1,
        high=3,
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
    marker_lifetime_s: float = setting(
        3.0,
        'Viewers drop markers that are not sent again for this long, so that none stay when the '
        'node ends. Longer than between two images; 0: never.',
        unit='s',
        low=0.0,
        high=3600.0,
        live=True,
    )
    trail_s: float = setting(
        2.0,
        'Length of the trails in the annotated image and the markers; 0 for none.',
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
    depth: bool = setting(
        False, 'Publish depth/image too; only a simulated scene has depth.', startup=True
    )
    depth_encoding: str = setting(
        '32FC1',
        'Encoding of depth: metres with NaN for unknown, or whole millimetres with 0.',
        choices=('32FC1', '16UC1'),
        startup=True,
    )
    depth_errors: bool = setting(
        False,
        'Depth as a structured-light camera sees it, with noise, holes and a range of 9 m, '
        'instead of exact depth.',
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


@dataclass(frozen=True)
class PoseRecorderSettings:
    """What the recorder of poses writes, and where."""

    output: str = setting(
        'recorded_poses', 'Folder of the new bag; it must not exist yet.', startup=True
    )
    with_markers: bool = setting(
        False, 'Record the markers of the tracker too, which makes it draw them.', startup=True
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)


@dataclass(frozen=True)
class MultiCameraSettings:
    """Which cameras one process serves, and what they share."""

    cameras: str = setting(
        '',
        'Names of the cameras, which are their namespaces too, separated by commas; for example '
        'front,rear.',
        startup=True,
    )
    share_gallery: bool = setting(
        False, 'A person enrolled on one camera is called by name on all of them.', startup=True
    )
    max_batch: int = setting(
        4,
        'At most so many images of different cameras go through the network together, where that '
        'saves time (torch on a GPU). 1: one after another.',
        low=1,
        high=64,
        startup=True,
    )
    max_batch_wait_s: float = setting(
        0.0,
        'How long an image may be held back for those of other cameras to join it.',
        unit='s',
        low=0.0,
        high=1.0,
        startup=True,
    )
    max_network_copies: int = setting(
        0,
        'At most so many copies of the network run at the same time on a CPU, where threads is '
        'set and there are cores for more. 0: as many as cameras; 1: a single one.',
        low=0,
        high=64,
        startup=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
