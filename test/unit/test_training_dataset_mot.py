"""MOTChallenge: who counts, who is ignored, borders, tracks, errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_files import picture, read

from pose_tracking_ros.training.datasets import DataError, Dataset, Problems

INFO = (
    '[Sequence]\nname={0}\nimDir=img1\nframeRate=30\nseqLength={1}\nimWidth={2}\nimHeight=80\n'
    'imExt=.jpg\n'
)


def sequence(
    root: Path, lines: list[str], name: str = 'MOT17-02-FRCNN', length: int = 2, width: int = 100
) -> Path:
    folder = root / name
    for frame in range(1, length + 1):
        picture(folder / 'img1' / f'{frame:06d}.jpg')
    (folder / 'gt').mkdir(exist_ok=True)
    (folder / 'gt' / 'gt.txt').write_text('\n'.join(lines) + '\n')
    (folder / 'seqinfo.ini').write_text(INFO.format(name, length, width))
    return folder


def opened(root: Path, **more: str) -> Dataset:
    return read(root, 'mot_challenge', images='.', **more)


def test_places_count_from_one_and_boxes_end_at_the_border(tmp_path: Path) -> None:
    lines = ['1,4,11,21,30,40,1,1,1', '2,4,-9,21,30,40,1,1,0.8', '2,9,91,61,30,40,1,1,0.5']
    sequence(tmp_path, lines)
    dataset = opened(tmp_path)
    assert [record.boxes.tolist() for record in dataset.records] == [
        [[10, 20, 30, 40]],
        [[0, 20, 20, 40], [90, 60, 10, 20]],
    ]
    assert [record.identities.tolist() for record in dataset.records] == [[0], [0, 1]]
    assert dataset.records[1].picture.path.name == '000002.jpg'
    assert dataset.kinds.boxes
    assert not dataset.kinds.joints


@pytest.mark.parametrize(
    ('columns', 'people', 'ignored'),
    [
        ('1,1,1', 1, 0),
        ('0,1,1', 0, 1),  # the flag says so
        ('1,1,0.2', 0, 1),  # hardly visible
        ('1,1,0.25', 1, 0),
        ('0,2,1', 0, 1),  # on a vehicle
        ('1,7,1', 0, 1),  # standing about
        ('0,8,1', 0, 1),  # a mannequin
        ('0,12,1', 0, 1),  # a reflection
        ('0,13,1', 0, 1),  # a crowd
        ('0,3,1', 0, 0),  # a car
        ('0,11,1', 0, 0),  # a wall
        ('1,-1,-1,-1', 1, 0),  # 2015
        ('0,-1,-1,-1', 0, 1),
    ],
)
def test_who_counts(tmp_path: Path, columns: str, people: int, ignored: int) -> None:
    sequence(tmp_path, [f'1,4,11,21,30,40,{columns}'])
    record = opened(tmp_path).records[0]
    assert (len(record.boxes), len(record.ignored)) == (people, ignored)
    assert record.ignored.tolist() == [[10, 20, 30, 40]] * ignored


def test_who_has_left_the_picture_is_left_out(tmp_path: Path) -> None:
    sequence(tmp_path, ['1,4,101,21,30,40,1,1,1', '1,5,-40,21,30,40,1,1,1'])
    assert opened(tmp_path).records[0].boxes.shape == (0, 4)


def test_tracks_are_scoped_by_sequence(tmp_path: Path) -> None:
    for name in ('MOT17-02-FRCNN', 'MOT17-04-FRCNN', 'MOT17-02-SDP'):
        sequence(tmp_path, ['1,4,11,21,30,40,1,1,1'], name, length=1)
    assert opened(tmp_path).identity_count == 3
    assert opened(tmp_path, sequences='*-FRCNN').identity_count == 2
    one = read(tmp_path, 'mot_challenge', images='MOT17-02-SDP')
    assert len(one.records) == 1


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1,4,11,21,30,40,1', r'line 2: expected 9 columns \(2015: 10\), got 7'),
        ('1,4,x,21,30,40,1,1,1', r"line 2: expected numbers: .*'x'"),
        ('1,4,nan,21,30,40,1,1,1', r'line 2: column 3: expected a finite number'),
        ('3,4,11,21,30,40,1,1,1', r'line 2: frame: expected 1 to 2, got 3'),
        ('1,4,11,21,0,40,1,1,1', r'line 2\.box: expected a box .*with an area'),
        ('1,3,11,21,30,40,1,1,1', r'line 2: id: expected once per frame, 3 was used before'),
        ('1,4,11,21,30,40,1,99,1', r'line 2: class: expected 1 to 13, got 99'),
    ],
)
def test_bad_line(tmp_path: Path, line: str, message: str) -> None:
    sequence(tmp_path, ['1,3,11,21,30,40,1,1,1', line])
    with pytest.raises(DataError, match=message) as error:
        opened(tmp_path)
    assert 'gt.txt: line 2' in str(error.value)


def test_collected_problems_leave_the_rest(tmp_path: Path) -> None:
    lines = ['1,3,11,21,30,40,1,1,1', '1,4,11,21,0,40,1,1,1', '9,4,1,1,1,1,1,1,1', 'x']
    sequence(tmp_path, lines)
    problems = Problems(2)
    dataset = read(tmp_path, 'mot_challenge', problems, images='.')
    assert problems.count == 3
    assert len(problems.kept) == 2
    assert [len(record.boxes) for record in dataset.records] == [1, 0]


def test_pictures_must_be_there_and_of_the_size(tmp_path: Path) -> None:
    folder = sequence(tmp_path, [], width=120)
    with pytest.raises(DataError, match=r'frame 1: expected a picture of 120x80, .*has 100x80'):
        opened(tmp_path)
    (folder / 'img1' / '000002.jpg').unlink()
    with pytest.raises(DataError, match=r'frame 2: expected a picture, there is no file'):
        opened(tmp_path)


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('[Sequence]', '[Other]', r'seqinfo\.ini: expected a section \[Sequence\]'),
        ('imWidth=100', '', r'seqinfo\.ini: imWidth: expected a whole number, it is missing'),
        ('imWidth=100', 'imWidth=x', r"imWidth: expected a whole number, got 'x'"),
        ('imWidth=100', 'imWidth=0', r'seqinfo\.ini: expected numbers above 0'),
        ('[Sequence]', 'oops', r'seqinfo\.ini: not readable'),
    ],
)
def test_bad_sequence_info(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = sequence(tmp_path, []) / 'seqinfo.ini'
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        opened(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r'seqinfo\.ini: no such file; every sequence needs one'):
        opened(tmp_path)


def test_no_sequences(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'expected sequences \* with gt/gt\.txt, found none'):
        opened(tmp_path)
