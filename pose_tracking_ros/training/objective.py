"""The training forward pass: network, targets and losses of one batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose_tracking_ros.network.decode import (
    BOX_WEIGHTS,
    RPN_WEIGHTS,
    cells_from_points,
    deltas_from_boxes,
)
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.pooling import pool_people
from pose_tracking_ros.network.rpn import RPNOutput
from pose_tracking_ros.training.box_offsets import BoxOffsets
from pose_tracking_ros.training.canvas import Canvas
from pose_tracking_ros.training.losses.balance import UncertaintyWeights
from pose_tracking_ros.training.losses.boxes import box_loss
from pose_tracking_ros.training.losses.identity import IdentityLoss, OnlineInstanceMatching
from pose_tracking_ros.training.losses.keypoints import (
    DECODING_OF,
    regressive_cross_entropy,
    spatial_softmax_loss,
    symmetric_integral_loss,
)
from pose_tracking_ros.training.matching import Sampler, jittered, match
from pose_tracking_ros.training.objective_settings import ObjectiveSettings
from pose_tracking_ros.training.scenes import Batch

# Whose labelled joints weigh less in all says nothing about a pose.
_MIN_JOINT_WEIGHT = 2.0


@dataclass(frozen=True)
class _Truth:
    boxes: Tensor
    keypoints: Tensor
    ignored: Tensor
    out_of_range: Tensor
    identities: Tensor
    has_boxes: bool


class _Loss(NamedTuple):
    """A task's loss, and whether the batch has any labels for it."""

    value: Tensor
    has_labels: bool


class Objective(nn.Module):
    """Computes the losses of a batch.

    Args:
        network: trained; its decoding becomes that of the pose loss.
        identity_loss: trained along with it; None without identities.
        settings: counts and weights.

    Raises:
        DataError: the file of box offsets cannot be used.
    """

    def __init__(
        self,
        network: MultiTaskNetwork,
        identity_loss: IdentityLoss | OnlineInstanceMatching | None,
        settings: ObjectiveSettings,
    ) -> None:
        super().__init__()
        self.network = network
        self.identity_loss = identity_loss
        self.settings = settings
        network.decoding = DECODING_OF[settings.pose_loss]
        self.offsets = None
        if settings.box_offsets:
            self.offsets = BoxOffsets.load(Path(settings.box_offsets))
        self.balance = None
        if settings.task_weights == 'learnt':
            names = ['rpn_score', 'rpn_box', 'person_score', 'person_box', 'pose']
            names += ['identity'] if identity_loss else []
            self.balance = UncertaintyWeights({n: settings.weights.get(n, 1.0) for n in names})

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
        return {name: self._weighted(name, loss) for name, loss in losses.items()}

    def _weighted(self, name: str, loss: _Loss) -> Tensor:
        if self.balance is None:
            return loss.value * self.settings.weights.get(name, 1.0)
        if loss.has_labels:
            weighted: Tensor = self.balance(name, loss.value)
            return weighted
        return loss.value * 0

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
            out_of_range=torch.from_numpy(canvas.out_of_range).to(device),
            identities=torch.from_numpy(labels.identities).to(device)[valid],
            has_boxes=canvas.has_boxes,
        )

    def _rpn_losses(
        self, rpn: RPNOutput, truths: list[_Truth], sampler: Sampler
    ) -> dict[str, _Loss]:
        score, move = rpn.logits.new_zeros(()), rpn.logits.new_zeros(())
        count = positives = 0
        for image, truth in enumerate(truths):
            if not truth.has_boxes:
                continue
            owner = match(
                rpn.anchors,
                truth.boxes,
                truth.ignored,
                0.65,
                0.35,
                keep_best=True,
                out_of_range=truth.out_of_range,
            )
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
            positives += len(positive)
        return {
            'rpn_score': _Loss(score / max(count, 1), count > 0),
            'rpn_box': _Loss(move / max(count, 1), positives > 0),
        }

    def _box_losses(
        self,
        levels: dict[str, Tensor],
        rpn: RPNOutput,
        truths: list[_Truth],
        sampler: Sampler,
        size: tuple[int, int],
    ) -> dict[str, _Loss]:
        boxes, index, wanted, goals = [], [], [], []
        for image, truth in enumerate(truths):
            if not truth.has_boxes:
                continue
            with torch.no_grad():
                found = self.network.rpn.proposals(rpn, image, size, 300, 200)
            candidates = torch.cat([found, truth.boxes])
            owner = match(
                candidates,
                truth.boxes,
                truth.ignored,
                0.5,
                0.5,
                keep_best=False,
                out_of_range=truth.out_of_range,
            )
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
        # No box remains either where everything lies in ignored regions.
        if not any(map(len, boxes)):
            zero = rpn.logits.sum() * 0
            return {'person_score': _Loss(zero, False), 'person_box': _Loss(zero, False)}
        flat, positive = torch.cat(boxes), torch.cat(wanted)
        pooled = pool_people(levels, flat, self.network.box_head.pooling, torch.cat(index))
        logits, deltas = self.network.box_head(pooled)
        score = F.binary_cross_entropy_with_logits(logits, positive.float())
        move = box_loss(deltas[positive], torch.cat(goals)[positive], len(flat))
        return {
            'person_score': _Loss(score, True),
            'person_box': _Loss(move, bool(positive.any())),
        }

    def _pose_losses(
        self, levels: dict[str, Tensor], truths: list[_Truth], sampler: Sampler
    ) -> dict[str, _Loss]:
        head = self.network.pose_head
        boxes, index, keypoints = [], [], []
        for image, truth in enumerate(truths):
            size = (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(1).sqrt()
            has_pose = truth.keypoints[..., 2].sum(1) >= _MIN_JOINT_WEIGHT
            labelled = (has_pose & (size >= self.settings.min_pose_size_px)).nonzero()[:, 0]
            labelled = sampler.pick(labelled, self.settings.poses_per_image)
            boxes.append(self._as_detected(truth.boxes[labelled], sampler.generator))
            keypoints.append(truth.keypoints[labelled])
            index.append(torch.full((len(labelled),), float(image), device=labelled.device))
        flat, points = torch.cat(boxes), torch.cat(keypoints)
        if len(flat) < 2:
            return {'pose': _Loss(levels['p2'].sum() * 0, False)}
        pooled = pool_people(levels, flat, head.pooling, torch.cat(index))
        cells = cells_from_points(points[..., :2], head.pooling.regions(flat), head.heatmap)
        rows, columns = head.heatmap
        limit = cells.new_tensor([columns, rows]) - 0.5
        inside = ((cells >= -0.5) & (cells <= limit)).all(-1)
        weights = points[..., 2] * inside
        loss = self._pose_loss(head(pooled), cells, weights)
        return {'pose': _Loss(loss, bool((weights > 0).any()))}

    def _pose_loss(self, logits: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
        settings = self.settings
        if settings.pose_loss == 'sikr':
            return symmetric_integral_loss(logits, cells, weights, settings.sikr_amplitude)
        loss = regressive_cross_entropy if settings.pose_loss == 'rce' else spatial_softmax_loss
        return loss(logits, cells, weights, settings.sigma_cells)

    def _identity_losses(
        self, levels: dict[str, Tensor], truths: list[_Truth], sampler: Sampler
    ) -> dict[str, _Loss]:
        if self.identity_loss is None:
            return {}
        head = self.network.reid_head
        boxes, index, identities = [], [], []
        for image, truth in enumerate(truths):
            known = (truth.identities >= 0).nonzero()[:, 0]
            if self.identity_loss.takes_unlabelled:
                known = torch.cat([known, self._unlabelled(truth, sampler)])
            boxes.append(self._as_detected(truth.boxes[known], sampler.generator))
            identities.append(truth.identities[known])
            index.append(torch.full((len(known),), float(image), device=known.device))
        flat = torch.cat(boxes)
        if len(flat) < 2:
            return {'identity': _Loss(levels['p2'].sum() * 0, False)}
        pooled = pool_people(levels, flat, head.pooling, torch.cat(index))
        who = torch.cat(identities)
        return {'identity': _Loss(self.identity_loss(head(pooled), who), bool((who >= 0).any()))}

    def _as_detected(self, boxes: Tensor, generator: torch.Generator) -> Tensor:
        if self.offsets is None:
            return jittered(boxes, generator)
        return self.offsets.moved(boxes, generator)

    def _unlabelled(self, truth: _Truth, sampler: Sampler) -> Tensor:
        """Return some people without identity who are large enough to be told apart."""
        size = (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(1).sqrt()
        fits = (truth.identities < 0) & (size >= self.settings.min_pose_size_px)
        return sampler.pick(fits.nonzero()[:, 0], self.settings.oim_unlabelled_per_image)
