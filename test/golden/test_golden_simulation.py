"""The simulation stays what it was: truth and pictures of chosen frames against stored ones.

Other results mean that recorded figures and pictures no longer fit. If a change is meant, store
the new ones with `python test/golden/test_golden_simulation.py` and look at them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_tracking_ros.simulation.scenes import SCENE_NAMES, make_scene

STORED = Path(__file__).with_name('simulation.npz')
FRAMES = (0, 1, 45, 120)
THUMBNAIL = (80, 60)


def thumbnail(name: str, index: int) -> np.ndarray:
    return np.asarray(
        cv2.resize(make_scene(name).render(index), THUMBNAIL, interpolation=cv2.INTER_AREA)
    )


def results() -> dict[str, np.ndarray]:
    stored: dict[str, np.ndarray] = {}
    for name in SCENE_NAMES:
        scene = make_scene(name)
        for index in FRAMES:
            truth = scene.truth(index)
            stored[f'{name}/{index}/person_ids'] = truth.person_ids
            stored[f'{name}/{index}/boxes'] = truth.boxes
            stored[f'{name}/{index}/keypoints'] = truth.keypoints.astype(np.float32)
            stored[f'{name}/{index}/keypoint_visible'] = truth.keypoint_visible
            stored[f'{name}/{index}/visible_fraction'] = truth.visible_fraction
        stored[f'{name}/appearance'] = scene.truth(45).appearance
        stored[f'{name}/picture'] = thumbnail(name, 45)
    return stored


@pytest.mark.parametrize('name', SCENE_NAMES)
def test_truth_is_as_stored(name: str) -> None:
    scene = make_scene(name)
    with np.load(STORED) as stored:
        for index in FRAMES:
            truth = scene.truth(index)
            key = f'{name}/{index}'
            np.testing.assert_array_equal(truth.person_ids, stored[f'{key}/person_ids'])
            np.testing.assert_allclose(truth.boxes, stored[f'{key}/boxes'], atol=0.05)
            np.testing.assert_allclose(truth.keypoints, stored[f'{key}/keypoints'], atol=0.05)
            # A joint or a pixel on an edge may fall on either side with another OpenCV.
            visible = truth.keypoint_visible != stored[f'{key}/keypoint_visible']
            assert visible.sum() <= 0.02 * visible.size
            np.testing.assert_allclose(
                truth.visible_fraction, stored[f'{key}/visible_fraction'], atol=0.02
            )
        appearance = scene.truth(45).appearance
        np.testing.assert_allclose(appearance, stored[f'{name}/appearance'], atol=1e-4)


@pytest.mark.parametrize('name', SCENE_NAMES)
def test_pictures_are_as_stored(name: str) -> None:
    with np.load(STORED) as stored:
        expected = stored[f'{name}/picture'].astype(int)
    difference = np.abs(thumbnail(name, 45).astype(int) - expected)
    # Rounding differs between builds of OpenCV; another person, colour or place does not fit in.
    assert difference.mean() < 1.0
    assert np.quantile(difference, 0.999) < 16


if __name__ == '__main__':
    np.savez_compressed(STORED, **results())  # type: ignore[arg-type]
    print(f'wrote {STORED}, {STORED.stat().st_size / 1000:.0f} kB')
