"""The network's parts run by OpenVINO, on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pose_tracking_ros.inference.engine_error import missing
from pose_tracking_ros.inference.onnx_files import PART_NAMES
from pose_tracking_ros.inference.processor import in_words
from pose_tracking_ros.network.parts import Parts
from pose_tracking_ros.settings.network import Precision

# So many sizes have a graph of their own; those beyond share a slower one, so that memory stays
# bounded. A camera has one size. Boxes mostly come in full batches, people in any number.
_IMAGE_SIZES = 8
_BOX_COUNTS = 1


def openvino_models(folder: Path) -> dict[str, Any]:
    """Return OpenVINO's models by the name of the part.

    Args:
        folder: of the ONNX files, or of OpenVINO's own that `write_openvino` made of them.

    Raises:
        EngineError: OpenVINO is not installed.
    """
    core = import_openvino().Core()
    return {part: core.read_model(str(_file_of(part, folder))) for part in PART_NAMES}


def openvino_parts(
    models: dict[str, Any], threads: int, precision: Precision = 'f32'
) -> tuple[Parts, str]:
    """Return the parts, and OpenVINO's name and version.

    Args:
        models: by the name of the part; for int8 those of `quantised.py`.
        threads: 0 lets OpenVINO decide.
        precision: of the arithmetic; inputs and outputs are f32 in any case.

    Raises:
        EngineError: OpenVINO is not installed.
    """
    openvino = import_openvino()
    core = openvino.Core()
    options: dict[str, Any] = {
        'PERFORMANCE_HINT': 'LATENCY',
        'NUM_STREAMS': '1',
        # Left to itself, OpenVINO takes bfloat16 where the CPU has it, which changes the results.
        # What a model in int8 does not have in int8 is computed in full.
        'INFERENCE_PRECISION_HINT': 'f32' if precision == 'int8' else precision,
        # Threads tied to cores wait for whatever else the robot runs there, beside idle cores.
        'ENABLE_CPU_PINNING': False,
    }
    if threads:
        options['INFERENCE_NUM_THREADS'] = threads

    def compiled(part: str, shape: list[int] | None = None) -> Callable[..., Any]:
        model = models[part].clone()
        if shape:
            model.reshape(shape)
        return _runner(core.compile_model(model, 'CPU', options))

    trunk, box, person = PART_NAMES
    parts = [
        _by_size(partial(compiled, trunk), _IMAGE_SIZES),
        _by_size(partial(compiled, box), _BOX_COUNTS),
        compiled(person),
    ]
    version = openvino.__version__.partition('-')[0]
    return Parts(*parts), f'OpenVINO {version}{in_words(precision)}'


def _by_size(compiled: Callable[..., Callable[..., Any]], sizes: int) -> Callable[..., Any]:
    """Return a part with a graph of its own for each of the first sizes it meets.

    A graph of fixed size takes less time than one for all sizes: a trunk a fifth to a quarter, a
    box head 3 %. It is made when that size comes, in less than a fifth of a second.

    Args:
        compiled: makes the graph for a shape, or for all of them where none is given.
        sizes: how many have a graph of their own.
    """
    own: dict[tuple[int, ...], Callable[..., Any]] = {}
    for_all: list[Callable[..., Any]] = []

    def run(given: Tensor) -> Any:
        shape = tuple(given.shape)
        if shape in own:
            return own[shape](given)
        if len(own) < sizes:
            own[shape] = compiled(list(shape))
            return own[shape](given)
        if not for_all:
            for_all.append(compiled())
        return for_all[0](given)

    return run


def write_openvino(folder: Path) -> None:
    """Turn the ONNX files in a folder into OpenVINO's own, in full precision.

    Raises:
        EngineError: OpenVINO is not installed.
    """
    openvino = import_openvino()
    for part in PART_NAMES:
        source = folder / f'{part}.onnx'
        model = openvino.Core().read_model(str(source))
        openvino.save_model(model, str(folder / f'{part}.xml'), compress_to_fp16=False)
        # The model may hold on to the file as long as it lives.
        del model
        source.unlink()


def import_openvino() -> Any:
    """Return the package.

    Raises:
        EngineError: it is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise missing('openvino', 'openvino') from error
    return openvino


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
