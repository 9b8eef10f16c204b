"""One loaded network for several cameras: their images take turns, or run together in batches.

A network occupies hundreds of megabytes and, while it runs, the whole device. Cameras of one
process share it: each has a handle of its own that is an `Engine` like any other, and the network
works in a thread of its own on whatever waits when it becomes free. A CPU with cores to spare is
used better by two copies of a small network, a thread each, than by one of two threads.

Fair by construction: requests are served in the order of their arrival, and a camera that waits
for its result has no second request in the queue, so no camera gets two turns while another waits.
"""

from __future__ import annotations

import dataclasses
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.inference.engine import Engine
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings, limits_of

Load = Callable[[NetworkSettings], Engine]


@runtime_checkable
class BatchEngine(Engine, Protocol):
    """An engine that can run several images at once."""

    @property
    def gains_from_batches(self) -> bool:
        """Whether a batch takes less time than its images one after another."""

    def infer_batch(self, images: list[UInt8[np.ndarray, 'height width 3']]) -> list[People]:
        """Return the people in each image, as `infer` would; sizes may differ.

        Raises:
            ValueError: an image is unusable.
        """


@dataclass(eq=False)
class _Request:
    """An image that waits.

    Attributes:
        image: RGB.
        settings: of the camera it comes from.
        found: its people, once they are known.
        is_alone: it failed together with others and is to be tried by itself.
    """

    image: UInt8[np.ndarray, 'height width 3']
    settings: NetworkSettings
    found: People | None = None
    is_alone: bool = False


@dataclass(eq=False)
class _Copy:
    """A copy of the network, used by one thread.

    Attributes:
        engine: runs it.
        applied: the settings it has.
    """

    engine: Engine
    applied: NetworkSettings | None = None

    def apply(self, settings: NetworkSettings) -> None:
        if settings != self.applied:
            self.engine.apply_settings(settings)
            self.applied = settings


class SharedEngine:
    """Runs one engine, or copies of it, for all who hold a handle; freed with the last of them.

    Args:
        engines: the same network, loaded once or more; not used by anybody else from now on. So
            many images run at the same time.
        max_batch: at most so many images run at once in a single engine, if it gains from that.
        max_wait_s: how long an image may be held back for others to join it, s; 0: never.
    """

    def __init__(self, *engines: Engine, max_batch: int = 4, max_wait_s: float = 0.0) -> None:
        self.engine = engines[0]
        self._batching = (
            self.engine
            if len(engines) == 1
            and isinstance(self.engine, BatchEngine)
            and self.engine.gains_from_batches
            else None
        )
        self._max_batch = max_batch if self._batching else 1
        self._max_wait_s = max_wait_s
        self._handles: weakref.WeakSet[SharedHandle] = weakref.WeakSet()
        self._waiting: deque[_Request] = deque()
        self._arrived = threading.Condition()
        copies: SimpleQueue[_Copy] = SimpleQueue()
        for engine in engines:
            copies.put(_Copy(engine))
        # Ends with this object. A thread for each copy, whichever camera it works for: some
        # engines are bound to the thread they ran in first, and each further thread would bring
        # its own pool of processor threads.
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(
            len(engines), 'network', initializer=_take_copy, initargs=(self._own, copies)
        )

    def handle(self, settings: NetworkSettings) -> SharedHandle:
        """Return an engine for one camera, with its own live settings."""
        handle = SharedHandle(self, settings)
        self._handles.add(handle)
        return handle

    def infer(
        self, image: UInt8[np.ndarray, 'height width 3'], settings: NetworkSettings
    ) -> People:
        """Return the people in an image; waits for its turn.

        Args:
            image: RGB.
            settings: as they are to be for this image.

        Raises:
            ValueError: the image is unusable.
            RuntimeError: the engine failed with this very image.
        """
        request = _Request(image, settings)
        with self._arrived:
            self._waiting.append(request)
            # In the lock, so that turns come in the order of the queue.
            turn = self._threads.submit(self._serve, request)
            self._arrived.notify_all()
        try:
            return turn.result()
        finally:
            # An error's traceback holds this frame, and the turn the error.
            del turn

    def warm_up(self, settings: NetworkSettings) -> None:
        """Run once on an empty image, when it is its turn."""
        turn = self._threads.submit(self._warm_up, settings)
        try:
            turn.result()
        finally:
            del turn

    def _warm_up(self, settings: NetworkSettings) -> None:
        self._own.copy.apply(settings)
        self._own.copy.engine.warm_up()

    def _serve(self, request: _Request) -> People:
        """Return what is asked for, and find what waits along with it; in the network's thread."""
        if request.found is not None:
            return request.found
        batch = self._batch_of(request)
        copy: _Copy = self._own.copy
        copy.apply(request.settings)
        if len(batch) > 1:
            assert self._batching is not None
            try:
                found = self._batching.infer_batch([one.image for one in batch])
            except (ValueError, RuntimeError, MemoryError):
                # Whose fault it is shows when each runs by itself; so does what memory allows.
                for one in batch:
                    one.is_alone = True
            else:
                for one, people in zip(batch, found, strict=True):
                    one.found = people
                return found[0]
        return copy.engine.infer(request.image)

    def _batch_of(self, first: _Request) -> list[_Request]:
        """Take a request, and those that may run with it, from the queue."""
        with self._arrived:
            wanted = min(self._max_batch, len(self._handles))
            if self._max_wait_s > 0 and not first.is_alone:
                self._arrived.wait_for(lambda: len(self._waiting) >= wanted, self._max_wait_s)
            batch = [first]
            if not first.is_alone:
                batch += [
                    other
                    for other in self._waiting
                    if other is not first
                    and not other.is_alone
                    and other.settings == first.settings
                ]
            batch = batch[: self._max_batch]
            for one in batch:
                if one in self._waiting:
                    self._waiting.remove(one)
        return batch


def _take_copy(own: threading.local, copies: SimpleQueue[_Copy]) -> None:
    own.copy = copies.get()


class SharedHandle:
    """Implements `Engine` for one camera by an engine that others use, too.

    Args:
        shared: does the work.
        settings: of this camera.
    """

    def __init__(self, shared: SharedEngine, settings: NetworkSettings) -> None:
        self._shared = shared
        self._settings = settings

    @property
    def model_id(self) -> str:
        """As the engine states it."""
        return self._shared.engine.model_id

    @property
    def embedding_dim(self) -> int:
        """As the engine states it."""
        return self._shared.engine.embedding_dim

    @property
    def device_name(self) -> str:
        """As the engine states it."""
        return self._shared.engine.device_name

    @property
    def fallback_reason(self) -> str:
        """As the engine states it."""
        return self._shared.engine.fallback_reason

    def apply_settings(self, settings: NetworkSettings) -> None:
        """Take over changed live settings for the images of this camera."""
        self._settings = settings

    def warm_up(self) -> None:
        """Run once on an empty image, when it is its turn."""
        self._shared.warm_up(self._settings)

    def infer(self, image: UInt8[np.ndarray, 'height width 3']) -> People:
        """Return the people in an RGB image, in its own pixel coordinates, best score first.

        Raises:
            ValueError: the image is not uint8 with three channels, or has no pixels.
            RuntimeError: the engine failed with this very image.
        """
        return self._shared.infer(image, self._settings)


class SharedEngines:
    """Loads each network once, however many cameras ask for it. Safe for several threads.

    Cameras share a network when all settings agree that are taken over at loading (preset,
    weights, device, engine, ...); live ones may differ. A network is freed with the last handle.

    Args:
        load: loads a network.
        max_batch: see `SharedEngine`.
        max_wait_s: likewise.
        max_copies: at most so many copies of a network run at the same time, where the network
            has a fixed number of `threads` on a CPU and there are cores for more.
    """

    def __init__(
        self, load: Load, max_batch: int = 4, max_wait_s: float = 0.0, max_copies: int = 1
    ) -> None:
        self._load = load
        self._max_copies = max_copies
        self._max_batch = max_batch
        self._max_wait_s = max_wait_s
        self._loading = threading.Lock()
        self._loaded: weakref.WeakValueDictionary[tuple[object, ...], SharedEngine] = (
            weakref.WeakValueDictionary()
        )

    def open(self, settings: NetworkSettings) -> SharedHandle:
        """Return an engine for one camera; loads the network unless somebody uses it already.

        Raises:
            ValueError: as the loader does; likewise OSError, RuntimeError and ImportError.
        """
        key = _fixed_part(settings)
        with self._loading:
            shared = self._loaded.get(key)
            if shared is None:
                engines = [self._load(settings)]
                for _ in range(self._copies_of(engines[0], settings) - 1):
                    engines.append(self._load(settings))
                    engines[-1].warm_up()
                shared = SharedEngine(
                    *engines, max_batch=self._max_batch, max_wait_s=self._max_wait_s
                )
                self._loaded[key] = shared
            return shared.handle(settings)

    def _copies_of(self, engine: Engine, settings: NetworkSettings) -> int:
        if not settings.threads or not engine.device_name.startswith('cpu'):
            return 1
        cores = (
            len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
        )
        return max(1, min(self._max_copies, (cores or 1) // settings.threads))


def _fixed_part(settings: NetworkSettings) -> tuple[object, ...]:
    """Return the values that cannot change while the network is loaded."""
    return tuple(
        getattr(settings, field.name)
        for field in dataclasses.fields(settings)
        if not limits_of(NetworkSettings, field.name).live
    )
