"""Go on with a smaller image when the memory of the device is full, and say so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.inference.engine import Engine
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings

ResultT = TypeVar('ResultT')

_MIN_LONG_SIDE_PX = 64
# What torch, ONNX Runtime, OpenVINO and TensorRT say; only torch has a class for it, which is a
# RuntimeError too.
_WORDS = ('out of memory', "can't allocate memory", 'failed to allocate', 'bad_alloc', 'bad alloc')


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an engine failed for want of memory, on a GPU or the CPU."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in _WORDS)


class SparingEngine:
    """Implements `Engine` by another one; when memory is full, retries once at half the size.

    If that works, it stays at the smaller size until settings are applied anew, since running
    out of memory with every image would cost more than the pixels are worth.

    Args:
        engine: does the work.
        settings: those of the engine.
        tell: takes what happened, for people.
    """

    def __init__(
        self, engine: Engine, settings: NetworkSettings, tell: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._tell = tell

    @property
    def model_id(self) -> str:
        """As the engine states it."""
        return self._engine.model_id

    @property
    def embedding_dim(self) -> int:
        """As the engine states it."""
        return self._engine.embedding_dim

    @property
    def device_name(self) -> str:
        """As the engine states it."""
        return self._engine.device_name

    @property
    def fallback_reason(self) -> str:
        """As the engine states it."""
        return self._engine.fallback_reason

    def apply_settings(self, settings: NetworkSettings) -> None:
        """Take over changed live settings, with the full size they ask for."""
        self._settings = settings
        self._engine.apply_settings(settings)

    def warm_up(self) -> None:
        """Run once on an empty image.

        Raises:
            RuntimeError: memory is full, at half the size too.
        """
        self._sparing(self._engine.warm_up)

    def infer(self, image: UInt8[np.ndarray, 'height width 3']) -> People:
        """Return the people in an RGB image, in its own pixel coordinates, best score first.

        Raises:
            ValueError: the image is not uint8 with three channels, or has no pixels.
            RuntimeError: memory is full, at half the size too; says what to do.
        """
        return self._sparing(lambda: self._engine.infer(image))

    def _sparing(self, work: Callable[[], ResultT]) -> ResultT:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = _first_line(error)
        # Outside of the handler: the error's traceback holds the arrays of the failed attempt.
        full = self._settings
        side_px = full.image_long_side_px
        half_px = max(side_px // 2, _MIN_LONG_SIDE_PX)
        remedy = (
            'Set a lower image_long_side_px or max_people, choose a smaller preset, or free '
            f'memory on {self._engine.device_name}'
        )
        if half_px == side_px:
            raise RuntimeError(f'out of memory at the smallest size, {side_px} px ({reason})')
        # Where torch was not loaded it holds no memory, and loading it takes seconds.
        torch = sys.modules.get('torch')
        if torch is not None:
            torch.cuda.empty_cache()
        self._engine.apply_settings(replace(full, image_long_side_px=half_px))
        try:
            result = work()
        except (RuntimeError, MemoryError) as error:
            self._engine.apply_settings(full)
            if not is_out_of_memory(error):
                raise
            raise RuntimeError(
                f'out of memory with image_long_side_px {side_px} and again with {half_px} '
                f'({reason}). {remedy}'
            ) from error
        self._settings = replace(full, image_long_side_px=half_px)
        self._tell(
            f'out of memory with image_long_side_px {side_px} ({reason}): going on with '
            f'{half_px}, so that small people are missed. {remedy}'
        )
        return result


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
