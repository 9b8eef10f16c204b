"""Running appearances, and recognising people by them."""

import numpy as np

from pose_tracking_ros.tracking.appearance import blend_embeddings, recognise


def _unit(*values: float) -> np.ndarray:
    vector = np.array([values])
    return vector / np.linalg.norm(vector)


def test_the_first_observation_is_taken_over():
    np.testing.assert_allclose(blend_embeddings(np.zeros((1, 2)), _unit(3, 4), 0.9), _unit(3, 4))


def test_the_average_has_unit_length_and_lies_nearer_to_the_old():
    old, new = _unit(1, 0), _unit(0, 1)
    blended = blend_embeddings(old, new, 0.75)
    np.testing.assert_allclose(blended, _unit(3, 1))
    np.testing.assert_allclose(np.linalg.norm(blended, axis=1), 1.0)


def test_an_unknown_observation_changes_nothing():
    np.testing.assert_allclose(blend_embeddings(_unit(1, 2), np.zeros((1, 2)), 0.5), _unit(1, 2))
    assert not blend_embeddings(np.zeros((1, 2)), np.zeros((1, 2)), 0.5).any()


def test_opposite_looks_leave_the_old_one():
    np.testing.assert_allclose(blend_embeddings(_unit(1, 2), -_unit(1, 2), 0.5), _unit(1, 2))


def test_no_tracks_and_no_dimensions():
    assert blend_embeddings(np.zeros((0, 8)), np.zeros((0, 8)), 0.9).shape == (0, 8)
    assert blend_embeddings(np.zeros((3, 0)), np.zeros((3, 0)), 0.9).shape == (3, 0)


def test_recognise_matches_only_whom_it_may():
    distance = np.array([[0.1, 0.2, 0.3], [0.15, np.nan, 0.2], [0.1, 0.1, 0.1]])
    sought = np.array([True, True, False])
    candidate = np.array([True, True, False])
    found = recognise(distance, sought, candidate, 0.6)
    assert list(zip(found.tracks, found.people, strict=True)) == [(0, 1), (1, 0)]


def test_recognise_nobody_who_is_too_unlike():
    everyone = np.ones(1, dtype=bool)
    assert len(recognise(np.array([[0.6]]), everyone, everyone, 0.6).tracks) == 0
    assert len(recognise(np.array([[0.59]]), everyone, everyone, 0.6).tracks) == 1
