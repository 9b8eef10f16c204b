"""The exact truth of a rendered scene, as evaluations see it."""

from __future__ import annotations

from typing import Final

import numpy as np

from pose_tracking_ros.evaluation.replay.truth import GroundTruth, TruthFrame
from pose_tracking_ros.evaluation.replay.truth_messages import rounded
from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.truth import FrameTruth

START_STAMP_NS: Final = 1_700_000_000 * 10**9
"""Stamp of a made recording's first image, ns; always the same, so that bags repeat byte by byte.
"""

MIN_VISIBLE_FRACTION: Final = 0.25
"""People of whose silhouette less is seen are there, but nobody is expected to find them."""

# What is left of who stands at the image's edge.
_MIN_SIZE_PX: Final = 2.0


def truth_from_scene(scene: Scene, start_ns: int = START_STAMP_NS) -> GroundTruth:
    """Return the truth of a scene, with the very numbers that a bag made of it gives.

    Args:
        scene: every frame of it.
        start_ns: stamp of the first frame, ns.
    """
    frames = [
        rounded(frame_from_scene(scene.truth(index), start_ns), scene.image_size)
        for index in range(scene.frame_count)
    ]
    return GroundTruth(
        name=f'simulation:{scene.name}',
        frames=frames,
        has_keypoints=any(np.isfinite(frame.keypoints).any() for frame in frames),
    )


def stamp_of(stamp_s: float, start_ns: int) -> int:
    """Return the stamp of an image by its time since the start, in whole ns."""
    return start_ns + round(stamp_s * 1e9)


def frame_from_scene(truth: FrameTruth, start_ns: int) -> TruthFrame:
    """Return a simulated frame's truth with all of its digits.

    Args:
        truth: of the simulation; people too well hidden are ignored ones.
        start_ns: stamp of the scene's beginning, ns.
    """
    sizes = truth.boxes[:, 2:] - truth.boxes[:, :2]
    is_expected = (truth.visible_fraction >= MIN_VISIBLE_FRACTION) & (sizes > _MIN_SIZE_PX).all(-1)
    return TruthFrame(
        stamp_ns=stamp_of(truth.stamp_s, start_ns),
        person_ids=truth.person_ids,
        boxes=truth.boxes.astype(np.float64),
        keypoints=truth.keypoints.astype(np.float64),
        keypoint_visible=truth.keypoint_visible,
        is_ignored=~is_expected,
    )
