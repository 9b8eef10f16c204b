"""From settings to a running engine: choose the device, load and check the weights."""

from __future__ import annotations

import logging

import torch

from pose_tracking_ros.inference.choice import choose
from pose_tracking_ros.inference.model_cache import Tell
from pose_tracking_ros.inference.network_engine import NetworkEngine
from pose_tracking_ros.inference.runtimes import Job, build, network_of
from pose_tracking_ros.settings import NetworkSettings

_LOG = logging.getLogger(__name__)


class DeviceError(ValueError):
    """The wanted device does not exist here; says which do."""


def load_engine(settings: NetworkSettings, tell: Tell = _LOG.info) -> NetworkEngine:
    """Return an engine for the settings.

    Args:
        settings: which network, where, by what, how precisely.
        tell: takes lines about what happens, for example which engine was chosen and why.

    Raises:
        WeightsError: the checkpoint is missing, damaged, or for another network.
        DeviceError: the device was asked for by name and is not there.
        EngineError: the engine was asked for by name and cannot run here, or the precision is
            not for this processor, device or engine.
        CacheError: the engine was asked for by name, and the cache folder cannot be written.
    """
    device, fallback_reason = choose_device(settings.device)
    network, provenance = network_of(settings, tell)
    if device.type == 'cpu' and settings.threads:
        torch.set_num_threads(settings.threads)
    job = Job(network, provenance, settings, device, tell)
    runtime = choose(job) if settings.engine == 'auto' else build(settings.engine, job)
    return NetworkEngine(network, runtime, provenance, settings, fallback_reason)


def choose_device(name: str) -> tuple[torch.device, str]:
    """Return the device and, when `auto` ends on the CPU, the reason.

    Args:
        name: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        DeviceError: a GPU was asked for by name and is not there, or the name is unknown.
    """
    if name == 'cpu':
        return torch.device('cpu'), ''
    available = torch.cuda.is_available()
    if name == 'auto':
        if available:
            return torch.device('cuda'), ''
        built = f'built for CUDA {torch.version.cuda}' if torch.version.cuda else 'without CUDA'
        return torch.device('cpu'), f'torch {torch.__version__} ({built}) sees no usable GPU'
    kind, _, number = name.partition(':')
    if kind != 'cuda' or not (number == '' or number.isdigit()):
        raise DeviceError(f'device: expected auto, cpu, cuda or cuda:N; got {name!r}')
    if not available or (number and int(number) >= torch.cuda.device_count()):
        raise DeviceError(
            f'device: {name} is not there (torch {torch.__version__} sees '
            f'{torch.cuda.device_count()} GPUs); use device:=cpu, or auto to fall back by itself'
        )
    return torch.device(name), ''
