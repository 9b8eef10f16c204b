"""The network's parts compiled by torch (inductor), on a CPU or a GPU."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.parts import Parts


def compiled_parts(
    network: MultiTaskNetwork, device: torch.device, cache: Path
) -> tuple[Parts, str]:
    """Return the parts, and the compiler's name and version.

    Each is compiled when it first runs, the trunk for every image size anew.

    Args:
        network: on its device.
        device: likewise; on a GPU the kernels are replayed as CUDA graphs.
        cache: folder of compiled code.

    Raises:
        EngineError: there is no C++ compiler, which a CPU needs.
    """
    if device.type == 'cpu' and not shutil.which(os.environ.get('CXX', 'g++')):
        raise EngineError(
            'engine: compiled needs a C++ compiler on a CPU; run `sudo apt-get install g++`, or '
            'choose another engine'
        )
    os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', str(cache / 'inductor'))
    mode = 'reduce-overhead' if device.type == 'cuda' else 'default'
    trunk, box, person = network.parts()
    # On a GPU the counts are fixed.
    free = device.type == 'cpu'
    compiled = Parts(
        _step(torch.compile(trunk, mode=mode, dynamic=False)),
        _at_least_two(torch.compile(box, mode=mode, dynamic=free)),
        _at_least_two(torch.compile(person, mode=mode, dynamic=free)),
    )
    return compiled, f'torch.compile {torch.__version__}'


def _step(trunk: Any) -> Callable[[Tensor], Any]:
    def run(pixels: Tensor) -> Any:
        # The outputs of CUDA graphs for the previous image may be overwritten.
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return trunk(pixels)

    return run


def _at_least_two(part: Any) -> Callable[..., Any]:
    """Run one row as two: the compiler would compile once more for one row."""

    def run(*given: Tensor) -> Any:
        if len(given[0]) != 1:
            return part(*given)
        return tuple(found[:1] for found in part(*(torch.cat([x, x]) for x in given)))

    return run
