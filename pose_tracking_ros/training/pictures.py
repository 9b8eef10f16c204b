"""Labelled pictures in the COCO keypoint layout, in a folder or in numbered tar shards."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pose_tracking_ros.skeleton import COCO_17


class DataError(ValueError):
    """A training file does not hold what it should; names file, record and field."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The people of one picture.

    Attributes:
        boxes: corners x1, y1, x2, y2 in px.
        keypoints: x, y in px and a weight in [0, 1]: 0 where the joint is not labelled.
        ignored: regions that are neither person nor background, corners in px.
        identities: class of each person for the Re-ID loss, -1 for unlabelled.
    """

    boxes: Float[np.ndarray, 'person 4']
    keypoints: Float[np.ndarray, 'person joint 3']
    ignored: Float[np.ndarray, 'region 4']
    identities: np.ndarray


@dataclass(frozen=True)
class _Place:
    path: Path
    offset: int
    size: int


class PictureSet:
    """Pictures with labels, read on demand.

    Args:
        annotations: COCO keypoint JSON, also `.json.gz`. Annotations with `iscrowd` = 1 become
            ignored regions. An image record with `shard` = N is looked up in `images-NN.tar`.
        images: folder of the pictures or of the shards.
        unsure_weight: weight of joints labelled v = 1 (hidden, or the labeller was unsure).

    Raises:
        DataError: the file is malformed, or names pictures that are not there.
    """

    def __init__(self, annotations: Path, images: Path, unsure_weight: float = 0.5) -> None:
        self.annotations = annotations
        self._unsure_weight = unsure_weight
        content = _load_json(annotations)
        self._check_skeleton(content)
        self._records: list[dict[str, Any]] = content['images']
        self.sources = [str(record.get('source', '')) for record in self._records]
        self._places = _find_pictures(annotations, images, self._records)
        index = {record['id']: i for i, record in enumerate(self._records)}
        people: list[list[dict[str, Any]]] = [[] for _ in self._records]
        for person in content['annotations']:
            if person.get('image_id') not in index:
                raise DataError(
                    f'{annotations}: annotation {person.get("id")}: image_id '
                    f'{person.get("image_id")!r} is not among the images'
                )
            people[index[person['image_id']]].append(person)
        self._labels = [
            self._labels_of(record, found)
            for record, found in zip(self._records, people, strict=True)
        ]

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._records)

    def labels(self, index: int) -> Labels:
        """Return the labels of a picture, in its own pixels."""
        return self._labels[index]

    def image(self, index: int) -> UInt8[np.ndarray, 'height width 3']:
        """Return a picture, RGB.

        Raises:
            DataError: the file cannot be decoded, or has another size than its record says.
        """
        place, record = self._places[index], self._records[index]
        descriptor = os.open(place.path, os.O_RDONLY)
        try:
            data = os.pread(descriptor, place.size, place.offset)
        finally:
            os.close(descriptor)
        image = decoded_rgb(data, f'{place.path}: {record["file_name"]}')
        if image.shape[:2] != (record['height'], record['width']):
            raise DataError(
                f'{self.annotations}: image {record["id"]} ({record["file_name"]}): expected '
                f'{record["width"]}x{record["height"]}, the file has '
                f'{image.shape[1]}x{image.shape[0]}'
            )
        return image

    def _check_skeleton(self, content: dict[str, Any]) -> None:
        for category in content.get('categories', []):
            joints = tuple(category.get('keypoints', COCO_17.joints))
            if joints != COCO_17.joints:
                raise DataError(
                    f'{self.annotations}: category {category.get("name")!r}: expected the joints '
                    f'{", ".join(COCO_17.joints)}; got {", ".join(joints)}'
                )

    def _labels_of(self, record: dict[str, Any], people: list[dict[str, Any]]) -> Labels:
        boxes, keypoints, ignored = [], [], []
        for person in people:
            box = self._box_of(record, person)
            if person.get('iscrowd'):
                ignored.append(box)
                continue
            boxes.append(box)
            keypoints.append(self._keypoints_of(person))
        return Labels(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            keypoints=np.array(keypoints, np.float32).reshape(-1, len(COCO_17), 3),
            ignored=np.array(ignored, np.float32).reshape(-1, 4),
            identities=np.full(len(boxes), -1, np.int64),
        )

    def _box_of(self, record: dict[str, Any], person: dict[str, Any]) -> list[float]:
        where = f'{self.annotations}: annotation {person.get("id")}: bbox'
        box = person.get('bbox')
        if not isinstance(box, list) or len(box) != 4 or not np.isfinite(box).all():
            raise DataError(
                f'{where}: expected four finite numbers x, y, width, height; got {box}'
            )
        x, y, width, height = box
        # Labels are rounded to a tenth of a pixel; COCO's own reach a little over the border.
        slack = 2.0
        if (
            width <= 0
            or height <= 0
            or x < -slack
            or y < -slack
            or x + width > record['width'] + slack
            or y + height > record['height'] + slack
        ):
            raise DataError(
                f'{where}: expected a box with an area inside the '
                f'{record["width"]}x{record["height"]} picture; got {box}'
            )
        return [x, y, x + width, y + height]

    def _keypoints_of(self, person: dict[str, Any]) -> np.ndarray:
        where = f'{self.annotations}: annotation {person.get("id")}: keypoints'
        flat = person.get('keypoints', [0.0] * (3 * len(COCO_17)))
        if len(flat) != 3 * len(COCO_17) or not np.isfinite(flat).all():
            raise DataError(
                f'{where}: expected {3 * len(COCO_17)} finite numbers; got {len(flat)}, of which '
                f'{int(np.isfinite(flat).sum())} finite'
            )
        keypoints = np.array(flat, np.float32).reshape(-1, 3)
        keypoints[:, 2] = np.select(
            [keypoints[:, 2] >= 2, keypoints[:, 2] >= 1], [1.0, self._unsure_weight], 0.0
        )
        return keypoints


def decoded_rgb(data: bytes, name: str) -> UInt8[np.ndarray, 'height width 3']:
    """Return an encoded picture's pixels, RGB.

    Raises:
        DataError: the bytes are no picture.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise DataError(
            f'{name}: not a readable picture ({len(data)} bytes); remove its record or restore it'
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _load_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise DataError(f'{path}: no such file; give the folder of the training data')
    data = path.read_bytes()
    try:
        content = json.loads(gzip.decompress(data) if path.suffix == '.gz' else data)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f'{path}: not readable as JSON: {error}') from error
    for key in ('images', 'annotations'):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise DataError(f'{path}: expected a COCO file with a list {key!r}')
    checked: dict[str, Any] = content
    return checked


def _find_pictures(annotations: Path, images: Path, records: list[dict[str, Any]]) -> list[_Place]:
    members: dict[int, dict[str, _Place]] = {}
    places = []
    for record in records:
        name = record['file_name']
        if 'shard' not in record:
            path = images / name
            if not path.exists():
                raise DataError(f'{annotations}: image {record["id"]}: no file {path}')
            places.append(_Place(path, 0, path.stat().st_size))
            continue
        shard = int(record['shard'])
        if shard not in members:
            members[shard] = _tar_members(images / f'images-{shard:02d}.tar')
        place = members[shard].get(name) or members[shard].get(Path(name).name)
        if place is None:
            raise DataError(f'{annotations}: image {record["id"]}: no {name} in shard {shard}')
        places.append(place)
    return places


def _tar_members(path: Path) -> dict[str, _Place]:
    if not path.exists():
        raise DataError(f'{path}: no such file; the annotations name it')
    with tarfile.open(path) as shard:
        return {
            member.name.removeprefix('./'): _Place(path, member.offset_data, member.size)
            for member in shard
            if member.isfile()
        }
