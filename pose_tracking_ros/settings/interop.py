"""Settings of what is published for other systems, in their own messages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pose_tracking_ros.settings.limits import check_settings, setting

_NAME_START = re.compile(r'([A-Za-z][A-Za-z0-9_]{0,63})?')


@dataclass(frozen=True)
class InteropSettings:
    """In which other formats people are published, and how."""

    publish_ros4hri: bool = setting(
        False,
        'Publish bodies, and persons known by name, as REP-155 (ROS4HRI) wants it, under /humans. '
        'Needs hri_msgs.',
        live=True,
    )
    ros4hri_id_prefix: str = setting(
        '',
        'Beginning of body ids, before the number of the track; letters, digits and _. Empty: the '
        "node's namespace and b.",
        live=True,
    )
    ros4hri_persons: str = setting(
        'persons',
        'How identities are published: persons under /humans/persons; matches on '
        '/humans/candidate_matches, for a person manager that runs beside; or none.',
        choices=('persons', 'matches', 'none'),
        live=True,
    )
    ros4hri_max_bodies: int = setting(
        30,
        'At most so many bodies have topics at a time, and so many persons.',
        low=1,
        high=1000,
        live=True,
    )
    publish_vision_msgs: bool = setting(
        False,
        'Publish vision_msgs/Detection2DArray on ~/detections. Needs vision_msgs.',
        live=True,
    )
    publish_people_msgs: bool = setting(
        False,
        'Publish people_msgs/People on people: positions and velocities in space. Needs '
        'people_msgs, and use_depth.',
        live=True,
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
        if _NAME_START.fullmatch(self.ros4hri_id_prefix) is None:
            raise ValueError(
                'ros4hri_id_prefix: expected up to 64 letters, digits and _, a letter first, or '
                f'nothing; got {self.ros4hri_id_prefix!r}'
            )
