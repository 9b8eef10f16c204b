"""Reading labelled pictures: good data in folders and shards, and each kind of bad data."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.pictures import DataError, PictureSet


def person(**changes: Any) -> dict[str, Any]:
    joints: list[float] = []
    for number in range(17):
        joints += [10.0 + number, 20.0 + number, (0, 1, 2)[number % 3]]
    record = {
        'id': 7,
        'image_id': 1,
        'category_id': 1,
        'bbox': [5.0, 6.0, 40.0, 50.0],
        'area': 2000.0,
        'iscrowd': 0,
        'keypoints': joints,
    }
    return record | changes


def write(folder: Path, people: list[dict[str, Any]], **image: Any) -> Path:
    picture = np.full((80, 100, 3), (10, 20, 200), np.uint8)
    assert cv2.imwrite(str(folder / 'a.png'), picture)
    record = {'id': 1, 'file_name': 'a.png', 'width': 100, 'height': 80, 'source': 's'} | image
    path = folder / 'annotations.json'
    path.write_text(json.dumps({'images': [record], 'annotations': people}))
    return path


def test_reads_picture_and_labels(tmp_path: Path) -> None:
    pictures = PictureSet(write(tmp_path, [person(), person(id=8, iscrowd=1)]), tmp_path, 0.5)
    assert len(pictures) == 1
    assert pictures.sources == ['s']
    image, labels = pictures.image(0), pictures.labels(0)
    assert image.shape == (80, 100, 3)
    assert image[0, 0].tolist() == [200, 20, 10]
    assert labels.boxes.tolist() == [[5, 6, 45, 56]]
    assert labels.ignored.tolist() == [[5, 6, 45, 56]]
    assert labels.keypoints[0, :3].tolist() == [[10, 20, 0], [11, 21, 0.5], [12, 22, 1]]
    assert labels.identities.tolist() == [-1]


def test_picture_without_people(tmp_path: Path) -> None:
    labels = PictureSet(write(tmp_path, []), tmp_path).labels(0)
    assert labels.boxes.shape == (0, 4)
    assert labels.keypoints.shape == (0, 17, 3)


def test_reads_shards_and_compressed_annotations(tmp_path: Path) -> None:
    plain = write(tmp_path, [person()], shard=3)
    packed = tmp_path / 'annotations.json.gz'
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    with tarfile.open(tmp_path / 'images-03.tar', 'w') as shard:
        shard.add(tmp_path / 'a.png', 'a.png')
    (tmp_path / 'a.png').unlink()
    assert PictureSet(packed, tmp_path).image(0).shape == (80, 100, 3)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'bbox': [5, 6, 0, 50]}, 'annotation 7: bbox: expected a box with an area inside'),
        ({'bbox': [5, 6, 400, 50]}, 'annotation 7: bbox: .*100x80 picture'),
        ({'bbox': [-30, 6, 40, 50]}, 'annotation 7: bbox'),
        ({'bbox': [5, 6, 40]}, 'annotation 7: bbox: expected four finite numbers'),
        ({'bbox': [5, 6, 40, float('nan')]}, 'annotation 7: bbox: expected four finite'),
        ({'keypoints': [1.0] * 50}, 'annotation 7: keypoints: expected 51 .*got 50'),
        ({'keypoints': [float('nan')] + [1.0] * 50}, 'keypoints: .*of which 50 finite'),
        ({'image_id': 99}, 'annotation 7: image_id 99 is not among the images'),
    ],
)
def test_bad_person_names_file_record_and_field(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, [person(**changes)])
    with pytest.raises(DataError, match=message) as error:
        PictureSet(path, tmp_path)
    assert str(path) in str(error.value)


def test_unknown_joint_names(tmp_path: Path) -> None:
    path = write(tmp_path, [person()])
    content = json.loads(path.read_text())
    joints = ['tail', *COCO_17.joints[1:]]
    content['categories'] = [{'id': 1, 'name': 'person', 'keypoints': joints}]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="category 'person': expected the joints nose.* got tail"):
        PictureSet(path, tmp_path)


def test_missing_picture(tmp_path: Path) -> None:
    path = write(tmp_path, [])
    (tmp_path / 'a.png').unlink()
    with pytest.raises(DataError, match=r'image 1: no file .*a\.png'):
        PictureSet(path, tmp_path)


@pytest.mark.parametrize('content', [b'', b'not a picture'])
def test_broken_picture(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, [])
    (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(DataError, match=r'a\.png: not a readable picture'):
        PictureSet(path, tmp_path).image(0)


def test_picture_of_another_size(tmp_path: Path) -> None:
    pictures = PictureSet(write(tmp_path, [], width=200), tmp_path)
    with pytest.raises(DataError, match='expected 200x80, the file has 100x80'):
        pictures.image(0)


def test_missing_shard_and_member(tmp_path: Path) -> None:
    path = write(tmp_path, [], shard=5)
    with pytest.raises(DataError, match=r'images-05\.tar: no such file'):
        PictureSet(path, tmp_path)
    with tarfile.open(tmp_path / 'images-05.tar', 'w') as shard:
        shard.addfile(tarfile.TarInfo('other.png'), io.BytesIO())
    with pytest.raises(DataError, match=r'no a\.png in shard 5'):
        PictureSet(path, tmp_path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'not readable as JSON'),
        ('[]', "expected a COCO file with a list 'images'"),
        ('{"images": []}', "expected a COCO file with a list 'annotations'"),
    ],
)
def test_malformed_annotations(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / 'annotations.json'
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        PictureSet(path, tmp_path)


def test_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='no such file'):
        PictureSet(tmp_path / 'none.json', tmp_path)
