"""What a replay got wrong is found, and only that."""

import numpy as np
import pytest
from replay_samples import (
    FIRST_NS,
    STEP_NS,
    box_at,
    frame,
    recording,
    simulated_result,
    track,
    trackeval_report,
    truth_frame,
    truth_match,
)

from pose_tracking_ros.evaluation.replay.mistakes import (
    Mistake,
    MistakeKind,
    choose,
    find_mistakes,
)
from pose_tracking_ros.people import TrackState


def stamp(number):
    return FIRST_NS + (number - 1) * STEP_NS


def mistakes_of(tracked, true, images=None):
    """Mistakes of tracks by image number, against the people of each image."""
    made = recording([frame(number, tracks) for number, tracks in tracked.items()], images)
    return find_mistakes(made, truth_match(true))


def test_nothing_wrong_gives_no_mistake():
    true = [truth_frame(n, {5: 10 * n, 6: 200}) for n in (1, 2, 3)]
    tracked = {n: [track(1, 10 * n), track(2, 201)] for n in (1, 2, 3)}
    assert mistakes_of(tracked, true) == []


def test_switch_names_person_tracks_and_the_images_before_and_after():
    # Not found in image 2; from image 3 on with another id.
    true = [truth_frame(n, {5: 10}) for n in (1, 2, 3, 4)]
    tracked = {1: [track(1, 10)], 2: [], 3: [track(7, 11)], 4: [track(7, 10)]}
    switch, miss = sorted(mistakes_of(tracked, true), key=lambda one: one.kind.value)
    assert switch.kind is MistakeKind.SWITCH
    assert (switch.person_id, switch.track_ids) == (5, (1, 7))
    assert switch.shown_ns == (stamp(1), stamp(3))
    assert miss.kind is MistakeKind.MISS
    assert (miss.first_ns, miss.last_ns, miss.person_id) == (stamp(2), stamp(2), 5)


def test_match_of_the_image_before_outweighs_a_better_overlap():
    true = [truth_frame(1, {5: 10}), truth_frame(2, {5: 10})]
    tracked = {1: [track(1, 10)], 2: [track(1, 14), track(2, 10)]}
    (mistake,) = mistakes_of(tracked, true)
    assert mistake.kind is MistakeKind.FALSE_TRACK
    assert mistake.track_ids == (2,)


def test_misses_in_a_row_are_one_mistake_shown_in_the_middle():
    true = [truth_frame(n, {5: 10 * n}) for n in range(1, 7)]
    tracked = {n: [track(1, 10 * n)] if n in (1, 5) else [] for n in range(1, 7)}
    first, second = mistakes_of(tracked, true)
    assert (first.first_ns, first.last_ns, first.images) == (stamp(2), stamp(4), 3)
    assert first.shown_ns == (stamp(3),)
    np.testing.assert_array_equal(first.boxes, [box_at(30)])
    assert (second.first_ns, second.images) == (stamp(6), 1)


def test_who_is_to_be_ignored_is_neither_missed_nor_falsely_tracked():
    true = [truth_frame(n, {5: 10, 6: 100}, ignored=(6,)) for n in (1, 2)]
    tracked = {1: [track(1, 10)], 2: [track(1, 10), track(2, 101)]}
    assert mistakes_of(tracked, true) == []


def test_tentative_and_unmatched_tracks_do_not_count():
    true = [truth_frame(1, {5: 10})]
    tracked = {1: [track(1, 10, TrackState.TENTATIVE), track(2, 100, is_matched=False)]}
    (mistake,) = mistakes_of(tracked, true)
    assert mistake.kind is MistakeKind.MISS


def test_images_dropped_or_without_truth_are_passed_over():
    true = [truth_frame(1, {5: 10}), truth_frame(2, {5: 10}), None, truth_frame(4, {5: 10})]
    tracked = {1: [track(1, 10)], 3: [track(9, 200)], 4: [track(1, 10)]}
    assert mistakes_of(tracked, true, images=4) == []


def test_counts_are_those_of_trackeval():
    result, _ = simulated_result()
    report = trackeval_report(result)
    found = find_mistakes(result.recording, result.truth)
    counts = {kind: sum(one.images for one in found if one.kind is kind) for kind in MistakeKind}
    assert report.idsw > 0
    assert report.fp > 0
    assert counts == {
        MistakeKind.SWITCH: report.idsw,
        MistakeKind.MISS: report.fn,
        MistakeKind.FALSE_TRACK: report.fp,
    }


def mistake(kind, first, images=1):
    return Mistake(kind, first, first, images, 1, (), (first,), np.zeros((1, 4)))


def test_choice_shares_among_kinds_and_takes_the_longest():
    switches = [mistake(MistakeKind.SWITCH, first) for first in range(10)]
    misses = [mistake(MistakeKind.MISS, 100 + i, images) for i, images in enumerate([3, 9, 1, 7])]
    false = [mistake(MistakeKind.FALSE_TRACK, 200)]
    chosen = choose([*switches, *misses, *false], 6)
    # One false track leaves its share to the others.
    assert [one.first_ns for one in chosen] == [0, 4, 9, 101, 103, 200]


@pytest.mark.parametrize('limit', [0, 3, 50])
def test_choice_keeps_the_limit(limit):
    all_of_them = [mistake(kind, i) for i, kind in enumerate(list(MistakeKind) * 4)]
    assert len(choose(all_of_them, limit)) == min(limit, 12)


def test_no_mistake_leaves_nothing_to_choose():
    assert choose([], 5) == []
