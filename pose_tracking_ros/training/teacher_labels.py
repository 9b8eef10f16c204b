"""Labels for pictures that have none: by two networks, each asked twice, in a mirror too.

The detector also sees the picture's overlapping quarters, for the small people it would miss in
the whole, as its input is 320 px wide. Who is found but not surely becomes an ignored region:
neither person nor background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torchvision.ops import nms

from pose_tracking_ros.benchmark.two_network import (
    TwoNetworks,
    decode,
    detector_input,
    in_image,
    pose_crops,
    pose_regions,
)
from pose_tracking_ros.skeleton import AREA_SHARE, COCO_17

Image = UInt8[np.ndarray, 'height width 3']

# Boxes that touch an inner edge of a quarter show a part of somebody, who is whole elsewhere.
_EDGE_PX = 4.0
_QUARTER_SHARE = 0.6


@dataclass(frozen=True)
class LabelRules:
    """When a label counts.

    Attributes:
        min_person_score: people found less surely are ignored regions, [0, 1].
        min_region_score: and less surely than this, nothing.
        max_overlap: of two boxes that overlap more (IoU), the less sure one goes.
        sure_score: joints from here on are labelled as seen (visibility 2).
        unsure_score: from here on as hidden or unsure (1); below, not at all.
        min_sure_joints: people with fewer are ignored regions.
        has_quarters: whether the detector also sees the quarters of a picture, which takes five
            times as long.
    """

    min_person_score: float = 0.4
    min_region_score: float = 0.3
    max_overlap: float = 0.55
    sure_score: float = 0.4
    unsure_score: float = 0.2
    min_sure_joints: int = 5
    has_quarters: bool = True


def find_boxes(
    teachers: TwoNetworks, image: Image, rules: LabelRules
) -> tuple[Float[np.ndarray, 'person 4'], Float[np.ndarray, 'person']]:
    """Return the people in an image, surest first: corners, px, and scores."""
    found = [_detected(teachers, image, rules)]
    if not rules.has_quarters:
        return found[0]
    height, width = image.shape[:2]
    high, wide = round(height * _QUARTER_SHARE), round(width * _QUARTER_SHARE)
    for top in (0, height - high):
        for left in (0, width - wide):
            boxes, scores = _detected(teachers, image[top : top + high, left : left + wide], rules)
            # Inner edges only: whoever is cut off by the picture itself is so everywhere.
            inner = np.array([left > 0, top > 0, left == 0, top == 0])
            gaps = np.concatenate([boxes[:, :2], [wide, high] - boxes[:, 2:]], axis=1)
            is_whole = ~((gaps < _EDGE_PX) & inner).any(axis=1)
            moved = boxes + np.array([left, top] * 2, np.float32)
            found.append((moved[is_whole], scores[is_whole]))
    boxes = np.concatenate([part for part, _ in found])
    scores = np.concatenate([part for _, part in found])
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), rules.max_overlap).numpy()
    return boxes[kept], scores[kept]


def find_joints(
    teachers: TwoNetworks, image: Image, boxes: Float[np.ndarray, 'person 4']
) -> tuple[Float[np.ndarray, 'person joint 2'], Float[np.ndarray, 'person joint']]:
    """Return positions, px, and scores of the joints of people, at least one."""
    regions = pose_regions(boxes)
    crops = pose_crops(image, regions)
    mirrored = teachers.heatmaps(np.ascontiguousarray(crops[:, :, ::-1]))
    exchanged = mirrored[:, COCO_17.flip_order, :, ::-1]
    return decode((teachers.heatmaps(crops) + exchanged) / 2, regions)


def label_people(teachers: TwoNetworks, image: Image, rules: LabelRules) -> list[dict[str, Any]]:
    """Return COCO annotations of the people in an image; none if nobody is found.

    They lack `id` and `image_id`. `iscrowd` marks ignored regions; `keypoint_scores`, 0 to 100,
    and `score` tell how sure the teachers were.
    """
    boxes, scores = find_boxes(teachers, image, rules)
    is_person = scores >= rules.min_person_score
    annotations = [_region(box, score) for box, score in zip(boxes, scores, strict=True)]
    if not is_person.any():
        return annotations
    joints, joint_scores = find_joints(teachers, image, boxes[is_person])
    for row, points, certainties in zip(
        np.flatnonzero(is_person), joints, joint_scores, strict=True
    ):
        visibility = np.where(certainties >= rules.sure_score, 2, 1)
        visibility[certainties < rules.unsure_score] = 0
        if np.count_nonzero(visibility == 2) < rules.min_sure_joints:
            continue
        points = np.where(visibility[:, None] > 0, points, 0.0)
        annotations[row] |= {
            'iscrowd': 0,
            'num_keypoints': int(np.count_nonzero(visibility)),
            'keypoints': [
                number
                for (x, y), seen in zip(points.round(1).tolist(), visibility.tolist(), strict=True)
                for number in (x, y, seen)
            ],
            'keypoint_scores': np.round(100 * certainties).astype(int).tolist(),
        }
    return annotations


def _detected(
    teachers: TwoNetworks, image: Image, rules: LabelRules
) -> tuple[Float[np.ndarray, 'person 4'], Float[np.ndarray, 'person']]:
    height, width = image.shape[:2]
    small = detector_input(image)
    boxes, scores = teachers.detect(small)
    mirrored, scores_mirrored = teachers.detect(np.ascontiguousarray(small[:, ::-1]))
    mirrored = mirrored.copy()
    mirrored[:, [0, 2]] = small.shape[1] - mirrored[:, [2, 0]]
    boxes = np.concatenate([boxes, mirrored])
    scores = np.concatenate([scores, scores_mirrored])
    chosen = scores >= rules.min_region_score
    boxes, scores = in_image(boxes[chosen], (width, height)), scores[chosen]
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), rules.max_overlap).numpy()
    return boxes[kept], scores[kept]


def _region(box: Float[np.ndarray, '4'], score: float) -> dict[str, Any]:
    x, y, right, bottom = box.round(1).tolist()
    width, height = round(right - x, 1), round(bottom - y, 1)
    return {
        'category_id': 1,
        'bbox': [x, y, width, height],
        'area': round(AREA_SHARE * width * height, 1),
        'iscrowd': 1,
        'score': round(float(score), 3),
        'num_keypoints': 0,
        'keypoints': [0] * (3 * len(COCO_17)),
        'source': 'teacher',
    }
