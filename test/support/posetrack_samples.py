"""PoseTrack files for tests: one small sample to work out by hand, and random ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# PoseTrack's order; the ears are there and always empty.
NAMES = [
    'nose', 'head_bottom', 'head_top', 'left_ear', 'right_ear',
    *(f'{side}_{part}' for part in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
      for side in ('left', 'right')),
]  # fmt: skip
NOSE, WRIST, ANKLE = 'nose', 'left_wrist', 'right_ankle'
# Where the three joints of the person P are; Q stands 200 px to the right, R where P is.
PLACES = {NOSE: (100.0, 50.0), WRIST: (130.0, 120.0), ANKLE: (100.0, 220.0)}
Q_X = 200.0
# A diagonal of 50 px: the head size is 30 px, and a joint counts within 15 px.
HEAD = [85.0, 20.0, 30.0, 40.0]


def annotated(track_id: int, joints: tuple[str, ...], x: float = 0.0) -> dict[str, Any]:
    """Return a person of the ground truth, moved to the right by x px."""
    points = [0.0] * 51
    for name in joints:
        at = 3 * NAMES.index(name)
        points[at : at + 3] = [PLACES[name][0] + x, PLACES[name][1], 1.0]
    return {'track_id': track_id, 'keypoints': points, 'bbox_head': [HEAD[0] + x, *HEAD[1:]]}


def found(track_id: int, joints: dict[str, tuple[float, float]], x: float = 0.0) -> dict[str, Any]:
    """Return a person of the results; each joint has its offset to the right, px, and score."""
    points, scores = [0.0] * 51, [0.0] * 17
    for name, (offset, score) in joints.items():
        at = NAMES.index(name)
        points[3 * at : 3 * at + 3] = [PLACES[name][0] + x + offset, PLACES[name][1], 1.0]
        scores[at] = score
    return {'track_id': track_id, 'keypoints': points, 'scores': scores}


def image(sequence: int, number: int, **more: Any) -> dict[str, Any]:
    """Return an image; ids are those of PoseTrack 2018."""
    identity = 20_000_000_000 + sequence * 10_000 + number
    return {
        'id': identity,
        'frame_id': identity,
        'vid_id': f'{sequence:06d}',
        'file_name': f'images/val/{sequence:06d}_bonn/{number:06d}.jpg',
        'is_labeled': True,
        **more,
    }


def write(
    folder: Path, frames: list[tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]]
) -> tuple[Path, Path]:
    """Write images with their annotated and found people as one file per sequence.

    Returns:
        the folders of ground truth and results.
    """
    truth, results = folder / 'truth', folder / 'results'
    categories = [{'id': 1, 'name': 'person', 'keypoints': NAMES}]
    for name in {picture['vid_id'] for picture, *_ in frames}:
        chosen = [frame for frame in frames if frame[0]['vid_id'] == name]
        for where, side in ((truth, 1), (results, 2)):
            people = [
                {'id': n, 'image_id': frame[0]['id'], 'category_id': 1, **person}
                for frame in chosen
                for n, person in enumerate(frame[side])
            ]
            where.mkdir(exist_ok=True)
            content = {
                'images': [frame[0] for frame in chosen],
                'annotations': people,
                'categories': categories,
            }
            (where / f'{name}_bonn.json').write_text(json.dumps(content))
    return truth, results


def hand_sample(folder: Path) -> tuple[Path, Path]:
    """Write the sample that test_evaluation_posetrack.py works out."""
    everything = (NOSE, WRIST, ANKLE)
    region = {
        'ignore_regions_x': [[250.0, 400.0, 400.0, 250.0]],
        'ignore_regions_y': [[0.0, 0.0, 300.0, 300.0]],
    }
    p, q, r = 1, 2, 1
    return write(
        folder,
        [
            (
                image(1, 1),
                [annotated(p, everything), annotated(q, everything, Q_X)],
                [
                    found(11, {NOSE: (3, 0.9), WRIST: (6, 0.8), ANKLE: (18, 0.7)}),
                    found(12, {NOSE: (0, 0.6), WRIST: (3, 0.5)}, Q_X),
                ],
            ),
            (image(1, 2), [annotated(p, everything), annotated(q, (NOSE, WRIST), Q_X)], []),
            (
                image(1, 3),
                [annotated(p, everything), annotated(q, everything, Q_X)],
                [
                    found(12, {NOSE: (0, 0.95), WRIST: (3, 0.85), ANKLE: (3, 0.75)}),
                    found(13, {NOSE: (6, 0.55), ANKLE: (0, 0.45)}, Q_X),
                    found(14, {NOSE: (0, 0.4)}, 2 * Q_X),
                ],
            ),
            (
                image(1, 4, **region),
                [annotated(p, everything), annotated(q, everything, Q_X)],
                [
                    found(12, {NOSE: (12, 0.35), ANKLE: (30, 0.25)}),
                    found(13, {NOSE: (0, 0.97), WRIST: (60, 0.96)}, Q_X),
                ],
            ),
            (
                image(2, 1),
                [annotated(r, everything)],
                [found(21, {NOSE: (0, 0.65), WRIST: (3, 0.15), ANKLE: (3, 0.3)})],
            ),
            (image(2, 2), [], [found(21, {NOSE: (0, 0.2)})]),
            (
                image(2, 3),
                [annotated(r, (NOSE, WRIST))],
                [found(21, {NOSE: (3, 0.05), WRIST: (0, 0.1), ANKLE: (0, 0.02)})],
            ),
            (image(2, 4, is_labeled=False), [], [found(21, {NOSE: (0, 0.99)})]),
        ],
    )


class Congruence:
    """Random numbers in [0, 1) that are the same everywhere and for ever."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def __call__(self) -> float:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 11) / 2**53


def random_sample(folder: Path, seed: int) -> tuple[Path, Path]:
    """Write 3 sequences of 8 frames with up to 3 people, joints and people missing at random.

    Some frames have an ignored region, some no annotated and some no found people. Found joints
    are off by up to 24 px; tracks change their ids now and then.
    """
    draw = Congruence(seed)
    frames = []
    for sequence in range(1, 4):
        for number in range(8):
            picture = image(sequence, number)
            x, y = 200 * draw(), 200 * draw()
            if draw() < 0.4:
                picture['ignore_regions_x'] = [[x, x + 120, x + 90, x + 20]]
                picture['ignore_regions_y'] = [[y, y + 10, y + 100, y + 70]]
            shift = int(3 * draw()) if draw() < 0.4 else 0
            truth_is_there, results_are_there = draw() < 0.9, draw() < 0.85
            truth, results = [], []
            for person in range(3):
                centre = 60 + 70 * person + 10 * number * (draw() - 0.3), 80 + 60 * (person % 2)
                reach = 4 + 20 * draw()
                points, points_found, scores = [], [], []
                for name in NAMES:
                    at = [c + 100 * (draw() - 0.5) for c in centre]
                    near = [c + 2 * reach * (draw() - 0.5) for c in at]
                    kept, seen, score = draw() < 0.8, draw() < 0.85, draw()
                    is_ear = name.endswith('ear')
                    points += [*at, 1] if kept and not is_ear else [0, 0, 0]
                    points_found += [*near, 1] if seen and not is_ear else [0, 0, 0]
                    scores.append(score)
                head = [centre[0] - 10, centre[1] - 60, 20 + 10 * draw(), 20 + 10 * draw()]
                stranger = 10 if draw() < 0.15 else 0
                if draw() < 0.85 and truth_is_there:
                    truth.append({'track_id': person, 'keypoints': points, 'bbox_head': head})
                if draw() < 0.85 and results_are_there:
                    track_id = (person + shift) % 3 + stranger
                    results.append(
                        {'track_id': track_id, 'keypoints': points_found, 'scores': scores}
                    )
            frames.append((picture, truth, results))
    return write(folder, frames)
