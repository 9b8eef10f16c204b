"""MoveNet MultiPose as a TensorFlow.js graph model, with random weights, and what it computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

PREFIX = 'StatefulPartitionedCall/center_net_mobile_net_v2fpn_feature_extractor/model_1/'
# Of the inverted residuals with expansion: outputs and stride.
BLOCKS = (
    *((40, 2), (40, 1), (48, 2), (48, 1), (48, 1), (96, 2), (96, 1), (96, 1), (96, 1)),
    *((144, 1), (144, 1), (144, 1), (240, 2), (240, 1), (240, 1), (480, 1)),
)
# Outputs of a separable convolution of the way down, and after which block its lateral reads.
WAY_DOWN = ((64, 32, 9), (32, 24, 5), (24, 24, 2))

Arrays = dict[str, NDArray[np.float32]]


def movenet_arrays(seed: int = 0) -> Arrays:
    """Return random arrays in TensorFlow's order: rows, columns, inputs, outputs."""
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}

    def convolution(name: str, inputs: int, outputs: int, side: int, plain: bool = False) -> None:
        weight, bias = (
            ('Conv2D/ReadVariableOp', 'BiasAdd/ReadVariableOp')
            if plain
            else ('Conv2D_weights', 'Conv2D_bn_offset')
        )
        scale = 1 / np.sqrt(inputs * side * side)
        arrays[f'{name}/{weight}'] = rng.normal(0, scale, (side, side, inputs, outputs))
        arrays[f'{name}/{bias}'] = rng.normal(0, 0.1, outputs)

    def depthwise(name: str, channels: int) -> None:
        arrays[f'{name}/depthwise_weights'] = rng.normal(0, 0.4, (3, 3, channels, 1))
        arrays[f'{name}/depthwise_bn_offset'] = rng.normal(0, 0.1, channels)

    convolution('model/Conv1', 3, 48, 3)
    depthwise('model/expanded_conv_depthwise', 48)
    convolution('model/expanded_conv_project', 48, 24, 1)
    inputs, widths = 24, {0: 24}
    for number, (outputs, _) in enumerate(BLOCKS, start=1):
        convolution(f'model/block_{number}_expand', inputs, 6 * inputs, 1)
        depthwise(f'model/block_{number}_depthwise', 6 * inputs)
        convolution(f'model/block_{number}_project', 6 * inputs, outputs, 1)
        inputs = widths[number] = outputs
    convolution('model/Conv_1', 480, 1280, 1)
    convolution('conv2d', 1280, 64, 1, plain=True)
    for number, (width, outputs, block) in enumerate(WAY_DOWN):
        convolution(f'conv2d_{number + 1}', widths[block], width, 1, plain=True)
        name = _separable(number)
        arrays[f'{name}/ReadVariableOp'] = rng.normal(0, 0.4, (3, 3, width, 1))
        arrays[f'{name}_weights'] = rng.normal(0, 0.2, (1, 1, width, outputs))
        arrays[f'{name}_bn_offset'] = rng.normal(0, 0.1, outputs)
    return {f'{PREFIX}{name}': array.astype(np.float32) for name, array in arrays.items()}


def write_graph_model(folder: Path, arrays: Arrays, half: bool = False) -> Path:
    """Write the arrays as the `.json` and two `.bin` files; returns the first."""
    entries: list[dict[str, Any]] = []
    blob = b''
    for name, array in arrays.items():
        entry: dict[str, Any] = {'name': name, 'shape': list(array.shape), 'dtype': 'float32'}
        if half:
            entry['quantization'] = {'dtype': 'float16', 'original_dtype': 'float32'}
        entries.append(entry)
        blob += array.astype('<f2' if half else '<f4').tobytes()
    # A constant of the graph, which is no weight.
    entries.append({'name': 'range/start', 'shape': [], 'dtype': 'int32'})
    blob += np.int32(7).tobytes()
    names = ['movenet-shard1of2.bin', 'movenet-shard2of2.bin']
    for name, part in zip(names, (blob[: len(blob) // 2], blob[len(blob) // 2 :]), strict=True):
        (folder / name).write_bytes(part)
    path = folder / 'movenet.json'
    manifest = [{'paths': names, 'weights': entries}]
    path.write_text(json.dumps({'format': 'graph-model', 'weightsManifest': manifest}))
    return path


def computed(arrays: Arrays, pixels: Tensor) -> dict[str, Tensor]:
    """Return the maps that `lite` reads: c2 to c5 of the backbone, and the end of the way down.

    Args:
        arrays: of `movenet_arrays`.
        pixels: RGB, 0..255, image x 3 x height x width.
    """
    maps: dict[int, Tensor] = {}

    def array(name: str) -> Tensor:
        return torch.from_numpy(arrays[f'{PREFIX}{name}'])

    def convolved(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
        # 'SAME': whatever is too much is padded at the end.
        total = [max((-(-n // stride) - 1) * stride + weight.shape[0] - n, 0) for n in x.shape[2:]]
        (top, left), (height, width) = (n // 2 for n in total), total
        x = F.pad(x, (left, width - left, top, height - top))
        return F.conv2d(x, weight.permute(3, 2, 0, 1), bias, stride)

    def spread(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
        return torch.cat(
            [
                convolved(
                    x[:, i : i + 1],
                    weight[:, :, i : i + 1],
                    None if bias is None else bias[i : i + 1],
                    stride,
                )
                for i in range(x.shape[1])
            ],
            1,
        )

    def layer(x: Tensor, name: str, stride: int = 1) -> Tensor:
        name = f'model/{name}'
        return convolved(
            x, array(f'{name}/Conv2D_weights'), array(f'{name}/Conv2D_bn_offset'), stride
        )

    def by_channel(x: Tensor, name: str, stride: int) -> Tensor:
        weight = array(f'model/{name}/depthwise_weights')
        return spread(x, weight, array(f'model/{name}/depthwise_bn_offset'), stride).clamp(0, 6)

    x = layer(pixels / 127.5 - 1, 'Conv1', 2).clamp(0, 6)
    x = layer(by_channel(x, 'expanded_conv_depthwise', 1), 'expanded_conv_project')
    for number, (outputs, stride) in enumerate(BLOCKS, start=1):
        wide = layer(x, f'block_{number}_expand').clamp(0, 6)
        out = layer(
            by_channel(wide, f'block_{number}_depthwise', stride), f'block_{number}_project'
        )
        x = maps[number] = out + x if stride == 1 and outputs == x.shape[1] else out

    def plain(x: Tensor, name: str) -> Tensor:
        variable = 'ReadVariableOp'
        return convolved(
            x, array(f'{name}/Conv2D/{variable}'), array(f'{name}/BiasAdd/{variable}')
        )

    down = plain(layer(x, 'Conv_1').clamp(0, 6), 'conv2d')
    for number, (_, _, block) in enumerate(WAY_DOWN):
        larger = F.interpolate(down, scale_factor=2, mode='bilinear', align_corners=False)
        merged = larger + plain(maps[block], f'conv2d_{number + 1}')
        name = _separable(number)
        merged = spread(merged, array(f'{name}/ReadVariableOp'), None)
        down = convolved(merged, array(f'{name}_weights'), array(f'{name}_bn_offset')).relu()
    return {'c2': maps[2], 'c3': maps[5], 'c4': maps[9], 'c5': maps[16], 'down': down}


def _separable(number: int) -> str:
    return f'separable_conv2d{f"_{number}" if number else ""}/separable_conv2d'
