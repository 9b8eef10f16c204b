"""PoseTrack 2018 and 2021 files, ground truth and results, as arrays; checked once, here.

The layout is COCO's. Each image has `id`, `vid_id` (its sequence) and `frame_id` (its place in
it), and in ground truth possibly `is_labeled`, `ignore_regions_x` and `ignore_regions_y`. Each
annotation has `image_id`, `track_id` and `keypoints` (x, y and a visibility per joint; all three
zero for a joint without a position), in ground truth also `bbox_head`, in results `scores` (one
per joint). The category names the joints: PoseTrack's 17, or COCO's, of which those that
PoseTrack lacks are left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pose_tracking_ros.evaluation.json_records import Record
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.skeleton import COCO_17, POSETRACK_15

# PoseTrack's reference length: this share of the diagonal of the head's box.
_HEAD_SHARE = 0.6
_KNOWN_JOINTS = {*POSETRACK_15.joints, *COCO_17.joints}


@dataclass(frozen=True, eq=False)
class PosedPeople:
    """The people of one frame, as one file has them.

    Attributes:
        joints: positions in px, joints of `POSETRACK_15`; NaN where the file has none.
        scores: of each joint, any scale; 0 in ground truth.
        ids: track ids, different from each other.
        head_sizes_px: reference lengths, above 0; NaN in results, which need none.
    """

    joints: Float[np.ndarray, 'person joint 2']
    scores: Float[np.ndarray, 'person joint']
    ids: Int[np.ndarray, 'person']
    head_sizes_px: Float[np.ndarray, 'person']

    def __len__(self) -> int:
        """Return the number of people."""
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a sequence.

    Attributes:
        image_id: from the files.
        is_labelled: whether the ground truth speaks of this image at all.
        truth: annotated people, possibly none.
        found: people in the results, possibly none.
        ignored: corners in px of the polygons in which nothing counts.
    """

    image_id: int
    is_labelled: bool
    truth: PosedPeople
    found: PosedPeople
    ignored: tuple[Float[np.ndarray, 'corner 2'], ...] = ()


@dataclass(frozen=True, eq=False)
class Sequence:
    """The frames of one video in order; track ids mean nothing beyond it.

    Attributes:
        name: `vid_id` of the ground truth.
        frames: by rising `frame_id`.
    """

    name: str
    frames: tuple[Frame, ...]


def load_sequences(ground_truth: Path, results: Path) -> list[Sequence]:
    """Read ground truth and results.

    Args:
        ground_truth: a file, or a folder of `*.json`, each with one sequence or more.
        results: likewise; in a folder, files are found by the name of the ground truth.

    Raises:
        EvaluationError: a file is missing or malformed; names file, record and field.
    """
    return [
        sequence
        for truth_path, results_path in _pair_files(ground_truth, results)
        for sequence in _read_pair(truth_path, results_path)
    ]


def _pair_files(ground_truth: Path, results: Path) -> list[tuple[Path, Path]]:
    if ground_truth.is_dir():
        truths = sorted(ground_truth.glob('*.json'))
        if not truths:
            raise EvaluationError(f'{ground_truth}: expected files *.json, found none')
        if not results.is_dir():
            raise EvaluationError(f'{results}: expected a folder, as the ground truth is one')
    else:
        truths = [ground_truth]
    return [(path, results / path.name if results.is_dir() else results) for path in truths]


def _read_pair(truth_path: Path, results_path: Path) -> list[Sequence]:
    truth_file = _read_file(truth_path)
    results_file = _read_file(results_path)
    order: dict[str, list[tuple[int, int]]] = {}
    images: dict[int, Record] = {}
    for image in truth_file.records('images'):
        image_id, name = image.whole('id'), image.text('vid_id')
        if image_id in images:
            raise image.error('id', f'has been used before: {image_id}')
        images[image_id] = image
        order.setdefault(name, []).append((image.whole('frame_id'), image_id))
    if not images:
        raise truth_file.error('images', 'expected at least one, got an empty list')
    truth = _read_people(truth_file, images, is_truth=True)
    found = _read_people(results_file, images, is_truth=False)
    _check_coverage(results_file, images)
    sequences = []
    for name, frames in order.items():
        numbers = [number for number, _ in frames]
        if len(set(numbers)) != len(numbers):
            raise EvaluationError(
                f'{truth_path}: images of vid_id {name}: expected a different frame_id in each'
            )
        ids = [image_id for _, image_id in sorted(frames)]
        sequences.append(
            Sequence(
                name,
                tuple(
                    Frame(
                        image_id=image_id,
                        is_labelled=images[image_id].flag('is_labeled', default=True),
                        truth=truth[image_id],
                        found=found[image_id],
                        ignored=_read_polygons(images[image_id]),
                    )
                    for image_id in ids
                ),
            )
        )
    return sequences


def _read_file(path: Path) -> Record:
    if not path.is_file():
        raise EvaluationError(f'{path}: no such file; expected a PoseTrack JSON')
    try:
        content: Any = json.loads(path.read_text())
    except ValueError as error:
        raise EvaluationError(f'{path}: not readable as JSON: {error}') from error
    return Record(content, str(path))


def _check_coverage(results_file: Record, images: dict[int, Record]) -> None:
    """Tell a frame without people from a frame that was never processed."""
    if not results_file.has('images'):
        return
    given = {image.whole('id') for image in results_file.records('images')}
    for image_id, image in images.items():
        if image.flag('is_labeled', default=True) and image_id not in given:
            raise results_file.error(
                'images', f'expected every image of the ground truth, {image_id} is missing'
            )


def _joint_order(file: Record) -> tuple[Int[np.ndarray, 'joint'], int]:
    """Return where the file has each of our joints (-1: nowhere), and its number of joints."""
    categories = file.records('categories')
    if len(categories) != 1:
        raise file.error('categories', f'expected one, the person, got {len(categories)}')
    names = categories[0].texts('keypoints')
    for name in names:
        if name not in _KNOWN_JOINTS or names.count(name) > 1:
            raise categories[0].error(
                'keypoints', f'expected joint names of PoseTrack or COCO, each once, got {name!r}'
            )
    order = POSETRACK_15.order_from(tuple(names))
    if (order < 0).all():
        raise categories[0].error('keypoints', "expected some of PoseTrack's joints, got none")
    return order, len(names)


def _read_people(
    file: Record, images: dict[int, Record], is_truth: bool
) -> dict[int, PosedPeople]:
    order, names = _joint_order(file)
    rows: dict[int, list[tuple[np.ndarray, np.ndarray, int, float]]] = {i: [] for i in images}
    for person in file.records('annotations'):
        image_id, track_id = person.whole('image_id'), person.whole('track_id')
        if image_id not in rows:
            raise person.error('image_id', f'expected one of the ground truth, got {image_id}')
        if any(track_id == other for *_, other, _ in rows[image_id]):
            raise person.error(
                'track_id', f'expected each once in an image, got {track_id} again in {image_id}'
            )
        points = person.numbers('keypoints', 3 * names).reshape(names, 3)
        is_known = (order >= 0) & (points[order] != 0.0).any(axis=1)
        joints = np.where(is_known[:, None], points[order, :2], np.nan)
        if is_truth:
            scores, head_size = np.zeros(len(order)), _head_size_px(person)
        else:
            scores = np.where(is_known, person.numbers('scores', names)[order], 0.0)
            head_size = np.nan
        rows[image_id].append((joints, scores, track_id, head_size))
    return {image_id: _stack(people) for image_id, people in rows.items()}


def _stack(people: list[tuple[np.ndarray, np.ndarray, int, float]]) -> PosedPeople:
    joints = len(POSETRACK_15)
    return PosedPeople(
        joints=np.array([person[0] for person in people]).reshape(-1, joints, 2),
        scores=np.array([person[1] for person in people]).reshape(-1, joints),
        ids=np.array([person[2] for person in people], dtype=np.int64),
        head_sizes_px=np.array([person[3] for person in people], dtype=np.float64),
    )


def _head_size_px(person: Record) -> float:
    size = _HEAD_SHARE * float(np.hypot(*person.numbers('bbox_head', 4)[2:]))
    if not size > 0.0:
        raise person.error('bbox_head', 'expected x, y, width, height with a size, got none')
    return size


def _read_polygons(image: Record) -> tuple[Float[np.ndarray, 'corner 2'], ...]:
    if not image.has('ignore_regions_x') and not image.has('ignore_regions_y'):
        return ()
    xs, ys = image.number_lists('ignore_regions_x'), image.number_lists('ignore_regions_y')
    if [len(x) for x in xs] != [len(y) for y in ys]:
        raise image.error('ignore_regions_y', 'expected as many corners as in ignore_regions_x')
    if any(len(x) in (1, 2) for x in xs):
        raise image.error('ignore_regions_x', 'expected polygons of at least 3 corners')
    return tuple(np.stack([x, y], axis=1) for x, y in zip(xs, ys, strict=True) if len(x))
