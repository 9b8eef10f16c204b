"""Labelled pictures in the COCO layout: good data in folders and shards, each kind of bad data."""

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
from PIL import Image

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.datasets import DatasetSettings, open_dataset
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


def opened(folder: Path, annotations: str = 'annotations.json', **lacks: Any) -> PictureSet:
    settings = DatasetSettings('set', 'coco', '.', annotations, **lacks)
    return PictureSet(open_dataset(settings, folder), 0.5)


def test_reads_picture_and_labels(tmp_path: Path) -> None:
    write(tmp_path, [person(), person(id=8, iscrowd=1)])
    pictures = opened(tmp_path)
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
    write(tmp_path, [])
    labels = opened(tmp_path).labels(0)
    assert labels.boxes.shape == (0, 4)
    assert labels.keypoints.shape == (0, 17, 3)


def test_labels_that_are_not_to_be_used_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, [person()])
    pictures = opened(tmp_path, lacks=('joints', 'boxes'))
    assert pictures.labels(0).keypoints[..., 2].sum() == 0
    assert not pictures.kinds.joints
    assert not pictures.kinds.boxes


def test_reads_shards_and_compressed_annotations(tmp_path: Path) -> None:
    plain = write(tmp_path, [person()], shard=3)
    packed = tmp_path / 'annotations.json.gz'
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    with tarfile.open(tmp_path / 'images-03.tar', 'w') as shard:
        shard.add(tmp_path / 'a.png', 'a.png')
    (tmp_path / 'a.png').unlink()
    assert opened(tmp_path, packed.name).image(0).shape == (80, 100, 3)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'bbox': [5, 6, 0, 50]}, r'annotations\[0\]\.bbox: expected a box .* with an area'),
        ({'bbox': [5, 6, 400, 50]}, r'annotations\[0\]\.bbox: .* inside the 100x80 picture'),
        ({'bbox': [-30, 6, 40, 50]}, r'annotations\[0\]\.bbox: .*got \[-30, 6, 40, 50\]'),
        ({'bbox': [5, 6, 40, 80]}, r'annotations\[0\]\.bbox: .*inside'),
        ({'bbox': [5, 6, 40]}, r'annotations\[0\]\.bbox: expected 4 numbers, got 3'),
        ({'bbox': None}, r'annotations\[0\]\.bbox: expected 4 numbers, it is missing'),
        (
            {'bbox': [5, 6, 40, float('nan')]},
            r'annotations\[0\]\.bbox\[3\]: expected a finite number, got nan',
        ),
        ({'keypoints': [1.0] * 48}, r'annotations\[0\]\.keypoints: expected 51 numbers, got 48'),
        (
            {'keypoints': [1.0, float('nan')] + [1.0] * 49},
            r'annotations\[0\]\.keypoints\[1\]: expected a finite number, got nan',
        ),
        ({'keypoints': ['1'] * 51}, r"annotations\[0\]\.keypoints: .*got '1' among them"),
        ({'keypoints': [1.0, 1.0, 3] * 17}, r'keypoints\[2\]: expected 0, 1 or 2, got 3'),
        ({'image_id': 99}, r'annotations\[0\]\.image_id: expected one of the images, got 99'),
        ({'iscrowd': 2}, r'annotations\[0\]\.iscrowd: expected true or false, got 2'),
    ],
)
def test_bad_person_names_file_record_and_field(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, [person(**changes)])
    with pytest.raises(DataError, match=message) as error:
        opened(tmp_path)
    assert str(path) in str(error.value)


def test_a_box_that_is_a_line_is_nobody_unless_joints_are_labelled(tmp_path: Path) -> None:
    write(tmp_path, [person(bbox=[5, 6, 10, 0], keypoints=[0] * 51), person(id=8)])
    assert len(opened(tmp_path).labels(0).boxes) == 1


def test_pictures_with_something_appended_are_whole(tmp_path: Path) -> None:
    write(tmp_path, [])
    for suffix in ('.png', '.jpg'):
        done, data = cv2.imencode(suffix, np.zeros((80, 100, 3), np.uint8))
        assert done
        (tmp_path / 'a.png').write_bytes(data.tobytes() + bytes(5000))
        assert len(opened(tmp_path)) == 1


def test_turned_pictures_have_the_size_they_are_shown_in(tmp_path: Path) -> None:
    write(tmp_path, [person()])
    turned = Image.fromarray(np.zeros((100, 80, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / 'a.png', 'JPEG', exif=exif)
    assert opened(tmp_path).image(0).shape == (80, 100, 3)


def test_boxes_may_reach_over_the_border_by_the_rounding(tmp_path: Path) -> None:
    write(tmp_path, [person(bbox=[-1.0, 6, 40, 75])])
    assert opened(tmp_path).labels(0).boxes.tolist() == [[-1, 6, 39, 81]]


def rewrite(path: Path, **sections: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | sections))


def test_unknown_joint_names(tmp_path: Path) -> None:
    path = write(tmp_path, [person()])
    joints = ['nose', 'tail', *COCO_17.joints[2:]]
    rewrite(path, categories=[{'id': 1, 'name': 'person', 'keypoints': joints}])
    with pytest.raises(
        DataError, match=r"categories\[0\]\.keypoints\[1\]: unknown joint 'tail'; expected .*nose"
    ):
        opened(tmp_path)


def test_a_joint_named_twice(tmp_path: Path) -> None:
    path = write(tmp_path, [person()])
    joints = ['nose', 'nose', *COCO_17.joints[2:]]
    rewrite(path, categories=[{'id': 1, 'name': 'person', 'keypoints': joints}])
    with pytest.raises(DataError, match=r"keypoints\[1\]: joint 'nose' a second time"):
        opened(tmp_path)


def test_joints_go_by_name_not_by_place(tmp_path: Path) -> None:
    flat = [50, 60, 2, 30, 40, 1]
    path = write(tmp_path, [person(keypoints=flat)])
    names = ['left_knee', 'nose']
    rewrite(path, categories=[{'id': 1, 'name': 'person', 'keypoints': names}])
    keypoints = opened(tmp_path).labels(0).keypoints[0]
    assert keypoints[COCO_17.index('left_knee')].tolist() == [50, 60, 1]
    assert keypoints[COCO_17.index('nose')].tolist() == [30, 40, 0.5]
    # The others are not labelled, which is not absent: no weight.
    assert keypoints[:, 2].sum() == 1.5


def test_other_categories_are_left_out_and_unknown_ones_named(tmp_path: Path) -> None:
    path = write(tmp_path, [person(category_id=3), person(id=8)])
    rewrite(path, categories=[{'id': 1, 'name': 'person'}, {'id': 3, 'name': 'kite'}])
    assert len(opened(tmp_path).labels(0).boxes) == 1
    rewrite(path, categories=[{'id': 1, 'name': 'person'}, {'id': 4, 'name': 'kite'}])
    with pytest.raises(DataError, match=r'annotations\[0\]\.category_id: expected one of .*got 3'):
        opened(tmp_path)


def test_boxes_without_keypoints_have_no_joints(tmp_path: Path) -> None:
    alone = person()
    del alone['keypoints']
    write(tmp_path, [alone])
    pictures = opened(tmp_path)
    assert not pictures.kinds.joints
    assert pictures.labels(0).keypoints[..., 2].sum() == 0


def test_used_ids(tmp_path: Path) -> None:
    path = write(tmp_path, [person(), person()])
    with pytest.raises(DataError, match=r'annotations\[1\]\.id: .*7 was used before'):
        opened(tmp_path)
    image = json.loads(path.read_text())['images'][0]
    rewrite(path, images=[image, image], annotations=[])
    with pytest.raises(DataError, match=r'images\[1\]\.id: .*1 was used before'):
        opened(tmp_path)


def test_missing_picture(tmp_path: Path) -> None:
    write(tmp_path, [])
    (tmp_path / 'a.png').unlink()
    with pytest.raises(DataError, match=r'images\[0\]\.file_name: .*there is no file .*a\.png'):
        opened(tmp_path)


def cut_off(folder: Path, suffix: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (80, 100, 3)).astype(np.uint8)
    done, data = cv2.imencode(suffix, noise)
    assert done
    return data.tobytes()[: len(data) // 2]


@pytest.mark.parametrize('suffix', ['', '.jpg', '.png', '.webp'])
def test_broken_or_cut_off_picture_is_found_without_decoding_it(
    tmp_path: Path, suffix: str
) -> None:
    write(tmp_path, [])
    content = cut_off(tmp_path, suffix) if suffix else b'not a picture'
    (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(DataError, match=r'a\.png: not a readable picture \(\d+ bytes\)'):
        opened(tmp_path)


@pytest.mark.parametrize('content', [b'', b'not a picture'])
def test_picture_that_breaks_later(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, [])
    pictures = opened(tmp_path)
    (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(DataError, match=r'a\.png: not a readable picture'):
        pictures.image(0)
    (tmp_path / 'a.png').unlink()
    with pytest.raises(DataError, match=r'a\.png: cannot be read: No such file'):
        pictures.image(0)


def test_picture_of_another_size(tmp_path: Path) -> None:
    write(tmp_path, [], width=200)
    with pytest.raises(DataError, match=r'images\[0\]: expected a picture of 200x80.*100x80'):
        opened(tmp_path)


def test_picture_that_another_size_replaces_later(tmp_path: Path) -> None:
    write(tmp_path, [])
    pictures = opened(tmp_path)
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(DataError, match=r'expected a picture of 100x80, .*a\.png has 20x10'):
        pictures.image(0)


def test_missing_shard_and_member(tmp_path: Path) -> None:
    write(tmp_path, [], shard=5)
    with pytest.raises(DataError, match=r'images-05\.tar: no such file'):
        opened(tmp_path)
    with tarfile.open(tmp_path / 'images-05.tar', 'w') as shard:
        shard.addfile(tarfile.TarInfo('other.png'), io.BytesIO())
    with pytest.raises(DataError, match=r'images-05\.tar: no a\.png'):
        opened(tmp_path)
    (tmp_path / 'images-05.tar').write_bytes(b'x' * 1000)
    with pytest.raises(DataError, match=r'images-05\.tar: not readable as an uncompressed tar'):
        opened(tmp_path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'not readable as JSON'),
        ('[]', r'annotations\.json: expected an object, got \[\]'),
        ('{"annotations": []}', 'images: expected a list of objects, it is missing'),
        ('{"images": []}', 'annotations: expected a list of objects, it is missing'),
        (
            '{"images": [], "annotations": {}}',
            r'annotations: expected a list of objects, got \{\}',
        ),
        ('{"images": [5], "annotations": []}', r'images\[0\]: expected an object, got 5'),
        ('{"images": [], "annotations": []}', 'dataset set: expected labelled pictures'),
    ],
)
def test_malformed_annotations(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / 'annotations.json').write_text(content)
    with pytest.raises(DataError, match=message):
        opened(tmp_path)


def test_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='no such file'):
        opened(tmp_path, 'none.json')
    with pytest.raises(
        DataError, match='dataset set: annotations: expected a path for format coco'
    ):
        opened(tmp_path, '')
