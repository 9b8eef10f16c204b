"""Counts per person give trackeval's figures, and intervals that hold."""

import numpy as np
import pytest
from replay_samples import (
    frame,
    recording,
    simulated_result,
    track,
    trackeval_report,
    truth_frame,
    truth_match,
)

from pose_tracking_ros.evaluation.replay.bootstrap import compare, draw
from pose_tracking_ros.evaluation.replay.person_counts import (
    COLUMNS,
    Counts,
    PersonCounts,
    count_people,
)


def together(counts):
    return Counts(counts.people.sum(axis=0) + counts.nobody)


@pytest.mark.parametrize(('scene', 'seconds'), [('crossing', 6.0), ('crowd', 2.5)])
def test_sums_over_people_are_the_figures_of_trackeval(scene, seconds):
    result, _ = simulated_result(scene, seconds)
    report = trackeval_report(result)
    whole = together(count_people(result.recording, result.truth))
    assert report.idsw > 0
    assert report.fn > 0
    assert whole.hota() == pytest.approx(report.hota, abs=1e-9)
    assert whole.idf1() == pytest.approx(report.idf1, abs=1e-9)
    assert whole.mota() == pytest.approx(report.mota, abs=1e-9)
    assert whole.switches == report.idsw
    assert whole.boxes == report.boxes


def test_false_boxes_belong_to_the_one_they_overlap_else_to_nobody():
    # Of four tracks one matches person 5, one covers a third of person 6, two nobody.
    frames = [frame(1, [track(1, 50), track(2, 110), track(3, 200), track(4, 250)])]
    match = truth_match([truth_frame(1, {6: 100, 5: 50})])
    counts = count_people(recording(frames), match)
    assert counts.person_ids.tolist() == [5, 6]
    # boxes, results, missed, switches, identified
    assert counts.people[:, :5].tolist() == [[1, 1, 0, 0, 1], [1, 1, 1, 0, 0]]
    assert counts.nobody[:5].tolist() == [0, 2, 0, 0, 0]


def test_dropped_images_count_as_missed():
    frames = [frame(1, [track(1, 50)])]
    match = truth_match([truth_frame(1, {5: 50}), truth_frame(2, {5: 50})])
    whole = together(count_people(recording(frames, images=2), match))
    assert whole.mota() == pytest.approx(50.0)
    assert whole.hota() == pytest.approx(50.0)


def test_truth_without_people_has_no_figures():
    counts = count_people(recording([frame(1, [])]), truth_match([truth_frame(1, {})]))
    found = compare({'a': [counts]}, 'a', 10)['a']['hota']
    assert found.figure.value is None
    assert found.difference.low is None


def test_counts_survive_json():
    result, _ = simulated_result(seconds=3.0)
    counts = count_people(result.recording, result.truth)
    again = PersonCounts.from_json(counts.as_json())
    np.testing.assert_array_equal(again.people, counts.people)
    np.testing.assert_array_equal(again.nobody, counts.nobody)
    np.testing.assert_array_equal(again.person_ids, counts.person_ids)


def made_counts(missed, boxes=10.0, nobody_results=0.0):
    """Counts of people who are missed so often in their boxes, and else tracked rightly."""
    missed = np.asarray(missed, np.float64)
    people = np.zeros((len(missed), COLUMNS))
    people[:, 0] = boxes
    people[:, 1] = boxes - missed
    people[:, 2] = missed
    people[:, 4:] = (boxes - missed)[:, None]
    nobody = np.zeros(COLUMNS)
    nobody[1] = nobody_results
    return PersonCounts(np.arange(len(missed)), people, nobody)


def test_difference_to_itself_is_nothing_for_sure():
    counts = made_counts([0, 5, 9, 2])
    found = compare({'a': [counts], 'b': [counts]}, 'a', 200)['b']['mota']
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert found.figure.low < found.figure.value < found.figure.high


def test_same_people_are_drawn_for_every_configuration():
    # Each person is missed in one more box: a sure difference, however the people differ.
    rng = np.random.default_rng(1)
    missed = rng.integers(0, 9, 30)
    runs = {'a': [made_counts(missed)], 'b': [made_counts(missed + 1)]}
    found = compare(runs, 'a')['b']['mota']
    assert found.figure.high - found.figure.low > 10.0
    assert found.difference.value == pytest.approx(-10.0)
    assert found.difference.low == pytest.approx(-10.0)
    assert found.difference.high == pytest.approx(-10.0)


def test_interval_holds_as_often_as_it_says():
    """Samples from known people: about 95 of 100 intervals contain what holds for all."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        found = compare({'a': [made_counts(rng.binomial(10, rng.beta(2, 5, 60)))]}, 'a', 400)
        figure = found['a']['mota'].figure
        hits += figure.low <= 100 * (1 - 2 / 7) <= figure.high
    assert 180 <= hits <= 198


def test_people_are_drawn_within_their_bag():
    # Of the first bag nobody is ever missed, of the second everybody always: nothing can differ.
    runs = {'a': [made_counts([0, 0, 0]), made_counts([10, 10])]}
    figure = compare(runs, 'a', 300)['a']['mota'].figure
    assert (figure.value, figure.low, figure.high) == (60.0, 60.0, 60.0)
    weights = draw([3, 2, 0], 300, 0)
    assert [one.shape for one in weights] == [(300, 3), (300, 2), (300, 0)]
    assert (weights[0].sum(axis=1) == 3).all()
    assert (weights[0].std(axis=0) > 0.5).all()


def test_seed_settles_the_draws():
    runs = {'a': [made_counts([0, 5, 9, 2, 7])]}
    assert compare(runs, 'a', 50, seed=3) == compare(runs, 'a', 50, seed=3)
    assert compare(runs, 'a', 50, seed=3) != compare(runs, 'a', 50, seed=4)


def test_boxes_of_nobody_count_but_are_not_drawn():
    runs = {'a': [made_counts([0, 0, 0], nobody_results=3.0)]}
    figure = compare(runs, 'a', 100)['a']['mota'].figure
    assert (figure.value, figure.low, figure.high) == pytest.approx((90.0, 90.0, 90.0))


def test_one_person_gives_no_interval():
    figure = compare({'a': [made_counts([4])]}, 'a', 50)['a']['mota'].figure
    assert figure.value == pytest.approx(60.0)
    assert figure.low is None


def test_configurations_must_have_seen_the_same_people():
    runs = {'a': [made_counts([1, 2])], 'b': [made_counts([1, 2, 3])]}
    with pytest.raises(ValueError, match='b: expected the people of the baseline in bag 1'):
        compare(runs, 'a', 10)
    with pytest.raises(ValueError, match='expected counts of 1 bags'):
        compare({'a': [made_counts([1])], 'b': []}, 'a', 10)
    with pytest.raises(ValueError, match="baseline: expected one of a, b; got 'c'"):
        compare(runs, 'c', 10)
