"""MoveNet MultiPose as a start for `lite`: a TensorFlow.js graph model read into its trunk.

Google published MoveNet MultiPose (Apache 2.0) for TensorFlow Lite and TensorFlow.js. It is a
CenterNet on a half wider MobileNet-v2, trained on COCO and pictures of sport. `lite` has the same
backbone and the same way down from coarse to fine maps (`fpn.NarrowingPyramid`).

A graph model is a `.json` file that lists arrays, and `.bin` files that hold them in that order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pose_tracking_ros.network.backbone import Stages
from pose_tracking_ros.network.fpn import NarrowingPyramid
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.weights import WeightsError

_EXTRACTOR = 'StatefulPartitionedCall/center_net_mobile_net_v2fpn_feature_extractor/model_1'
_DTYPES = {'float32': '<f4', 'float16': '<f2', 'int32': '<i4', 'bool': '?'}
# MoveNet wants pixels from -1 to 1.
_HALF_RANGE = 127.5


def load_movenet(network: MultiTaskNetwork, path: Path) -> tuple[str, ...]:
    """Start `lite`'s backbone and way down from MoveNet MultiPose.

    Args:
        network: of preset `lite`.
        path: the graph model's `.json`; its `.bin` files lie beside it.

    Returns:
        The names of the arrays that stay as they are: heads, and what feeds them.

    Raises:
        WeightsError: a file is missing or holds another network, or `network` is another preset.
    """
    pyramid = network.pyramid
    if not isinstance(pyramid, NarrowingPyramid):
        raise WeightsError(f'weights: {path}: only preset lite can start from MoveNet MultiPose')
    arrays = read_graph_model(path)
    state: dict[str, Tensor] = {}
    for ours, theirs, bias, groups in _layers(network.backbone, pyramid):
        # TensorFlow has rows, columns, inputs, outputs; depthwise: rows, columns, channels, 1.
        order = (2, 3, 0, 1) if groups > 1 else (3, 2, 0, 1)
        weight = _array(arrays, theirs, path)
        if weight.ndim != len(order):
            raise WeightsError(
                f'{path}: {theirs}: expected {len(order)} dimensions, got {weight.ndim}'
            )
        state[f'{ours}.weight'] = torch.from_numpy(weight.transpose(order).copy())
        if bias:
            state[f'{ours}.bias'] = torch.from_numpy(_array(arrays, bias, path).copy())
    _take_our_pixels(state, network)
    own = network.state_dict()
    for name, value in state.items():
        if value.shape != own[name].shape:
            raise WeightsError(
                f'{path}: {name}: expected shape {tuple(own[name].shape)}, got '
                f'{tuple(value.shape)}; expected MoveNet MultiPose, not Lightning or Thunder'
            )
    network.load_state_dict(state, strict=False)
    return tuple(name for name in own if name not in state)


def read_graph_model(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a TensorFlow.js graph model by name; half precision as float32.

    Raises:
        WeightsError: a file is missing, or is no such model.
    """
    try:
        manifest = json.loads(path.read_text())['weightsManifest']
        arrays: dict[str, NDArray[Any]] = {}
        for group in manifest:
            blob = b''.join((path.parent / name).read_bytes() for name in group['paths'])
            start = 0
            for entry in group['weights']:
                stored = entry.get('quantization', {}).get('dtype', entry['dtype'])
                if stored not in _DTYPES:
                    raise ValueError(
                        f'{entry["name"]} is stored as {stored}; expected one of '
                        f'{", ".join(_DTYPES)}, not whole numbers to be scaled'
                    )
                dtype, count = np.dtype(_DTYPES[stored]), math.prod(entry['shape'])
                array = np.frombuffer(blob, dtype, count, start).reshape(entry['shape'])
                arrays[entry['name']] = array.astype(np.float32) if dtype.kind == 'f' else array
                start += array.nbytes
            if start != len(blob):
                raise ValueError(f'{len(blob)} bytes of arrays, {start} listed')
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f'weights: {path}: expected a TensorFlow.js graph model (.json, its .bin files beside '
            f'it): {type(error).__name__}: {error}'
        ) from error
    return arrays


def _layers(
    backbone: Stages, pyramid: NarrowingPyramid
) -> Iterator[tuple[str, str, str | None, int]]:
    """Yield our name, MoveNet's names of weight and bias, and the groups of each convolution."""
    blocks = [
        (f'backbone.stages.{stage}.{number}', child)
        for stage, children in backbone.stages.items()
        for number, child in children.named_children()
    ]
    for index, (ours, child) in enumerate(blocks):
        layers = [(n, m) for n, m in child.named_modules() if isinstance(m, nn.Conv2d)]
        for (name, layer), theirs in zip(layers, _names_in_block(index - 1), strict=True):
            kind = 'depthwise' if layer.groups > 1 else 'Conv2D'
            stem = f'model/{theirs}/{kind}'
            yield f'{ours}.{name}', f'{stem}_weights', f'{stem}_bn_offset', layer.groups
    yield 'pyramid.top.0', 'model/Conv_1/Conv2D_weights', 'model/Conv_1/Conv2D_bn_offset', 1
    plain = [('pyramid.top.2', 'conv2d')]
    plain += [(f'pyramid.lateral.{i}', f'conv2d_{i + 1}') for i in range(len(pyramid.lateral))]
    for ours, theirs in plain:
        variable = 'ReadVariableOp'
        yield ours, f'{theirs}/Conv2D/{variable}', f'{theirs}/BiasAdd/{variable}', 1
    for i, smooth in enumerate(pyramid.smooth):
        theirs = 'separable_conv2d/separable_conv2d'
        theirs = theirs.replace('/', f'_{i}/', 1) if i else theirs
        depthwise = next(m for m in smooth.modules() if isinstance(m, nn.Conv2d))
        yield f'pyramid.smooth.{i}.0', f'{theirs}/ReadVariableOp', None, depthwise.groups
        yield f'pyramid.smooth.{i}.1', f'{theirs}_weights', f'{theirs}_bn_offset', 1


def _names_in_block(number: int) -> tuple[str, ...]:
    """Return the layers of a block; -1 is the first convolution, 0 has nothing to expand."""
    if number < 0:
        return ('Conv1',)
    if number == 0:
        return 'expanded_conv_depthwise', 'expanded_conv_project'
    return tuple(f'block_{number}_{name}' for name in ('expand', 'depthwise', 'project'))


def _array(arrays: dict[str, NDArray[Any]], name: str, path: Path) -> NDArray[Any]:
    try:
        return arrays[f'{_EXTRACTOR}/{name}']
    except KeyError as error:
        raise WeightsError(
            f'{path}: expected MoveNet MultiPose; it has no array {error}'
        ) from error


def _take_our_pixels(state: dict[str, Tensor], network: MultiTaskNetwork) -> None:
    """Let the first convolution read pixels normalised as everywhere here, in place."""
    weight, bias = (state[f'backbone.stages.c2.0.0.{kind}'] for kind in ('weight', 'bias'))
    mean, std = network.normalise.mean, network.normalise.std
    shift = mean / _HALF_RANGE - 1
    state['backbone.stages.c2.0.0.bias'] = bias + (weight * shift).sum((1, 2, 3))
    state['backbone.stages.c2.0.0.weight'] = weight * (std / _HALF_RANGE)
