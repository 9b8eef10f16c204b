"""Settings of the identity gallery."""

from __future__ import annotations

from dataclasses import dataclass

from pose_tracking_ros.settings.limits import check_settings, setting


@dataclass(frozen=True)
class GallerySettings:
    """Where people known by name are kept, and when a track is taken for one of them."""

    gallery_file: str = setting(
        '',
        'File in which enrolled people are kept across restarts (.safetensors); it is made when '
        'first needed. Empty: they are forgotten at the end.',
    )
    gallery_max_people: int = setting(
        200, 'At most so many people can be enrolled.', low=1, high=10000, live=True
    )
    gallery_max_looks: int = setting(
        10, 'At most so many looks are kept of each person.', low=1, high=100, live=True
    )
    gallery_max_distance: float = setting(
        0.7,
        'A track is taken for an enrolled person when their embedding distance is below this.',
        low=0.0,
        high=2.0,
        live=True,
    )
    gallery_keep_margin: float = setting(
        0.1,
        'A track keeps its name up to a distance larger by this, and against rivals closer by '
        'less than this.',
        low=0.0,
        high=2.0,
        live=True,
    )
    gallery_name_after_s: float = setting(
        0.5,
        'A track gets a name, or another one, once it was the best match for this long.',
        unit='s',
        low=0.0,
        high=60.0,
        live=True,
    )
    gallery_drop_after_s: float = setting(
        2.0,
        'A track loses a name that it has not matched for longer; out of view for longer, it '
        'yields its name to whoever matches it.',
        unit='s',
        low=0.0,
        high=600.0,
        live=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
