"""CUHK-SYSU, PRW and Market-1501: boxes, who is who, splits, .mat structures, errors."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import picture, read
from scipy.io import savemat

from pose_tracking_ros.training.datasets import DataError, Dataset, DatasetSettings, open_dataset


def cells(values: list[Any]) -> np.ndarray:
    """Return a cell array, one column."""
    array = np.empty((len(values), 1), object)
    array[:, 0] = values
    return array


def structs(kind: list[tuple[str, type]], rows: list[tuple[Any, ...]]) -> np.ndarray:
    """Return an array of structs, one row."""
    array = np.empty((1, len(rows)), kind)
    for number, row in enumerate(rows):
        array[0, number] = row
    return array


BOX = [('idlocate', object), ('ishard', object)]
IMAGE = [('imname', object), ('nAppear', object), ('box', object)]
SCENE = [('imname', object), ('idlocate', object), ('ishard', object)]
PERSON = [('idname', object), ('nAppear', object), ('scene', object)]


def boxes(*places: list[float]) -> np.ndarray:
    return structs(BOX, [(np.array([place]), 0) for place in places])


def scenes(*appearances: tuple[str, list[int]]) -> np.ndarray:
    return structs(SCENE, [(name, np.array([place]), 0) for name, place in appearances])


A, B, C = [10, 10, 20, 40], [50, 10, 20, 40], [70, 5, 25, 60]


def cuhk_sysu(root: Path, **changes: Any) -> None:
    """Write two pictures that train, both with p1, and one that tests, with p2."""
    folder = root / 'annotation'
    (folder / 'test' / 'train_test').mkdir(parents=True, exist_ok=True)
    for name in ('s1.jpg', 's2.jpg', 's3.jpg'):
        picture(root / 'Image' / 'SSM' / name)
    images = changes.get('images') or [
        ('s1.jpg', 2, boxes(A, B)),
        ('s2.jpg', 2, boxes(A, C, [1, 1, 0, 5])),
        ('s3.jpg', 1, boxes(B)),
    ]
    savemat(folder / 'Images.mat', {changes.get('variable', 'Img'): structs(IMAGE, images)})
    savemat(folder / 'pool.mat', {'pool': cells(['s3.jpg'])})
    train = structs(PERSON, [('p1', 2, scenes(('s1.jpg', A), ('s2.jpg', C)))])
    # As published: a cell for each person, holding one struct.
    savemat(folder / 'test' / 'train_test' / 'Train.mat', {'Train': cells([train])})
    everybody = changes.get('everybody') or [
        ('p1', 2, scenes(('s1.jpg', A), ('s2.jpg', C))),
        ('p2', 1, scenes(('s3.jpg', B))),
    ]
    savemat(folder / 'Person.mat', {'Person': structs(PERSON, everybody)})


def test_cuhk_sysu_splits_and_identities(tmp_path: Path) -> None:
    cuhk_sysu(tmp_path)
    train = read(tmp_path, 'cuhk_sysu', images='.')
    assert [record.picture.path.name for record in train.records] == ['s1.jpg', 's2.jpg']
    assert train.records[0].boxes.tolist() == [A, B]
    assert [record.identities.tolist() for record in train.records] == [[0, -1], [-1, 0]]
    assert train.identity_count == 1
    # A box without an area is nobody.
    assert train.records[1].boxes.tolist() == [A, C]
    assert train.records[0].visibility.sum() == 0
    assert (train.kinds.boxes, train.kinds.joints, train.kinds.identities) == (True, False, True)
    test = read(tmp_path, 'cuhk_sysu', images='.', split='test')
    assert [record.picture.path.name for record in test.records] == ['s3.jpg']
    assert test.records[0].identities.tolist() == [1]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'variable': 'Image'}, r'Images\.mat: expected a variable Img, found Image'),
        (
            {'images': [('s1.jpg', 1, boxes([1, 2, 3]))]},
            r'Images\.mat: Img\[0\]\.box\[0\]\.idlocate: expected 4 numbers',
        ),
        (
            {'images': [('s1.jpg', 1, boxes([np.nan, 2, 3, 4]))]},
            r'Img\[0\]\.box\[0\]\.idlocate\[0\]: expected a finite number, got nan',
        ),
        (
            {'images': [('s1.jpg', 1, boxes(A, [300, 10, 20, 40])), ('s2.jpg', 1, boxes(C))]},
            r'Img\[0\]\.box\[1\]: box: expected a box .*inside the 100x80 picture',
        ),
        (
            {'images': [('s9.jpg', 1, boxes(A))]},
            r'Img\[0\]\.imname: expected a picture, there is no file .*s9\.jpg',
        ),
        ({'images': [('s1.jpg', 1, 7)]}, r'Img\[0\]\.box\[0\]: expected a struct with idlocate'),
        (
            {'images': [('s1.jpg', 1, boxes(A)), ('s1.jpg', 1, boxes(A))]},
            r'Img\[1\]\.imname: expected a new name, s1\.jpg was used before',
        ),
    ],
)
def test_bad_cuhk_sysu_images(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    cuhk_sysu(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        read(tmp_path, 'cuhk_sysu', images='.')


@pytest.mark.parametrize(
    ('scene', 'message'),
    [
        (
            ('s3.jpg', A),
            r'Person\[0\]\.scene\[0\]\.idlocate: expected one of the boxes of s3\.jpg',
        ),
        (('s9.jpg', A), r'Person\[0\]\.scene\[0\]\.imname: s9\.jpg is not among the images'),
    ],
)
def test_cuhk_sysu_people_must_be_boxed(
    tmp_path: Path, scene: tuple[str, list[int]], message: str
) -> None:
    cuhk_sysu(tmp_path, everybody=[('p1', 1, scenes(scene))])
    with pytest.raises(DataError, match=message):
        read(tmp_path, 'cuhk_sysu', images='.', split='test')


def test_missing_or_broken_mat_file(tmp_path: Path) -> None:
    cuhk_sysu(tmp_path)
    (tmp_path / 'annotation' / 'pool.mat').write_bytes(b'not matlab')
    with pytest.raises(DataError, match=r'pool\.mat: not readable as a \.mat file'):
        read(tmp_path, 'cuhk_sysu', images='.')
    (tmp_path / 'annotation' / 'pool.mat').unlink()
    with pytest.raises(DataError, match=r'pool\.mat: no such file'):
        read(tmp_path, 'cuhk_sysu', images='.')
    with pytest.raises(DataError, match='no such folder; expected CUHK-SYSU'):
        read(tmp_path, 'cuhk_sysu', images='nowhere')


def prw(root: Path, rows: Any, variable: str = 'box_new') -> None:
    picture(root / 'frames' / 'c1s1_000151.jpg')
    (root / 'annotations').mkdir(exist_ok=True)
    savemat(root / 'annotations' / 'c1s1_000151.jpg.mat', {variable: np.array(rows)})
    savemat(root / 'frame_train.mat', {'img_index_train': cells(['c1s1_000151'])})
    savemat(root / 'ID_train.mat', {'ID_train': np.array([[9, 479]])})


@pytest.mark.parametrize('variable', ['box_new', 'anno_file', 'anno_previous'])
def test_prw_rows(tmp_path: Path, variable: str) -> None:
    rows = [[479.0, -1.7, 10, 30, 50], [-2, 40, 10, 30, 50], [600, 60, 10, 30, 50]]
    prw(tmp_path, rows, variable)
    dataset = read(tmp_path, 'prw', images='.')
    record = dataset.records[0]
    # Over the border it ends there; 600 is of the other split.
    assert record.boxes[0] == pytest.approx([0, 10, 28.3, 50])
    assert record.identities.tolist() == [1, -1, -1]
    assert dataset.identity_count == 2
    assert dataset.kinds.identities


def test_prw_with_one_person_or_none(tmp_path: Path) -> None:
    prw(tmp_path, [[9, 40, 10, 30, 50]])
    assert read(tmp_path, 'prw', images='.').records[0].boxes.tolist() == [[40, 10, 30, 50]]
    prw(tmp_path, np.zeros((0, 5)))
    assert read(tmp_path, 'prw', images='.').records[0].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ('rows', 'variable', 'message'),
    [
        ([[1, 2, 3, 4]], 'box_new', r'jpg\.mat: expected rows of 5 numbers, got an array \(4,\)'),
        ([[9, 1, 2, np.inf, 4]], 'box_new', r'row\[0\]\[3\]: expected a finite number, got inf'),
        ([[9, 1, 2, 3, 4]], 'boxes', r'expected a variable box_new or anno_file or anno_previous'),
        ([[9, 1, 2, 0, 4]], 'box_new', r'row\[0\]\.box: expected a box .*with an area'),
    ],
)
def test_bad_prw(tmp_path: Path, rows: Any, variable: str, message: str) -> None:
    prw(tmp_path, rows, variable)
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, 'prw', images='.')
    assert 'c1s1_000151.jpg.mat' in str(error.value)


CROPS = ['0002_c1s1_000451_03.jpg', '0007_c2s3_071002_01.jpg', '0002_c3s1_000001_00.jpg']
NOBODY = ['-1_c1s1_000401_03.jpg', '0000_c1s1_000151_01.jpg']


def market(root: Path, names: list[str]) -> None:
    for name in names:
        picture(root / 'bounding_box_train' / name, 64, 128)
    (root / 'bounding_box_train' / 'Thumbs.db').write_bytes(b'Windows left this')


def check_market(dataset: Dataset) -> None:
    identities = {
        (record.picture.name or record.picture.path.name): int(record.identities[0])
        for record in dataset.records
    }
    assert identities == {CROPS[0]: 0, CROPS[1]: 1, CROPS[2]: 0}
    assert dataset.identity_count == 2
    assert dataset.has_crops
    assert not dataset.kinds.boxes
    assert dataset.records[0].boxes.tolist() == [[0, 0, 64, 128]]
    assert dataset.records[0].picture.pixels().shape == (128, 64, 3)


def test_market_1501_in_a_folder(tmp_path: Path) -> None:
    market(tmp_path, CROPS + NOBODY)
    check_market(read(tmp_path, 'market_1501', images='bounding_box_train'))


def test_market_1501_in_a_zip(tmp_path: Path) -> None:
    market(tmp_path, CROPS + NOBODY)
    with zipfile.ZipFile(tmp_path / 'crops.zip', 'w') as archive:
        for name in CROPS + NOBODY:
            archive.write(tmp_path / 'bounding_box_train' / name, name)
    check_market(read(tmp_path, 'market_1501', images='crops.zip'))


def test_market_1501_with_chosen_identities(tmp_path: Path) -> None:
    market(tmp_path, CROPS)
    settings = DatasetSettings('set', 'market_1501', 'bounding_box_train', 'split.json')
    (tmp_path / 'split.json').write_text(json.dumps({'train_ids': ['0009', '7']}))
    dataset = open_dataset(settings, tmp_path)
    assert [int(record.identities[0]) for record in dataset.records] == [1]
    assert dataset.identity_count == 2
    for ids, message in (
        (['0009'], r'expected crops of the train_ids of .*split\.json, found none'),
        (['x'], r"split\.json: train_ids\[0\]: expected an identity, got 'x'"),
        (['7', '0007'], 'train_ids: expected every identity once'),
    ):
        (tmp_path / 'split.json').write_text(json.dumps({'train_ids': ids}))
        with pytest.raises(DataError, match=message):
            open_dataset(settings, tmp_path)


def test_bad_market_1501(tmp_path: Path) -> None:
    market(tmp_path, [*CROPS, 'holiday.jpg'])
    with pytest.raises(DataError, match=r'holiday\.jpg: expected a name as 0002_c1s1_000451_03'):
        read(tmp_path, 'market_1501', images='bounding_box_train')
    (tmp_path / 'bounding_box_train' / 'holiday.jpg').unlink()
    (tmp_path / 'bounding_box_train' / CROPS[0]).write_bytes(b'x')
    with pytest.raises(DataError, match=rf'{CROPS[0]}: not a readable picture \(1 bytes\)'):
        read(tmp_path, 'market_1501', images='bounding_box_train')
    (tmp_path / 'crops.zip').write_bytes(b'PK no')
    with pytest.raises(DataError, match=r'crops\.zip: not readable as a zip file'):
        read(tmp_path, 'market_1501', images='crops.zip')
    with pytest.raises(DataError, match=r'none\.zip: no such file'):
        read(tmp_path, 'market_1501', images='none.zip')
