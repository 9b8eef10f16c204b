"""The only joint tables of this project: names, order, flips, limbs, OKS sigmas, maps.

Everything that needs a joint index looks it up here by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

AREA_SHARE = 0.53
"""Of the area of a person's box, about so much is the person's silhouette, which COCO measures."""


@dataclass(frozen=True)
class Skeleton:
    """A named, ordered set of joints.

    Attributes:
        name: identifier used in messages, configs and checkpoints.
        joints: joint names in storage order.
        flip_pairs: names that trade places when the image is mirrored.
        limbs: pairs of names joined by a line when drawn.
        sigmas: per-joint constants of COCO's object keypoint similarity (OKS), relative to the
            square root of the person's area; joint order.
    """

    name: str
    joints: tuple[str, ...]
    flip_pairs: tuple[tuple[str, str], ...]
    limbs: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that every table speaks of the same joints."""
        if len(set(self.joints)) != len(self.joints):
            raise ValueError(f'skeleton {self.name}: joint names must be unique')
        if len(self.sigmas) != len(self.joints):
            raise ValueError(
                f'skeleton {self.name}: expected {len(self.joints)} sigmas, got {len(self.sigmas)}'
            )
        for pair in self.flip_pairs + self.limbs:
            for joint in pair:
                self.index(joint)

    def __len__(self) -> int:
        """Return the number of joints."""
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Return the position of a joint.

        Raises:
            KeyError: the skeleton has no joint of that name.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            raise KeyError(
                f'skeleton {self.name} has no joint {joint!r}; it has {", ".join(self.joints)}'
            ) from None

    @cached_property
    def flip_order(self) -> Int[np.ndarray, 'joint']:
        """Index order that turns the joints of a mirrored image into the right names."""
        order = np.arange(len(self))
        for left, right in self.flip_pairs:
            order[self.index(left)], order[self.index(right)] = self.index(right), self.index(left)
        return order

    @cached_property
    def limb_indices(self) -> Int[np.ndarray, 'limb 2']:
        """Limbs as pairs of joint indices."""
        return np.array([[self.index(a), self.index(b)] for a, b in self.limbs]).reshape(-1, 2)

    @cached_property
    def sigma_array(self) -> Float[np.ndarray, 'joint']:
        """OKS sigmas as an array, float32."""
        return np.array(self.sigmas, dtype=np.float32)

    def likeness(
        self,
        points: Float[np.ndarray, '*person joint 2'],
        others: Float[np.ndarray, '*person joint 2'],
        area: Float[np.ndarray, '*person'] | float,
    ) -> Float[np.ndarray, '*person joint']:
        """Return each joint's term of OKS: exp(-d² / 2s²k²), in [0, 1], NaN where a point is.

        Args:
            points: of each joint, px.
            others: of the same joints.
            area: s², of the person's silhouette, px²; k is twice the joint's sigma (COCO).
        """
        squared = ((points - others) ** 2).sum(axis=-1)
        reach = 2.0 * np.asarray(area)[..., None] * (2.0 * self.sigma_array) ** 2
        likeness: Float[np.ndarray, '*person joint'] = np.exp(-squared / reach)
        return likeness

    def order_from(self, joints: tuple[str, ...]) -> Int[np.ndarray, 'joint']:
        """Return, for each joint here, its position in another list of names, or -1.

        `keypoints_here = keypoints_there[order]` wherever `order >= 0`; the others are unknown.
        """
        return np.array([joints.index(name) if name in joints else -1 for name in self.joints])


_SIDES = ('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')

COCO_17 = Skeleton(
    name='coco_17',
    joints=('nose', *(f'{side}_{part}' for part in _SIDES for side in ('left', 'right'))),
    flip_pairs=tuple((f'left_{part}', f'right_{part}') for part in _SIDES),
    limbs=(
        ('nose', 'left_eye'),
        ('nose', 'right_eye'),
        ('left_eye', 'left_ear'),
        ('right_eye', 'right_ear'),
        ('left_shoulder', 'right_shoulder'),
        ('left_shoulder', 'left_elbow'),
        ('left_elbow', 'left_wrist'),
        ('right_shoulder', 'right_elbow'),
        ('right_elbow', 'right_wrist'),
        ('left_shoulder', 'left_hip'),
        ('right_shoulder', 'right_hip'),
        ('left_hip', 'right_hip'),
        ('left_hip', 'left_knee'),
        ('left_knee', 'left_ankle'),
        ('right_hip', 'right_knee'),
        ('right_knee', 'right_ankle'),
    ),
    # COCO keypoint challenge: nose, then each pair from eyes to ankles.
    sigmas=(
        0.026,
        *(s for s in (0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089) for _ in range(2)),
    ),
)

# PoseTrack's files put the bottom (the neck) and the top of the head where COCO has the eyes, and
# leave the ears empty.
POSETRACK_15 = Skeleton(
    name='posetrack_15',
    joints=(
        'nose',
        'head_bottom',
        'head_top',
        *(f'{side}_{part}' for part in _SIDES[2:] for side in ('left', 'right')),
    ),
    flip_pairs=tuple((f'left_{part}', f'right_{part}') for part in _SIDES[2:]),
    limbs=(
        ('nose', 'head_bottom'),
        ('nose', 'head_top'),
        ('head_bottom', 'left_shoulder'),
        ('head_bottom', 'right_shoulder'),
        # From the shoulders down.
        *COCO_17.limbs[4:],
    ),
    # Those of COCO; the head's are those of the eyes, whose places they take.
    sigmas=(0.026, 0.025, 0.025, *COCO_17.sigmas[COCO_17.index('left_shoulder') :]),
)

SKELETONS = {skeleton.name: skeleton for skeleton in (COCO_17, POSETRACK_15)}

# Joints as other datasets' label files order them; maps go by name (`Skeleton.order_from`).
_LIMBS_DOWN = COCO_17.joints[COCO_17.index('left_shoulder') :]
_UP_RIGHT_DOWN_LEFT = (
    *(f'right_{part}' for part in ('ankle', 'knee', 'hip')),
    *(f'left_{part}' for part in ('hip', 'knee', 'ankle')),
)
_ARM_TO_ARM = (
    *(f'right_{part}' for part in ('wrist', 'elbow', 'shoulder')),
    *(f'left_{part}' for part in ('shoulder', 'elbow', 'wrist')),
)
LABEL_LAYOUTS: dict[str, tuple[str, ...]] = {
    'coco': COCO_17.joints,
    'crowdpose': (*_LIMBS_DOWN, 'head', 'neck'),
    # Halpe's body and feet; 68 points of the face and 42 of the hands follow.
    'halpe': (
        *COCO_17.joints,
        'head',
        'neck',
        'hip',
        *(f'{side}_{part}' for part in ('big_toe', 'small_toe', 'heel')
          for side in ('left', 'right')),
    ),
    # COCO-WholeBody's body and feet; 68 points of the face and 42 of the hands follow.
    'coco_wholebody': (
        *COCO_17.joints,
        *(f'{side}_{part}' for side in ('left', 'right')
          for part in ('big_toe', 'small_toe', 'heel')),
    ),
    'mpii': (*_UP_RIGHT_DOWN_LEFT, 'pelvis', 'thorax', 'upper_neck', 'head_top', *_ARM_TO_ARM),
    # PoseTrack 2018 and 2021 keep places for ears that nobody labelled.
    'posetrack': ('nose', 'head_bottom', 'head_top', 'left_ear', 'right_ear', *_LIMBS_DOWN),
    # PoseTrack 2017 numbers its points in this order.
    'posetrack_2017': (*_UP_RIGHT_DOWN_LEFT, *_ARM_TO_ARM, 'head_bottom', 'nose', 'head_top'),
}  # fmt: skip
