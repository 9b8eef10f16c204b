"""RViz markers of the tracks: skeleton, box and number, in a colour that stays with the person.

Pixels become metres on a plane before the camera, in its optical frame (x right, y down, z
forward). The plane stands where one pixel is `scale_m` wide, so in RViz's Camera display the
markers lie on the image; lens distortion is left out of account. Without `camera_info` the focal
length is taken to be the image's width and the axis to go through its middle.

Two list markers for all joints and limbs, one for all boxes and one text per person: one marker
per joint would cost eight times as much. They go from arrays to bytes directly (`cdr`): as message
objects, 50 people are 3000 points and as many colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from visualization_msgs.msg import Marker

from pose_tracking_ros.people import KeypointState, Track, TrackState
from pose_tracking_ros.ros.marker_array import GrowingMarkerArray, ShownMarkers
from pose_tracking_ros.skeleton import Skeleton
from pose_tracking_ros.viewing.overlay import colour_of

_TEXT_HEIGHT_PX = 24.0
_LINE_WIDTH_PX = 3.0
_JOINT_SIZE_PX = 7.0


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

    def metres_from_pixels(self, pixels: Float[np.ndarray, 'n 2']) -> Float[np.ndarray, 'n 3']:
        """Return points in the optical frame, m."""
        points = np.full((len(pixels), 3), self.depth_m)
        points[:, :2] = (np.asarray(pixels, dtype=np.float64) - self.centre_px) * self.scale_m
        return points


# The same people are there image after image.
_colour_of = lru_cache(maxsize=1024)(colour_of)
# Corners at both ends of the four sides, as columns of a box: x1, y1, x2, y2.
_SIDES = np.array([[0, 1], [2, 1], [2, 1], [2, 3], [2, 3], [0, 3], [0, 3], [0, 1]])


@dataclass(frozen=True)
class _Shown:
    """The tracks to be drawn, as arrays.

    Attributes:
        boxes: corners, px.
        points: joints, px.
        known: which joints have a place in the image.
        colours: red, green, blue, alpha in [0, 1].
    """

    boxes: Float[np.ndarray, 'track 4']
    points: Float[np.ndarray, 'track joint 2']
    known: Bool[np.ndarray, 'track joint']
    colours: Float[np.ndarray, 'track 4']

    @classmethod
    def of(cls, tracks: Sequence[Track], joints: int) -> _Shown:
        if not tracks:
            return cls(
                np.zeros((0, 4)), np.zeros((0, joints, 2)), np.zeros((0, joints), bool),
                colours_of(tracks),
            )  # fmt: skip
        points = np.array([track.keypoints for track in tracks])
        states = np.array([track.keypoint_states for track in tracks])
        hidden = (states == KeypointState.NOT_ESTIMATED) | (states == KeypointState.OUT_OF_FRAME)
        return cls(
            boxes=np.array([track.box for track in tracks]),
            points=points,
            known=~hidden & np.isfinite(points).all(axis=2),
            colours=colours_of(tracks),
        )


def colours_of(tracks: Sequence[Track]) -> Float[np.ndarray, 'track 4']:
    """Return red, green, blue and alpha of each track in [0, 1], float32."""
    return np.array([_colour(track) for track in tracks], dtype='<f4').reshape(-1, 4)


def _colour(track: Track) -> tuple[float, float, float, float]:
    """Return the colour of a track, as in pictures; faint where this image does not support it."""
    red, green, blue = _colour_of(track.track_id)
    return red / 255, green / 255, blue / 255, 1.0 if track.is_matched else 0.35


class MarkerWriter(ShownMarkers):
    """Makes the marker array of each image and deletes what is gone.

    Args:
        skeleton: of the keypoints.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        self._joints = len(skeleton)
        self._limbs = skeleton.limb_indices

    def write(self, tracks: Sequence[Track], *, header: Any, plane: PixelPlane) -> bytes:
        """Return a serialised MarkerArray: the tracks, and the deletion of those gone since.

        Lost and removed tracks are not shown.
        """
        shown = [t for t in tracks if t.state not in (TrackState.LOST, TrackState.REMOVED)]
        parts = _Shown.of(shown, self._joints)
        array = GrowingMarkerArray(header)
        self._delete_gone(array, {track.track_id for track in shown})
        _add_lists(array, parts, self._limbs, plane)
        _add_texts(array, shown, parts, plane)
        return array.content()


def _add_lists(
    array: GrowingMarkerArray, shown: _Shown, limbs: Int[np.ndarray, 'limb 2'], plane: PixelPlane
) -> None:
    """Add joints, limbs and boxes of all tracks."""

    def add(namespace: str, kind: int, pixels: np.ndarray, colours: np.ndarray) -> None:
        width_px = _JOINT_SIZE_PX if kind == Marker.POINTS else _LINE_WIDTH_PX
        points = plane.metres_from_pixels(pixels)
        array.add_list(namespace, kind, points, colours, plane.scale_m * width_px)

    row, joint = np.nonzero(shown.known)
    add('joints', Marker.POINTS, shown.points[row, joint], shown.colours[row])
    row, limb = np.nonzero(shown.known[:, limbs].all(axis=2))
    ends = shown.points[row[:, None], limbs[limb]].reshape(-1, 2)
    add('limbs', Marker.LINE_LIST, ends, shown.colours[row.repeat(2)])
    corners = shown.boxes[:, _SIDES].reshape(-1, 2)
    add('boxes', Marker.LINE_LIST, corners, shown.colours.repeat(len(_SIDES), axis=0))


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
