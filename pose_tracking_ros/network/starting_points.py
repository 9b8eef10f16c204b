"""Weights of others to start training from: torchvision's ImageNet and COCO checkpoints.

Nothing is fetched: the files are the published ones, by their names in torchvision, or any file of
the same structure.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.detection import keypointrcnn_resnet50_fpn

from pose_tracking_ros.network.backbone import Stages
from pose_tracking_ros.network.heads import PaperPoseHead
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.weights import WeightsError

_ARCHITECTURES = ('mobilenet_v2', 'resnet18', 'resnet50', 'resnet101')
# Where torchvision's ResNets keep what is here stage `c2`; the later stages are its layers 2 to 4.
_RESNET_STEM = {'0': 'conv1', '1': 'bn1', '4': 'layer1'}
_RESNET_LAYERS = {'c3': 'layer2', 'c4': 'layer3', 'c5': 'layer4'}
# Keypoint R-CNN's parts and what they are here. Not named: the backbone, the box predictor (two
# classes there) and the last layer of the pose head (one deconvolution and a resize there).
_RCNN_PARTS = (
    (r'backbone\.fpn\.', 'pyramid.fpn.'),
    (r'rpn\.head\.', 'rpn.head.'),
    (r'roi_heads\.box_head\.fc6\.', 'box_head.layers.1.'),
    (r'roi_heads\.box_head\.fc7\.', 'box_head.layers.3.'),
    (r'roi_heads\.keypoint_head\.', 'pose_head.convs.'),
)
_RCNN_POSE_LAYERS = 8
_PERSON = 1


def load_backbone(backbone: Stages, path: Path) -> None:
    """Start a backbone from ImageNet weights in torchvision's naming.

    Takes `mobilenet_v2`, `resnet18`, `resnet50` and `resnet101`; a classifier in the file is left
    out. `lite`'s half wider backbone has no such weights (`movenet.py` starts it).

    Raises:
        WeightsError: the file is missing, is no file of arrays, or holds another network.
    """
    _copy_backbone(backbone, load_arrays(path), path)


def load_keypoint_rcnn(network: MultiTaskNetwork, path: Path) -> tuple[str, ...]:
    """Start `fastpose-50` from torchvision's `keypointrcnn_resnet50_fpn`, for example `COCO_V1`.

    Backbone, pyramid, proposals, box head and the convolutions of the pose head are the same
    there (except that COCO_V1 was trained without the 1e-5 that keeps norms from dividing by zero,
    which training absorbs). Its two classes become one score, the difference of their logits. The
    last layers of the pose head (other resolution) and the Re-ID head (absent there) stay as they
    are.

    Returns:
        The names of the arrays that stay as they are.

    Raises:
        WeightsError: the file is missing or holds another network, or `network` has another
            structure.
    """
    head = network.pose_head
    layers = sum(isinstance(layer, nn.Conv2d) for layer in head.modules())
    if not isinstance(head, PaperPoseHead) or layers != _RCNN_POSE_LAYERS:
        raise WeightsError(
            f'weights: {path}: only preset fastpose-50 can start from a Keypoint R-CNN; for '
            'others, name ImageNet weights as data.backbone'
        )
    # torchvision reads files of all its versions, whose names differ.
    model = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    try:
        model.load_state_dict(load_arrays(path))
    except RuntimeError as error:
        raise WeightsError(
            f'weights: {path}: expected torchvision keypointrcnn_resnet50_fpn weights: '
            f'{_first_reason(error)}'
        ) from error
    state = model.state_dict()
    body = 'backbone.body.'
    arrays = {name[len(body) :]: value for name, value in state.items() if name.startswith(body)}
    _copy_backbone(network.backbone, arrays, path)
    ours = {_name_here(name): value for name, value in state.items()}
    predictor = 'roi_heads.box_predictor.'
    for kind in ('weight', 'bias'):
        score = state[f'{predictor}cls_score.{kind}']
        ours[f'box_head.score.{kind}'] = (score[_PERSON] - score[1 - _PERSON])[None]
        deltas = state[f'{predictor}bbox_pred.{kind}']
        ours[f'box_head.deltas.{kind}'] = deltas[4 * _PERSON : 4 * _PERSON + 4]
    own = network.state_dict()
    taken = {name: value for name, value in ours.items() if name in own}
    network.load_state_dict(taken, strict=False)
    return tuple(
        name for name in own if name not in taken and not name.startswith(('backbone.', 'norm'))
    )


def load_arrays(path: Path) -> dict[str, Tensor]:
    """Return the named arrays of a file that torch saved.

    Raises:
        WeightsError: the file is missing, or holds anything but arrays.
    """
    if not path.is_file():
        raise WeightsError(f'weights: no file {path}')
    try:
        # weights_only: a file of arrays cannot run code.
        state = torch.load(path, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise WeightsError(
            f'{path}: not a file of arrays saved by torch, or holds more than arrays: '
            f'{_first_reason(error)}'
        ) from error
    if not isinstance(state, dict):
        raise WeightsError(f'{path}: expected a dictionary of arrays, got {type(state).__name__}')
    return state


def _first_reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # torch's first line of a list only says that it is one.
    return lines[1] if len(lines) > 1 and lines[0].endswith(':') else lines[0]


def _name_here(name: str) -> str:
    for theirs, ours in _RCNN_PARTS:
        if re.match(theirs, name):
            return re.sub(theirs, ours, name, count=1)
    return name


def _copy_backbone(backbone: Stages, arrays: Mapping[str, Tensor], path: Path) -> None:
    if backbone.architecture not in _ARCHITECTURES:
        raise WeightsError(
            f'{path}: expected a preset whose backbone torchvision has '
            f'({", ".join(_ARCHITECTURES)}), got {backbone.architecture}; for lite, name MoveNet '
            'MultiPose as start'
        )
    is_resnet = backbone.architecture.startswith('resnet')
    names = _resnet_names(backbone) if is_resnet else _mobilenet_names(backbone)
    missing = [name for name in names.values() if name not in arrays]
    if missing:
        raise WeightsError(
            f'{path}: expected torchvision {backbone.architecture} weights; {len(missing)} arrays '
            f'are missing, for example {missing[0]}'
        )
    own = backbone.state_dict()
    for name, value in own.items():
        if arrays[names[name]].shape != value.shape:
            raise WeightsError(
                f'{path}: {names[name]}: expected shape {tuple(value.shape)}, got '
                f'{tuple(arrays[names[name]].shape)}; expected {backbone.architecture} weights'
            )
    backbone.load_state_dict({name: arrays[names[name]] for name in own})


def _resnet_names(backbone: Stages) -> dict[str, str]:
    """Map this backbone's names to those of torchvision's ResNets."""
    names = {}
    for stage_name, stage in backbone.stages.items():
        for name in stage.state_dict():
            if stage_name in _RESNET_LAYERS:
                theirs = f'{_RESNET_LAYERS[stage_name]}.{name}'
            else:
                number, rest = name.split('.', 1)
                theirs = f'{_RESNET_STEM[number]}.{rest}'
            names[f'stages.{stage_name}.{name}'] = theirs
    return names


def _mobilenet_names(backbone: Stages) -> dict[str, str]:
    """Map this backbone's names to torchvision's, whose blocks are numbered through."""
    names, first = {}, 0
    for stage_name, stage in backbone.stages.items():
        assert isinstance(stage, nn.Sequential)
        for name in stage.state_dict():
            number, rest = name.split('.', 1)
            names[f'stages.{stage_name}.{name}'] = f'features.{first + int(number)}.{rest}'
        first += len(stage)
    return names
