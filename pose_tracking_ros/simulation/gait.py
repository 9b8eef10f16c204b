"""From a walk to 3D joints: an articulated skeleton with a human gait cycle.

Angles follow gait-laboratory curves in shape (hip near a cosine, a small knee flexion when the
weight comes on and a large one in swing, the foot rolling from heel to toe); amplitudes fade
with the speed so that a person who stops stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.skeleton import COCO_17

EXTRA_POINTS = (
    'pelvis', 'waist', 'chest', 'neck', 'head', 'crown', 'chin',
    'left_heel', 'right_heel', 'left_toe', 'right_toe', 'left_hand', 'right_hand',
)  # fmt: skip
POINTS = COCO_17.joints + EXTRA_POINTS
"""Names of a body's points: the skeleton's joints first, then what only drawing needs."""

FRAMES = ('pelvis', 'chest', 'head')
"""Body parts whose orientation is known; rows of each are left, forward and up."""

REFERENCE_HEIGHT_M = 1.70
"""Lengths below are those of a person of this height."""

_THIGH, _SHANK, _ANKLE = 0.40, 0.405, 0.085
_UPPER_ARM, _FOREARM, _HAND = 0.285, 0.25, 0.17
# Joints lie where annotators of photos put them: hips below the pelvis' middle.
_HIP_ASIDE, _HIP_BELOW, _SHOULDER_ASIDE = 0.092, 0.03, 0.178


@dataclass(frozen=True, eq=False)
class Posture:
    """What several people do at one moment, one entry each.

    Attributes:
        position: x and y of the pelvis over the ground, m.
        heading_rad: direction of the body; 0 looks along +y, positive turns left.
        phase_rad: gait phase of the left leg.
        speed_m_s: sets the amplitude of the gait.
        height_m: of the person.
        head_turn_rad: head against chest, positive to the left.
        wave: how far the right arm is raised for waving, 0 to 1.
        phone: how far the left arm is bent to hold a phone, 0 to 1.
        clock_s: time that drives waving and breathing.
    """

    position: Float[np.ndarray, 'person 2']
    heading_rad: Float[np.ndarray, 'person']
    phase_rad: Float[np.ndarray, 'person']
    speed_m_s: Float[np.ndarray, 'person']
    height_m: Float[np.ndarray, 'person']
    head_turn_rad: Float[np.ndarray, 'person']
    wave: Float[np.ndarray, 'person']
    phone: Float[np.ndarray, 'person']
    clock_s: Float[np.ndarray, 'person']


@dataclass(frozen=True, eq=False)
class Bodies:
    """Posed skeletons in world coordinates.

    Attributes:
        points: positions in the order of `POINTS`, m.
        frames: left, forward and up of each of `FRAMES`, unit vectors.
        height_m: of each person.
    """

    points: Float[np.ndarray, 'person point 3']
    frames: Float[np.ndarray, 'person frame 3 3']
    height_m: Float[np.ndarray, 'person']

    @property
    def joints(self) -> Float[np.ndarray, 'person joint 3']:
        """The joints of the COCO skeleton, m."""
        return self.points[:, : len(COCO_17)]


def _bump(phase: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Return a smooth periodic bump of height 1."""
    away = np.angle(np.exp(1j * (phase - centre)))
    return np.asarray(np.exp(-((away / width) ** 2)))


def _frame(yaw: np.ndarray, lean: np.ndarray) -> np.ndarray:
    """Return left, forward, up rows for a heading and a forward lean."""
    zero = np.zeros_like(yaw)
    left = np.stack([-np.cos(yaw), -np.sin(yaw), zero], axis=-1)
    ahead = np.stack([-np.sin(yaw), np.cos(yaw), zero], axis=-1)
    top = np.broadcast_to([0.0, 0.0, 1.0], ahead.shape)
    cos, sin = np.cos(lean)[:, None], np.sin(lean)[:, None]
    return np.stack([left, cos * ahead - sin * top, cos * top + sin * ahead], axis=1)


def _swing(frame: np.ndarray, angle: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """Return directions that hang down, swung forward by `angle` and to the left by `aside`."""
    left, ahead, up = frame[:, 0], frame[:, 1], frame[:, 2]
    cos = np.cos(aside)[:, None]
    swung = np.sin(angle)[:, None] * ahead - np.cos(angle)[:, None] * up
    return np.asarray(cos * swung + np.sin(aside)[:, None] * left)


def _blend(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    mixed = a + share[:, None] * (b - a)
    return np.asarray(mixed / np.linalg.norm(mixed, axis=-1, keepdims=True))


def pose_bodies(posture: Posture) -> Bodies:
    """Return the posed skeletons; people stand on the ground at z = 0.

    No person gives arrays of length 0.
    """
    scale = posture.height_m / REFERENCE_HEIGHT_M
    s = scale[:, None]
    gait = np.clip(posture.speed_m_s / 1.25, 0.0, 1.25)
    phase, clock = posture.phase_rad, posture.clock_s
    cos, breath = np.cos(phase), np.sin(1.6 * clock)

    pelvis_yaw = posture.heading_rad - 0.07 * gait * cos
    chest_yaw = posture.heading_rad + 0.09 * gait * cos
    lean = 0.015 + 0.05 * gait + 0.006 * breath
    pelvis_frame = _frame(pelvis_yaw, 0.3 * lean)
    chest_frame = _frame(chest_yaw, lean)
    head_frame = _frame(posture.heading_rad + posture.head_turn_rad, 0.05 + 0.25 * posture.phone)
    upright = _frame(pelvis_yaw, np.zeros_like(lean))

    at: dict[str, np.ndarray] = {}
    sway = 0.022 * gait * np.sin(phase - 0.6) + 0.008 * (1 - np.minimum(gait, 1)) * breath
    at['pelvis'] = np.column_stack([posture.position, np.zeros(len(scale))])
    at['pelvis'] = at['pelvis'] + (sway * scale)[:, None] * pelvis_frame[:, 0]
    soles = []
    for side, sign, own in (('left', 1.0, phase), ('right', -1.0, phase + np.pi)):
        # The thigh comes forward early in the swing, which a plain cosine would not do.
        hip_angle = gait * (0.03 + 0.40 * np.cos(own) + 0.20 * _bump(own, 4.75, 0.8))
        knee = 0.06 + gait * (0.22 * _bump(own, 0.95, 0.5) + 0.95 * _bump(own, 4.55, 0.75))
        # At heel strike the leg is straight, whatever the width of the swing bump.
        knee = knee * (1 - 0.6 * np.minimum(gait, 1) * _bump(own, 0.0, 0.4))
        foot = gait * (
            0.32 * _bump(own, 0.0, 0.45)
            - 0.75 * _bump(own, 3.75, 0.6)
            + 0.1 * _bump(own, 5.4, 0.5)
        )
        stance = np.full_like(own, 0.035 * sign) * (1 - 0.75 * np.minimum(gait, 1))
        hip = sign * _HIP_ASIDE * pelvis_frame[:, 0] - _HIP_BELOW * upright[:, 2]
        at[f'{side}_hip'] = at['pelvis'] + s * hip
        at[f'{side}_knee'] = at[f'{side}_hip'] + s * _THIGH * _swing(upright, hip_angle, stance)
        ankle = at[f'{side}_knee'] + s * _SHANK * _swing(upright, hip_angle - knee, stance)
        at[f'{side}_ankle'] = ankle
        toes_out = _frame(pelvis_yaw + 0.12 * sign, np.zeros_like(lean))[:, 1]
        toe = np.cos(foot)[:, None] * toes_out + np.sin(foot)[:, None] * upright[:, 2]
        under = np.cross(toe, upright[:, 0])
        under /= np.linalg.norm(under, axis=-1, keepdims=True)
        sole = ankle - s * _ANKLE * under
        at[f'{side}_heel'] = sole + s * (0.045 * under - 0.065 * toe)
        at[f'{side}_toe'] = sole + s * (0.03 * under + 0.185 * toe)
        soles += [
            at[f'{side}_heel'][:, 2] - 0.045 * scale,
            at[f'{side}_toe'][:, 2] - 0.03 * scale,
        ]
    # The lower foot carries the body: this gives the rise and fall of walking.
    lift = np.zeros_like(at['pelvis'])
    lift[:, 2] = -np.min(soles, axis=0)
    for name, point in at.items():
        at[name] = point + lift

    pelvis, up = at['pelvis'], chest_frame[:, 2]
    at['waist'] = pelvis + s * 0.17 * pelvis_frame[:, 2]
    at['chest'] = at['waist'] + s * 0.20 * up
    shoulders = at['waist'] + s * 0.287 * up
    at['neck'] = at['waist'] + s * 0.345 * up
    at['chin'] = at['neck'] + s * (0.045 * head_frame[:, 2] + 0.035 * head_frame[:, 1])
    at['head'] = at['neck'] + s * (0.152 * head_frame[:, 2] + 0.02 * head_frame[:, 1])
    at['crown'] = at['head'] + s * 0.118 * head_frame[:, 2]
    face = {
        'nose': (0.0, 0.099, -0.020),
        'left_eye': (0.033, 0.088, 0.016),
        'right_eye': (-0.033, 0.088, 0.016),
        'left_ear': (0.080, -0.004, -0.022),
        'right_ear': (-0.080, -0.004, -0.022),
    }
    for name, offset in face.items():
        at[name] = at['head'] + s * np.einsum('k,nkc->nc', np.array(offset), head_frame)

    calm = 1 - np.minimum(gait, 1)
    for side, sign, own in (('left', 1.0, phase), ('right', -1.0, phase + np.pi)):
        arm = -0.42 * gait * np.cos(own) + 0.02 * calm
        aside = np.full_like(arm, sign) * (0.13 + 0.02 * calm)
        elbow = 0.28 + gait * 0.28 * (0.6 - np.cos(own)) * 0.7
        upper = _swing(chest_frame, arm, aside)
        fore = _swing(chest_frame, arm + elbow, 0.4 * aside)
        if side == 'right':
            beat = 0.35 * np.sin(6.5 * clock)
            left, ahead, top = chest_frame[:, 0], chest_frame[:, 1], chest_frame[:, 2]
            upper = _blend(upper, -0.9 * left + 0.15 * ahead + 0.35 * top, posture.wave)
            raised = -0.25 * left + 0.15 * ahead + top - beat[:, None] * left
            fore = _blend(fore, raised, posture.wave)
        else:
            left, ahead, top = chest_frame[:, 0], chest_frame[:, 1], chest_frame[:, 2]
            upper = _blend(upper, 0.12 * left + 0.3 * ahead - top, posture.phone)
            fore = _blend(fore, -0.45 * left + ahead + 0.55 * top, posture.phone)
        at[f'{side}_shoulder'] = shoulders + s * sign * _SHOULDER_ASIDE * chest_frame[:, 0]
        at[f'{side}_elbow'] = at[f'{side}_shoulder'] + s * _UPPER_ARM * upper
        at[f'{side}_wrist'] = at[f'{side}_elbow'] + s * _FOREARM * fore
        at[f'{side}_hand'] = at[f'{side}_wrist'] + s * _HAND * fore
    return Bodies(
        points=np.stack([at[name] for name in POINTS], axis=1),
        frames=np.stack([pelvis_frame, chest_frame, head_frame], axis=1),
        height_m=posture.height_m,
    )
