"""Ground truth of a recording, wherever it is kept: a file, or a topic of a bag."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from pose_tracking_ros.evaluation.json_records import Record
from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.truth import GroundTruth
from pose_tracking_ros.evaluation.replay.truth_json import image_size_of, truth_from_json
from pose_tracking_ros.evaluation.replay.truth_matching import match_truth
from pose_tracking_ros.evaluation.replay.truth_messages import truth_from_message
from pose_tracking_ros.evaluation.replay.truth_mot import truth_from_mot
from pose_tracking_ros.evaluation.replay.truth_numbering import ImageNumbers
from pose_tracking_ros.evaluation.replay.truth_scene import truth_from_scene
from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.recordings.message_types import POSES_TYPE

__all__ = [
    'TRUTH_TOPIC',
    'check_truth_size',
    'load_ground_truth',
    'match_truth',
    'truth_from_file',
    'truth_from_scene',
]

TRUTH_TOPIC = '/ground_truth/poses'
"""Where recordings made by this project carry their truth."""

_FORMATS = (
    'COCO JSON of a video (images, annotations with track_id), PoseTrack JSON, or MOT text '
    '(frame,id,left,top,width,height,...)'
)
_MOT_LINE = re.compile(r'\s*\d+\s*[,\s]\s*-?\d+(\s*[,\s]\s*[-+.\deE]+){4,}')
# Enough for a line of MOT text.
_SNIFFED_CHARACTERS = 4096


def load_ground_truth(source: str, bag: BagReader, image_topic: str | None = None) -> GroundTruth:
    """Return the truth of a bag's images.

    Args:
        source: a file in COCO's, PoseTrack's or MOT's format, recognised by its content; a topic
            of the bag with TrackedPoseArray; or that of another bag, `BAG:TOPIC`.
        bag: whose images it is about.
        image_topic: the images that files count; None for the only such topic of the bag.

    Raises:
        EvaluationError: there is no such truth, or it is malformed; names file, record and field.
        BagError: the bag or topic cannot be read.
    """
    path = Path(source).expanduser()
    if path.is_file() and source not in bag.topics:
        topic = _image_topic(bag, image_topic)
        stamps_ns = bag.stamps(topic)
        truth, size = _read_file(path, ImageNumbers(stamps_ns))
        if size is not None:
            height, width = next(bag.images(topic)).rgb().shape[:2]
            _check_size(path, size, (width, height), topic)
        return truth
    if source in bag.topics:
        return _truth_from_topic(bag, source, source)
    other, separator, topic = source.rpartition(':')
    if separator and Path(other).expanduser().exists():
        with BagReader(Path(other).expanduser()) as reader:
            return _truth_from_topic(reader, topic, source)
    raise EvaluationError(
        f'{source}: expected a file, a topic of the bag, or BAG:TOPIC; there is no such file, and '
        f'the bag holds {_pose_topics(bag)}'
    )


def truth_from_file(path: Path, stamps_ns: list[int]) -> GroundTruth:
    """Return the truth of a file in COCO's, PoseTrack's or MOT's format.

    Args:
        path: of the file; its content tells the format.
        stamps_ns: of the recording's images, ns, in order; at least one.

    Raises:
        EvaluationError: names file, record and field of what is wrong.
    """
    return _read_file(path, ImageNumbers(stamps_ns))[0]


def check_truth_size(path: Path, image_size: tuple[int, int], name: str) -> None:
    """Check that a file speaks of images of this size, where it tells.

    Args:
        path: of the file.
        image_size: width and height, px.
        name: of the images, for messages.

    Raises:
        EvaluationError: the sizes differ, or the file is malformed.
    """
    _, size = _read_file(path, ImageNumbers([0]))
    if size is not None:
        _check_size(path, size, image_size, name)


def _read_file(path: Path, numbers: ImageNumbers) -> tuple[GroundTruth, tuple[int, int] | None]:
    """Return the truth, and the size of the images it speaks of where it tells it."""
    try:
        with path.open(encoding='utf-8') as file:
            start = file.read(_SNIFFED_CHARACTERS).lstrip('\ufeff \t\r\n')
    except OSError as error:
        raise EvaluationError(f'{path}: cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise EvaluationError(f'{path}: expected {_FORMATS}, got no text: {error}') from error
    if start.startswith('{'):
        content = _parse(path)
        return truth_from_json(content, str(path), numbers), image_size_of(content, str(path))
    first_line = start.splitlines()[0] if start else ''
    if _MOT_LINE.match(first_line):
        return truth_from_mot(path, numbers), None
    raise EvaluationError(
        f'{path}: expected {_FORMATS}; got a file that begins with {first_line[:60]!r}'
    )


def _parse(path: Path) -> Any:
    try:
        content: Any = json.loads(path.read_text(encoding='utf-8-sig'))
    except ValueError as error:
        raise EvaluationError(f'{path}: not readable as JSON: {error}') from error
    record = Record(content, str(path))
    if not (record.has('images') and record.has('annotations')):
        raise EvaluationError(
            f'{path}: expected {_FORMATS}; got JSON with {", ".join(list(content)[:8])}'
        )
    return content


def _image_topic(bag: BagReader, wish: str | None) -> str:
    if wish is not None:
        return wish
    if len(bag.image_topics) != 1:
        raise EvaluationError(
            f'{bag.path}: expected the name of the topic whose images are meant, as there is not '
            f'exactly one; there are: {", ".join(sorted(bag.image_topics)) or "none"}'
        )
    return bag.image_topics[0]


def _check_size(path: Path, size: tuple[int, int], actual: tuple[int, int], name: str) -> None:
    if size != actual:
        raise EvaluationError(
            f'{path}: images[0]: width, height: expected {actual[0]}x{actual[1]} px as {name}, '
            f'got {size[0]}x{size[1]} px; scale the truth to the images'
        )


def _truth_from_topic(bag: BagReader, topic: str, name: str) -> GroundTruth:
    if topic not in bag.topics or bag.topics[topic].type != POSES_TYPE:
        got = bag.topics[topic].type if topic in bag.topics else 'no such topic'
        raise EvaluationError(
            f'{name}: expected a topic of type {POSES_TYPE}, got {got}; '
            f'{bag.path} holds {_pose_topics(bag)}'
        )
    frames = [truth_from_message(message, name) for _, message in bag.messages(topic)]
    if not frames:
        raise EvaluationError(
            ' '.join([f'{name}: expected at least one readable message, got none.', *bag.problems])
        )
    return GroundTruth(
        name=name,
        frames=sorted(frames, key=lambda frame: frame.stamp_ns),
        has_keypoints=any(bool(np.isfinite(frame.keypoints).any()) for frame in frames),
    )


def _pose_topics(bag: BagReader) -> str:
    topics = [topic.name for topic in bag.topics.values() if topic.type == POSES_TYPE]
    return f'the topics of tracked poses {", ".join(topics)}' if topics else 'no tracked poses'
