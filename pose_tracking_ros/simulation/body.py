"""The surface of a simulated person: rings lofted around the posed skeleton.

Each body part is a tube of elliptic rings. A ring's centre and direction are fixed linear
combinations of the skeleton's points, so a whole group of people is posed by two matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pose_tracking_ros.simulation.gait import FRAMES, POINTS, REFERENCE_HEIGHT_M, Bodies

Mix = dict[str, float]


@dataclass(frozen=True)
class Ring:
    """One ring of the template.

    Attributes:
        part: name of the tube it belongs to; consecutive rings of a part are joined.
        level: position along the part, in the part's own scale; what clothes go by.
        centre: weights of skeleton points.
        axis: weights of skeleton points that sum to 0: the direction of the tube.
        lateral: half width, m at reference height.
        sagittal: half depth, m at reference height.
        ahead: shift along the frame's forward direction, m at reference height.
        frame: one of `FRAMES`, whose left direction the width follows.
        is_limb: width follows a direction that suits swinging arms.
    """

    part: str
    level: float
    centre: tuple[tuple[str, float], ...]
    axis: tuple[tuple[str, float], ...]
    lateral: float
    sagittal: float
    ahead: float = 0.0
    frame: str = 'pelvis'
    is_limb: bool = False


def _along(names: Sequence[str], t: float) -> Mix:
    """Return weights of the point at parameter t on a polyline; t runs over the ends too."""
    i = int(np.clip(np.floor(t), 0, len(names) - 2))
    return {names[i]: 1 - (t - i), names[i + 1]: t - i}


def _tube(
    part: str,
    names: Sequence[str],
    rows: Sequence[tuple[float, float, float]],
    frame: str = 'pelvis',
    is_limb: bool = False,
    ahead: Sequence[float] | float = 0.0,
) -> list[Ring]:
    """Lay rings (level, lateral, sagittal) along a polyline of skeleton points."""
    rings = []
    for i, (t, lateral, sagittal) in enumerate(rows):
        # Around a bend the ring takes the mean direction of both sides.
        before, after = _along(names, t - 0.12), _along(names, t + 0.12)
        axis = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in {*before, *after}}
        rings.append(
            Ring(
                part=part,
                level=t,
                centre=tuple(_along(names, t).items()),
                axis=tuple(sorted(axis.items())),
                lateral=lateral,
                sagittal=sagittal,
                ahead=ahead if isinstance(ahead, float) else ahead[i],
                frame=frame,
                is_limb=is_limb,
            )
        )
    return rings


def _interpolated(rows: Sequence[tuple[float, ...]], count: int) -> list[tuple[float, ...]]:
    table = np.array(rows)
    levels = np.linspace(table[0, 0], table[-1, 0], count)
    columns = [np.interp(levels, table[:, 0], table[:, i]) for i in range(table.shape[1])]
    return [tuple(float(value) for value in row) for row in zip(*columns, strict=True)]


_LEG = (
    (-0.22, 0.055, 0.06), (-0.06, 0.082, 0.092), (0.2, 0.083, 0.092), (0.4, 0.076, 0.084),
    (0.58, 0.068, 0.075), (0.60, 0.068, 0.075), (0.8, 0.060, 0.066), (1.0, 0.054, 0.060),
    (1.12, 0.051, 0.060), (1.3, 0.052, 0.064), (1.5, 0.048, 0.058), (1.7, 0.040, 0.046),
    (1.84, 0.034, 0.038), (1.90, 0.033, 0.037), (1.92, 0.033, 0.038), (2.03, 0.034, 0.042),
)  # fmt: skip
_ARM = (
    (-0.10, 0.034, 0.036), (0.0, 0.054, 0.058), (0.18, 0.053, 0.057), (0.38, 0.048, 0.051),
    (0.55, 0.045, 0.047), (0.57, 0.045, 0.047), (0.8, 0.041, 0.043), (1.0, 0.039, 0.041),
    (1.2, 0.040, 0.041), (1.45, 0.037, 0.038), (1.7, 0.031, 0.033), (1.90, 0.027, 0.029),
    (1.92, 0.027, 0.029), (2.0, 0.024, 0.028),
)  # fmt: skip
_HAND = (
    (-0.05, 0.022, 0.020), (0.2, 0.036, 0.018), (0.45, 0.041, 0.019), (0.7, 0.036, 0.016),
    (0.95, 0.022, 0.010), (1.0, 0.004, 0.002),
)  # fmt: skip
_FOOT = (
    (-0.12, 0.012, 0.016), (-0.06, 0.030, 0.036), (0.08, 0.036, 0.044), (0.28, 0.037, 0.050),
    (0.46, 0.042, 0.040), (0.68, 0.046, 0.030), (0.86, 0.043, 0.025), (0.97, 0.028, 0.019),
    (1.02, 0.006, 0.007),
)  # fmt: skip
# Levels of the torso in m above the pelvis, over pelvis, waist, chest, neck.
_TORSO = (
    (-0.15, 0.060, 0.060), (-0.12, 0.140, 0.110), (-0.05, 0.170, 0.130), (0.0, 0.172, 0.126),
    (0.06, 0.165, 0.118), (0.12, 0.152, 0.108), (0.17, 0.147, 0.104), (0.23, 0.152, 0.109),
    (0.30, 0.163, 0.116), (0.36, 0.172, 0.118), (0.42, 0.180, 0.110), (0.46, 0.176, 0.094),
    (0.49, 0.140, 0.078), (0.515, 0.080, 0.062), (0.53, 0.058, 0.056),
)  # fmt: skip
_SPINE_LEVELS = (0.0, 0.17, 0.37, 0.515)
_SPINE = ('pelvis', 'waist', 'chest', 'neck')
_NECK = ((-0.5, 0.066, 0.062), (0.0, 0.058, 0.058), (0.5, 0.055, 0.058), (1.1, 0.054, 0.058))
# Ears and nose: level along the head's left or up direction, half sizes, forward shift.
_EAR = (
    (-0.012, 0.004, 0.004), (-0.010, 0.020, 0.030), (0.002, 0.020, 0.032), (0.006, 0.006, 0.010),
)  # fmt: skip
_NOSE = (
    (-0.32, 0.003, 0.003, 0.090), (-0.28, 0.016, 0.012, 0.092), (-0.20, 0.017, 0.018, 0.090),
    (-0.05, 0.011, 0.014, 0.086), (0.12, 0.008, 0.010, 0.082), (0.2, 0.003, 0.003, 0.082),
)  # fmt: skip
# Head: level from -1 (chin) to 1 (crown), half width, half depth, forward shift.
_HEAD = (
    (-1.0, 0.012, 0.016, 0.040), (-0.95, 0.034, 0.034, 0.034), (-0.82, 0.048, 0.058, 0.022),
    (-0.6, 0.060, 0.082, 0.008), (-0.3, 0.070, 0.092, 0.002), (0.0, 0.076, 0.098, -0.004),
    (0.3, 0.077, 0.100, -0.008), (0.55, 0.071, 0.093, -0.010), (0.78, 0.055, 0.072, -0.012),
    (0.93, 0.032, 0.042, -0.012), (1.0, 0.006, 0.008, -0.012),
)  # fmt: skip
_HAIR = (
    (-0.45, 0.070, 0.050, -0.050), (-0.2, 0.084, 0.082, -0.028), (0.05, 0.088, 0.100, -0.015),
    (0.3, 0.090, 0.110, -0.010), (0.55, 0.085, 0.105, -0.010), (0.8, 0.070, 0.086, -0.012),
    (0.98, 0.045, 0.055, -0.012), (1.1, 0.008, 0.010, -0.012),
)  # fmt: skip
_LONG_HAIR = (
    (0.1, 0.070, 0.050, -0.055), (-0.4, 0.084, 0.052, -0.058), (-0.9, 0.086, 0.044, -0.068),
    (-1.4, 0.088, 0.036, -0.085), (-1.9, 0.082, 0.030, -0.105), (-2.2, 0.050, 0.015, -0.110),
)  # fmt: skip
_BUN = (
    (-0.05, 0.008, 0.008, -0.125), (0.05, 0.036, 0.032, -0.125), (0.25, 0.045, 0.040, -0.13),
    (0.45, 0.036, 0.032, -0.125), (0.55, 0.006, 0.006, -0.125),
)  # fmt: skip
_SKIRT = (
    (-0.30, 0.163, 0.120), (-0.12, 0.178, 0.132), (0.1, 0.188, 0.142), (0.35, 0.194, 0.150),
    (0.6, 0.200, 0.156), (0.9, 0.208, 0.164), (1.1, 0.212, 0.168),
)  # fmt: skip
_BACKPACK = (
    (0.06, 0.060, 0.030), (0.08, 0.130, 0.075), (0.16, 0.150, 0.092), (0.28, 0.150, 0.090),
    (0.40, 0.138, 0.078), (0.46, 0.105, 0.055), (0.475, 0.040, 0.020),
)  # fmt: skip


def _spine(height: float) -> Mix:
    i = int(np.clip(np.searchsorted(_SPINE_LEVELS, height, side='right') - 1, 0, 2))
    t = (height - _SPINE_LEVELS[i]) / (_SPINE_LEVELS[i + 1] - _SPINE_LEVELS[i])
    return {_SPINE[i]: 1 - t, _SPINE[i + 1]: t}


def _other(side: str) -> str:
    return 'right' if side == 'left' else 'left'


def _head_rings(part: str, rows: Sequence[tuple[float, float, float, float]]) -> list[Ring]:
    # Level 0 is the middle of the head, 1 the crown, -1 the height of the chin.
    up = 1.0 if rows[0][0] < rows[-1][0] else -1.0
    axis = (('crown', up), ('head', -up))
    return [
        Ring(part, t, (('head', 1 - t), ('crown', t)), axis, lateral, sagittal, ahead, 'head')
        for t, lateral, sagittal, ahead in rows
    ]


def _template() -> list[Ring]:
    rings: list[Ring] = []
    for side in ('left', 'right'):
        leg = [f'{side}_{joint}' for joint in ('hip', 'knee', 'ankle')]
        arm = [f'{side}_{joint}' for joint in ('shoulder', 'elbow', 'wrist')]
        rings += _tube(f'{side}_leg', leg, _LEG)
        rings += _tube(f'{side}_foot', [f'{side}_heel', f'{side}_toe'], _FOOT)
        rings += _tube(f'{side}_arm', arm, _ARM, 'chest', is_limb=True)
        rings += _tube(f'{side}_hand', [f'{side}_wrist', f'{side}_hand'], _HAND, 'chest', True)
    trunk = (('chest', 1.0), ('pelvis', -1.0))
    rings += [
        Ring('torso', row[0], tuple(_spine(row[0]).items()), trunk, row[1], row[2],
             frame='chest' if row[0] > 0.2 else 'pelvis')
        for row in _interpolated(_TORSO, 27)
    ]  # fmt: skip
    for t, lateral, sagittal in _SKIRT:
        knees = (('left_knee', 0.5 * t), ('right_knee', 0.5 * t))
        centre: tuple[tuple[str, float], ...] = (('pelvis', 1 - t), *knees)
        rings.append(
            Ring('skirt', t, centre, (('waist', -1.0), ('pelvis', 1.0)), lateral, sagittal)
        )
    rings += [
        Ring('backpack', t, tuple(_spine(t).items()), trunk, lateral, sagittal, -0.165, 'chest')
        for t, lateral, sagittal in _BACKPACK
    ]
    rings += _tube('neck', ['neck', 'chin'], _NECK, 'chest', ahead=(-0.012, -0.014, -0.020, -0.03))
    across = (('left_ear', 1.0), ('right_ear', -1.0))
    for side, sign in (('left', 1.0), ('right', -1.0)):
        for t, lateral, sagittal in _EAR:
            # The ears are 0.16 m apart.
            centre = ((f'{side}_ear', 1 + t / 0.16), (f'{_other(side)}_ear', -t / 0.16))
            axis = tuple((name, sign * weight) for name, weight in across)
            rings.append(
                Ring(f'{side}_ear', t, centre, axis, lateral, sagittal, 0.0, 'head', True)
            )
    rings += _head_rings('nose', _NOSE)
    rings += _head_rings('head', _HEAD)
    rings += _head_rings('hair', _HAIR)
    rings += _head_rings('long_hair', _LONG_HAIR)
    rings += _head_rings('bun', _BUN)
    return rings


TEMPLATE = _template()
"""All rings a person can have; a look switches some of them off."""

PARTS: Sequence[str] = tuple(dict.fromkeys(ring.part for ring in TEMPLATE))
RING_PART: Int[np.ndarray, 'ring'] = np.array([PARTS.index(ring.part) for ring in TEMPLATE])
RING_LEVEL: Float[np.ndarray, 'ring'] = np.array([ring.level for ring in TEMPLATE])
JOINED: Bool[np.ndarray, 'band'] = RING_PART[1:] == RING_PART[:-1]
"""Whether ring i and ring i + 1 enclose a band of surface."""

_CENTRES = np.zeros((len(TEMPLATE), len(POINTS)))
_AXES = np.zeros((len(TEMPLATE), len(POINTS)))
for _i, _ring in enumerate(TEMPLATE):
    for _name, _weight in _ring.centre:
        _CENTRES[_i, POINTS.index(_name)] += _weight
    for _name, _weight in _ring.axis:
        _AXES[_i, POINTS.index(_name)] += _weight
_RADII = np.array([[ring.lateral, ring.sagittal] for ring in TEMPLATE])
_AHEAD = np.array([ring.ahead for ring in TEMPLATE])
_FRAME = np.array([FRAMES.index(ring.frame) for ring in TEMPLATE])
_IS_LIMB = np.array([ring.is_limb for ring in TEMPLATE])
_SKIRT_PART = PARTS.index('skirt')
_IS_SKIRT = np.equal(RING_PART, _SKIRT_PART)


def template_radii() -> Float[np.ndarray, 'ring 2']:
    """Return the half widths and depths of an undressed body at reference height, m."""
    return _RADII.copy()


def surface(
    bodies: Bodies, radii: Float[np.ndarray, 'person ring 2'], sectors: int
) -> Float[np.ndarray, 'person ring sector 3']:
    """Return the surface points of posed people, m, world.

    Ring points run counter-clockwise around the part's direction, starting at the person's left.

    Args:
        bodies: posed skeletons.
        radii: half width and depth of each ring, m, for each person's real height.
        sectors: points per ring.
    """
    scale = (bodies.height_m / REFERENCE_HEIGHT_M)[:, None, None]
    frames = bodies.frames[:, _FRAME]
    left, ahead = frames[:, :, 0], frames[:, :, 1]
    centre = np.einsum('rk,nkc->nrc', _CENTRES, bodies.points)
    centre = centre + scale * _AHEAD[:, None] * ahead
    tangent = np.einsum('rk,nkc->nrc', _AXES, bodies.points)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
    # An arm may point anywhere but hardly ever backwards and across the body.
    towards = np.where(_IS_LIMB[:, None], ahead + 0.4 * left, left)
    wide = towards - (towards * tangent).sum(-1, keepdims=True) * tangent
    wide /= np.linalg.norm(wide, axis=-1, keepdims=True)
    deep = np.cross(tangent, wide)
    knees = bodies.points[:, [POINTS.index('left_knee'), POINTS.index('right_knee')]]
    apart = np.abs(np.einsum('nc,nc->n', knees[:, 0] - knees[:, 1], bodies.frames[:, 0, 1]))
    radii = radii.copy()
    # A skirt gives way to a stride.
    radii[:, _IS_SKIRT, 1] += 0.42 * apart[:, None] * np.clip(RING_LEVEL[_IS_SKIRT], 0, 1)
    angle = np.arange(sectors) * (2 * np.pi / sectors)
    across = (radii[..., :1] * np.cos(angle))[..., None] * wide[:, :, None]
    along = (radii[..., 1:] * np.sin(angle))[..., None] * deep[:, :, None]
    points: np.ndarray = centre[:, :, None] + across + along
    return points
