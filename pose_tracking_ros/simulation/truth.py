"""Exact ground truth of a simulated frame, and detections made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.people import People
from pose_tracking_ros.simulation.camera import Camera
from pose_tracking_ros.simulation.figures import Figure
from pose_tracking_ros.simulation.obstacles import Obstacle
from pose_tracking_ros.skeleton import COCO_17


@dataclass(frozen=True, eq=False)
class FrameTruth:
    """Who is where in one frame: everyone whose body's box touches the image, hidden or not.

    Nobody gives arrays of length 0. People are ordered by identity.

    Attributes:
        stamp_s: time of the frame since the scene began, s.
        person_ids: identities from 1, int64; the same person keeps theirs.
        boxes: corners x1, y1, x2, y2 of the whole body, hidden parts included, clipped to the
            image, px.
        keypoints: joints in the order of `COCO_17`, px; hidden ones too, also outside the image.
        joints_m: the same joints in the camera's optical frame (x right, y down, z forward).
        keypoint_visible: inside the image and hidden neither by something in front nor by the
            person's own body.
        visible_fraction: share of the body's silhouette, parts outside the image included, that
            is seen, [0, 1].
        appearance: one unit vector per identity; the same in every frame.
    """

    stamp_s: float
    person_ids: Int[np.ndarray, 'person']
    boxes: Float[np.ndarray, 'person 4']
    keypoints: Float[np.ndarray, 'person joint 2']
    joints_m: Float[np.ndarray, 'person joint 3']
    keypoint_visible: Bool[np.ndarray, 'person joint']
    visible_fraction: Float[np.ndarray, 'person']
    appearance: Float[np.ndarray, 'person dim']

    def __len__(self) -> int:
        """Return the number of people."""
        return len(self.person_ids)


def _window(box: np.ndarray, image_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the pixel window around a box; what lies a whole image outside is cut off."""
    size = np.array([*image_size, *image_size])
    low = np.floor(np.clip(box[:2] - 1, -size[:2], 2 * size[:2]))
    high = np.ceil(np.clip(box[2:] + 1, -size[:2], 2 * size[:2]))
    x1, y1, x2, y2 = np.concatenate([low, np.maximum(high, low + 1)]).astype(int)
    return int(x1), int(y1), int(x2), int(y2)


def _cover(figure: Figure, covered: np.ndarray, all_boxes: np.ndarray) -> float:
    """Return the share of a body that is seen, and mark what it covers."""
    height, width = covered.shape
    x1, y1, x2, y2 = _window(figure.box, (width, height))
    cx1, cy1, cx2, cy2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    before = covered[cy1:cy2, cx1:cx2]
    apart = (all_boxes[:, :2] > (x2, y2)).any(-1) | (all_boxes[:, 2:] < (x1, y1)).any(-1)
    is_inside = (x1, y1, x2, y2) == (cx1, cy1, cx2, cy2)
    # Its own box is never apart from it. Nothing to draw for who meets nobody.
    if is_inside and np.count_nonzero(apart) == len(all_boxes) - 1 and not before.any():
        return 1.0
    mask = figure.silhouette((x1, y1, x2, y2))
    inside = mask[cy1 - y1 : cy2 - y1, cx1 - x1 : cx2 - x1]
    seen = int(np.count_nonzero(inside > before))
    np.maximum(before, inside, out=before)
    return seen / max(int(np.count_nonzero(mask)), 1)


def truth_of(
    figures: Sequence[Figure],
    obstacles: Sequence[Obstacle],
    appearance: Float[np.ndarray, 'identity dim'],
    camera: Camera,
    stamp_s: float,
) -> FrameTruth:
    """Work out boxes, joints and visibility by covering the image from near to far.

    Args:
        figures: the people in the image.
        obstacles: what may hide them.
        appearance: one unit vector per member of the cast.
        camera: what sees them.
        stamp_s: time of the frame, s.
    """
    width, height = camera.image_size
    covered = np.zeros((height, width), dtype=np.uint8)
    visible_fraction = {}
    visible = {}
    ordered: list[tuple[float, Figure | Obstacle]] = [(f.depth_m, f) for f in figures]
    ordered += [(obstacle.depth_in(camera), obstacle) for obstacle in obstacles]
    all_boxes = np.array([figure.box for figure in figures]).reshape(-1, 4)
    for _, thing in sorted(ordered, key=lambda entry: entry[0]):
        if isinstance(thing, Obstacle):
            thing.fill_silhouette(camera, covered)
            continue
        # Pixel (0, 0) covers [0, 1) in both directions.
        column, row = np.floor(thing.joints_px).astype(int).T
        in_image = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        free = np.zeros(len(COCO_17), dtype=bool)
        free[in_image] = covered[row[in_image], column[in_image]] == 0
        visible[thing.person] = free & ~thing.hidden_by_own_body()
        visible_fraction[thing.person] = _cover(thing, covered, all_boxes)
    figures = sorted(figures, key=lambda figure: figure.person)
    who = np.array([figure.person for figure in figures], dtype=np.int64)
    boxes = np.array([figure.box for figure in figures], dtype=np.float32).reshape(-1, 4)
    joints = np.array([figure.joints_px for figure in figures], dtype=np.float32)
    joints_m = np.array([figure.joints_m for figure in figures], dtype=np.float32)
    return FrameTruth(
        stamp_s=stamp_s,
        person_ids=who + 1,
        boxes=np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float32)),
        keypoints=joints.reshape(-1, len(COCO_17), 2),
        joints_m=joints_m.reshape(-1, len(COCO_17), 3),
        keypoint_visible=np.array([visible[i] for i in who], dtype=bool).reshape(-1, len(COCO_17)),
        visible_fraction=np.array([visible_fraction[i] for i in who], dtype=np.float32),
        appearance=appearance[who].astype(np.float32),
    )


def people_from_truth(
    truth: FrameTruth,
    image_size: tuple[int, int],
    rng: np.random.Generator,
    min_visible_fraction: float = 0.25,
    box_noise: float = 0.02,
    joint_noise: float = 0.01,
    embedding_noise: float = 0.25,
    miss_rate: float = 0.0,
) -> People:
    """Return what a good but not perfect network would report.

    Hidden joints get low scores and guessed positions; a person partly hidden by another gets an
    embedding that is partly the other's, as features pooled over a box do.

    Args:
        truth: the frame.
        image_size: width and height, px.
        rng: source of the noise.
        min_visible_fraction: people seen less are not found.
        box_noise: standard deviation of box edges, relative to the box's size.
        joint_noise: standard deviation of seen joints, relative to the box's height; three times
            as much for hidden ones.
        embedding_noise: length of the random vector added to each unit embedding.
        miss_rate: share of people overlooked at random, [0, 1].
    """
    count, dim = len(truth), truth.appearance.shape[1]
    size = truth.boxes[:, 2:] - truth.boxes[:, :2]
    found = (truth.visible_fraction >= min_visible_fraction) & (rng.random(count) >= miss_rate)
    found &= (size > 2).all(-1)
    boxes = truth.boxes + rng.normal(0, box_noise, (count, 4)) * np.tile(size, 2)
    boxes = np.clip(boxes, 0, np.array([*image_size, *image_size]))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
    spread = joint_noise * np.where(truth.keypoint_visible, 1.0, 3.0)
    keypoints = truth.keypoints + (
        rng.normal(size=truth.keypoints.shape) * (spread * size[:, 1:])[..., None]
    )
    keypoint_scores = np.where(
        truth.keypoint_visible,
        rng.uniform(0.6, 0.95, truth.keypoint_visible.shape),
        rng.uniform(0.01, 0.15, truth.keypoint_visible.shape),
    )
    embeddings = truth.appearance * truth.visible_fraction[:, None]
    for i in range(count):
        low = np.maximum(truth.boxes[i, :2], truth.boxes[:, :2])
        high = np.minimum(truth.boxes[i, 2:], truth.boxes[:, 2:])
        overlap = np.prod(np.maximum(high - low, 0), axis=-1) * truth.visible_fraction
        overlap[i] = 0
        if overlap.sum() > 0:
            others = (overlap / overlap.sum()) @ truth.appearance
            embeddings[i] += (1 - truth.visible_fraction[i]) * others
    # So that a hidden person's short vector is not all noise.
    embeddings /= np.maximum(np.linalg.norm(embeddings, axis=-1, keepdims=True), 1e-6)
    embeddings += embedding_noise / np.sqrt(dim) * rng.normal(size=(count, dim))
    embeddings /= np.maximum(np.linalg.norm(embeddings, axis=-1, keepdims=True), 1e-6)
    order = np.nonzero(found)[0]
    scores = np.clip(0.35 + 0.6 * truth.visible_fraction + rng.normal(0, 0.02, count), 0, 1)
    order = order[np.argsort(-scores[order], kind='stable')]
    return People(
        boxes=boxes[order],
        scores=scores[order],
        keypoints=keypoints[order],
        keypoint_scores=keypoint_scores[order],
        embeddings=embeddings[order],
        image_size=image_size,
    )
