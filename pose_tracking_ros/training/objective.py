"""The training forward pass: network, targets and losses of one batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose_tracking_ros.network.decode import (
    BOX_WEIGHTS,
    RPN_WEIGHTS,
    cells_from_points,
    deltas_from_boxes,
    expand_boxes,
)
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.pooling import pool_people
from pose_tracking_ros.network.rpn import RPNOutput
from pose_tracking_ros.training.canvas import Canvas
from pose_tracking_ros.training.losses import IdentityLoss, box_loss, spatial_softmax_loss
from pose_tracking_ros.training.matching import Sampler, jittered, match
from pose_tracking_ros.training.scenes import Batch

# Whose labelled joints weigh less in all says nothing about a pose.
_MIN_JOINT_WEIGHT = 2.0


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
    """

    anchors_per_image: int
    boxes_per_image: int
    poses_per_image: int
    sigma_cells: float
    min_size_px: float
    max_size_px: float
    min_pose_size_px: float
    weights: dict[str, float]


@dataclass(frozen=True)
class _Truth:
    boxes: Tensor
    keypoints: Tensor
    ignored: Tensor
    identities: Tensor
    has_boxes: bool


class Objective(nn.Module):
    """Computes the losses of a batch.

    Args:
        network: trained.
        identity_loss: trained along with it; None without identities.
        settings: counts and weights.
    """

    def __init__(
        self,
        network: MultiTaskNetwork,
        identity_loss: IdentityLoss | None,
        settings: ObjectiveSettings,
    ) -> None:
        super().__init__()
        self.network = network
        self.identity_loss = identity_loss
        self.settings = settings

    def forward(
        self, images: Tensor, batch: Batch, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the weighted losses by name; one whose labels are missing in the batch is 0.

        Args:
            images: image x 3 x height x width, uint8 or float, 0..255.
            batch: the labels of the images.
            generator: of all random choices, so that runs repeat.
        """
        size = (int(images.shape[-2]), int(images.shape[-1]))
        levels = self.network.features(images.float())
        rpn = self.network.rpn(levels, size)
        truths = [self._truth(canvas, images.device) for canvas in batch.canvases]
        sampler = Sampler(generator)
        losses = self._rpn_losses(rpn, truths, sampler)
        losses |= self._box_losses(levels, rpn, truths, sampler, size)
        losses |= self._pose_losses(levels, truths, sampler)
        losses |= self._identity_losses(levels, truths, sampler)
        return {name: loss * self.settings.weights.get(name, 1.0) for name, loss in losses.items()}

    def _truth(self, canvas: Canvas, device: torch.device) -> _Truth:
        labels = canvas.labels
        boxes = torch.from_numpy(labels.boxes).to(device)
        size = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt()
        # SIFP: who is too small or too large here is ignored, not background.
        valid = (size >= self.settings.min_size_px) & (size <= self.settings.max_size_px)
        return _Truth(
            boxes=boxes[valid],
            keypoints=torch.from_numpy(labels.keypoints).to(device)[valid],
            ignored=torch.cat([torch.from_numpy(labels.ignored).to(device), boxes[~valid]]),
            identities=torch.from_numpy(labels.identities).to(device)[valid],
            has_boxes=canvas.has_boxes,
        )

    def _rpn_losses(
        self, rpn: RPNOutput, truths: list[_Truth], sampler: Sampler
    ) -> dict[str, Tensor]:
        score, move = rpn.logits.new_zeros(()), rpn.logits.new_zeros(())
        count = 0
        for image, truth in enumerate(truths):
            if not truth.has_boxes:
                continue
            owner = match(rpn.anchors, truth.boxes, truth.ignored, 0.65, 0.35, keep_best=True)
            positive, negative = sampler.choose(owner, self.settings.anchors_per_image, 0.5)
            chosen = torch.cat([positive, negative])
            wanted = (owner[chosen] >= 0).float()
            score = score + F.binary_cross_entropy_with_logits(
                rpn.logits[image, chosen], wanted, reduction='sum'
            )
            if len(positive):
                goal = deltas_from_boxes(
                    truth.boxes[owner[positive]], rpn.anchors[positive], RPN_WEIGHTS
                )
                move = move + box_loss(rpn.deltas[image, positive], goal, 1)
            count += len(chosen)
        return {'rpn_score': score / max(count, 1), 'rpn_box': move / max(count, 1)}

    def _box_losses(
        self,
        levels: dict[str, Tensor],
        rpn: RPNOutput,
        truths: list[_Truth],
        sampler: Sampler,
        size: tuple[int, int],
    ) -> dict[str, Tensor]:
        boxes, index, wanted, goals = [], [], [], []
        for image, truth in enumerate(truths):
            if not truth.has_boxes:
                continue
            with torch.no_grad():
                found = self.network.rpn.proposals(rpn, image, size, 300, 200)
            candidates = torch.cat([found, truth.boxes])
            owner = match(candidates, truth.boxes, truth.ignored, 0.5, 0.5, keep_best=False)
            chosen = torch.cat(sampler.choose(owner, self.settings.boxes_per_image, 0.3))
            boxes.append(candidates[chosen])
            index.append(torch.full((len(chosen),), float(image), device=candidates.device))
            wanted.append(owner[chosen] >= 0)
            if len(truth.boxes):
                goal = deltas_from_boxes(
                    truth.boxes[owner[chosen].clamp_min(0)], candidates[chosen], BOX_WEIGHTS
                )
            else:
                goal = torch.zeros_like(candidates[chosen])
            goals.append(goal)
        if not boxes:
            zero = rpn.logits.sum() * 0
            return {'person_score': zero, 'person_box': zero}
        flat, positive = torch.cat(boxes), torch.cat(wanted)
        pooled = pool_people(
            levels, flat, self.network.box_head.grid, None, image_index=torch.cat(index)
        )
        logits, deltas = self.network.box_head(pooled)
        return {
            'person_score': F.binary_cross_entropy_with_logits(logits, positive.float()),
            'person_box': box_loss(deltas[positive], torch.cat(goals)[positive], len(flat)),
        }

    def _pose_losses(
        self, levels: dict[str, Tensor], truths: list[_Truth], sampler: Sampler
    ) -> dict[str, Tensor]:
        head = self.network.pose_head
        boxes, index, keypoints = [], [], []
        for image, truth in enumerate(truths):
            size = (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(1).sqrt()
            has_pose = truth.keypoints[..., 2].sum(1) >= _MIN_JOINT_WEIGHT
            labelled = (has_pose & (size >= self.settings.min_pose_size_px)).nonzero()[:, 0]
            labelled = sampler.pick(labelled, self.settings.poses_per_image)
            boxes.append(jittered(truth.boxes[labelled], sampler.generator))
            keypoints.append(truth.keypoints[labelled])
            index.append(torch.full((len(labelled),), float(image), device=labelled.device))
        flat, points = torch.cat(boxes), torch.cat(keypoints)
        if len(flat) < 2:
            return {'pose': levels['p2'].sum() * 0}
        pooled = pool_people(levels, flat, head.grid, head.margin, image_index=torch.cat(index))
        cells = cells_from_points(
            points[..., :2], expand_boxes(flat, head.grid, head.margin), head.heatmap
        )
        rows, columns = head.heatmap
        limit = cells.new_tensor([columns, rows]) - 0.5
        inside = ((cells >= -0.5) & (cells <= limit)).all(-1)
        loss = spatial_softmax_loss(
            head(pooled), cells, points[..., 2] * inside, self.settings.sigma_cells
        )
        return {'pose': loss}

    def _identity_losses(
        self, levels: dict[str, Tensor], truths: list[_Truth], sampler: Sampler
    ) -> dict[str, Tensor]:
        if self.identity_loss is None:
            return {}
        head = self.network.reid_head
        boxes, index, identities = [], [], []
        for image, truth in enumerate(truths):
            known = (truth.identities >= 0).nonzero()[:, 0]
            boxes.append(jittered(truth.boxes[known], sampler.generator))
            identities.append(truth.identities[known])
            index.append(torch.full((len(known),), float(image), device=known.device))
        flat = torch.cat(boxes)
        if len(flat) < 2:
            return {'identity': levels['p2'].sum() * 0}
        pooled = pool_people(levels, flat, head.grid, head.margin, image_index=torch.cat(index))
        return {'identity': self.identity_loss(head(pooled), torch.cat(identities))}
