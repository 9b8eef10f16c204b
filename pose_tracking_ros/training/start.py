"""What the weights are before the first step."""

from __future__ import annotations

import math
from pathlib import Path

from pose_tracking_ros.network.heatmaps import DEFAULT_DECODING
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.movenet import load_movenet
from pose_tracking_ros.network.presets import build_network
from pose_tracking_ros.network.starting_points import load_backbone, load_keypoint_rcnn
from pose_tracking_ros.network.weights import load_network, shipped_weights
from pose_tracking_ros.training.config import TrainingConfig
from pose_tracking_ros.training.losses.keypoints import DECODING_OF, expect_nothing

# How torch saves; checkpoints of this project are `.safetensors`.
_TORCH_SUFFIXES = ('.pth', '.pt')
# TensorFlow.js, as MoveNet is published.
_GRAPH_MODEL_SUFFIX = '.json'


def starting_network(config: TrainingConfig, root: Path) -> MultiTaskNetwork:
    """Return the network to train, in training mode.

    Args:
        config: `start` goes before `data.backbone`; without both, weights are random.
        root: folder of the data.

    Raises:
        WeightsError: a file is missing, damaged, or of another network.
    """
    network = _loaded(config, root).float().train()
    wanted = DECODING_OF[config.objective.pose_loss]
    if wanted != DEFAULT_DECODING and network.decoding == DEFAULT_DECODING:
        # From softmax, which any offset suits, to sigmoids.
        head = network.pose_head
        expect_nothing(head, config.objective.sigma_cells, math.prod(head.heatmap))
    return network


def _loaded(config: TrainingConfig, root: Path) -> MultiTaskNetwork:
    if config.start == 'shipped':
        path = shipped_weights(config.preset)
    else:
        # Of others' weights, beside the data; of our own runs, wherever they are.
        beside = root / config.start
        path = beside if beside.is_file() else Path(config.start)
    if config.start and path.suffix not in (*_TORCH_SUFFIXES, _GRAPH_MODEL_SUFFIX):
        return load_network(config.preset, path)[0]
    network = build_network(config.preset)
    if path.suffix == _GRAPH_MODEL_SUFFIX:
        load_movenet(network, path)
    elif config.start:
        load_keypoint_rcnn(network, path)
    elif config.data.backbone:
        load_backbone(network.backbone, root / config.data.backbone)
    return network
