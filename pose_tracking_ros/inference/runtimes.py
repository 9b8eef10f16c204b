"""Every engine by name: what it needs, and how it is built."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.inference.model_cache import Tell, cache_folder, key_of
from pose_tracking_ros.inference.network_engine import Runtime
from pose_tracking_ros.inference.onnx_files import onnx_folder
from pose_tracking_ros.inference.processor import Processor, in_words
from pose_tracking_ros.inference.quantised import quantised_file, read_quantised
from pose_tracking_ros.inference.weights_source import weights_path
from pose_tracking_ros.network.backbone import fold_batch_norm
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.parts import Parts, Trunk
from pose_tracking_ros.network.weights import Provenance, load_network
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.settings.network import ENGINES, Precision

_LOG = logging.getLogger(__name__)

ENGINES_OF: dict[Precision, tuple[str, ...]] = {
    'f32': ENGINES,
    'bf16': ('openvino', 'torch'),
    'int8': ('openvino',),
}
"""Engines by the precision they have, the lower ones on CPUs that have them."""

# Quick to build, so that they may be tried at every first start.
_QUICK = {'cpu': ('openvino', 'onnxruntime', 'torch'), 'cuda': ('torch',)}
_PACKAGES = {'openvino': ('openvino', 'onnx'), 'onnxruntime': ('onnxruntime', 'onnx')}


@dataclass(frozen=True)
class Job:
    """What an engine is to be built for.

    Attributes:
        network: on the CPU, in evaluation mode, batch norm folded.
        provenance: of its weights.
        settings: threads, precision and cache folder are read.
        device: where to run.
        tell: takes lines about what happens.
    """

    network: MultiTaskNetwork
    provenance: Provenance
    settings: NetworkSettings
    device: torch.device
    tell: Tell


def network_of(
    settings: NetworkSettings, tell: Tell = _LOG.info
) -> tuple[MultiTaskNetwork, Provenance]:
    """Return the network of the settings, with its weights and batch norm folded, on the CPU.

    Args:
        settings: which network and weights.
        tell: takes lines about a download.

    Raises:
        WeightsError: the checkpoint is missing, damaged, or for another network.
    """
    network, provenance = load_network(settings.preset, weights_path(settings, tell))
    # One operation fewer per convolution; the network computes the same.
    fold_batch_norm(network)
    return network, provenance


def candidates(device: torch.device, precision: Precision = 'f32') -> list[str]:
    """Return the installed engines that start quickly, in the order they are worth trying.

    Args:
        device: where to run.
        precision: that they must have.
    """
    return [
        name
        for name in _QUICK[device.type]
        if name in ENGINES_OF[precision]
        and all(importlib.util.find_spec(package) for package in _PACKAGES.get(name, ()))
    ]


def build(name: str, job: Job) -> Runtime:
    """Return a runtime for the job.

    Args:
        name: an engine other than `auto`.
        job: what for.

    Raises:
        EngineError: the engine cannot run here, or not so precisely.
        CacheError: the cache folder cannot be written.
    """
    check_precision(name, job)
    if name == 'torch':
        return _torch(job)
    if name == 'compiled':
        return _compiled(job)
    if name == 'openvino':
        return _openvino(job)
    if name in ('onnxruntime', 'tensorrt'):
        return _onnxruntime(job, is_tensorrt=name == 'tensorrt')
    raise EngineError(f'engine: no engine {name!r}')


def check_precision(name: str, job: Job) -> None:
    """Refuse a lower precision where it would be computed by detours, or not at all.

    Args:
        name: an engine, or `auto`.
        job: what for.

    Raises:
        EngineError: the device, the processor or the engine does not have it.
    """
    precision = job.settings.precision
    if precision == 'f32':
        return
    if job.device.type != 'cpu':
        raise EngineError(
            f'precision: {precision} is for CPUs, and device is {job.device}; a GPU computes in '
            'half precision by itself: choose f32'
        )
    # Before the engine: nobody should change it in vain.
    gap = Processor.here().gap(precision)
    if gap:
        raise EngineError(f'precision: {gap}; choose f32')
    able = ENGINES_OF[precision]
    if name not in ('auto', *able):
        raise EngineError(
            f'precision: expected one of the engines {", ".join(able)} for {precision}, got '
            f'{name}; choose one of them, or f32'
        )


def _in_bfloat16(parts: Parts) -> Parts:
    """Return parts that compute in bfloat16 where torch finds it safe; results are float32."""

    def lowered(run: Callable[..., Any]) -> Callable[..., Any]:
        def call(*inputs: Tensor) -> tuple[Tensor, ...]:
            with torch.autocast('cpu', torch.bfloat16):
                found = run(*inputs)
            return tuple(one.float() for one in found)

        return call

    return Parts(*map(lowered, parts))


def _torch(job: Job) -> Runtime:
    parts = _on_device(job).parts()
    assert isinstance(parts.trunk, Trunk)
    name = f'torch {torch.__version__}{in_words(job.settings.precision)}'
    if job.settings.precision == 'bf16':
        return Runtime(_in_bfloat16(parts), job.device, name)
    return Runtime(
        parts,
        job.device,
        name,
        half=job.device.type == 'cuda',
        trunk_of_many=parts.trunk.of_many,
    )


def _compiled(job: Job) -> Runtime:
    from pose_tracking_ros.inference.compiled_parts import compiled_parts

    network = _on_device(job)
    parts, name = compiled_parts(network, job.device, _cache(job))
    return Runtime(parts, job.device, name, job.device.type == 'cuda')


def _on_device(job: Job) -> MultiTaskNetwork:
    moved = job.network.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert isinstance(moved, MultiTaskNetwork)
    return moved


def _openvino(job: Job) -> Runtime:
    from pose_tracking_ros.inference.openvino_parts import openvino_models, openvino_parts

    if job.device.type != 'cpu':
        raise EngineError(
            f'engine: openvino runs on the CPU, and device is {job.device}; set device:=cpu, or '
            'choose onnxruntime, tensorrt or torch'
        )
    if job.settings.precision == 'int8':
        file = quantised_file(weights_path(job.settings, job.tell))
        models = read_quantised(file, job.provenance)
    else:
        models = openvino_models(_onnx(job, 'openvino'))
    parts, name = openvino_parts(models, job.settings.threads, job.settings.precision)
    return Runtime(parts, job.device, name)


def _onnxruntime(job: Job, is_tensorrt: bool) -> Runtime:
    from pose_tracking_ros.inference.onnxruntime_parts import onnxruntime_parts

    if is_tensorrt and job.device.type != 'cuda':
        raise EngineError(
            f'engine: tensorrt needs an NVIDIA GPU, and device is {job.device}; choose openvino '
            'or onnxruntime on a CPU'
        )
    parts, name = onnxruntime_parts(
        job.network,
        _onnx(job, 'tensorrt' if is_tensorrt else 'onnxruntime'),
        job.device,
        job.settings.threads,
        _tensorrt_cache(job) if is_tensorrt else None,
    )
    # Proposals and pooling need the anchors and nothing else of the network.
    return Runtime(parts, job.device, name)


def _tensorrt_cache(job: Job) -> Path:
    """Return the folder of TensorRT's engines: good for one GPU and one version only."""
    facts = {'weights': job.provenance.sha256, 'gpu': torch.cuda.get_device_name(job.device)}
    for package in ('onnxruntime-gpu', 'tensorrt'):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            facts[package] = importlib.metadata.version(package)
    return _cache(job) / f'tensorrt-{key_of(facts)}'


def _onnx(job: Job, engine: str) -> Path:
    if not importlib.util.find_spec('onnx'):
        raise EngineError(
            f'engine: {engine} needs the Python package onnx to convert the network; run '
            '`pip install -c requirements/constraints.txt onnx`, or choose engine:=torch'
        )
    return onnx_folder(job.network, job.provenance, _cache(job), job.tell)


def _cache(job: Job) -> Path:
    return cache_folder(job.settings.engine_cache)
