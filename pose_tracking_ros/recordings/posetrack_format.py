"""Recordings in the JSON of PoseTrack 2018, as its tools and `evaluation posetrack` read it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from pose_tracking_ros.people import Track
from pose_tracking_ros.recordings.recording import Recording
from pose_tracking_ros.skeleton import COCO_17, POSETRACK_15

# PoseTrack's files have the ears, which nobody labels, between the head and the shoulders.
_HEAD: Final = POSETRACK_15.joints[: POSETRACK_15.index('left_shoulder')]
_JOINTS: Final = (
    *_HEAD,
    'left_ear',
    'right_ear',
    *POSETRACK_15.joints[len(_HEAD) :],
)


def posetrack_tracks(recording: Recording, sequence: str) -> dict[str, Any]:
    """Return the tracks as a PoseTrack 2018 file with one sequence.

    Every processed image is listed, also those without people; `frame_id` counts the images of the
    source from 0. Annotations are the confirmed people found in the image. Coordinates name the
    centre of a pixel by whole numbers. Joints that this project does not estimate (the bottom and
    the top of the head), or did not estimate, are 0, 0, 0 with score 0.

    Args:
        recording: of joints as in `COCO_17`.
        sequence: name of the video, `vid_id`.
    """
    order = np.array([COCO_17.joints.index(n) if n in COCO_17.joints else -1 for n in _JOINTS])
    count = len(recording.source_stamps_ns)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, frame in recording.numbered():
        images.append(
            {
                'id': number,
                'vid_id': sequence,
                'frame_id': number - 1,
                'nframes': count,
                'file_name': f'{sequence}/{number - 1:06d}.jpg',
                'is_labeled': True,
                'width': frame.image_size[0],
                'height': frame.image_size[1],
            }
        )
        for track in frame.shown:
            x1, y1, x2, y2 = track.box.tolist()
            keypoints, scores = _joints_of(track, order)
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': number,
                    'category_id': 1,
                    'track_id': recording.unique_id(frame, track),
                    'bbox': [round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)],
                    'score': round(track.score, 4),
                    'keypoints': keypoints,
                    'scores': scores,
                }
            )
    category = {
        'id': 1,
        'name': 'person',
        'supercategory': 'person',
        'keypoints': list(_JOINTS),
        # Counted from 1, as in COCO.
        'skeleton': [[_JOINTS.index(a) + 1, _JOINTS.index(b) + 1] for a, b in POSETRACK_15.limbs],
    }
    return {'images': images, 'annotations': annotations, 'categories': [category]}


def _joints_of(track: Track, order: np.ndarray) -> tuple[list[float], list[float]]:
    """Return x, y, 1 of each joint of the file, and scores; zeros where there is no position."""
    points = track.keypoints[order].astype(np.float64) - 0.5
    is_known = (order >= 0) & np.isfinite(points).all(axis=1)
    flags = is_known.astype(np.float64)[:, None]
    triples = np.concatenate([np.where(is_known[:, None], points, 0.0), flags], axis=1)
    scores = np.where(is_known, track.keypoint_scores[order], 0.0)
    return np.round(triples, 2).ravel().tolist(), np.round(scores, 4).tolist()
