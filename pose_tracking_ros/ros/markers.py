"""RViz markers of the tracks: skeleton, box and number, in a colour that stays with the person.

Pixels become metres on a plane before the camera, in its optical frame (x right, y down, z
forward). The plane stands where one pixel is `scale_m` wide, so in RViz's Camera display the
markers lie on the image; lens distortion is left out of account. Without `camera_info` the focal
length is taken to be the image's width and the axis to go through its middle.

Two list markers for all joints and limbs, one for all boxes and one text per person: one marker
per joint would cost eight times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from jaxtyping import Bool, Float
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracking_ros.people import KeypointState, Track, TrackState
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

    def metres_from_pixels(self, pixels: Float[np.ndarray, 'n 2']) -> Float[np.ndarray, 'n 2']:
        """Return x, y in the optical frame, m; z is `depth_m`."""
        return (np.asarray(pixels, dtype=np.float64) - self.centre_px) * self.scale_m


class _PointPool:
    """Points that are filled again for every message; making 3000 of them takes 2 ms."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._used = 0

    def start_over(self) -> None:
        self._used = 0

    def take(self, plane: PixelPlane, pixels: Float[np.ndarray, 'n 2']) -> list[Point]:
        """Return points of the optical frame for pixel positions, all of them finite."""
        start, self._used = self._used, self._used + len(pixels)
        while len(self._points) < self._used:
            self._points.append(Point())
        points = self._points[start : self._used]
        for point, (x, y) in zip(points, plane.metres_from_pixels(pixels).tolist(), strict=True):
            point.x = x
            point.y = y
            point.z = plane.depth_m
        return points


def _colour(track: Track) -> ColorRGBA:
    """Return the colour of a track, as in pictures; faint where this image does not support it."""
    red, green, blue = colour_of(track.track_id)
    alpha = 1.0 if track.is_matched else 0.35
    return ColorRGBA(r=red / 255, g=green / 255, b=blue / 255, a=alpha)


class MarkerWriter:
    """Makes the marker array of each image and deletes what is gone.

    Args:
        skeleton: of the keypoints.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._limbs = skeleton.limb_indices
        self._points = _PointPool()
        self._text_ids: set[int] = set()
        self._is_shown = False

    def write(self, tracks: Sequence[Track], *, header: Any, plane: PixelPlane) -> MarkerArray:
        """Return the markers of the tracks and the deletion of those gone since the last call.

        The result is valid until the next call. Lost and removed tracks are not shown.
        """
        self._points.start_over()
        shown = [t for t in tracks if t.state not in (TrackState.LOST, TrackState.REMOVED)]
        joints = _list_marker(header, 'joints', Marker.POINTS, _JOINT_SIZE_PX * plane.scale_m)
        limbs = _list_marker(header, 'limbs', Marker.LINE_LIST, _LINE_WIDTH_PX * plane.scale_m)
        boxes = _list_marker(header, 'boxes', Marker.LINE_LIST, _LINE_WIDTH_PX * plane.scale_m)
        texts = []
        for track in shown:
            colour = _colour(track)
            known = _is_drawn(track)
            _extend(joints, self._points.take(plane, track.keypoints[known]), colour)
            ends = self._limbs[known[self._limbs].all(axis=1)]
            lines = track.keypoints[ends].reshape(-1, 2)
            _extend(limbs, self._points.take(plane, lines), colour)
            _extend(boxes, self._points.take(plane, _box_lines(track.box)), colour)
            texts.append(_text_marker(header, track, plane, colour))
        gone = self._text_ids - {track.track_id for track in shown}
        self._text_ids = {track.track_id for track in shown}
        self._is_shown = True
        deletions = [_deletion(header, 'ids', track_id) for track_id in sorted(gone)]
        return MarkerArray(markers=[*deletions, joints, limbs, boxes, *texts])

    def forget(self) -> None:
        """Start anew because nobody looks: there is nothing to delete."""
        self._text_ids = set()
        self._is_shown = False

    def clear(self, header: Any) -> MarkerArray | None:
        """Return the deletion of everything shown; None when nothing is."""
        if not self._is_shown:
            return None
        self.forget()
        return MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])


def _is_drawn(track: Track) -> Bool[np.ndarray, 'joint']:
    hidden = np.isin(
        track.keypoint_states, (KeypointState.NOT_ESTIMATED, KeypointState.OUT_OF_FRAME)
    )
    return np.asarray(~hidden & np.isfinite(track.keypoints).all(axis=1))


def _box_lines(box: Float[np.ndarray, '4']) -> Float[np.ndarray, '8 2']:
    """Return the ends of the four sides."""
    x1, y1, x2, y2 = box.tolist()
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    return np.array([corners[i % 4] for side in range(4) for i in (side, side + 1)])


def _extend(marker: Marker, points: list[Point], colour: ColorRGBA) -> None:
    marker.points += points
    marker.colors += [colour] * len(points)


def _list_marker(header: Any, namespace: str, kind: int, width_m: float) -> Marker:
    marker = Marker(header=header, ns=namespace, id=0, type=kind, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    marker.scale.x = marker.scale.y = width_m
    # An empty list deletes what RViz showed before.
    return marker


def _text_marker(header: Any, track: Track, plane: PixelPlane, colour: ColorRGBA) -> Marker:
    marker = Marker(
        header=header,
        ns='ids',
        id=_marker_id(track.track_id),
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        color=colour,
        text=f'{track.person_id or track.track_id}',
    )
    marker.scale.z = _TEXT_HEIGHT_PX * plane.scale_m
    x1, y1, x2, _ = track.box.tolist()
    marker.pose.orientation.w = 1.0
    above = np.array([[(x1 + x2) / 2, y1 - 0.7 * _TEXT_HEIGHT_PX]])
    x, y = plane.metres_from_pixels(above)[0].tolist()
    marker.pose.position = Point(x=x, y=y, z=plane.depth_m)
    return marker


def _deletion(header: Any, namespace: str, track_id: int) -> Marker:
    return Marker(header=header, ns=namespace, id=_marker_id(track_id), action=Marker.DELETE)


def _marker_id(track_id: int) -> int:
    """Fit a track id, 64 bits, into a marker's id, 31 bits."""
    return track_id & 0x7FFFFFFF
