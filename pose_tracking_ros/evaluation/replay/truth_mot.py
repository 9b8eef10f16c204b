"""Ground truth in MOT text: boxes and identities by the number of the image.

Frame n is image n of the recording. Every frame up to the last one in the file counts as labelled,
also where the file has nobody in it; later images have no truth. As in the original definition,
the top left pixel begins at (1, 1).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.mot_files import NO_CLASS, PEDESTRIAN, read_boxes
from pose_tracking_ros.evaluation.mot_metrics import DISTRACTORS
from pose_tracking_ros.evaluation.replay.truth import GroundTruth
from pose_tracking_ros.evaluation.replay.truth_numbering import ImageNumbers
from pose_tracking_ros.evaluation.replay.truth_people import TruePerson, frame_of

_FIRST_PIXEL = 1.0


def truth_from_mot(path: Path, numbers: ImageNumbers) -> GroundTruth:
    """Return the truth of a file.

    People flagged 0 and those of the classes that MOTChallenge calls distractors are ignored
    ones; other classes than people are left out.

    Args:
        path: of the file.
        numbers: of the recording's images.

    Raises:
        EvaluationError: names file, line and field of what is wrong, or there is no box at all.
    """
    boxes = read_boxes(path)
    if not len(boxes):
        raise EvaluationError(f'{path}: expected at least one box, got an empty file')
    is_person = np.isin(boxes.classes, (NO_CLASS, PEDESTRIAN))
    is_distractor = np.isin(boxes.classes, DISTRACTORS)
    # 0 is nobody in the messages of this package.
    id_offset = int((boxes.ids == 0).any())
    frames = []
    for number, rows in enumerate(boxes.slices(boxes.last_frame), start=1):
        people = [
            TruePerson.boxed(
                int(boxes.ids[row]) + id_offset,
                boxes.boxes[row] - _FIRST_PIXEL,
                is_ignored=bool(is_distractor[row] or boxes.scores[row] == 0),
            )
            for row in range(rows.start, rows.stop)
            if is_person[row] or is_distractor[row]
        ]
        frames.append(frame_of(numbers.stamp_ns(number), people))
    return GroundTruth(
        name=str(path),
        frames=sorted(frames, key=lambda frame: frame.stamp_ns),
        has_keypoints=False,
    )
