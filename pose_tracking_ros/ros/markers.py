"""RViz markers of the tracks: skeleton, box and number, in a colour that stays with the person.

Pixels become metres on a plane before the camera, in its optical frame (x right, y down, z
forward). The plane stands where one pixel is `scale_m` wide, so in RViz's Camera display the
markers lie on the image; lens distortion is left out of account. Without `camera_info` the focal
length is taken to be the image's width and the axis to go through its middle.

What the image shows is solid. Dashed limbs and hollow joints are hidden or predicted, a dashed box
stands for a track without a detection in this image; such a track fades with time, and whoever is
lost is gone after two seconds.

A few list markers for all people and one text per person: one marker per joint would cost eight
times as much. They go from arrays to bytes directly (`cdr`): as message objects, 50 people are
3000 points and as many colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from visualization_msgs.msg import Marker

from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.ros.marker_array import (
    GrowingMarkerArray,
    MarkerList,
    MarkerView,
    ShownMarkers,
)
from pose_tracking_ros.skeleton import Skeleton
from pose_tracking_ros.viewing.overlay import colour_of
from pose_tracking_ros.viewing.trail_table import TrailTable

_TEXT_HEIGHT_PX = 24.0
_LINE_WIDTH_PX = 3.0
_THIN_WIDTH_PX = 2.0
_JOINT_SIZE_PX = 7.0
_TRAIL_WIDTH_PX = 2.5

DASHES = 3
"""Of a limb that is not seen; a side of a box has twice as many."""
FADE_S = 2.0
"""After so long without a detection, a lost track is not shown any more."""
FAINTEST = 0.35
"""Whoever is hidden, not lost, fades no further."""
HIDDEN_STRENGTH = 0.65
"""Alpha of hidden joints, as a share of that of their person."""
# Behind people of the same distance, or one would flicker through the other.
_BEHIND = 1.001


@dataclass(frozen=True)
class PixelPlane:
    """The plane on which pixels are shown.

    Attributes:
        scale_m: width of a pixel, m.
        centre_px: x, y of the optical axis in the image.
        depth_m: distance from the camera, m.
    """

    scale_m: float
    centre_px: tuple[float, float]
    depth_m: float

    @classmethod
    def of_camera(
        cls, scale_m: float, image_size: tuple[int, int], camera_info: Any | None
    ) -> PixelPlane:
        """Return the plane for a `sensor_msgs/CameraInfo`, or for an assumed camera.

        Args:
            scale_m: width of a pixel, m.
            image_size: width and height, px.
            camera_info: None when there is none; one that is not calibrated (focal length 0)
                counts as none.
        """
        if camera_info is not None and camera_info.k[0] > 0:
            focal_px, centre_px = camera_info.k[0], (camera_info.k[2], camera_info.k[5])
        else:
            focal_px, centre_px = image_size[0], (image_size[0] / 2, image_size[1] / 2)
        return cls(float(scale_m), centre_px, float(focal_px * scale_m))

    def metres_from_pixels(
        self, pixels: Float[np.ndarray, '*batch 2']
    ) -> Float[np.ndarray, '*batch 3']:
        """Return points in the optical frame, m."""
        points = np.full((*pixels.shape[:-1], 3), self.depth_m)
        points[..., :2] = (np.asarray(pixels, dtype=np.float64) - self.centre_px) * self.scale_m
        return points


# The same people are there image after image.
_colour_of = lru_cache(maxsize=1024)(colour_of)
# Corners at the ends of the four sides, as columns of a box: x1, y1, x2, y2.
_SIDES = np.array([[[0, 1], [2, 1]], [[2, 1], [2, 3]], [[2, 3], [0, 3]], [[0, 3], [0, 1]]])
# A hollow joint: a square that stands on its corner, as ends of its sides.
_HOLLOW = np.array(
    [[[0, -1], [1, 0]], [[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]]]
) * (0.6 * _JOINT_SIZE_PX)  # fmt: skip


@dataclass(frozen=True)
class _Shown:
    """The tracks to be drawn, as arrays.

    Attributes:
        boxes: corners, px.
        is_solid: boxes that this image supports.
        points: joints, px.
        known: which joints have a place in the image.
        seen: which of them this image shows.
        colours: red, green, blue, alpha in [0, 1].
    """

    boxes: Float[np.ndarray, 'track 4']
    is_solid: Bool[np.ndarray, 'track']
    points: Float[np.ndarray, 'track joint 2']
    known: Bool[np.ndarray, 'track joint']
    seen: Bool[np.ndarray, 'track joint']
    colours: Float[np.ndarray, 'track 4']

    @classmethod
    def of(
        cls, tracks: Sequence[Track], strengths: Float[np.ndarray, 'track'], joints: int
    ) -> _Shown:
        count = len(tracks)
        points = np.array([track.keypoints for track in tracks]).reshape(count, joints, 2)
        states = np.array([track.keypoint_states for track in tracks]).reshape(count, joints)
        life = np.array([track.state for track in tracks], dtype=np.int64)
        known = (states != KeypointState.NOT_ESTIMATED) & (states != KeypointState.OUT_OF_FRAME)
        # Of whom nobody knows where they are, the guess of a pose is none.
        known &= np.isfinite(points).all(axis=2) & (life != TrackState.LOST)[:, None]
        is_matched = np.array([track.is_matched for track in tracks], dtype=bool)
        return cls(
            boxes=np.array([track.box for track in tracks]).reshape(count, 4),
            is_solid=is_matched & (life != TrackState.OCCLUDED),
            points=points,
            known=known,
            seen=known & (states == KeypointState.VISIBLE),
            colours=colours_of(tracks, strengths),
        )


def strengths_of(tracks: Sequence[Track]) -> Float[np.ndarray, 'track']:
    """Return how strongly each track is to be shown, from 0 for not at all to 1.

    It fades without detections: of lost tracks to nothing, else to `FAINTEST`.
    """
    since_s = np.array([track.time_since_update_s for track in tracks], dtype=np.float64)
    life = np.array([track.state for track in tracks], dtype=np.int64)
    is_matched = np.array([track.is_matched for track in tracks], dtype=bool)
    least = np.where(life == TrackState.LOST, 0.0, FAINTEST)
    strengths = np.where(is_matched, 1.0, np.clip(1 - since_s / FADE_S, least, 1.0))
    return np.where(life == TrackState.REMOVED, 0.0, strengths)


def colours_of(
    tracks: Sequence[Track], strengths: Float[np.ndarray, 'track']
) -> Float[np.ndarray, 'track 4']:
    """Return red, green, blue of each track, as in pictures, and its strength, in [0, 1]."""
    colours = np.ones((len(tracks), 4), dtype='<f4')
    if tracks:
        colours[:, :3] = np.array([_colour_of(track.track_id) for track in tracks]) / 255
        colours[:, 3] = strengths
    return colours


def shaded(
    colours: Float[np.ndarray, '*batch 4'], strengths: Float[np.ndarray, '*batch'] | float
) -> Float[np.ndarray, '*batch 4']:
    """Return colours whose alpha is a share of what it was."""
    changed = np.array(colours, dtype='<f4')
    changed[..., 3] *= strengths
    return changed


def dashed(
    ends: Float[np.ndarray, 'line 2 dim'], dashes: int
) -> Float[np.ndarray, 'line dash 2 dim']:
    """Return the ends of dashes along lines, with a dash at both ends of each line."""
    # A gap is as long as a dash.
    shares = np.arange(2 * dashes).reshape(dashes, 2, 1) / (2 * dashes - 1)
    return np.asarray(
        ends[:, None, None, 0] + shares * (ends[:, None, None, 1] - ends[:, None, None, 0])
    )


class MarkerWriter(ShownMarkers):
    """Makes the marker array of each image and deletes what is gone.

    Args:
        skeleton: of the keypoints.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        self._joints = len(skeleton)
        self._limbs = skeleton.limb_indices
        self._trails = TrailTable(dim=2)

    def forget(self) -> None:
        """Start anew because nobody looks: there is nothing to delete."""
        super().forget()
        self._trails.clear()

    def write(
        self,
        tracks: Sequence[Track],
        *,
        header: Any,
        plane: PixelPlane,
        view: MarkerView | None = None,
    ) -> bytes:
        """Return a serialised MarkerArray: the tracks, and the deletion of those gone since.

        Args:
            tracks: of one image; removed ones are not shown.
            header: of the image.
            plane: where pixels are shown.
            view: time and looks; without it there are no trails.
        """
        view = view or MarkerView()
        strengths = strengths_of(tracks)
        shown = [track for track, strength in zip(tracks, strengths, strict=True) if strength > 0]
        parts = _Shown.of(shown, strengths[strengths > 0], self._joints)
        self._remember(tracks, view)
        array = GrowingMarkerArray(header, lifetime_s=view.lifetime_s)
        self._delete_gone(array, {track.track_id for track in shown})
        self._add_lists(array, self._lists(shown, parts, plane))
        _add_texts(array, shown, parts, plane)
        return array.content()

    def _remember(self, tracks: Sequence[Track], view: MarkerView) -> None:
        """Let trails grow by the middle of each box's lower edge; only detections leave one."""
        found = [track for track in tracks if track.is_matched]
        boxes = np.array([track.box for track in found], dtype=np.float64).reshape(-1, 4)
        feet = np.stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, 3]], axis=1)
        ids = np.array([track.track_id for track in found], dtype=np.int64)
        self._trails.update(ids, feet, view.stamp_s, view.trail_s, source=view.session_id)

    def _lists(
        self, tracks: Sequence[Track], shown: _Shown, plane: PixelPlane
    ) -> list[MarkerList]:
        """Return the lists of all tracks, the lowest layer first."""

        def lines(
            namespace: str, ends: np.ndarray, colours: np.ndarray, width_px: float
        ) -> MarkerList:
            points = plane.metres_from_pixels(ends.reshape(-1, 2))
            colours = np.broadcast_to(colours, (*ends.shape[:-1], 4)).reshape(-1, 4)
            return MarkerList(
                namespace, Marker.LINE_LIST, points, colours, plane.scale_m * width_px
            )

        ids = np.array([track.track_id for track in tracks], dtype=np.int64)
        trails = self._trails.pieces(ids)
        trail_colours = shaded(shown.colours[trails.rows][:, None].repeat(2, 1), trails.strengths)
        trail = lines('trails', trails.ends, trail_colours, _TRAIL_WIDTH_PX)

        sides = shown.boxes[:, _SIDES]
        boxes = lines(
            'boxes', sides[shown.is_solid], shown.colours[shown.is_solid, None, None],
            _LINE_WIDTH_PX,
        )  # fmt: skip
        ghosts = dashed(sides[~shown.is_solid].reshape(-1, 2, 2), 2 * DASHES)
        ghost_colours = shown.colours[~shown.is_solid].repeat(len(_SIDES), axis=0)

        are_seen = shown.seen[:, self._limbs].all(axis=2)
        are_known = shown.known[:, self._limbs].all(axis=2)
        row, limb = np.nonzero(are_seen)
        limbs = lines(
            'limbs', shown.points[row[:, None], self._limbs[limb]], shown.colours[row, None],
            _LINE_WIDTH_PX,
        )  # fmt: skip
        row, limb = np.nonzero(are_known & ~are_seen)
        dashes = dashed(shown.points[row[:, None], self._limbs[limb]].astype(np.float64), DASHES)
        dash_colours = shaded(shown.colours[row], HIDDEN_STRENGTH)
        row, joint = np.nonzero(shown.known & ~shown.seen)
        rings = shown.points[row, joint][:, None, None] + _HOLLOW
        ring_colours = shaded(shown.colours[row], HIDDEN_STRENGTH)
        # In one list, since all of it is thin lines.
        hidden = [(ghosts, ghost_colours), (dashes, dash_colours), (rings, ring_colours)]
        thin = lines(
            'hidden',
            np.concatenate([ends.reshape(-1, 2) for ends, _ in hidden]),
            np.concatenate(
                [c.repeat(ends[0].size // 2 if len(ends) else 0, axis=0) for ends, c in hidden]
            ),
            _THIN_WIDTH_PX,
        )
        row, joint = np.nonzero(shown.seen)
        joints = MarkerList(
            'joints',
            Marker.POINTS,
            plane.metres_from_pixels(shown.points[row, joint]),
            shown.colours[row],
            plane.scale_m * _JOINT_SIZE_PX,
        )
        behind = trail._replace(points_m=trail.points_m * _BEHIND)
        return [behind, boxes, thin, limbs, joints]


def _add_texts(
    array: GrowingMarkerArray, tracks: Sequence[Track], shown: _Shown, plane: PixelPlane
) -> None:
    """Add the name of each person, or the track's number, above the box."""
    above = np.stack(
        [
            (shown.boxes[:, 0] + shown.boxes[:, 2]) / 2,
            shown.boxes[:, 1] - 0.7 * _TEXT_HEIGHT_PX,
        ],
        axis=1,
    )
    array.add_texts(
        'ids',
        [track.track_id for track in tracks],
        [name_of(track) for track in tracks],
        plane.metres_from_pixels(above),
        shown.colours,
        _TEXT_HEIGHT_PX * plane.scale_m,
    )


def name_of(track: Track) -> str:
    """Return the name of a person, or the number of the track."""
    return track.person_id or str(track.track_id)
