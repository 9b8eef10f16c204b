"""Camera, walks, gait and body surface of the simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pose_tracking_ros.simulation.body import surface
from pose_tracking_ros.simulation.camera import Camera, CameraMotion
from pose_tracking_ros.simulation.dressing import dress
from pose_tracking_ros.simulation.gait import POINTS, Bodies, Posture, pose_bodies
from pose_tracking_ros.simulation.obstacles import Obstacle
from pose_tracking_ros.simulation.paths import walk
from pose_tracking_ros.simulation.wardrobe import (
    appearance_of,
    distinct_looks,
    random_look,
    similar_looks,
)
from pose_tracking_ros.skeleton import COCO_17


def walkers(count: int = 24, speed_m_s: float = 1.3, height_m: float = 1.7) -> Bodies:
    """People all over the gait cycle."""
    zero = np.zeros(count)
    return pose_bodies(
        Posture(
            position=np.zeros((count, 2)),
            heading_rad=zero,
            phase_rad=np.linspace(0, 2 * np.pi, count, endpoint=False),
            speed_m_s=zero + speed_m_s,
            height_m=zero + height_m,
            head_turn_rad=zero,
            wave=zero,
            phone=zero,
            clock_s=zero,
        )
    )


def point(bodies: Bodies, name: str) -> np.ndarray:
    return bodies.points[:, POINTS.index(name)]


def test_camera_projects_known_points() -> None:
    camera = Camera((640, 480), 600.0, np.array([0.0, 0.0, 1.5]))
    pixels, depths = camera.project(np.array([[0, 5, 1.5], [1, 5, 1.5], [0, 5, 0.5], [0, -1, 1]]))
    np.testing.assert_allclose(pixels[:3], [[320, 240], [440, 240], [320, 360]])
    np.testing.assert_allclose(depths, [5, 5, 5, -1])
    assert camera.intrinsics == (600.0, 600.0, 320.0, 240.0)


def test_camera_turns_the_way_it_says() -> None:
    camera = Camera((640, 480), 600.0, np.zeros(3), yaw_rad=0.2, pitch_rad=0.1)
    (ahead, higher), _ = camera.project(np.array([[0.0, 9, 0], [0, 9, 2.0]]))
    assert ahead[0] > 320, 'turned left, what was ahead is to the right'
    assert ahead[1] > 240, 'tilted up, what was level is lower'
    assert higher[1] < ahead[1]
    rolled = Camera((640, 480), 600.0, np.zeros(3), roll_rad=0.1)
    (right,), _ = rolled.project(np.array([[1.0, 9, 0]]))
    assert right[1] < 240, 'rolled clockwise, the right side rises in the picture'
    np.testing.assert_allclose(rolled.rotation @ rolled.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rolled.rotation) == pytest.approx(1)


def test_plane_homography_agrees_with_projection() -> None:
    camera = Camera((640, 480), 500.0, np.array([0.3, -1.0, 1.7]), 0.1, -0.05, 0.02)
    origin, u, v = np.array([1.0, 6, 0]), np.array([0.5, 0.1, 0]), np.array([0.0, 0, 0.7])
    homogeneous = camera.plane_homography(origin, u, v) @ (2.0, 3.0, 1.0)
    expected, depth = camera.project(origin + 2 * u + 3 * v)
    np.testing.assert_allclose(homogeneous[:2] / homogeneous[2], expected)
    assert homogeneous[2] == pytest.approx(depth)


def test_a_tripod_does_not_move() -> None:
    motion = CameraMotion(start=(1.0, 2.0, 3.0))
    a, b = motion.camera(0.0, (64, 64)), motion.camera(7.3, (64, 64))
    np.testing.assert_array_equal(a.matrix, b.matrix)
    carried = replace(motion, sway=1.0)
    assert not np.array_equal(
        carried.camera(0.3, (64, 64)).matrix, carried.camera(0.9, (64, 64)).matrix
    )


def test_a_walk_passes_its_waypoints_and_turns_around_smoothly() -> None:
    stamps_s = np.arange(0, 8, 1 / 15)
    way = walk([[(0.0, 0.0, 5.0), (4.0, 5.0, 5.0), (8.0, 0.0, 5.0)]], stamps_s, 1.7)
    np.testing.assert_allclose(way.position[30], [2.5, 5.0], atol=1e-3)
    assert way.position[:, 0].max() == pytest.approx(5.0, abs=0.2)
    assert way.heading_rad[30] == pytest.approx(-np.pi / 2, abs=1e-3), 'along +x is to the right'
    assert abs(way.heading_rad[95] - way.heading_rad[30]) == pytest.approx(np.pi, abs=1e-2)
    assert np.abs(np.diff(way.heading_rad)).max() < 0.7
    assert (np.diff(way.phase_rad) >= 0).all()
    # A stride every 1.2 s or so at 1.25 m/s.
    per_second = (way.phase_rad[45] - way.phase_rad[15]) / 2 / (2 * np.pi)
    assert 0.7 < per_second < 1.1


def test_who_stops_keeps_the_direction_and_who_stands_faces_as_told() -> None:
    stamps_s = np.arange(0, 6, 0.1)
    stopped = walk([[(0.0, 0.0, 5.0), (2.0, -3.0, 5.0)]], stamps_s, 1.7)
    assert stopped.heading_rad[-1] == pytest.approx(np.pi / 2, abs=0.01)
    assert stopped.speed_m_s[-1] == pytest.approx(0)
    standing = walk([[(0.0, 1.0, 5.0)]], stamps_s, 1.7, facing_rad=1.2)
    np.testing.assert_allclose(standing.heading_rad, 1.2)


def test_between_legs_a_person_jumps_without_crossing_the_scene() -> None:
    stamps_s = np.arange(0, 6, 0.05)
    way = walk([[(0.0, 0, 5), (2.0, -6, 5)], [(3.0, 6, 8), (6.0, 0, 8)]], stamps_s, 1.7)
    assert np.abs(way.position[:, 0]).min() < 0.2
    between = (stamps_s > 2.2) & (stamps_s < 3.3)
    assert (np.abs(way.position[between, 0]) > 5).all()


@pytest.mark.parametrize(
    'legs', [[], [[]], [[(0.0, 0, 0), (0.0, 1, 1)]], [[(1.0, 0, 0)], [(0.5, 0, 0)]]]
)
def test_waypoints_must_exist_and_rise_in_time(
    legs: list[list[tuple[float, float, float]]],
) -> None:
    with pytest.raises(ValueError, match='legs: expected'):
        walk(legs, np.arange(3.0), 1.7)


@pytest.mark.parametrize('speed_m_s', [0.0, 0.7, 1.5])
def test_bones_keep_their_length(speed_m_s: float) -> None:
    bodies = walkers(speed_m_s=speed_m_s)
    for a, b in COCO_17.limbs:
        length = np.linalg.norm(point(bodies, a) - point(bodies, b), axis=-1)
        if {'shoulder', 'hip'} != {a.split('_')[-1], b.split('_')[-1]}:
            np.testing.assert_allclose(length, length[0], atol=1e-9)
        else:
            # The trunk twists.
            assert np.ptp(length) < 0.03


def test_the_lower_foot_is_on_the_ground_and_sides_are_right() -> None:
    bodies = walkers()
    lowest = np.minimum.reduce(
        [point(bodies, f'{s}_{p}')[:, 2] for s in ('left', 'right') for p in ('heel', 'toe')]
    )
    assert (lowest > 0.02).all()
    assert (lowest < 0.05).all()
    # Facing +y, the left side is at -x.
    for part in ('shoulder', 'hip', 'eye', 'ear'):
        left, right = point(bodies, f'left_{part}'), point(bodies, f'right_{part}')
        assert (left[:, 0] < right[:, 0]).all()
    assert (point(bodies, 'nose')[:, 1] > point(bodies, 'left_ear')[:, 1]).all()
    assert point(bodies, 'crown')[:, 2].mean() == pytest.approx(1.68, abs=0.05)


def test_knees_bend_backwards_and_elbows_forwards() -> None:
    bodies = walkers()
    for side in ('left', 'right'):
        hip, knee, ankle = (point(bodies, f'{side}_{j}') for j in ('hip', 'knee', 'ankle'))
        between = hip + (ankle - hip) * 0.5
        assert (knee[:, 1] - between[:, 1] > -0.01).all()
        shoulder, elbow, wrist = (
            point(bodies, f'{side}_{j}') for j in ('shoulder', 'elbow', 'wrist')
        )
        assert ((elbow - (shoulder + wrist) / 2)[:, 1] < 0.01).all()


def test_opposite_arm_and_leg_swing_together() -> None:
    bodies = walkers()
    leg = point(bodies, 'left_ankle')[:, 1] - point(bodies, 'right_ankle')[:, 1]
    arm = point(bodies, 'left_wrist')[:, 1] - point(bodies, 'right_wrist')[:, 1]
    assert np.corrcoef(leg, arm)[0, 1] < -0.8


def test_a_raised_arm_is_raised() -> None:
    one = np.ones(1)
    still = Posture(
        np.zeros((1, 2)), 0 * one, 0 * one, 0 * one, 1.7 * one, 0 * one, 0 * one, 0 * one, one
    )
    waving, phoning = pose_bodies(replace(still, wave=one)), pose_bodies(replace(still, phone=one))
    assert point(waving, 'right_wrist')[0, 2] > point(waving, 'nose')[0, 2]
    assert point(pose_bodies(still), 'right_wrist')[0, 2] < 1.0
    assert point(phoning, 'left_wrist')[0, 1] > 0.2


def test_joints_lie_inside_the_surface() -> None:
    bodies = walkers(8)
    look = random_look(np.random.default_rng(0))
    outfit = dress(replace(look, height_m=1.7), 16)
    points = surface(bodies, np.repeat(outfit.radii[None], 8, axis=0), 16)
    low, high = points.min((1, 2)), points.max((1, 2))
    assert (bodies.joints > low[:, None]).all()
    assert (bodies.joints < high[:, None]).all()
    assert points[..., 2].min() > -0.03, 'nothing sinks into the ground'


def test_the_surface_is_closed_and_faces_outwards() -> None:
    bodies = walkers(1)
    outfit = dress(replace(random_look(np.random.default_rng(1)), height_m=1.7), 16)
    quads = surface(bodies, outfit.radii[None], 16).reshape(-1, 3)[outfit.corners]
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]) / 2
    # The divergence theorem gives the volume, positive if the normals point outwards; parts that
    # overlap count twice.
    litres = 1000 * (quads.mean(1) * normals).sum() / 3
    assert 45 < litres < 130


def test_appearance_follows_the_clothes() -> None:
    rng = np.random.default_rng(5)
    look = random_look(rng)
    assert np.linalg.norm(appearance_of(look)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(appearance_of(look), appearance_of(replace(look)))
    slightly = replace(look, top=(min(look.top[0] + 0.02, 1.0), *look.top[1:]))
    wholly = replace(look, top=(1 - look.top[0], 1 - look.top[1], 1 - look.top[2]))
    near = np.linalg.norm(appearance_of(look) - appearance_of(slightly))
    far = np.linalg.norm(appearance_of(look) - appearance_of(wholly))
    assert 0 < near < 0.15 < far


def test_distinct_people_differ_and_similar_ones_do_not() -> None:
    def spread(looks: list) -> np.ndarray:  # type: ignore[type-arg]
        vectors = np.array([appearance_of(look) for look in looks])
        distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
        return np.asarray(distances[np.triu_indices(len(looks), 1)])

    rng = np.random.default_rng(7)
    assert spread(distinct_looks(rng, 8)).min() > 0.6
    assert spread(similar_looks(rng, 6)).max() < 0.45
    assert [look.height_m < 1.4 for look in distinct_looks(rng, 4, children=1)] == [
        False, False, False, True,
    ]  # fmt: skip


def test_obstacles_check_what_they_are_given() -> None:
    with pytest.raises(ValueError, match="expected one of pillar, wall, kiosk, van; got 'ufo'"):
        Obstacle('ufo', (0, 5), (1, 1, 1))
    with pytest.raises(ValueError, match='positive lengths'):
        Obstacle('wall', (0, 5), (1, 0, 1))


def test_an_obstacle_covers_its_projection() -> None:
    camera = Camera((200, 100), 100.0, np.array([0.0, 0.0, 1.0]))
    canvas = np.zeros((100, 200), dtype=np.uint8)
    Obstacle('wall', (0.0, 4.05), (2.0, 0.1, 2.0)).fill_silhouette(camera, canvas)
    ys, xs = np.nonzero(canvas)
    np.testing.assert_allclose(
        [xs.min(), xs.max() + 1, ys.min(), ys.max() + 1], [75, 125, 25, 75], atol=1
    )
    behind = Obstacle('wall', (0.0, -3.0), (2.0, 0.1, 2.0))
    canvas[:] = 0
    behind.fill_silhouette(camera, canvas)
    assert not canvas.any()
