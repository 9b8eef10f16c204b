"""Which losses train the network, with their counts and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pose_tracking_ros.training.losses.identity import IdentityLoss, OnlineInstanceMatching
from pose_tracking_ros.training.losses.keypoints import PoseLoss


@dataclass(frozen=True)
class ObjectiveSettings:
    """Counts and weights of the losses.

    Attributes:
        anchors_per_image: sampled for the RPN.
        boxes_per_image: sampled for the box head.
        poses_per_image: people (with jittered boxes) that train the pose head, at most.
        sigma_cells: width of the keypoint target.
        min_size_px: smallest trained person, square root of the box area (SIFP's s_l).
        max_size_px: largest (s_u).
        min_pose_size_px: smallest person that trains the pose head: below, a heatmap cell is
            less than a pixel and the labels are guesses.
        weights: factor per loss.
        pose_loss: `softmax` (cross-entropy over all cells), `rce` (FasterPose) or `sikr`
            (AlphaPose); it decides how the heatmaps are decoded.
        sikr_amplitude: of SIKR's gradient, cells; 0 for an eighth of the map's side.
        identity_loss: `softmax` over identities, or `oim` (online instance matching).
        oim_momentum: share of an identity's row that stays when it is seen.
        oim_temperature: of its softmax.
        oim_queue: how many people without identity are remembered.
        oim_unlabelled_per_image: how many of them each image gives, at most.
        task_weights: `fixed`, or `learnt` from each task's uncertainty, starting at `weights`.
        box_offsets: file of measured offsets (PGPG) by which the boxes of pose and Re-ID head
            are moved; empty for normal ones.
    """

    anchors_per_image: int
    boxes_per_image: int
    poses_per_image: int
    sigma_cells: float
    min_size_px: float
    max_size_px: float
    min_pose_size_px: float
    weights: dict[str, float]
    pose_loss: PoseLoss = 'softmax'
    sikr_amplitude: float = 0.0
    identity_loss: Literal['softmax', 'oim'] = 'softmax'
    oim_momentum: float = 0.5
    oim_temperature: float = 0.1
    oim_queue: int = 5000
    oim_unlabelled_per_image: int = 4
    task_weights: Literal['fixed', 'learnt'] = 'fixed'
    box_offsets: str = ''

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: a number is outside of its range.
        """
        if not 0 <= self.oim_momentum < 1:
            raise ValueError(f'oim_momentum: expected 0 to below 1, got {self.oim_momentum}')
        if self.oim_temperature <= 0:
            raise ValueError(f'oim_temperature: expected above 0, got {self.oim_temperature}')
        for name in ('oim_queue', 'oim_unlabelled_per_image', 'sikr_amplitude'):
            if getattr(self, name) < 0:
                raise ValueError(f'{name}: expected at least 0, got {getattr(self, name)}')
        if self.task_weights == 'learnt' and any(w <= 0 for w in self.weights.values()):
            raise ValueError(f'weights: expected above 0 to learn from, got {self.weights}')


def identity_loss_of(
    settings: ObjectiveSettings, dim: int, identities: int
) -> IdentityLoss | OnlineInstanceMatching:
    """Return the loss of the embeddings.

    Args:
        settings: which, and its numbers.
        dim: length of an embedding.
        identities: number of classes.
    """
    if settings.identity_loss == 'softmax':
        return IdentityLoss(dim, identities)
    return OnlineInstanceMatching(
        dim, identities, settings.oim_queue, settings.oim_momentum, settings.oim_temperature
    )
