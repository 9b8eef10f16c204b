"""The network's parts run by OpenVINO, on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pose_tracking_ros.inference.engine_error import missing
from pose_tracking_ros.inference.onnx_files import PART_NAMES
from pose_tracking_ros.inference.processor import in_words
from pose_tracking_ros.network.parts import Parts
from pose_tracking_ros.settings.network import Precision


def openvino_parts(folder: Path, threads: int, precision: Precision = 'f32') -> tuple[Parts, str]:
    """Return the parts, and OpenVINO's name and version.

    Args:
        folder: of the ONNX files, or of OpenVINO's own that `write_openvino` made of them.
        threads: 0 lets OpenVINO decide.
        precision: of the arithmetic; inputs and outputs are f32 in any case.

    Raises:
        EngineError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise missing('openvino', 'openvino') from error
    core = openvino.Core()
    options: dict[str, Any] = {
        'PERFORMANCE_HINT': 'LATENCY',
        'NUM_STREAMS': '1',
        # Left to itself, OpenVINO takes bfloat16 where the CPU has it, which changes the results.
        'INFERENCE_PRECISION_HINT': precision,
        # Threads tied to cores wait for whatever else the robot runs there, beside idle cores.
        'ENABLE_CPU_PINNING': False,
    }
    if threads:
        options['INFERENCE_NUM_THREADS'] = threads
    compiled = [
        _runner(core.compile_model(str(_file_of(part, folder)), 'CPU', options))
        for part in PART_NAMES
    ]
    version = openvino.__version__.partition('-')[0]
    return Parts(*compiled), f'OpenVINO {version}{in_words(precision)}'


def write_openvino(folder: Path) -> None:
    """Turn the ONNX files in a folder into OpenVINO's own, in full precision.

    Raises:
        EngineError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise missing('openvino', 'openvino') from error
    for part in PART_NAMES:
        source = folder / f'{part}.onnx'
        model = openvino.Core().read_model(str(source))
        openvino.save_model(model, str(folder / f'{part}.xml'), compress_to_fp16=False)
        # The model may hold on to the file as long as it lives.
        del model
        source.unlink()


def _file_of(part: str, folder: Path) -> Path:
    own = folder / f'{part}.xml'
    return own if own.is_file() else folder / f'{part}.onnx'


def _runner(model: Any) -> Callable[..., Any]:
    request = model.create_infer_request()

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        arrays = dict(enumerate(part.contiguous().numpy() for part in inputs))
        # Nothing is copied: the outputs live until the next run of this part, which is the next
        # image's.
        found = request.infer(arrays, share_inputs=True, share_outputs=True)
        return tuple(torch.from_numpy(found[port]) for port in model.outputs)

    return run
