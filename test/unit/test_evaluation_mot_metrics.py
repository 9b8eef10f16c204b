"""HOTA, IDF1, MOTA: worked out by hand, and the published figures of the TUD sequences."""

from __future__ import annotations

import math
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.mot_files import MotBoxes
from pose_tracking_ros.evaluation.mot_metrics import score_folders, score_sequences

ROOT = Path(__file__).resolve().parents[2]
WHEEL = ROOT / '.cache' / 'motmetrics' / 'motmetrics-1.4.0-py3-none-any.whl'


def boxes(*rows: tuple[float, ...]) -> MotBoxes:
    """Rows of frame, id, left, and, where it matters, score and class; boxes of 10 x 10 px."""
    table = np.array([(*row, 1, 1)[:5] if len(row) == 3 else row for row in rows], float)
    table = table.reshape(-1, 5)
    left = table[:, 2:3]
    return MotBoxes(
        frames=table[:, 0].astype(int),
        ids=table[:, 1].astype(int),
        boxes=np.concatenate([left, 0 * left, left + 10, 0 * left + 10], axis=1),
        scores=table[:, 3],
        classes=table[:, 4].astype(int),
    )


PERSON = boxes((1, 9, 0), (2, 9, 0), (3, 9, 0), (4, 9, 0))
# The identity changes half-way.
SWITCHED = boxes((1, 1, 0), (2, 1, 0), (3, 2, 0), (4, 2, 0))
# Found in two of four frames, and once somebody who is not there.
HALF = boxes((1, 5, 0), (2, 5, 0), (3, 6, 100))


def test_switch_worked_by_hand() -> None:
    report = score_sequences({'A': PERSON}, {'A': SWITCHED}).combined
    # Every box is found (DetA 1). Each shares 2 frames of 4 with its identity: AssA 2/4.
    assert report.hota == pytest.approx(100 * math.sqrt(1 / 2))
    assert (report.deta, report.assa) == pytest.approx((100, 50))
    assert report.idf1 == pytest.approx(100 * 2 / 4)
    assert report.mota == pytest.approx(100 * (1 - 1 / 4))
    assert (report.idsw, report.fn, report.fp) == (1, 0, 0)
    assert (report.boxes, report.people, report.frames) == (4, 1, 4)


def test_misses_worked_by_hand() -> None:
    report = score_sequences({'B': PERSON}, {'B': HALF}).combined
    # 2 found, 2 missed, 1 false: DetA 2/5. Identity 5 covers 2 frames of 4: AssA 2/4.
    assert report.hota == pytest.approx(100 * math.sqrt(2 / 5 * 1 / 2))
    assert report.idf1 == pytest.approx(100 * 2 / (2 + 0.5 * 1 + 0.5 * 2))
    assert report.mota == pytest.approx(100 * (1 - 3 / 4))
    assert (report.idsw, report.fn, report.fp) == (0, 2, 1)


def test_sequences_are_combined_by_boxes_not_averaged() -> None:
    truths, results = {'A': PERSON, 'B': PERSON}, {'A': SWITCHED, 'B': HALF}
    reports = score_sequences(truths, results)
    combined = reports.combined
    # 6 found, 2 missed, 1 false: DetA 6/9. AssA is 1/2 in both.
    assert combined.hota == pytest.approx(100 * math.sqrt(6 / 9 * 1 / 2))
    assert combined.idf1 == pytest.approx(100 * 4 / (4 + 0.5 * 3 + 0.5 * 4))
    assert combined.mota == pytest.approx(100 * (1 - 4 / 8))
    assert (combined.idsw, combined.fn, combined.fp) == (1, 2, 1)
    assert (combined.boxes, combined.people, combined.frames) == (8, 2, 8)
    assert reports.sequences['A'] == score_sequences({'A': PERSON}, {'A': SWITCHED}).combined


def test_hota_looks_at_how_well_boxes_fit() -> None:
    # Shifted by a third of the width: IoU is 10 x (20/3) / (200 - 10 x (20/3)) = 1/2. Matched at
    # IoU 0.5, so for MOTA all is well; at 10 of HOTA's 19 thresholds.
    report = score_sequences({'A': boxes((1, 1, 0))}, {'A': boxes((1, 1, 10 / 3))}).combined
    assert report.mota == pytest.approx(100)
    assert report.hota == pytest.approx(100 * 10 / 19)


def test_ignored_ground_truth_is_left_out() -> None:
    truth = boxes((1, 1, 0, 1, 1), (1, 2, 50, 0, 1), (1, 3, 90, 1, 3))
    report = score_sequences({'A': truth}, {'A': boxes((1, 1, 0), (1, 2, 50), (1, 3, 90))})
    # Whoever reports a box that is flagged 0, or a car (class 3), has found nobody.
    assert (report.combined.boxes, report.combined.fn, report.combined.fp) == (1, 0, 2)


def test_results_on_distractors_do_not_count() -> None:
    truth = boxes((1, 1, 0, 1, 1), (1, 2, 50, 1, 8), (1, 3, 90, 1, 12))
    results = boxes((1, 1, 0), (1, 2, 52), (1, 3, 96))
    report = score_sequences({'A': truth}, {'A': results}).combined
    # The second result matches a distractor (IoU 2/3), the third does not (IoU 1/4).
    assert (report.boxes, report.fn, report.fp) == (1, 0, 1)


def test_nothing_found() -> None:
    report = score_sequences({'A': PERSON}, {'A': MotBoxes.none()}).combined
    assert (report.hota, report.idf1, report.mota, report.fn) == (0, 0, 0, 4)


def test_sequence_without_people_counts_false_boxes() -> None:
    truths = {'A': PERSON, 'B': MotBoxes.none()}
    report = score_sequences(truths, {'A': PERSON, 'B': HALF}).combined
    assert (report.fp, report.fn) == (3, 0)
    assert report.mota == pytest.approx(100 * (1 - 3 / 4))


def test_nothing_to_score() -> None:
    with pytest.raises(EvaluationError, match='no box to evaluate'):
        score_sequences({'A': MotBoxes.none()}, {'A': HALF})
    with pytest.raises(ValueError, match='expected the sequences A; got B'):
        score_sequences({'A': PERSON}, {'B': PERSON})


def test_missing_trackeval_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'trackeval.metrics', None)
    with pytest.raises(EvaluationError, match=r'trackeval cannot be imported.*--no-deps'):
        score_sequences({'A': PERSON}, {'A': PERSON})


def test_results_beyond_the_end_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'gt' / 'A' / 'gt').mkdir(parents=True)
    (tmp_path / 'gt' / 'A' / 'gt' / 'gt.txt').write_text('1,1,0,0,5,5\n')
    (tmp_path / 'gt' / 'A' / 'seqinfo.ini').write_text('[Sequence]\nseqLength=2\n')
    (tmp_path / 'results').mkdir()
    result = tmp_path / 'results' / 'A.txt'
    result.write_text('2,1,0,0,5,5\n')
    assert score_folders(tmp_path / 'gt', tmp_path / 'results').combined.fn == 1
    result.write_text('3,1,0,0,5,5\n')
    with pytest.raises(EvaluationError, match=r'A\.txt: frame 3 is beyond the end of A, .* 2 fr'):
        score_folders(tmp_path / 'gt', tmp_path / 'results')


@pytest.mark.skipif(
    not WHEEL.is_file(),
    reason='the TUD sequences come under terms of their own; to get them: python -m pip download '
    f'--no-deps motmetrics==1.4.0 --dest {WHEEL.parent}',
)
def test_published_figures_of_the_tud_sequences(tmp_path: Path) -> None:
    """Those of motmetrics for its own sample: FN, FP and switches exactly, shares to 1e-4."""
    with zipfile.ZipFile(WHEEL) as wheel:
        for name in ('TUD-Campus', 'TUD-Stadtmitte'):
            for kind, folder in (('gt', 'gt'), ('test', 'results')):
                path = tmp_path / folder / f'{name}.txt'
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(wheel.read(f'motmetrics/data/{name}/{kind}.txt'))
    sequences = score_folders(tmp_path / 'gt', tmp_path / 'results').sequences
    expected = {
        'TUD-Campus': (52.65, 55.77, 39.14, 7, 150, 13, 8),
        'TUD-Stadtmitte': (56.40, 64.46, 39.79, 7, 452, 45, 10),
    }
    assert sequences.keys() == expected.keys()
    for name, (mota, idf1, hota, *counts) in expected.items():
        one = sequences[name]
        assert (one.mota, one.idf1, one.hota) == pytest.approx((mota, idf1, hota), abs=0.01)
        assert [one.idsw, one.fn, one.fp, one.people] == counts
