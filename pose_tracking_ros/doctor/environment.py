"""Examine Python, its packages, the GPU, the weights and the network; without ROS."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pose_tracking_ros.doctor.findings import Finding, Level
from pose_tracking_ros.settings import NetworkSettings

_PYTHON = ((3, 10), (3, 14))
# Module, distribution that brings it, whether the node needs it.
_MODULES = (
    ('numpy', 'numpy', True),
    ('scipy', 'scipy', True),
    ('cv2', 'opencv-python-headless', True),
    ('yaml', 'PyYAML', True),
    ('jaxtyping', 'jaxtyping', True),
    ('safetensors', 'safetensors', True),
    ('torch', 'torch', True),
    ('torchvision', 'torchvision', True),
    ('rosbags', 'rosbags', False),
    ('rich', 'rich', False),
)
_INSTALL = 'pip install -r requirements/runtime.txt (or: make setup)'
# Fast DDS reserves one segment of 64 MB per process with the shipped profile.
_MIN_SHARED_MEMORY_MB = 256
_SHARED_MEMORY = Path('/dev/shm')
_JETSON = Path('/etc/nv_tegra_release')
_NVIDIA_DEVICE = Path('/dev/nvidiactl')


def examine_environment(settings: NetworkSettings) -> Iterator[Finding]:
    """Yield findings, the cheap ones first.

    Args:
        settings: of the network to be tried.
    """
    yield _python()
    modules: dict[str, ModuleType] = {}
    for name, distribution, is_needed in _MODULES:
        finding, module = _module(name, distribution, is_needed)
        if module is not None:
            modules[name] = module
        yield finding
    yield from _shared_memory()
    if {'torch', 'torchvision', 'cv2', 'safetensors'} <= modules.keys():
        yield _device(settings)
        yield from _network(settings)


def _python() -> Finding:
    version = sys.version_info[:2]
    text = f'{platform.python_version()} at {sys.executable}'
    if _PYTHON[0] <= version <= _PYTHON[1]:
        return Finding(Level.OK, 'Python', text)
    low, high = ('.'.join(map(str, end)) for end in _PYTHON)
    return Finding(
        Level.WARNING,
        'Python',
        text,
        f'this package is tested with Python {low} to {high}; use one of these '
        '(make setup PYTHON=/path/to/python)',
    )


def _module(name: str, distribution: str, is_needed: bool) -> tuple[Finding, ModuleType | None]:
    bad = Level.ERROR if is_needed else Level.WARNING
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        return Finding(bad, name, f'not installed ({error})', _INSTALL), None
    except (ImportError, OSError, AttributeError, RuntimeError) as error:
        # Compiled parts that do not fit: another NumPy, another torch, a missing library.
        return (
            Finding(
                bad,
                name,
                f'installed, but does not load: {error}',
                f'its compiled parts do not fit the other packages; in a fresh venv: {_INSTALL}',
            ),
            None,
        )
    version = getattr(module, '__version__', None) or _version_of(distribution)
    return Finding(Level.OK, name, str(version)), module


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return 'version unknown'


def _shared_memory() -> Iterator[Finding]:
    """Containers often have 64 MB, which is less than one process with the profile asks for."""
    if not _SHARED_MEMORY.is_dir():
        return
    stats = os.statvfs(_SHARED_MEMORY)
    total_mb = stats.f_frsize * stats.f_blocks / 1e6
    free_mb = stats.f_frsize * stats.f_bavail / 1e6
    text = f'{total_mb:.0f} MB, {free_mb:.0f} MB free'
    if free_mb >= _MIN_SHARED_MEMORY_MB:
        yield Finding(Level.OK, 'shared memory', text)
    else:
        yield Finding(
            Level.WARNING,
            'shared memory',
            text,
            f'Fast DDS moves images through it; give it {_MIN_SHARED_MEMORY_MB} MB or more '
            '(containers: --shm-size=1g or --ipc=host), or remove what programs that crashed left '
            f'in {_SHARED_MEMORY} (fastrtps_*)',
        )


def _device(settings: NetworkSettings) -> Finding:
    import torch

    from pose_tracking_ros.inference.loading import DeviceError, choose_device

    try:
        device, reason = choose_device(settings.device)
    except DeviceError as error:
        return Finding(Level.ERROR, 'device', str(error), 'set the parameter device to auto')
    if device.type == 'cuda':
        return Finding(Level.OK, 'device', f'{device} ({torch.cuda.get_device_name(device)})')
    text = f'CPU, {torch.get_num_threads()} threads'
    if settings.device == 'cpu':
        return Finding(Level.OK, 'device', text)
    if _JETSON.exists():
        remedy = (
            'on a Jetson, install the torch that NVIDIA builds for its JetPack: the one from PyPI '
            'does not know this GPU'
        )
    elif _NVIDIA_DEVICE.exists():
        remedy = (
            'there is an NVIDIA GPU, but torch cannot use it: compare the CUDA versions that '
            'nvidia-smi and torch name; install a newer driver, or an older torch'
        )
    else:
        remedy = (
            'nothing, if this machine has no NVIDIA GPU: the network runs on the CPU, slower '
            '(containers need --gpus all)'
        )
    return Finding(Level.WARNING, 'device', f'{text}: {reason}', remedy)


def _network(settings: NetworkSettings) -> Iterator[Finding]:
    import numpy as np

    from pose_tracking_ros.inference import load_engine

    lines: list[str] = []
    try:
        engine = load_engine(settings, lines.append)
        engine.warm_up()
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        yield Finding(
            Level.ERROR,
            'network',
            str(error),
            'set the parameters preset, weights, engine, precision and device back to their '
            'defaults, or to what is named here',
        )
        return
    image = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    started_s = time.perf_counter()
    engine.infer(image)
    spent_ms = 1e3 * (time.perf_counter() - started_s)
    chosen = f'; {lines[-1]}' if lines else ''
    yield Finding(
        Level.OK,
        'network',
        f'{engine.model_id} on {engine.device_name}: {spent_ms:.0f} ms for one 1280 x 720 image '
        f'without people{chosen}',
    )
