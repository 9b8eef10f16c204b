"""RViz markers of people in space, in metres: skeletons, where they face and go, trails, names.

As for the image, one list marker for all of a kind, and a text per person. Joints that are not
seen now are crosses where they were last seen about the body, on dashed limbs; whoever is not seen
at all stays where that was, and fades away within two seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from visualization_msgs.msg import Marker

from pose_tracking_ros.lifting.anthropometry import part_of
from pose_tracking_ros.lifting.remembered_joints import RememberedJoints
from pose_tracking_ros.people import Track, TrackState
from pose_tracking_ros.ros.marker_array import (
    GrowingMarkerArray,
    MarkerList,
    MarkerView,
    ShownMarkers,
)
from pose_tracking_ros.ros.markers import (
    DASHES,
    FADE_S,
    HIDDEN_STRENGTH,
    colours_of,
    dashed,
    name_of,
    shaded,
)
from pose_tracking_ros.skeleton import Skeleton
from pose_tracking_ros.viewing.trail_table import TrailTable

_JOINT_SIZE_M = 0.05
_LINE_WIDTH_M = 0.02
_THIN_WIDTH_M = 0.012
_TEXT_HEIGHT_M = 0.15
# A velocity is drawn as the way of so long.
_AHEAD_S = 1.0
_FACE = ('nose', 'eye', 'ear', 'head_top', 'head_bottom')
# An arrow the way somebody faces, in the body's frame: forward, left, up; ends of its lines.
_ARROW_M = np.array(
    [[[0, 0, 0], [0.4, 0, 0]], [[0.4, 0, 0], [0.3, 0.07, 0]], [[0.4, 0, 0], [0.3, -0.07, 0]]]
)  # fmt: skip
# A joint that is not seen: a cross, along all axes.
_CROSS_M = np.stack([np.eye(3), -np.eye(3)], axis=1) * (0.5 * _JOINT_SIZE_M)


class _Placed(NamedTuple):
    """The tracks to be drawn, as arrays; all in metres.

    Attributes:
        tracks: themselves.
        joints: NaN where unknown.
        is_seen: joints that are seen now.
        positions: of the bodies.
        velocities: m/s; NaN where unknown.
        turns: unit quaternions x, y, z, w; NaN where unknown.
        colours: red, green, blue, alpha in [0, 1].
    """

    tracks: list[Track]
    joints: Float[np.ndarray, 'track joint 3']
    is_seen: Bool[np.ndarray, 'track joint']
    positions: Float[np.ndarray, 'track 3']
    velocities: Float[np.ndarray, 'track 3']
    turns: Float[np.ndarray, 'track 4']
    colours: Float[np.ndarray, 'track 4']


class SpaceMarkerWriter(ShownMarkers):
    """Makes the marker array of each image and deletes what is gone.

    Args:
        skeleton: of the joints.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        self._joints = len(skeleton)
        self._limbs = skeleton.limb_indices
        # Nose, eyes and ears, or what a skeleton has instead.
        self._face = [i for i, name in enumerate(skeleton.joints) if part_of(name) in _FACE]
        self._memory = RememberedJoints(skeleton)
        self._trails = TrailTable(dim=3)

    def forget(self) -> None:
        """Start anew because nobody looks: there is nothing to delete."""
        super().forget()
        self._memory.clear()
        self._trails.clear()

    def write(
        self,
        tracks: Sequence[Track],
        *,
        header: Any,
        space_frame: str = '',
        view: MarkerView | None = None,
    ) -> bytes:
        """Return a serialised MarkerArray: who has a place, and the deletion of who has none now.

        Args:
            tracks: of one image; those without depth are shown where they were last seen.
            header: of the image.
            space_frame: frame of the poses; empty for that of the image.
            view: time and looks; without it there are no trails.
        """
        view = view or MarkerView()
        source = (view.session_id, space_frame or header.frame_id)
        placed = self._placed(tracks, view, source)
        array = GrowingMarkerArray(header, space_frame, view.lifetime_s)
        self._delete_gone(array, {track.track_id for track in placed.tracks})
        self._add_lists(array, self._lists(placed))
        # At the head when it is known: "up" is another direction in each frame.
        faces = placed.joints[:, self._face]
        first = np.isfinite(faces).all(axis=2).argmax(axis=1)
        heads = faces[np.arange(len(faces)), first]
        spots = np.where(np.isfinite(heads), heads, placed.positions)
        names = [name_of(track) for track in placed.tracks]
        ids = [track.track_id for track in placed.tracks]
        array.add_texts('ids', ids, names, spots, placed.colours, _TEXT_HEIGHT_M)
        return array.content()

    def _placed(self, tracks: Sequence[Track], view: MarkerView, source: object) -> _Placed:
        people = [
            (track, track.in_space)
            for track in tracks
            if track.in_space is not None and track.state != TrackState.REMOVED
        ]
        places = [place for _, place in people]
        joints = np.array([place.joints_m for place in places]).reshape(-1, self._joints, 3)
        positions = np.array([place.position_m for place in places]).reshape(-1, 3)
        ids = np.array([track.track_id for track, _ in people], dtype=np.int64)
        memory = self._memory.update(ids, joints, positions, view.stamp_s, source)
        known = np.isfinite(positions).all(axis=1)
        # Not the positions: they jump when a hip comes out of sight.
        middles = memory.middles_m[known]
        self._trails.update(ids[known], middles, view.stamp_s, view.trail_s, source)
        strengths = np.clip(1 - memory.unseen_s / FADE_S, 0.0, 1.0)
        rows = np.flatnonzero(strengths > 0)
        shown = [people[row][0] for row in rows]
        colours = colours_of(shown, strengths[rows])
        return _Placed(
            shown,
            memory.joints_m[rows],
            memory.is_seen[rows],
            memory.positions_m[rows],
            np.array([place.velocity_m_s for place in places]).reshape(-1, 3)[rows],
            np.array([place.orientation_xyzw for place in places]).reshape(-1, 4)[rows],
            colours,
        )

    def _lists(self, placed: _Placed) -> list[MarkerList]:
        """Return the lists of all tracks."""

        def lines(
            namespace: str, ends: np.ndarray, colours: np.ndarray, width_m: float = _LINE_WIDTH_M
        ) -> MarkerList:
            colours = np.broadcast_to(colours, (*ends.shape[:-1], 4)).reshape(-1, 4)
            points = ends.reshape(-1, 3)
            return MarkerList(namespace, Marker.LINE_LIST, points, colours, width_m)

        colours, joints, seen = placed.colours, placed.joints, placed.is_seen
        known = np.isfinite(joints).all(axis=2)
        ids = np.array([track.track_id for track in placed.tracks], dtype=np.int64)
        trails = self._trails.pieces(ids)
        trail_colours = shaded(colours[trails.rows][:, None].repeat(2, 1), trails.strengths)

        are_seen = seen[:, self._limbs].all(axis=2)
        are_known = known[:, self._limbs].all(axis=2)
        row, limb = np.nonzero(are_seen)
        limbs = lines('limbs', joints[row[:, None], self._limbs[limb]], colours[row, None])
        row, limb = np.nonzero(are_known & ~are_seen)
        dashes = dashed(joints[row[:, None], self._limbs[limb]], DASHES)
        dash_colours = shaded(colours[row], HIDDEN_STRENGTH).repeat(2 * DASHES, axis=0)
        row, joint = np.nonzero(known & ~seen)
        crosses = joints[row, joint][:, None, None] + _CROSS_M
        cross_colours = shaded(colours[row], HIDDEN_STRENGTH).repeat(2 * len(_CROSS_M), axis=0)
        hidden = lines(
            'hidden',
            np.concatenate([dashes.reshape(-1, 3), crosses.reshape(-1, 3)]),
            np.concatenate([dash_colours, cross_colours]),
            _THIN_WIDTH_M,
        )
        row, joint = np.nonzero(seen)
        points = MarkerList(
            'joints', Marker.POINTS, joints[row, joint], colours[row], _JOINT_SIZE_M
        )

        moving = np.isfinite(placed.velocities).all(axis=1)
        starts = placed.positions[moving]
        ways = np.stack([starts, starts + _AHEAD_S * placed.velocities[moving]], axis=1)
        facing = np.isfinite(placed.turns).all(axis=1)
        arrows = placed.positions[facing, None, None] + rotated(_ARROW_M, placed.turns[facing])
        return [
            lines('trails', trails.ends, trail_colours, _THIN_WIDTH_M),
            hidden,
            limbs,
            points,
            lines('velocities', ways, colours[moving, None]),
            lines('facing', arrows, colours[facing, None, None], _THIN_WIDTH_M),
        ]


def rotated(
    points: Float[np.ndarray, 'line 2 3'], quaternions: Float[np.ndarray, 'turn 4']
) -> Float[np.ndarray, 'turn line 2 3']:
    """Return points turned by each of several unit quaternions x, y, z, w."""
    axis, real = quaternions[:, None, None, :3], quaternions[:, None, None, 3:]
    twice = 2 * np.cross(axis, points[None])
    return np.asarray(points[None] + real * twice + np.cross(axis, twice))
