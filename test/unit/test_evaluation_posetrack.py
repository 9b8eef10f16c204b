"""PoseTrack's measures: worked out by hand, and equal to the official tool's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import posetrack_samples as samples
import pytest

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.posetrack_files import load_sequences
from pose_tracking_ros.evaluation.posetrack_matching import assign_poses, is_inside
from pose_tracking_ros.evaluation.posetrack_metrics import (
    CORRECTED,
    MODES,
    POSEVAL,
    JointFigures,
    average_precision,
    score_posetrack,
)
from pose_tracking_ros.evaluation.posetrack_mot import JointFollower, MotCounts

NOSE, WRIST, ANKLE = samples.NOSE, samples.WRIST, samples.ANKLE

# The sample. Two sequences; three joints are used: nose, left wrist, right ankle. d is the
# distance in head sizes (30 px); a joint counts up to 0.5. T: a found pose's joint hits its
# person, F: it does not.
#
# sequence 1         annotated    found
#   1  P  n w a      11: n d 0.1 (0.9 T), w d 0.2 (0.8 T), a d 0.6 (0.7 F)
#      Q  n w a      12: n d 0 (0.6 T), w d 0.1 (0.5 T)
#   2  P  n w a      nobody
#      Q  n w -
#   3  P  n w a      12: n d 0 (0.95 T), w d 0.1 (0.85 T), a d 0.1 (0.75 T)
#      Q  n w a      13: n d 0.2 (0.55 T), a d 0 (0.45 T)
#                    14: n (0.4 F), where nobody is
#   4  P  n w a      12: n d 0.4 (0.35 T), a d 1 (0.25 F)
#      Q  n w a      13: n, w. Both are in an ignored region and do not count at all.
# sequence 2
#   1  R  n w a      21: n d 0 (0.65 T), w d 0.1 (0.15 T), a d 0.1 (0.3 T)
#   2  nobody        21: n (0.2 F)
#   3  R  n w -      21: n d 0.1 (0.05 T), w d 0 (0.1 T), a (0.02 F: not annotated)
#   4  not labelled  21: n. Does not count.


@pytest.fixture
def sample(tmp_path: Path) -> tuple[Path, Path]:
    return samples.hand_sample(tmp_path)


def figures_of(sample: tuple[Path, Path], mode: str) -> dict[str, JointFigures]:
    report = score_posetrack(load_sequences(*sample), mode)
    return {**report.joints, 'total': report.total}


def expect(figures: JointFigures, **expected: float) -> None:
    for name, value in expected.items():
        assert getattr(figures, name) == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_corrected_average_precision_by_hand(sample: tuple[Path, Path]) -> None:
    figures = figures_of(sample, CORRECTED)
    # Nose, 9 annotated, by score: T T T T T F T F T. Precision 1 for the first five, 6/7 at the
    # seventh, 7/9 at the ninth.
    nose = (5 + 6 / 7 + 7 / 9) / 9
    # Wrist, 9 annotated: T T T T T.
    wrist = 5 / 9
    # Ankle, 7 annotated: T F T T F F. 1, then 2/3 and 3/4, of which the later is better.
    ankle = (1 + 3 / 4 + 3 / 4) / 7
    expect(figures[NOSE], ap=100 * nose)
    expect(figures[WRIST], ap=100 * wrist)
    expect(figures[ANKLE], ap=100 * ankle)
    expect(figures['total'], ap=100 * (nose + wrist + ankle) / 3)


def test_corrected_tracking_by_hand(sample: tuple[Path, Path]) -> None:
    figures = figures_of(sample, CORRECTED)
    # Objects per frame 2 2 2 1 | 1 0 1 (those in the region are not there).
    # Misses: both in frame 2. False: track 14, and the one where nobody is. Switches: in frame 3
    # P goes from 11 to 12, Q from 12 to 13. Distances: 0.1 0 | 0 0.2 | 0.4 | 0 | 0.1.
    expect(
        figures[NOSE], objects=9, misses=2, false_positives=2, switches=2,
        mota=100 * (1 - 6 / 9), motp=100 * (1 - 0.8 / 7),
        precision=100 * 7 / 9, recall=100 * 7 / 9,
    )  # fmt: skip
    # Misses: two in frame 2, Q's in 3, P's in 4. Switch: P. Distances: 0.2 0.1 | 0.1 | 0.1 | 0.
    expect(
        figures[WRIST], objects=9, misses=4, false_positives=0, switches=1,
        mota=100 * (1 - 5 / 9), motp=100 * (1 - 0.5 / 5),
        precision=100, recall=100 * 5 / 9,
    )  # fmt: skip
    # Objects 2 1 2 1 | 1 0 0. Misses: two in frame 1, P's in 2 and 4. False: those too far in 1
    # and 4, and that of sequence 2. P's ankle is first detected by 12: no switch.
    expect(
        figures[ANKLE], objects=7, misses=4, false_positives=3, switches=0,
        mota=0, motp=100 * (1 - 0.2 / 3), precision=50, recall=100 * 3 / 7,
    )  # fmt: skip
    expect(
        figures['total'], objects=25, misses=10, false_positives=5, switches=3,
        mota=100 * (3 / 9 + 4 / 9 + 0) / 3,
        motp=100 * (1 - (0.8 / 7 + 0.5 / 5 + 0.2 / 3) / 3),
        precision=100 * (7 / 9 + 1 + 1 / 2) / 3,
        recall=100 * (7 / 9 + 5 / 9 + 3 / 7) / 3,
    )  # fmt: skip


def test_corrected_leaves_unused_joints_undefined(sample: tuple[Path, Path]) -> None:
    nan = float('nan')
    expect(
        figures_of(sample, CORRECTED)['left_knee'],
        ap=nan, mota=nan, motp=nan, precision=nan, recall=nan,
        objects=0, misses=0, false_positives=0, switches=0,
    )  # fmt: skip


def test_poseval_average_precision_by_hand(sample: tuple[Path, Path]) -> None:
    figures = figures_of(sample, POSEVAL)
    # Nose without the false one of sequence 2, frame 2: T T T T T F T T; 6/7, then the better
    # 7/8.
    nose = (5 + 7 / 8 + 7 / 8) / 9
    wrist, ankle = 5 / 9, (1 + 3 / 4 + 3 / 4) / 7
    expect(figures[NOSE], ap=100 * nose)
    expect(figures[WRIST], ap=100 * wrist)
    expect(figures[ANKLE], ap=100 * ankle)
    # The twelve joints that are nowhere count 0.
    expect(figures['total'], ap=100 * (nose + wrist + ankle) / 15)


def test_poseval_tracking_by_hand(sample: tuple[Path, Path]) -> None:
    figures = figures_of(sample, POSEVAL)
    # Frames 1, 2 and 3 of sequence 1 and frame 1 of sequence 2 remain. Frame 2 gives every joint,
    # the unused ones too, one object, one miss and one false positive.
    # The distance sum has every possible pair once, detections again, P's new partner once more
    # because it was Q's, Q's once more because it is new.
    # Nose: frame 1: 2 * 0.1; frame 3: P 0, Q 3 * 0.2.
    expect(
        figures[NOSE], objects=6, misses=1, false_positives=2, switches=2,
        mota=100 * (1 - 5 / 6), motp=100 * (1 - 0.8 / 5),
        precision=100 * 5 / 7, recall=100 * 5 / 6,
    )  # fmt: skip
    # Wrist: frame 1: 2 * (0.2 + 0.1); frame 3: P 3 * 0.1; sequence 2: 2 * 0.1.
    expect(
        figures[WRIST], objects=6, misses=2, false_positives=1, switches=1,
        mota=100 * (1 - 4 / 6), motp=100 * (1 - 1.1 / 4),
        precision=100 * 4 / 5, recall=100 * 4 / 6,
    )  # fmt: skip
    # Ankle: frame 3: 2 * 0.1; sequence 2: 2 * 0.1.
    expect(
        figures[ANKLE], objects=6, misses=3, false_positives=2, switches=0,
        mota=100 * (1 - 5 / 6), motp=100 * (1 - 0.4 / 3),
        precision=100 * 3 / 5, recall=50,
    )  # fmt: skip
    expect(
        figures['left_knee'], objects=1, misses=1, false_positives=1, switches=0,
        ap=0, mota=-100, motp=0, precision=0, recall=0,
    )  # fmt: skip
    expect(
        figures['total'], objects=18 + 12, misses=6 + 12, false_positives=5 + 12, switches=3,
        mota=100 * (1 / 6 + 2 / 6 + 1 / 6 - 12) / 15,
        motp=100 * (4.2 / 5 + 2.9 / 4 + 2.6 / 3) / 15,
        precision=100 * (5 / 7 + 4 / 5 + 3 / 5) / 15,
        recall=100 * (5 / 6 + 4 / 6 + 3 / 6) / 15,
    )  # fmt: skip


def test_what_is_counted(sample: tuple[Path, Path]) -> None:
    sequences = load_sequences(*sample)
    assert [sequence.name for sequence in sequences] == ['000001', '000002']
    # Labelled frames against frames with people.
    corrected, poseval = (score_posetrack(sequences, mode) for mode in (CORRECTED, POSEVAL))
    assert (corrected.sequences, corrected.frames) == (2, 7)
    assert (poseval.sequences, poseval.frames) == (2, 6)


@pytest.mark.parametrize('mode', MODES)
def test_the_truth_itself_scores_100(tmp_path: Path, mode: str) -> None:
    everything = (NOSE, WRIST, ANKLE)
    same = dict.fromkeys(everything, (0.0, 0.5))
    frames = [
        (
            samples.image(1, number),
            [samples.annotated(1, everything), samples.annotated(2, everything, 200.0)],
            [samples.found(5, same), samples.found(3, same, 200.0)],
        )
        for number in (1, 2, 3)
    ]
    figures = figures_of(samples.write(tmp_path, frames), mode)
    for joint in everything:
        expect(figures[joint], ap=100, mota=100, motp=100, precision=100, recall=100)


def test_a_frame_whose_found_people_are_all_ignored_has_none(tmp_path: Path) -> None:
    everything = (NOSE, WRIST, ANKLE)
    region = {
        'ignore_regions_x': [[250.0, 400.0, 400.0, 250.0]],
        'ignore_regions_y': [[0.0, 0.0, 300.0, 300.0]],
    }
    frames = [
        (
            samples.image(1, number, **(region if number == 1 else {})),
            [samples.annotated(1, everything)],
            # In frame 1 inside the region.
            [samples.found(5, {NOSE: (0.0, 0.5)}, samples.Q_X if number == 1 else 0.0)],
        )
        for number in (1, 2, 3)
    ]
    files = samples.write(tmp_path, frames)
    # Missed in frame 1, right in 2 and 3.
    expect(figures_of(files, CORRECTED)[NOSE], objects=3, misses=1, false_positives=0)
    expect(figures_of(files, CORRECTED)['left_knee'], objects=0, misses=0, false_positives=0)
    # Frames 1 and 2; in 1 one of each of every joint.
    expect(figures_of(files, POSEVAL)[NOSE], objects=2, misses=1, false_positives=1)
    expect(figures_of(files, POSEVAL)['left_knee'], objects=1, misses=1, false_positives=1)


def test_the_order_of_people_and_files_does_not_matter(sample: tuple[Path, Path]) -> None:
    straight = figures_of(sample, CORRECTED)
    folder = sample[0].parent / 'turned'
    folder.mkdir()
    turned = []
    for path in sample:
        target = folder / path.name
        target.mkdir()
        for file in path.glob('*.json'):
            content = json.loads(file.read_text())
            content['annotations'].reverse()
            content['images'].reverse()
            (target / file.name).write_text(json.dumps(content))
        turned.append(target)
    for name, figures in figures_of((turned[0], turned[1]), CORRECTED).items():
        expect(figures, **vars(straight[name]))


# From the official tool (github.com/leonid-pishchulin/poseval at 4258a15, motmetrics 1.4.0, NumPy
# 1.26.4) on random_sample(seed): AP, MOTA, MOTP, precision, recall.
OFFICIAL: dict[int, dict[str, tuple[float, ...]]] = {
    1: {
        'nose': (
            5.124584717608, -70.270270270270, 33.989502836723, 14.285714285714, 13.513513513514,
        ),
        'left_wrist': (
            8.571428571429, -39.473684210526, 32.128216723521, 31.250000000000, 26.315789473684,
        ),
        'total': (
            15.864392353174, -44.052328957074, 26.483121149749, 32.790466731256, 31.809893156138,
        ),
    },
    2: {
        'nose': (
            14.492063492063, -64.285714285714, 44.713946333743, 26.470588235294, 32.142857142857,
        ),
        'left_wrist': (
            10.061464585834, -65.517241379310, 18.769522633913, 20.000000000000, 20.689655172414,
        ),
        'total': (
            13.546057146832, -57.160349723197, 42.099414063119, 25.975515982883, 29.255193919636,
        ),
    },
    3: {
        'nose': (
            20.424403183024, -33.333333333333, 19.304337150084, 42.857142857143, 41.666666666667,
        ),
        'left_wrist': (
            18.481623142183, -26.470588235294, 34.607651360063, 41.176470588235, 41.176470588235,
        ),
        'total': (
            21.848741310830, -30.972255924655, 34.927748122640, 41.638663474577, 41.824374296898,
        ),
    },
}  # fmt: skip


@pytest.mark.parametrize('seed', OFFICIAL)
def test_equal_to_the_official_tool(tmp_path: Path, seed: int) -> None:
    figures = figures_of(samples.random_sample(tmp_path, seed), POSEVAL)
    for joint, (ap, mota, motp, precision, recall) in OFFICIAL[seed].items():
        expect(figures[joint], ap=ap, mota=mota, motp=motp, precision=precision, recall=recall)


def test_equal_scores_enter_together() -> None:
    labels = np.array([True, False])
    # Both at once: precision 1/2 at recall 1. One after the other it would depend on the order.
    for order in ([0, 1], [1, 0]):
        assert average_precision(np.array([0.5, 0.5]), labels[order], 1) == 50.0
    assert average_precision(np.array([0.6, 0.5]), labels, 1) == 100.0


def test_average_precision_of_nothing() -> None:
    nothing = np.zeros(0), np.zeros(0, dtype=bool)
    one = np.ones(1), np.zeros(1, dtype=bool)
    assert average_precision(*nothing, 3) == average_precision(*nothing, 3, POSEVAL) == 0.0
    assert np.isnan(average_precision(*nothing, 0))
    assert average_precision(*nothing, 0, POSEVAL) == 0.0
    assert np.isnan(average_precision(*one, 0))
    assert np.isnan(average_precision(*one, 0, POSEVAL))


def test_a_pose_that_lost_its_person_gets_no_other() -> None:
    # Pose 0 hits 3 of 4 of person 0 and 2 of 4 of person 1; pose 1 all of person 0.
    hits = np.array([[3, 4, 0], [2, 0, 0]])
    np.testing.assert_array_equal(assign_poses(hits, np.array([4, 4])), [-1, 0, -1])
    # Alone, pose 0 has person 0.
    np.testing.assert_array_equal(assign_poses(hits[:, :1], np.array([4, 4])), [0])
    # The share counts: 2 of 2 is more than 3 of 4.
    np.testing.assert_array_equal(assign_poses(hits[:, :1], np.array([4, 2])), [1])
    assert assign_poses(np.zeros((0, 2), int), np.zeros(0, int)).tolist() == [-1, -1]
    assert assign_poses(np.zeros((2, 0), int), np.zeros(2, int)).tolist() == []


def test_inside_a_polygon() -> None:
    # An arrow head pointing right with a notch at (2, 2).
    polygon = np.array([[0.0, 0.0], [6.0, 2.0], [0.0, 4.0], [2.0, 2.0]])
    inside = [(3, 2), (1, 0.6), (5.9, 2)]
    outside = [(1, 2), (7, 2), (-1, 2), (3, 0.5), (np.nan, 2)]
    on_edge = [(0, 0), (6, 2), (3, 1), (2, 2), (1, 1)]
    assert is_inside(np.array(inside, float), polygon).all()
    assert not is_inside(np.array(outside + on_edge, float), polygon).any()
    # Either direction of travel.
    assert is_inside(np.array(inside, float), polygon[::-1]).all()


def test_the_old_pair_stays_and_the_rest_is_closest() -> None:
    counts = MotCounts()
    follower = JointFollower(counts)
    follower.add_frame(np.array([1]), np.array([7]), np.array([[0.1]]))
    # Unseen for a frame; the partner is remembered.
    follower.add_frame(np.array([1]), np.array([], int), np.zeros((1, 0)))
    # 8 is closer to 1, but 7 still fits; 2 gets 8, and 9 is left.
    nan = np.nan
    follower.add_frame(
        np.array([1, 2]), np.array([8, 9, 7]), np.array([[0.0, nan, 0.4], [0.3, nan, nan]])
    )
    assert (counts.objects, counts.misses, counts.false_positives) == (4, 1, 1)
    assert (counts.detections, counts.switches) == (3, 0)
    assert counts.distance_heads == pytest.approx(0.1 + 0.4 + 0.3)


def test_more_pairs_go_before_closer_pairs() -> None:
    counts = MotCounts()
    # 1-7 alone is closest, but then 2 has nobody.
    distances = np.array([[0.0, 0.5], [0.5, np.nan]])
    JointFollower(counts).add_frame(np.array([1, 2]), np.array([7, 8]), distances)
    assert (counts.detections, counts.misses) == (2, 0)
    assert counts.distance_heads == pytest.approx(1.0)


def test_unknown_mode(sample: tuple[Path, Path]) -> None:
    with pytest.raises(EvaluationError, match="one of corrected, poseval-compatible; got 'best'"):
        score_posetrack(load_sequences(*sample), 'best')
