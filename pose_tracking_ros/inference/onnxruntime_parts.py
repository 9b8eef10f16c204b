"""The network's parts run by ONNX Runtime: on a CPU, by CUDA, or by TensorRT through it.

Inputs and outputs are torch tensors bound by address, on a GPU as well: nothing is copied.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pose_tracking_ros.inference.engine_error import EngineError, missing
from pose_tracking_ros.inference.onnx_files import PART_NAMES, input_names, output_names
from pose_tracking_ros.network.fpn import grid_of
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.parts import Parts
from pose_tracking_ros.network.pooling import POOLED_LEVELS

_NUMPY = {torch.float32: np.float32, torch.uint8: np.uint8}


def onnxruntime_parts(
    network: MultiTaskNetwork,
    folder: Path,
    device: torch.device,
    threads: int,
    tensorrt_cache: Path | None = None,
) -> tuple[Parts, str]:
    """Return the parts, and the name and version of what runs them.

    Args:
        network: tells names and shapes.
        folder: of the ONNX files.
        device: where to run.
        threads: on a CPU; 0 for as many as there are cores.
        tensorrt_cache: use TensorRT, and keep what it builds here.

    Raises:
        EngineError: ONNX Runtime is not installed, or lacks what the device needs.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise missing('onnxruntime', 'onnxruntime') from error
    providers = _providers(device, tensorrt_cache)
    wanted, available = providers[0][0], onnxruntime.get_available_providers()
    if wanted not in available:
        raise EngineError(
            f'engine: expected an ONNX Runtime with {wanted}, found {", ".join(available)}; '
            'install onnxruntime-gpu in place of onnxruntime, or choose engine:=torch'
        )
    options = onnxruntime.SessionOptions()
    # Left to itself, it ties its threads to cores, where they wait for other programs.
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    # Threads that wait in a loop take the processor from everybody else on the robot.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    # Its warnings are about nodes it leaves to the CPU, which concern nobody here.
    options.log_severity_level = 3
    runners = []
    for part in PART_NAMES:
        path = str(folder / f'{part}.onnx')
        session = onnxruntime.InferenceSession(path, options, providers=providers)
        if session.get_providers()[0] != wanted:
            raise EngineError(
                f'engine: ONNX Runtime could not start {wanted}; its message above says what is '
                'missing (usually a CUDA, cuDNN or TensorRT library); choose engine:=torch'
            )
        names = input_names(part, network)
        runners.append(_runner(session, names, output_names(part), _shapes(part, network), device))
    name = 'ONNX Runtime' if tensorrt_cache is None else 'TensorRT by ONNX Runtime'
    return Parts(*runners), f'{name} {onnxruntime.__version__}'


def _providers(
    device: torch.device, tensorrt_cache: Path | None
) -> list[tuple[str, dict[str, Any]]]:
    if device.type == 'cpu':
        return [('CPUExecutionProvider', {})]
    number = device.index or 0
    providers: list[tuple[str, dict[str, Any]]] = [
        ('CUDAExecutionProvider', {'device_id': number}),
        ('CPUExecutionProvider', {}),
    ]
    if tensorrt_cache is None:
        return providers
    tensorrt_cache.mkdir(parents=True, exist_ok=True)
    tensorrt = {
        'device_id': number,
        'trt_fp16_enable': True,
        'trt_engine_cache_enable': True,
        'trt_engine_cache_path': str(tensorrt_cache),
        'trt_timing_cache_enable': True,
        'trt_timing_cache_path': str(tensorrt_cache),
    }
    return [('TensorrtExecutionProvider', tensorrt), *providers]


Shapes = Callable[[torch.Size], list[tuple[int, ...]]]


def _shapes(part: str, network: MultiTaskNetwork) -> Shapes:
    """Return a function from the first input's shape to those of the outputs."""
    layout, channels = network.layout, network.pyramid.channels
    anchors = network.rpn.anchors.num_anchors_per_location()[0]
    assert isinstance(channels, int)

    def cells(levels: tuple[str, ...], pixels: torch.Size) -> int:
        return sum(math.prod(grid_of(level, (pixels[1], pixels[2]))) for level in levels)

    def trunk(pixels: torch.Size) -> list[tuple[int, ...]]:
        count = anchors * cells(network.rpn.levels, pixels)
        return [(cells(POOLED_LEVELS, pixels), channels), (1, count), (1, count, 4)]

    def box(pooled: torch.Size) -> list[tuple[int, ...]]:
        return [(pooled[0],), (pooled[0], 4)]

    def person(pooled: torch.Size) -> list[tuple[int, ...]]:
        heatmaps = (pooled[0], layout.joints, *network.pose_head.heatmap)
        return [heatmaps, (pooled[0], layout.dim)]

    return {'trunk': trunk, 'box': box, 'person': person}[part]


def _runner(
    session: Any,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    shapes: Shapes,
    device: torch.device,
) -> Callable[..., Any]:
    binding = session.io_binding()
    number = device.index or 0

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        # Kept until the run is over: the binding knows addresses only.
        held = [value.contiguous() for value in given]
        for name, data in zip(inputs, held, strict=True):
            binding.bind_input(
                name, device.type, number, _NUMPY[data.dtype], tuple(data.shape), data.data_ptr()
            )
        found = [torch.empty(shape, device=device) for shape in shapes(given[0].shape)]
        for name, value in zip(outputs, found, strict=True):
            shape, address = tuple(value.shape), value.data_ptr()
            binding.bind_output(name, device.type, number, np.float32, shape, address)
        if device.type == 'cuda':
            # ONNX Runtime works in a stream of its own.
            torch.cuda.current_stream(device).synchronize()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return tuple(found)

    return run
