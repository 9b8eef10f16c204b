"""Recordings in formats that others read: MOT text and COCO keypoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from pose_tracking_ros.people import KeypointState
from pose_tracking_ros.recordings.recording import Recording
from pose_tracking_ros.skeleton import Skeleton

# COCO's third number per joint: not labelled, labelled but hidden, seen.
_COCO_VISIBILITY = {
    KeypointState.NOT_ESTIMATED: 0,
    KeypointState.VISIBLE: 2,
    KeypointState.OCCLUDED: 1,
    KeypointState.PREDICTED: 1,
    KeypointState.OUT_OF_FRAME: 0,
}


def mot_text(recording: Recording) -> str:
    """Return the tracks in the text format of the MOT challenge.

    One line per confirmed person that was found in an image: frame (from 1, in the source's
    numbering, hence with gaps where images were dropped), id, left, top, width, height (px; the
    corner of the top left pixel is at 1, 1), score, and three -1 for the unused position.
    Without people the text is empty.
    """
    lines = []
    for number, frame in recording.numbered():
        for track in frame.shown:
            x1, y1, x2, y2 = track.box.tolist()
            lines.append(
                f'{number},{recording.unique_id(frame, track)},{x1 + 1:.2f},{y1 + 1:.2f},'
                f'{x2 - x1:.2f},{y2 - y1:.2f},{track.score:.4f},-1,-1,-1\n'
            )
    return ''.join(lines)


def coco_keypoints(recording: Recording, skeleton: Skeleton) -> dict[str, Any]:
    """Return the poses as a COCO keypoint data set.

    Every processed image is listed, also those without people. Annotations are the confirmed
    people found in the image; `keypoints` are x, y, v with v as in COCO (0 not estimated, 1
    hidden, 2 seen) and coordinates that name the centre of a pixel by whole numbers, which are
    smaller by 0.5 than those of the messages. `keypoint_scores` and `track_id` are additions.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, frame in recording.numbered():
        width, height = frame.image_size
        images.append({'id': number, 'width': width, 'height': height, 'file_name': f'{number}'})
        for track in frame.shown:
            x1, y1, x2, y2 = track.box.tolist()
            states = [KeypointState(int(state)) for state in track.keypoint_states]
            flags = [_COCO_VISIBILITY[state] for state in states]
            numbers = [
                [round(x - 0.5, 2), round(y - 0.5, 2), flag] if flag else [0, 0, 0]
                for (x, y), flag in zip(track.keypoints.tolist(), flags, strict=True)
            ]
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': number,
                    'category_id': 1,
                    'track_id': recording.unique_id(frame, track),
                    'bbox': [round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)],
                    'area': round((x2 - x1) * (y2 - y1), 2),
                    'iscrowd': 0,
                    'score': round(track.score, 4),
                    'keypoints': [number for joint in numbers for number in joint],
                    'keypoint_scores': np.round(track.keypoint_scores, 4).tolist(),
                    'num_keypoints': sum(flag > 0 for flag in flags),
                }
            )
    category = {
        'id': 1,
        'name': 'person',
        'supercategory': 'person',
        'keypoints': list(skeleton.joints),
        # COCO counts joints from 1.
        'skeleton': (skeleton.limb_indices + 1).tolist(),
    }
    return {
        'info': {'description': 'People tracked by pose_tracking_ros'},
        'images': images,
        'annotations': annotations,
        'categories': [category],
    }
