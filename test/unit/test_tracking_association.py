"""The assignment, and what a gate must and must not do to it."""

import itertools

import numpy as np
import pytest

from pose_tracking_ros.tracking.association import assign


def test_the_sum_is_largest_not_each_pair():
    similarity = np.array([[0.9, 0.8], [0.8, 0.1]])
    found = assign(similarity, np.ones((2, 2), dtype=bool))
    assert list(zip(found.tracks, found.people, strict=True)) == [(0, 1), (1, 0)]


def test_pairs_outside_the_gate_are_never_matched():
    found = assign(np.full((2, 2), 0.9), np.zeros((2, 2), dtype=bool))
    assert len(found.tracks) == 0
    assert found.unmatched_tracks.tolist() == [0, 1]
    assert found.unmatched_people.tolist() == [0, 1]


def test_pairs_outside_the_gate_displace_nobody():
    # Without the gate, 0-1 and 1-0 would be best. Gated after the assignment, they would be
    # dropped and nobody matched at all.
    similarity = np.array([[0.5, 0.9], [0.9, 0.5]])
    allowed = np.eye(2, dtype=bool)
    found = assign(similarity, allowed)
    assert list(zip(found.tracks, found.people, strict=True)) == [(0, 0), (1, 1)]


def test_values_outside_the_gate_do_not_matter():
    allowed = np.array([[True, False]])
    for outside in (np.nan, np.inf, -5.0):
        assert assign(np.array([[0.4, outside]]), allowed).people.tolist() == [0]


@pytest.mark.parametrize('shape', [(0, 0), (0, 3), (2, 0)])
def test_nobody_to_match(shape):
    found = assign(np.zeros(shape), np.zeros(shape, dtype=bool))
    assert len(found.tracks) == 0
    assert len(found.unmatched_tracks) == shape[0]
    assert len(found.unmatched_people) == shape[1]


def test_an_unusable_similarity_inside_the_gate_is_refused():
    for value in (np.nan, -0.1, np.inf):
        with pytest.raises(ValueError, match='finite'):
            assign(np.array([[value]]), np.array([[True]]))


def _best_by_trying_all(similarity: np.ndarray, allowed: np.ndarray) -> float:
    rows, columns = similarity.shape
    best = 0.0
    for people in itertools.permutations([*range(columns), *[-1] * rows], rows):
        pairs = [(row, person) for row, person in enumerate(people) if person >= 0]
        if all(allowed[pair] for pair in pairs):
            best = max(best, sum(similarity[pair] for pair in pairs))
    return best


def test_no_other_allowed_matching_is_better():
    rng = np.random.default_rng(1)
    for _ in range(60):
        shape = tuple(rng.integers(1, 4, 2))
        similarity, allowed = rng.uniform(0.01, 1, shape), rng.random(shape) < 0.5
        found = assign(similarity, allowed)
        assert allowed[found.tracks, found.people].all()
        total = similarity[found.tracks, found.people].sum()
        np.testing.assert_allclose(total, _best_by_trying_all(similarity, allowed))
        assert sorted([*found.tracks, *found.unmatched_tracks]) == list(range(shape[0]))
        assert sorted([*found.people, *found.unmatched_people]) == list(range(shape[1]))
