"""Pictures of the simulation: repeatable, and exactly where the truth says."""

from __future__ import annotations

import numpy as np
import pytest

from pose_tracking_ros.simulation.figures import figures_of
from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.scenes import make_scene


def test_a_frame_is_the_same_whenever_it_is_asked_for() -> None:
    one = make_scene('street', seed=3, image_size=(320, 240))
    other = make_scene('street', seed=3, image_size=(320, 240))
    forwards = [one.render(index) for index in (0, 40, 80)]
    backwards = [other.render(index) for index in (80, 40, 0)][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.render(40), forwards[1])
    assert not np.array_equal(forwards[0], forwards[1])


def test_truth_does_not_depend_on_rendering() -> None:
    scene = make_scene('crossing', image_size=(320, 240))
    before = scene.truth(30)
    scene.render(31)
    after = scene.truth(30)
    np.testing.assert_array_equal(before.keypoints, after.keypoints)
    np.testing.assert_array_equal(before.visible_fraction, after.visible_fraction)


def test_seeds_give_other_pictures() -> None:
    pictures = [make_scene('crossing', seed=s, image_size=(160, 120)).render(20) for s in (0, 1)]
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() > 5


@pytest.mark.parametrize('size', [(640, 480), (321, 243), (1280, 720)])
def test_pictures_are_rgb_of_the_wanted_size(size: tuple[int, int]) -> None:
    image = make_scene('street', image_size=size).render(15)
    assert image.shape == (size[1], size[0], 3)
    assert image.dtype == np.uint8
    # A picture with light and shade, neither burnt out nor dark.
    assert 60 < image.mean() < 190
    assert image.std() > 25


def _without_people(scene: Scene) -> Scene:
    return Scene(
        scene.name, scene.seed, scene.image_size, scene.rate_hz, scene.frame_count, [],
        scene.obstacles, scene.motion, scene.is_street,
    )  # fmt: skip


@pytest.mark.parametrize(('name', 'index'), [('crossing', 20), ('street', 90)])
def test_people_are_drawn_where_the_truth_says(name: str, index: int) -> None:
    scene = make_scene(name)
    with_people = scene.render(index).astype(int)
    without = _without_people(scene).render(index).astype(int)
    changed = np.abs(with_people - without).max(-1) > 18
    truth = scene.truth(index)
    # Clothes may by chance have the colour of what is behind them, in few places only.
    at = np.floor(truth.keypoints[truth.keypoint_visible]).astype(int)
    assert len(at) > 20
    assert changed[at[:, 1], at[:, 0]].mean() > 0.85


@pytest.mark.parametrize(('name', 'index'), [('crossing', 20), ('street', 60)])
def test_boxes_and_joints_fit_the_drawn_silhouettes(name: str, index: int) -> None:
    scene = make_scene(name)
    width, height = scene.image_size
    camera = scene.camera(index)
    looks = [actor.look for actor in scene.cast]
    figures = figures_of(scene.bodies(index), looks, camera)
    truth = scene.truth(index)
    assert sorted(figure.person + 1 for figure in figures) == truth.person_ids.tolist()
    for figure in figures:
        row = truth.person_ids.tolist().index(figure.person + 1)
        mask = figure.silhouette((0, 0, width, height)).astype(bool)
        ys, xs = np.nonzero(mask)
        drawn = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        np.testing.assert_allclose(drawn, truth.boxes[row], atol=1.5)
        column, line = np.floor(truth.keypoints[row][truth.keypoint_visible[row]]).astype(int).T
        assert mask[line, column].all()


def test_clothes_have_the_colours_of_the_look() -> None:
    scene = make_scene('crossing')
    index = 12
    image, truth = scene.render(index).astype(float), scene.truth(index)
    for row, person in enumerate(truth.person_ids.tolist()):
        look = scene.cast[person - 1].look
        shoulders, hips = truth.keypoints[row, 5:7].mean(0), truth.keypoints[row, 11:13].mean(0)
        x, y = (0.65 * shoulders + 0.35 * hips).astype(int)
        patch = image[y - 3 : y + 4, x - 2 : x + 3].mean((0, 1))
        # Direction in colour space: brightness depends on the light.
        candidates = np.array([look.top, look.accent])
        cosine = (candidates @ patch) / np.linalg.norm(candidates, axis=-1) / np.linalg.norm(patch)
        assert cosine.max() > 0.96


def test_a_wall_hides_who_is_behind_it_in_the_picture_too() -> None:
    scene = make_scene('full_occlusion')
    hidden = next(
        index
        for index in range(20, scene.frame_count)
        if len(truth := scene.truth(index)) == 1 and truth.visible_fraction[0] == 0
    )
    box = scene.truth(hidden).boxes[0].astype(int)
    with_people = scene.render(hidden).astype(int)
    without = _without_people(scene).render(hidden).astype(int)
    inside = (slice(box[1], box[3]), slice(box[0], box[2]))
    # Only the shadow on the ground may differ, and behind the wall there is none to see.
    assert np.abs(with_people - without)[inside].max() <= 6


def test_noise_differs_from_frame_to_frame() -> None:
    scene = make_scene('crossing', image_size=(320, 240))
    empty = _without_people(scene)
    difference = empty.render(3).astype(int) - empty.render(4)
    assert 1.0 < difference.std() < 12
    assert abs(difference.mean()) < 0.2
