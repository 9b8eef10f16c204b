"""RViz markers of people in space: skeletons, velocities and names, in metres.

As for the image, one list marker for all joints, one for all limbs, one for all velocities, and a
text per person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from visualization_msgs.msg import Marker

from pose_tracking_ros.people import PoseInSpace, Track, TrackState
from pose_tracking_ros.ros.marker_array import GrowingMarkerArray, ShownMarkers
from pose_tracking_ros.ros.markers import colours_of, name_of
from pose_tracking_ros.skeleton import Skeleton

_JOINT_SIZE_M = 0.05
_LINE_WIDTH_M = 0.02
_TEXT_HEIGHT_M = 0.15
# A velocity is drawn as the way of so long.
_AHEAD_S = 1.0


class SpaceMarkerWriter(ShownMarkers):
    """Makes the marker array of each image and deletes what is gone.

    Args:
        skeleton: of the joints.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        self._joints = len(skeleton)
        self._limbs = skeleton.limb_indices
        self._head = skeleton.index('nose')

    def write(self, tracks: Sequence[Track], *, header: Any, space_frame: str = '') -> bytes:
        """Return a serialised MarkerArray: who has a place, and the deletion of who has none now.

        Args:
            tracks: those without a known position are left out.
            header: of the image.
            space_frame: frame of the poses; empty for that of the image.
        """
        placed = [
            (track, track.in_space)
            for track in tracks
            if track.in_space is not None
            and np.isfinite(track.in_space.position_m).all()
            and track.state not in (TrackState.LOST, TrackState.REMOVED)
        ]
        shown, places = [track for track, _ in placed], [place for _, place in placed]
        array = GrowingMarkerArray(header, space_frame)
        self._delete_gone(array, {track.track_id for track in shown})
        self._add(array, shown, places)
        return array.content()

    def _add(
        self, array: GrowingMarkerArray, tracks: list[Track], places: list[PoseInSpace]
    ) -> None:
        colours = colours_of(tracks)
        shape = (len(tracks), self._joints, 3)
        joints = np.array([place.joints_m for place in places]).reshape(shape)
        known = np.isfinite(joints).all(axis=2)
        row, joint = np.nonzero(known)
        array.add_list('joints', Marker.POINTS, joints[row, joint], colours[row], _JOINT_SIZE_M)
        row, limb = np.nonzero(known[:, self._limbs].all(axis=2))
        ends = joints[row[:, None], self._limbs[limb]].reshape(-1, 3)
        array.add_list('limbs', Marker.LINE_LIST, ends, colours[row.repeat(2)], _LINE_WIDTH_M)
        starts = np.array([place.position_m for place in places]).reshape(-1, 3)
        ways = _AHEAD_S * np.array([place.velocity_m_s for place in places]).reshape(-1, 3)
        moving = np.isfinite(ways).all(axis=1)
        ends = np.stack([starts, starts + ways], axis=1)[moving].reshape(-1, 3)
        of_ends = colours[moving].repeat(2, axis=0)
        array.add_list('velocities', Marker.LINE_LIST, ends, of_ends, _LINE_WIDTH_M)
        # At the head when it is seen: "up" is another direction in each frame.
        heads = joints[:, self._head]
        spots = np.where(np.isfinite(heads), heads, starts)
        names = [name_of(track) for track in tracks]
        array.add_texts('ids', [t.track_id for t in tracks], names, spots, colours, _TEXT_HEIGHT_M)
