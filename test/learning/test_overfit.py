"""The network learns: on four pictures the losses fall and the four people are found."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pose_tracking_ros.network.detection import Selection
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.weights import load_network, shipped_weights
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.training.canvas import Canvas
from pose_tracking_ros.training.config import load_config
from pose_tracking_ros.training.objective import Objective
from pose_tracking_ros.training.pictures import Labels
from pose_tracking_ros.training.scenes import Batch

CONFIG = Path(__file__).parents[2] / 'config' / 'training' / 'lite.yaml'
SIDE = 192
STEPS = 60


def four_canvases() -> list[Canvas]:
    """Cut one person each out of four moments of a rendered scene."""
    scene = make_scene('crossing', seed=3)
    canvases = []
    for index in (15, 40, 70, 110):
        truth = scene.truth(index)
        alone = int(np.argmax(truth.visible_fraction * (truth.boxes[:, 3] - truth.boxes[:, 1])))
        box = truth.boxes[alone]
        half = 0.62 * (box[3] - box[1])
        corner = (box[:2] + box[2:]) / 2 - half
        scale = SIDE / (2 * half)
        matrix = np.column_stack([np.eye(2) * scale, -corner * scale])
        image = cv2.warpAffine(scene.render(index), matrix, (SIDE, SIDE))
        others = np.delete(truth.boxes, alone, axis=0)
        moved = np.clip((others - np.tile(corner, 2)) * scale, 0, SIDE)
        keypoints = (truth.keypoints[alone] - corner) * scale
        weights = truth.keypoint_visible[alone].astype(np.float32)
        canvases.append(
            Canvas(
                np.asarray(image, np.uint8),
                Labels(
                    boxes=((box - np.tile(corner, 2)) * scale)[None].astype(np.float32),
                    keypoints=np.column_stack([keypoints, weights])[None].astype(np.float32),
                    ignored=moved[(moved[:, 2:] > moved[:, :2]).all(1)].astype(np.float32),
                    identities=np.array([-1]),
                ),
            )
        )
    return canvases


def test_four_pictures_are_learnt() -> None:
    torch.manual_seed(0)
    batch = Batch(four_canvases())
    network = build_network('lite')
    # All but the backbone starts from nothing; a backbone without norm layers needs a start.
    trained, _ = load_network('lite', shipped_weights('lite'))
    network.backbone.load_state_dict(trained.backbone.state_dict())
    objective = Objective(network, None, load_config(CONFIG).objective).train()
    optimiser = torch.optim.AdamW(objective.parameters(), lr=2e-3)
    history: list[dict[str, float]] = []
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group['lr'] = 2e-3 * min(1.0, (STEPS - step) / (STEPS / 2))
        losses = objective(batch.images, batch, torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        history.append({name: float(loss.detach()) for name, loss in losses.items()})
    first = {name: np.mean([h[name] for h in history[:3]]) for name in history[0]}
    last = {name: np.mean([h[name] for h in history[-5:]]) for name in history[0]}
    for name in ('rpn_score', 'person_score', 'pose'):
        assert last[name] < 0.5 * first[name], (name, first[name], last[name])

    network.eval()
    for canvas, found in zip(
        batch.canvases, network(batch.images.float(), Selection(min_score=0.5)), strict=True
    ):
        labels = canvas.labels
        assert len(found.boxes) >= 1
        best = found.boxes[0].numpy()
        low, high = (
            np.maximum(best[:2], labels.boxes[0, :2]),
            np.minimum(best[2:], labels.boxes[0, 2:]),
        )
        shared = np.prod(np.clip(high - low, 0, None))
        union = np.prod(best[2:] - best[:2]) + np.prod(labels.boxes[0, 2:] - labels.boxes[0, :2])
        # Found as detection benchmarks mean it.
        assert shared / (union - shared) > 0.5
        seen = labels.keypoints[0, :, 2] > 0
        error = np.linalg.norm(found.keypoints[0].numpy() - labels.keypoints[0, :, :2], axis=1)
        # Of 192 px; the person is about 155 px tall.
        assert np.median(error[seen]) < 8, error[seen]


@pytest.mark.parametrize('missing', ['keypoints', 'boxes', 'people'])
def test_a_loss_without_labels_is_zero_and_has_no_effect(missing: str) -> None:
    torch.manual_seed(0)
    canvases = []
    for canvas in four_canvases():
        labels = canvas.labels
        keypoints = labels.keypoints.copy()
        boxes, identities = labels.boxes, labels.identities
        if missing == 'keypoints':
            keypoints[..., 2] = 0
        if missing == 'people':
            boxes, keypoints, identities = boxes[:0], keypoints[:0], identities[:0]
        canvases.append(
            Canvas(
                canvas.image,
                Labels(boxes, keypoints, labels.ignored, identities),
                has_boxes=missing != 'boxes',
            )
        )
    batch = Batch(canvases)
    objective = Objective(build_network('lite'), None, load_config(CONFIG).objective).train()
    losses = objective(batch.images, batch, torch.Generator().manual_seed(0))
    zero = {
        'keypoints': ('pose',),
        'boxes': ('rpn_score', 'rpn_box', 'person_score', 'person_box'),
        'people': ('rpn_box', 'person_box', 'pose'),
    }[missing]
    for name, loss in losses.items():
        assert torch.isfinite(loss)
        assert (float(loss.detach()) == 0) == (name in zero), name
    torch.stack(list(losses.values())).sum().backward()
