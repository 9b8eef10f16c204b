"""Ground truth in COCO's layout: video data sets with `track_id`, PoseTrack 2018 and 2021.

One file is one video. Coordinates count from the corner of the top left pixel for boxes and name
the centre of a pixel by whole numbers for joints, as COCO has them; joints are moved by half a
pixel for that reason.

Which image of the recording an image of the file is, is told by what all images of the file have:

1. `stamp_ns`: the stamp, ns.
2. `timestamp`: the stamp, s; a whole number from 10^12 on is in ns. A number in s cannot hold
   every nanosecond, hence an image within a microsecond is meant.
3. `frame_id`: the number of the image from 1, or from 0 if the smallest is 0; where these numbers
   do not fit the recording (PoseTrack begins anywhere) their order.
4. Nothing: the order in the file.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.evaluation.json_records import Record
from pose_tracking_ros.evaluation.replay.truth import GroundTruth, TruthFrame
from pose_tracking_ros.evaluation.replay.truth_numbering import ImageNumbers
from pose_tracking_ros.evaluation.replay.truth_people import REGION_ID, TruePerson, frame_of
from pose_tracking_ros.skeleton import COCO_17, POSETRACK_15

_PERSON_NAMES: Final = ('person', 'pedestrian', 'people')
_KNOWN_JOINTS: Final = {*COCO_17.joints, *POSETRACK_15.joints}
_NS_FROM: Final = 10**12
_FLOAT_TOLERANCE_NS: Final = 1000
_PIXEL_CENTRE: Final = 0.5
# Where PoseTrack has joints but no box: they lie inside of the body.
_BOX_MARGIN: Final = 0.1


class _Labels(NamedTuple):
    """What the file says of all people.

    Attributes:
        categories: ids of those that are people.
        order: for each joint of `COCO_17` its place in the file, or -1.
        joints: number of joints in the file; 0 where it names none.
        seen_from: least visibility flag of a joint that is seen.
        id_offset: added to the ids of the file; 1 where they begin at 0, which is nobody in the
            messages of this package.
    """

    categories: set[int]
    order: Int[np.ndarray, 'joint']
    joints: int
    seen_from: float
    id_offset: int


def truth_from_json(content: Any, name: str, numbers: ImageNumbers) -> GroundTruth:
    """Return the truth of a file.

    Args:
        content: of the file, parsed.
        name: of the file, for messages.
        numbers: of the recording's images.

    Raises:
        EvaluationError: names file, record and field of what is wrong.
    """
    file = Record(content, name)
    images = file.records('images')
    if not images:
        raise file.error('images', 'expected at least one, got an empty list')
    _check_single_video(file, images)
    labels = _read_labels(file, images)
    stamps = _stamps(file, images, numbers)
    people: dict[int, list[TruePerson]] = {}
    labelled: dict[int, int] = {}
    for image, stamp_ns in zip(images, stamps, strict=True):
        image_id = image.whole('id')
        if image_id in people:
            raise image.error('id', f'has been used before: {image_id}')
        people[image_id] = [*_regions(image)]
        if image.flag('is_labeled', default=True):
            labelled[image_id] = stamp_ns
    for record in file.records('annotations'):
        image_id = record.whole('image_id')
        if image_id not in people:
            raise record.error('image_id', f'expected one of the images, got {image_id}')
        if record.has('category_id') and record.whole('category_id') not in labels.categories:
            continue
        person = _person(record, labels)
        ids = [other.person_id for other in people[image_id]]
        if person.person_id != REGION_ID and person.person_id in ids:
            raise record.error(
                'track_id',
                f'expected each once in an image, got {person.person_id} again in {image_id}',
            )
        people[image_id].append(person)
    frames = [frame_of(stamp_ns, people[image_id]) for image_id, stamp_ns in labelled.items()]
    return GroundTruth(
        name=name,
        frames=sorted(frames, key=lambda frame: frame.stamp_ns),
        has_keypoints=_has_keypoints(frames),
    )


def image_size_of(content: Any, name: str) -> tuple[int, int] | None:
    """Return width and height of the file's images, px; None where it does not tell.

    Raises:
        EvaluationError: they are no whole numbers.
    """
    first = Record(content, name).records('images')[0]
    if first.has('width') and first.has('height'):
        return first.whole('width'), first.whole('height')
    return None


def _has_keypoints(frames: list[TruthFrame]) -> bool:
    return any(bool(np.isfinite(frame.keypoints).any()) for frame in frames)


def _check_single_video(file: Record, images: list[Record]) -> None:
    for field in ('video_id', 'vid_id'):
        videos = {image.text(field) for image in images if image.has(field)}
        if len(videos) > 1:
            raise file.error(
                'images',
                f'expected those of one video, got {len(videos)} of {field} '
                f'{", ".join(sorted(videos)[:4])}; split the file by video',
            )


def _read_labels(file: Record, images: list[Record]) -> _Labels:
    is_posetrack = any(image.has('vid_id') for image in images)
    # PoseTrack has 1 for a joint that is seen, COCO has 2, and 1 for one that is hidden.
    seen_from = 1.0 if is_posetrack else 2.0
    categories = file.records('categories')
    people = [
        one
        for one in categories
        if len(categories) == 1 or (one.has('name') and one.text('name').lower() in _PERSON_NAMES)
    ]
    if not people:
        raise file.error('categories', f'expected one named {" or ".join(_PERSON_NAMES)}')
    names = next((one.texts('keypoints') for one in people if one.has('keypoints')), [])
    for name in names:
        if name not in _KNOWN_JOINTS or names.count(name) > 1:
            raise file.error(
                'categories',
                f'keypoints: expected joint names of COCO or PoseTrack, each once, got {name!r}',
            )
    joints = tuple(names) or COCO_17.joints
    return _Labels(
        categories={one.whole('id') for one in people},
        order=COCO_17.order_from(joints),
        joints=len(joints),
        seen_from=seen_from,
        id_offset=int(
            any(
                one.has('track_id') and one.whole('track_id') == 0
                for one in file.records('annotations')
            )
        ),
    )


def _stamps(file: Record, images: list[Record], numbers: ImageNumbers) -> list[int]:
    """Return the stamp of each image of the file, ns."""
    for field in ('stamp_ns', 'timestamp', 'frame_id'):
        count = sum(image.has(field) for image in images)
        if 0 < count < len(images):
            lacking = next(image for image in images if not image.has(field))
            raise lacking.error(field, f'expected it in every image, {count} have it')
        if count and field == 'stamp_ns':
            return [image.whole(field) for image in images]
        if count and field == 'timestamp':
            return [_stamp_from_timestamp(image, numbers) for image in images]
        if count:
            return [numbers.stamp_ns(number) for number in _image_numbers(file, images, numbers)]
    return [numbers.stamp_ns(number) for number in range(1, len(images) + 1)]


def _stamp_from_timestamp(image: Record, numbers: ImageNumbers) -> int:
    value = image.number('timestamp')
    if value >= _NS_FROM:
        return image.whole('timestamp')
    return numbers.nearest_ns(round(value * 1e9), _FLOAT_TOLERANCE_NS)


def _image_numbers(file: Record, images: list[Record], numbers: ImageNumbers) -> list[int]:
    ids = [image.whole('frame_id') for image in images]
    if len(set(ids)) != len(ids):
        raise file.error('images', 'expected a different frame_id in each')
    first = 1 if min(ids) == 0 else 0
    if min(ids) >= 0 and max(ids) + first <= len(numbers):
        return [one + first for one in ids]
    place = {one: number for number, one in enumerate(sorted(ids), start=1)}
    return [place[one] for one in ids]


def _person(record: Record, labels: _Labels) -> TruePerson:
    is_ignored = record.flag('iscrowd', default=False) or record.flag('ignore', default=False)
    keypoints, visible = _joints(record, labels)
    if is_ignored and not record.has('track_id'):
        person_id = REGION_ID
    else:
        person_id = record.whole('track_id')
        if person_id < 0:
            raise record.error('track_id', f'expected at least 0, got {person_id}')
        person_id += labels.id_offset
    return TruePerson(person_id, _box(record, keypoints), keypoints, visible, is_ignored)


def _joints(
    record: Record, labels: _Labels
) -> tuple[Float[np.ndarray, 'joint 2'], Bool[np.ndarray, 'joint']]:
    if not record.has('keypoints'):
        return np.full((len(COCO_17), 2), np.nan), np.zeros(len(COCO_17), dtype=np.bool_)
    points = record.numbers('keypoints', 3 * labels.joints).reshape(-1, 3)
    # All three are zero for a joint that is not labelled; COCO has positions of v = 0 nowhere.
    is_known = (labels.order >= 0) & (points[labels.order] != 0.0).any(axis=1)
    if labels.seen_from > 1:
        is_known &= points[labels.order, 2] > 0
    joints = np.where(is_known[:, None], points[labels.order, :2] + _PIXEL_CENTRE, np.nan)
    return joints, is_known & (points[labels.order, 2] >= labels.seen_from)


def _box(record: Record, keypoints: Float[np.ndarray, 'joint 2']) -> Float[np.ndarray, '4']:
    if record.has('bbox'):
        x, y, width, height = record.numbers('bbox', 4)
        if width <= 0 or height <= 0:
            raise record.error('bbox', f'expected a width and height above 0, got {width, height}')
        return np.array([x, y, x + width, y + height])
    known = keypoints[np.isfinite(keypoints).all(axis=1)]
    corners = [known]
    if record.has('bbox_head'):
        x, y, width, height = record.numbers('bbox_head', 4)
        corners.append(np.array([[x, y], [x + width, y + height]]))
    points = np.concatenate(corners)
    if len(points) < 2:
        raise record.error('bbox', 'expected x, y, width, height, or joints to find them by')
    low, high = points.min(axis=0), points.max(axis=0)
    margin = _BOX_MARGIN * (high - low)
    return np.concatenate([low - margin, high + margin])


def _regions(image: Record) -> list[TruePerson]:
    """Return the boxes around PoseTrack's polygons in which nothing counts."""
    if not image.has('ignore_regions_x') and not image.has('ignore_regions_y'):
        return []
    xs, ys = image.number_lists('ignore_regions_x'), image.number_lists('ignore_regions_y')
    if [len(x) for x in xs] != [len(y) for y in ys]:
        raise image.error('ignore_regions_y', 'expected as many corners as in ignore_regions_x')
    return [
        TruePerson.region(np.array([x.min(), y.min(), x.max(), y.max()]))
        for x, y in zip(xs, ys, strict=True)
        if len(x)
    ]
