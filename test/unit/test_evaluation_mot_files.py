"""MOT text: what is read and written, and what is said of malformed files and folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.mot_files import (
    NO_CLASS,
    NO_ID,
    MotBoxes,
    read_boxes,
    write_boxes,
)
from pose_tracking_ros.evaluation.mot_sequences import (
    SequenceInfo,
    find_sequences,
    pair_sequences,
    read_sequence_info,
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_lines_become_boxes_ordered_by_frame(tmp_path: Path) -> None:
    text = '3,7,10,20,5,6,0.5,1,1\n\n1, 2, -1.5, 0, 4, 8, 1, 1, 0.3\r\n'
    boxes = read_boxes(write(tmp_path / 'a.txt', text))
    assert boxes.frames.tolist() == [1, 3]
    assert boxes.ids.tolist() == [2, 7]
    assert boxes.boxes.tolist() == [[-1.5, 0, 2.5, 8], [10, 20, 15, 26]]
    assert boxes.scores.tolist() == [1.0, 0.5]
    assert boxes.classes.tolist() == [1, 1]
    assert boxes.last_frame == 3
    assert [(part.start, part.stop) for part in boxes.slices(4)] == [
        (0, 1),
        (1, 1),
        (1, 2),
        (2, 2),
    ]


def test_six_fields_between_blanks_are_enough(tmp_path: Path) -> None:
    boxes = read_boxes(write(tmp_path / 'a.txt', '1 2 3 4 5 6\n'))
    assert boxes.scores.tolist() == [1.0]
    assert boxes.classes.tolist() == [NO_CLASS]


def test_places_on_the_ground_are_no_classes(tmp_path: Path) -> None:
    # One of the coordinates happens to be whole.
    text = '1,1,0,0,5,5,1,4.4852,5.5016,0\n2,1,0,0,5,5,1,2,5.5016,0\n'
    boxes = read_boxes(write(tmp_path / 'a.txt', text))
    assert boxes.classes.tolist() == [NO_CLASS, NO_CLASS]


def test_empty_file_is_a_sequence_without_boxes(tmp_path: Path) -> None:
    boxes = read_boxes(write(tmp_path / 'a.txt', '\n'))
    assert len(boxes) == 0
    assert boxes.last_frame == 0
    assert boxes.slices(2) == [slice(0, 0), slice(0, 0)]


def test_identities_of_detections_are_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.txt', '1,-1,0,0,5,5,0.9\n1,-1,9,9,5,5,0.8\n')
    assert read_boxes(path, identified=False, scored=True).ids.tolist() == [NO_ID, NO_ID]
    with pytest.raises(EvaluationError, match=r'a\.txt: line 1, field id: .* got -1; is this a'):
        read_boxes(path)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1,2,3,4,5', r'expected at least 6 fields frame,id,.*; got 5'),
        ('frame,id,left,top,width,height', r"field frame: expected a number, got 'frame'"),
        ('1,2,3,,5,6', r"field top: expected a number, got ''"),
        ('1,2,nan,4,5,6', r'field left: expected a finite number, got nan'),
        ('1,2,3,4,inf,6', r'field width: expected a finite number, got inf'),
        ('1,2,3,4,5,6,nan', r'field score: expected a finite number, got nan'),
        ('0,2,3,4,5,6', r'field frame: expected a whole number of at least 1, got 0'),
        ('1.5,2,3,4,5,6', r'field frame: expected a whole number of at least 1, got 1\.5'),
        ('1,-2,3,4,5,6', r'field id: expected a whole number of at least -1, got -2'),
        ('1,2.5,3,4,5,6', r'field id: expected a whole number'),
        ('1,2,3,4,0,6', r'field width: expected more than 0 px, got 0'),
        ('1,2,3,4,5,-6', r'field height: expected more than 0 px, got -6'),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / 'a.txt', f'1,1,3,4,5,6\n\n{line}\n')
    with pytest.raises(EvaluationError, match=rf'a\.txt: line 3.*{message}'):
        read_boxes(path)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1,-1,3,4,5,6', r'line 1: expected at least 7 fields .*,score; got 6'),
        ('1,-1,3,4,5,6,1.5', r'line 1, field score: expected a probability in \[0, 1\], got 1\.5'),
        ('1,-1,3,4,5,6,-0.1', r'line 1, field score: expected a probability'),
    ],
)
def test_detections_need_a_probability(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / 'a.txt', line)
    with pytest.raises(EvaluationError, match=message):
        read_boxes(path, identified=False, scored=True)


def test_repeated_identity_names_both_lines(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.txt', '2,5,0,0,5,5\n1,5,0,0,5,5\n2,6,0,0,5,5\n2,5,9,9,5,5\n')
    with pytest.raises(
        EvaluationError, match=r'line 4, field id: 5 is already on line 1 in fr.* 2'
    ):
        read_boxes(path)


def test_not_text_and_not_there(tmp_path: Path) -> None:
    (tmp_path / 'a.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(EvaluationError, match=r'a\.txt: not text'):
        read_boxes(tmp_path / 'a.txt')
    with pytest.raises(EvaluationError, match=r'b\.txt: no such file'):
        read_boxes(tmp_path / 'b.txt')


def test_written_text(tmp_path: Path) -> None:
    boxes = MotBoxes(
        frames=np.array([1, 2]),
        ids=np.array([3, 3]),
        boxes=np.array([[1.0, 2.0, 4.5, 6.0], [-1.25, 0.0, 1.0, 1.0]]),
        scores=np.array([0.75, 1.0]),
        classes=np.array([NO_CLASS, 1]),
    )
    write_boxes(tmp_path / 'new' / 'a.txt', boxes)
    assert (tmp_path / 'new' / 'a.txt').read_text() == (
        '1,3,1.000,2.000,3.500,4.000,0.75,-1,-1,-1\n2,3,-1.250,0.000,2.250,1.000,1,1,-1,-1\n'
    )


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'ids': np.zeros(1, int)}, 'ids: expected 2 rows'),
        ({'frames': np.array([2, 1])}, 'frames: expected numbers from 1 up'),
        ({'frames': np.array([0, 1])}, 'frames: expected numbers from 1 up'),
        ({'boxes': np.zeros((2, 4))}, 'boxes: expected finite corners'),
        ({'boxes': np.zeros((2, 3))}, 'boxes: expected shape 2 x 4'),
    ],
)
def test_boxes_are_checked(changes: dict[str, np.ndarray], message: str) -> None:
    fields = {
        'frames': np.array([1, 2]),
        'ids': np.array([1, 1]),
        'boxes': np.array([[0.0, 0.0, 1.0, 1.0]] * 2),
        'scores': np.ones(2),
        'classes': np.ones(2, int),
    }
    with pytest.raises(ValueError, match=message):
        MotBoxes(**(fields | changes))


# Folders


def test_flat_and_nested_folders(tmp_path: Path) -> None:
    flat = write(tmp_path / 'B.txt', '')
    challenge = write(tmp_path / 'A' / 'gt' / 'gt.txt', '')
    short = write(tmp_path / 'C' / 'gt.txt', '')
    write(tmp_path / 'A' / 'det' / 'det.txt', '')
    found = find_sequences(tmp_path, 'gt')
    assert list(found.items()) == [('A', challenge), ('B', flat), ('C', short)]


def test_folder_without_sequences(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r'holds no sequence; expected SEQUENCE\.txt'):
        find_sequences(tmp_path, 'gt')
    with pytest.raises(EvaluationError, match=r'no such folder'):
        find_sequences(tmp_path / 'none', 'gt')


def test_missing_sequences(tmp_path: Path) -> None:
    truth, results = tmp_path / 'gt', tmp_path / 'results'
    files = {name: truth / f'{name}.txt' for name in 'AB'}
    assert pair_sequences(files, files | {'C': truth}, truth, results) == ['A', 'B']
    with pytest.raises(EvaluationError, match=r'results: lacks B, which .*gt has'):
        pair_sequences(files, {'A': truth}, truth, results)
    with pytest.raises(EvaluationError, match=r'no sequence in common: .*gt has A, B; .* has X'):
        pair_sequences(files, {'X': truth}, truth, results)


def test_sequence_info(tmp_path: Path) -> None:
    boxes = write(tmp_path / 'A' / 'gt' / 'gt.txt', '')
    assert read_sequence_info(boxes) == SequenceInfo()
    text = '[Sequence]\nname=A\nframeRate=14\nseqLength=525\nimWidth=1920\nimHeight=1080\n'
    info = write(tmp_path / 'A' / 'seqinfo.ini', text)
    assert read_sequence_info(boxes) == SequenceInfo(14.0, 525, (1920, 1080))
    for wrong in ('frameRate=fast', 'seqLength=0', 'imWidth=nan'):
        info.write_text(f'[Sequence]\n{wrong}\n')
        with pytest.raises(EvaluationError, match=rf'seqinfo\.ini: {wrong[:7]}.*a number above 0'):
            read_sequence_info(boxes)
    info.write_text('[Other]\n')
    with pytest.raises(EvaluationError, match=r'expected a section \[Sequence\]'):
        read_sequence_info(boxes)
    info.write_text('frameRate')
    with pytest.raises(EvaluationError, match='not readable as INI'):
        read_sequence_info(boxes)
