"""What the figures were measured on."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from pose_tracking_ros.inference.processor import Processor


def describe() -> dict[str, Any]:
    """Return the machine and the versions, for the report."""
    processor = Processor.here()
    versions = {'python': platform.python_version()}
    for package in ('torch', 'torchvision', 'openvino', 'onnxruntime', 'opencv-python-headless'):
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    described: dict[str, Any] = {
        'cpu': processor.model,
        'cores': processor.cores,
        'instruction_sets': list(processor.flags),
        'omp_wait_policy': os.environ.get('OMP_WAIT_POLICY', 'not set'),
        'versions': versions,
    }
    if torch.cuda.is_available():
        described['gpu'] = torch.cuda.get_device_name()
    return described


def load_average() -> float:
    """Return how many programs wanted to run, on average over the last minute."""
    return os.getloadavg()[0]
