"""Joints in an image and a depth image to joints in metres, for one image and without memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.lifting.anthropometry import (
    UNDER_SKIN_SPREAD,
    impossible_joints,
    under_skin_m,
)
from pose_tracking_ros.lifting.camera_model import CameraModel
from pose_tracking_ros.lifting.depth_image import DepthImage, DepthImageError
from pose_tracking_ros.lifting.surfaces import depth_noise_m, find_surfaces
from pose_tracking_ros.skeleton import AREA_SHARE, Skeleton

# Two images of one view may differ by this much in proportion, as calibrations do.
_MAX_ASPECT_DIFFERENCE = 0.01


@dataclass(frozen=True, eq=False)
class LiftedJoints:
    """Joints in the camera's optical frame.

    Attributes:
        joints_m: x right, y down, z forward, m; all three NaN where unknown.
        covariances_m2: of the positions; NaN where unknown.
    """

    joints_m: Float[np.ndarray, 'person joint 3']
    covariances_m2: Float[np.ndarray, 'person joint 3 3']


def lift_joints(
    depth: DepthImage,
    camera: CameraModel,
    keypoints: Float[np.ndarray, 'person joint 2'],
    seen: Bool[np.ndarray, 'person joint'],
    boxes: Float[np.ndarray, 'person 4'],
    skeleton: Skeleton,
) -> LiftedJoints:
    """Return where the joints are that an image shows. Nobody gives arrays of length 0.

    The camera sees the skin; the joint lies behind it on the line of sight. The covariance adds up
    the pixel's uncertainty (the spread of human annotators, COCO's sigmas) times depth, the depth
    camera's noise, the spread of the samples, and how much bodies differ.

    Args:
        depth: aligned with the image: same view, same frame; its size may be another.
        camera: of the image that the keypoints are in.
        keypoints: px.
        seen: joints that the image shows itself. The place of a hidden one shows somebody else.
        boxes: corners, px.
        skeleton: names the joints.

    Raises:
        DepthImageError: the depth image has another proportion than the camera's image, so it
            shows another view.
    """
    scale = np.divide(depth.size, camera.image_size)
    if abs(scale[0] / scale[1] - 1) > _MAX_ASPECT_DIFFERENCE:
        raise DepthImageError(
            f'size: expected depth of the same view as the image of {camera.image_size[0]} x '
            f'{camera.image_size[1]} px, got {depth.size[0]} x {depth.size[1]}. Let the driver '
            'align depth to colour (align_depth.enable:=true), or use depth_image_proc register'
        )
    if not len(keypoints):
        joints = len(skeleton)
        return LiftedJoints(np.zeros((0, joints, 3)), np.zeros((0, joints, 3, 3)))
    people = find_surfaces(depth, keypoints * scale, seen, boxes * np.tile(scale, 2), skeleton)
    rays = camera.rays_from_pixels(np.where(seen[..., None], keypoints, np.nan))
    along = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    skin = under_skin_m(skeleton)
    joints = rays * people.depth_m[..., None] + along * skin[:, None]
    joints[~np.isfinite(joints).all(-1)] = np.nan
    joints[impossible_joints(joints, people.torso_m, skeleton)] = np.nan

    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=-1) * AREA_SHARE
    pixel_sd = skeleton.sigma_array * np.sqrt(area)[:, None]
    z = joints[..., 2]
    depth_variance = depth_noise_m(z) ** 2 + people.spread_m**2 + (UNDER_SKIN_SPREAD * skin) ** 2
    covariances = depth_variance[..., None, None] * rays[..., :, None] * rays[..., None, :]
    for axis in range(2):
        covariances[..., axis, axis] += (pixel_sd * z / camera.focal_px[axis]) ** 2
    return LiftedJoints(joints, covariances)
