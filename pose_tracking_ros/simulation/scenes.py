"""The scenes by name: each sets one difficulty that trackers must cope with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.simulation.camera import CameraMotion
from pose_tracking_ros.simulation.obstacles import Obstacle
from pose_tracking_ros.simulation.paths import Waypoint, walk
from pose_tracking_ros.simulation.scene import Actor, Scene
from pose_tracking_ros.simulation.wardrobe import Look, distinct_looks, similar_looks

Stamps = Float[np.ndarray, 'frame']
Plan = tuple[list[Actor], list[Obstacle], CameraMotion]

_STREET_S, _CROWD_S = 20.0, 12.0
_TRIPOD = CameraMotion(start=(0.0, 0.0, 1.6), pitch_rad=-0.06)


def _actor(
    look: Look,
    stamps_s: Stamps,
    *legs: Sequence[Waypoint],
    facing_rad: float | None = None,
    first_phase_rad: float = 0.0,
    waves_s: tuple[float, float] | None = None,
    phones: bool = False,
) -> Actor:
    way = walk(legs, stamps_s, look.height_m, facing_rad, first_phase_rad)
    return Actor(look, way, waves_s=waves_s, phones=phones)


def _meetings(looks: Sequence[Look], t: Stamps) -> list[Actor]:
    """Return three pairs who meet: turning back, walking on together, passing."""
    # The taller one of a pair walks in front and hides the other.
    looks = [
        look for i in (0, 2, 4) for look in sorted(looks[i : i + 2], key=lambda one: -one.height_m)
    ]
    return [
        # They meet, stand one behind the other, and each goes back: a tracker that carries on
        # with the old velocity looks for them on the wrong side.
        _actor(
            looks[0], t,
            [(0.4, -2.3, 5.6), (2.3, 0.0, 5.6), (3.5, 0.0, 5.6), (6.2, -3.8, 5.6)],
        ),
        _actor(
            looks[1], t,
            [(0.4, 2.3, 6.1), (2.3, 0.0, 6.1), (3.5, 0.0, 6.1), (6.2, 3.8, 6.1)],
        ),
        # The one in front turns round and hides the other while both walk on, then turns again:
        # a tracker that keeps the old box looks for the hidden one where they met.
        _actor(
            looks[2], t,
            [(5.0, -4.9, 7.0), (8.0, -0.7, 7.0), (10.6, -2.35, 7.0), (14.0, 2.6, 7.0)],
        ),
        _actor(
            looks[3], t,
            [(4.6, 5.2, 7.5), (8.0, -0.75, 7.5), (10.6, -2.52, 7.5), (13.0, -5.4, 7.5)],
        ),
        # They simply pass each other.
        _actor(looks[4], t, [(9.6, 3.6, 5.2), (14.0, -2.2, 5.2)], first_phase_rad=1.0),
        _actor(looks[5], t, [(9.8, -6.0, 9.0), (14.0, 1.5, 9.0)], first_phase_rad=2.0),
    ]  # fmt: skip


def _crossing(rng: np.random.Generator, t: Stamps) -> Plan:
    return _meetings(distinct_looks(rng, 6), t), [], _TRIPOD


def _look_alikes(rng: np.random.Generator, t: Stamps) -> Plan:
    return _meetings(similar_looks(rng, 6), t), [], _TRIPOD


def _full_occlusion(rng: np.random.Generator, t: Stamps) -> Plan:
    looks = distinct_looks(rng, 5, children=1)
    cast = [
        # Straight on behind the wall: hidden for a second, and wider away than their own width.
        _actor(looks[0], t, [(0.0, -3.0, 7.5), (5.2, 3.8, 7.5), (6.2, 5.6, 7.5)]),
        # Two go behind the wall from both sides, and each comes back out where they went in.
        _actor(
            looks[1], t,
            [(4.4, -5.2, 7.3), (8.2, -0.2, 7.3), (8.6, -0.2, 7.3), (12.6, -5.4, 7.3)],
        ),
        _actor(
            looks[2], t,
            [(4.6, 5.2, 8.0), (8.3, 0.15, 8.0), (8.7, 0.15, 8.0), (12.6, 5.4, 8.0)],
        ),
        # Somebody stands close to the camera, and a child walks by behind them.
        _actor(looks[3], t, [(9.3, -2.6, 3.2), (10.6, -1.15, 3.1)], facing_rad=0.3),
        _actor(looks[4], t, [(11.0, -5.6, 8.4), (15.5, -0.6, 8.4)]),
    ]  # fmt: skip
    return cast, [Obstacle('wall', (0.0, 6.0), (1.95, 0.25, 2.3))], _TRIPOD


def _leave_and_return(rng: np.random.Generator, t: Stamps) -> Plan:
    looks = distinct_looks(rng, 4)
    cast = [
        # Out on the left, back three seconds later on the right and farther away.
        _actor(
            looks[0], t,
            [(0.0, 1.6, 5.0), (4.6, -5.0, 5.0)],
            [(5.9, 5.6, 8.0), (12.0, -2.4, 7.4)],
        ),
        # Out on the right, back on the same side but elsewhere.
        _actor(
            looks[1], t,
            [(0.0, -2.6, 8.6), (6.4, 6.4, 8.6)],
            [(8.2, 4.0, 5.6), (12.0, -0.6, 5.4)],
        ),
        _actor(looks[2], t, [(0.0, -1.9, 10.2)], facing_rad=np.pi - 0.2, waves_s=(3.0, 9.0)),
        _actor(
            looks[3], t,
            [(0.0, 4.4, 11.5), (6.0, 0.6, 11.2), (7.5, 0.6, 11.2), (12.0, 4.0, 12.0)],
        ),
    ]  # fmt: skip
    return cast, [], _TRIPOD


def _street(rng: np.random.Generator, t: Stamps) -> Plan:
    looks = distinct_looks(rng, 10, children=1)
    end = _STREET_S + 1.0
    ways: list[list[Waypoint]] = [
        # Towards the camera and away from it, on both pavements.
        [(0.0, -2.4, 15.0), (11.0, -1.9, 2.2)],
        [(0.0, 1.3, 4.6), (end, 2.2, 4.6 + 1.15 * end)],
        [(2.0, 3.3, 22.0), (2.0 + 13.5, 1.9, 4.4), (25.0, 1.5, -6.0)],
        # Across.
        [(0.5, -6.5, 7.4), (10.0, 6.2, 8.0)],
        [(3.0, 7.2, 10.5), (9.0, -0.3, 10.5), (11.0, -0.3, 10.5), (16.0, -7.0, 10.6)],
        [(9.0, -7.0, 9.3), (18.5, 6.6, 9.3)],
        [(6.0, 5.4, 6.3), (15.0, -5.4, 6.7)],
        # A grown-up with a child.
        [(0.0, -3.4, 12.6), (end, 1.0, 12.0 + 0.2 * end)],
        # Standing about.
        [(0.0, 2.7, 9.6)],
        [(0.0, -2.9, 12.5), (end, 1.5, 12.3 + 0.2 * end)],
    ]
    cast = [
        _actor(
            look, t, way,
            facing_rad=np.pi + 0.35 if i == 8 else None,
            first_phase_rad=float(rng.uniform(0, 6)),
            waves_s=(4.0, 8.0) if i == 8 else None,
            phones=i == 1,
        )
        for i, (look, way) in enumerate(zip(looks, ways, strict=True))
    ]  # fmt: skip
    obstacles = [
        Obstacle('pillar', (-1.55, 8.8), (0.3, 0.3, 4.2)),
        Obstacle('kiosk', (4.6, 12.2), (2.2, 1.6, 2.5)),
        Obstacle('van', (-5.6, 16.0), (2.0, 4.6, 2.1)),
    ]
    motion = CameraMotion(
        start=(0.0, -0.6, 1.75),
        velocity=(0.02, 0.06, 0.0),
        pitch_rad=-0.075,
        pan_rad=0.07,
        pan_period_s=14.0,
        sway=1.0,
    )
    return cast, obstacles, motion


def _crowd(rng: np.random.Generator, t: Stamps) -> Plan:
    looks = distinct_looks(rng, 26, children=3)
    # One lane each, so that nobody walks through anybody.
    lanes = np.linspace(4.2, 15.5, len(looks))
    order = rng.permutation(len(looks))
    cast = []
    for i, look in enumerate(looks):
        y = float(lanes[order[i]])
        reach = 0.62 * y
        if i % 5 == 4:
            spot = float(rng.uniform(-0.8, 0.8) * reach)
            cast.append(
                _actor(look, t, [(0.0, spot, y)], facing_rad=float(rng.uniform(0, 2 * np.pi)))
            )
            continue
        speed = float(rng.uniform(0.8, 1.5)) * (1 if rng.random() < 0.5 else -1)
        # Everyone passes a spot in the image at some time of the scene.
        when, where = (
            float(rng.uniform(0.1, 0.9) * _CROWD_S),
            float(rng.uniform(-0.6, 0.6) * reach),
        )
        x1, x2 = where - speed * (when + 1), where + speed * (_CROWD_S + 1 - when)
        cast.append(
            _actor(
                look, t,
                [(-1.0, x1, y), (_CROWD_S + 1, x2, y)],
                first_phase_rad=float(rng.uniform(0, 6)),
                phones=i % 7 == 3,
            )
        )  # fmt: skip
    motion = CameraMotion(start=(0.0, 0.0, 2.6), pitch_rad=-0.15, pan_rad=0.03, sway=0.6)
    return cast, [Obstacle('pillar', (1.9, 7.05), (0.22, 0.22, 3.6))], motion


def _queue(rng: np.random.Generator, t: Stamps) -> Plan:
    looks = distinct_looks(rng, 7)
    # The line leads away from the camera at a slant: everyone hides part of who stands behind.
    slant_rad = float(rng.uniform(0.9, 1.25))
    side = 1.0 if rng.random() < 0.5 else -1.0
    step = 0.72 * np.array([side * np.cos(slant_rad), np.sin(slant_rad)])
    head = np.array([-2.2 * step[0] + rng.uniform(-0.3, 0.3), 4.6])
    served_s = 1.6 + np.cumsum(rng.uniform(1.9, 2.7, len(looks))) - 1.9
    cast = []
    for i, look in enumerate(looks):
        legs = [(-1.0, *(head + i * step))]
        for k in range(i):
            # One after the other they notice that there is room.
            begin = float(served_s[k] + 0.6 + 0.3 * (i - k))
            legs += [
                (begin, *(head + (i - k) * step)),
                (begin + 0.8, *(head + (i - k - 1) * step)),
            ]
        # Who has been served steps out, and half of them walk back along the line.
        leave = float(served_s[i])
        aside = head + np.array([-side * 0.9, -0.35])
        back = bool(rng.random() < 0.5)
        away = (
            aside + np.array([-side * 0.9, 6.0]) if back else aside + np.array([-side * 7.0, 0.0])
        )
        legs += [(leave, *head), (leave + 0.9, *aside), (leave + 6.0, *away)]
        # A step that would begin before the last one ended begins where that ended.
        legs = [leg for n, leg in enumerate(legs) if n == 0 or leg[0] > legs[n - 1][0]]
        cast.append(
            _actor(look, t, legs, facing_rad=np.pi, first_phase_rad=float(rng.uniform(0, 6)))
        )
    return cast, [], CameraMotion(start=(0.0, 0.0, 1.9), pitch_rad=-0.1)


def _group_turn(rng: np.random.Generator, t: Stamps) -> Plan:
    looks = distinct_looks(rng, 5)
    # Two rows, close together; as the group turns, who was hidden comes to the front.
    places = np.array([[-0.65, -0.4], [0.1, -0.45], [-0.35, 0.4], [0.4, 0.45], [0.95, -0.3]])
    places = places + rng.uniform(-0.08, 0.08, places.shape)
    side = 1.0 if rng.random() < 0.5 else -1.0
    depth = float(rng.uniform(5.6, 6.8))
    # Time, x of the group's centre, its depth, how far it has turned.
    way = np.array([
        [-1.0, -5.6, depth, 0.0],
        [3.6, -0.6, depth, 0.0],
        [6.2, -0.3, depth - 0.3, np.pi],
        [8.4, -2.6, depth, np.pi],
        [11.0, -2.2, depth + 0.4, 2 * np.pi],
        [15.0, 2.6, depth, 2 * np.pi],
    ])  # fmt: skip
    fine_s = np.arange(-1.0, 15.0, 0.25)
    x, y, angle = (np.interp(fine_s, way[:, 0], way[:, i]) for i in (1, 2, 3))
    cast = []
    for look, place in zip(looks, places, strict=True):
        px = side * (x + np.cos(angle) * place[0] - np.sin(angle) * place[1])
        py = y + np.sin(angle) * place[0] + np.cos(angle) * place[1]
        leg = [*zip(fine_s.tolist(), px.tolist(), py.tolist(), strict=True)]
        cast.append(_actor(look, t, leg, first_phase_rad=float(rng.uniform(0, 6))))
    return cast, [], _TRIPOD


def _near(rng: np.random.Generator, t: Stamps) -> Plan:
    looks = distinct_looks(rng, 3)
    cast = [
        _actor(looks[0], t, [(0.0, -1.3, 2.6), (4.5, -0.3, 3.5), (10.0, 0.9, 2.7)]),
        _actor(looks[1], t, [(0.0, 1.3, 3.0), (4.5, 0.4, 3.4), (10.0, -1.2, 3.2)]),
        _actor(
            looks[2], t,
            [(0.0, 0.1, 3.6), (2.2, 0.5, 3.0), (4.5, -0.9, 2.6), (10.0, 0.2, 3.6)],
        ),
    ]  # fmt: skip
    # Lower than eyes, so that feet are in the picture.
    return cast, [], CameraMotion(start=(0.0, 0.0, 1.2), pitch_rad=-0.08)


@dataclass(frozen=True)
class _Recipe:
    plan: Callable[[np.random.Generator, Stamps], Plan]
    duration_s: float
    is_street: bool = False


_RECIPES = {
    'street': _Recipe(_street, _STREET_S, is_street=True),
    'crossing': _Recipe(_crossing, 14.0),
    'full_occlusion': _Recipe(_full_occlusion, 15.5),
    'leave_and_return': _Recipe(_leave_and_return, 12.0),
    'crowd': _Recipe(_crowd, _CROWD_S),
    'look_alikes': _Recipe(_look_alikes, 14.0),
    'queue': _Recipe(_queue, 15.0),
    'group_turn': _Recipe(_group_turn, 14.0),
    'near': _Recipe(_near, 10.0),
}

SCENE_NAMES = tuple(_RECIPES)
"""Scenes that `make_scene` knows."""


def make_scene(
    name: str,
    seed: int = 0,
    image_size: tuple[int, int] = (640, 480),
    duration_s: float | None = None,
    rate_hz: float = 15.0,
) -> Scene:
    """Set up a scene.

    - `street`: ten people on a street at mixed distances, a camera held by hand. For demos.
    - `crossing`: people meet and turn back, walk on one behind the other, or pass.
    - `full_occlusion`: a second or more behind a wall, and behind somebody near.
    - `leave_and_return`: two leave the image for three seconds and come back elsewhere.
    - `crowd`: 26 people.
    - `look_alikes`: `crossing` with people dressed nearly alike.
    - `queue`: seven in a line away from the camera; one after the other leaves, the rest move up.
    - `group_turn`: five walk close together and turn round twice, so that front and back change.
    - `near`: three people between 2.4 and 3.6 m, from head to foot: for depth cameras.

    Args:
        name: one of `SCENE_NAMES`.
        seed: draws people's looks, the scenery and the noise; the ways of `crowd`, `queue` and
            `group_turn`, too. All else about where people walk belongs to the scene.
        image_size: width and height, px. The horizontal field of view is always the same.
        duration_s: how much of it to play, s; None plays all. After the scene's own end people
            stay where they are.
        rate_hz: frames per second; people walk the same at any rate.

    Raises:
        ValueError: the name is unknown, or size, duration or rate are not positive.
    """
    if name not in _RECIPES:
        raise ValueError(f'scene: expected one of {", ".join(SCENE_NAMES)}; got {name!r}')
    recipe = _RECIPES[name]
    duration_s = recipe.duration_s if duration_s is None else duration_s
    if not rate_hz > 0:
        raise ValueError(f'rate_hz: expected more than 0 Hz, got {rate_hz}')
    frame_count = round(duration_s * rate_hz)
    if frame_count < 1:
        raise ValueError(
            f'duration_s: expected at least one frame ({1 / rate_hz:.3g} s), got {duration_s} s'
        )
    stamps_s = np.arange(frame_count) / rate_hz
    # The name takes part, so that scenes with the same seed have different people.
    rng = np.random.default_rng([seed, *name.encode()])
    cast, obstacles, motion = recipe.plan(rng, stamps_s)
    return Scene(
        name, seed, image_size, rate_hz, frame_count, cast, obstacles, motion, recipe.is_street
    )
