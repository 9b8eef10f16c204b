"""Draw the markers of one moment as the node publishes them, without RViz.

A rendered scene is tracked with detections made from its truth, and lifted by its depth as a depth
camera senses it. What the node would publish on `~/markers` and `~/markers_3d` for the last image
is read back and drawn: over the image as RViz's Camera display shows it, and in space.

    python scripts/draw_markers.py docs/images/markers.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D
from rclpy.serialization import deserialize_message
from rich.progress import track as progress
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracking_ros.lifting.camera_model import CameraModel
from pose_tracking_ros.lifting.depth_image import DepthImage
from pose_tracking_ros.lifting.lifter import Lifter
from pose_tracking_ros.ros.marker_array import MarkerView
from pose_tracking_ros.ros.markers import MarkerWriter, PixelPlane
from pose_tracking_ros.ros.markers_3d import SpaceMarkerWriter
from pose_tracking_ros.settings import NodeSettings, TrackerSettings
from pose_tracking_ros.simulation.depth import as_sensed
from pose_tracking_ros.simulation.scenes import SCENE_NAMES, make_scene
from pose_tracking_ros.simulation.truth import people_from_truth
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.tracking.tracker import Tracker

_RATE_HZ = 10.0
_POINTS_PER_INCH = 72
_DPI = 110


def markers_at(
    scene_name: str, seed: int, moment_s: float
) -> tuple[np.ndarray, CameraInfo, MarkerArray, MarkerArray]:
    """Return the image of a moment, its calibration, and the markers over it and in space."""
    scene = make_scene(scene_name, seed=seed, rate_hz=_RATE_HZ)
    fx, fy, cx, cy = scene.camera_intrinsics
    camera = CameraModel(scene.image_size, (fx, fy), (cx, cy))
    # Pixel middles are whole numbers in ROS.
    info = CameraInfo(k=[fx, 0.0, cx - 0.5, 0.0, fy, cy - 0.5, 0.0, 0.0, 1.0])
    settings, rng = NodeSettings(), np.random.default_rng(seed)
    plane = PixelPlane.of_camera(settings.marker_scale_m, scene.image_size, info)
    tracker, lifter = Tracker(TrackerSettings()), Lifter(COCO_17)
    flat_writer, space_writer = MarkerWriter(COCO_17), SpaceMarkerWriter(COCO_17)
    header = Header(frame_id='camera_optical_frame')
    # Only trails look back, and depth and pictures take time to render.
    first = max(0, round((moment_s - settings.trail_s - 1.0) * _RATE_HZ))
    last = min(round(moment_s * _RATE_HZ), scene.frame_count - 1)
    flat = space = b''
    for index in progress(range(first, last + 1), description=scene_name):
        people = people_from_truth(scene.truth(index), scene.image_size, rng, joint_noise=0.004)
        stamp_s = scene.stamp_s(index)
        tracks = tracker.update(people, stamp_s)
        sensed = as_sensed(scene.render_depth(index), fx, rng)
        lifter.lift(
            tracks, DepthImage(sensed), camera, stamp_s=stamp_s,
            session_id=tracker.session_id,
        )  # fmt: skip
        view = MarkerView.of(settings, stamp_s, tracker.session_id)
        flat = flat_writer.write(tracks, header=header, plane=plane, view=view)
        space = space_writer.write(tracks, header=header, view=view)
    image = scene.render(last)
    found = [deserialize_message(content, MarkerArray) for content in (flat, space)]
    return image, info, found[0], found[1]


def arrays_of(marker: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return points and colours of a list marker."""
    points = np.array([[p.x, p.y, p.z] for p in marker.points]).reshape(-1, 3)
    colours = np.array([[c.r, c.g, c.b, c.a] for c in marker.colors]).reshape(-1, 4)
    return points, colours


def text_of(axes: Axes, marker: Any, *place: float) -> None:
    """Write a text marker; its outline keeps it readable on anything."""
    colour = marker.color
    axes.text(
        *place, marker.text, color=(colour.r, colour.g, colour.b, colour.a), fontsize=13,
        fontweight='bold', ha='center', va='center', clip_on=True,
        path_effects=[patheffects.withStroke(linewidth=2.5, foreground='black')],
    )  # fmt: skip


def draw_over_image(axes: Axes, image: np.ndarray, info: CameraInfo, array: MarkerArray) -> None:
    """Draw the markers as a camera at their frame sees them."""
    axes.imshow(image)
    fx, cx, fy, cy = info.k[0], info.k[2], info.k[4], info.k[5]
    inches = axes.get_position().width * axes.get_figure().get_size_inches()[0]
    points_per_px = _POINTS_PER_INCH * inches / image.shape[1]

    def pixels(points: np.ndarray) -> np.ndarray:
        return points[:, :2] / points[:, 2:] * (fx, fy) + (cx, cy)

    for marker in array.markers:
        if marker.action != Marker.ADD:
            continue
        if marker.type == Marker.TEXT_VIEW_FACING:
            place = marker.pose.position
            text_of(axes, marker, *pixels(np.array([[place.x, place.y, place.z]]))[0])
            continue
        points, colours = arrays_of(marker)
        width = marker.scale.x * fx / points[0, 2] * points_per_px
        if marker.type == Marker.LINE_LIST:
            ends = pixels(points).reshape(-1, 2, 2)
            axes.add_collection(LineCollection(ends, colors=colours[::2], linewidths=width))
        else:
            x, y = pixels(points).T
            axes.scatter(x, y, s=width**2, c=colours, marker='s', linewidths=0)
    axes.set(xlim=(0, image.shape[1]), ylim=(image.shape[0], 0), xticks=[], yticks=[])


def draw_in_space(axes: Axes3D, array: MarkerArray) -> None:
    """Draw the markers from behind and above the camera; y of the optical frame points down."""
    extent = []
    for marker in array.markers:
        if marker.action != Marker.ADD:
            continue
        if marker.type == Marker.TEXT_VIEW_FACING:
            place = marker.pose.position
            text_of(axes, marker, place.x, place.z, -place.y + 0.2)
            continue
        points, colours = arrays_of(marker)
        seen = points[:, [0, 2, 1]] * (1, 1, -1)
        extent.append(seen)
        if marker.type == Marker.LINE_LIST:
            width = 110 * marker.scale.x
            lines = Line3DCollection(seen.reshape(-1, 2, 3), colors=colours[::2], linewidths=width)
            axes.add_collection3d(lines)
        else:
            axes.scatter(*seen.T, s=14, c=colours, marker='s', linewidths=0, depthshade=False)
    low, high = np.concatenate(extent).min(axis=0), np.concatenate(extent).max(axis=0)
    margin = 0.15
    low, high = low - margin, high + margin
    axes.set(
        xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]),
        xlabel='x (m)', ylabel='z (m)', zlabel='-y (m)',
    )  # fmt: skip
    axes.set_box_aspect(tuple(high - low), zoom=1.0)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(MultipleLocator(0.5))
    axes.view_init(elev=18, azim=-58)


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('picture', type=Path, help='to be written, JPEG or PNG')
    parser.add_argument('--scene', default='near', choices=SCENE_NAMES, help='default: near')
    parser.add_argument('--seed', type=int, default=0, help='of the scene (default 0)')
    parser.add_argument('--moment', type=float, default=6.5, help='of the scene, s (default 6.5)')
    options = parser.parse_args()
    image, info, flat, space = markers_at(options.scene, options.seed, options.moment)
    figure = Figure(figsize=(13, 5.2))
    left = figure.add_axes((0.01, 0.02, 0.50, 0.90))
    draw_over_image(left, image, info, flat)
    left.set_title('~/markers over the image')
    right = figure.add_axes((0.52, 0.09, 0.46, 0.84), projection='3d')
    assert isinstance(right, Axes3D)
    draw_in_space(right, space)
    right.set_title('~/markers_3d')
    quality = {'quality': 90} if options.picture.suffix.lower() in ('.jpg', '.jpeg') else {}
    figure.savefig(options.picture, dpi=_DPI, pil_kwargs=quality)


if __name__ == '__main__':
    main()
