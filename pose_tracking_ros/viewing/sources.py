"""Where images come from: a video file, a folder of images, a webcam, or the simulation."""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.simulation.source import SimulationSource

_LOG = logging.getLogger(__name__)

Image = UInt8[np.ndarray, 'height width 3']

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp')
"""Files that count as images in a folder, upper case too."""

ASSUMED_RATE_HZ = 25.0
"""Taken when a file or a camera does not tell its rate."""


class VideoSource(Protocol):
    """A sequence of RGB images with stamps.

    Iterating yields `(stamp_s, image)`; iterating again starts over, except for a live camera.
    """

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def rate_hz(self) -> float:
        """Nominal images per second."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height, px."""

    @property
    def frame_count(self) -> int | None:
        """Number of images; None if it is not known or has no end."""

    @property
    def intrinsics(self) -> tuple[float, float, float, float] | None:
        """Focal lengths and principal point fx, fy, cx, cy in px; None if they are not known.

        The centre of the top left pixel is (0.5, 0.5).
        """

    def __iter__(self) -> Iterator[tuple[float, Image]]:
        """Yield stamps (s, from 0) and images."""

    def close(self) -> None:
        """Free the file or the camera. Closing again does nothing."""


class FileSource:
    """Images of a video file, stamped by the file's rate.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read as video.
    """

    intrinsics = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = str(self.path)
        if not self.path.is_file():
            raise FileNotFoundError(f'video {self.path}: no such file')
        self._capture = cv2.VideoCapture(str(self.path))
        is_read, image = self._capture.read()
        if not is_read:
            self._capture.release()
            raise ValueError(
                f'video {self.path}: OpenCV finds no image in it; expected a video file with a '
                'codec that FFmpeg knows'
            )
        self.image_size: tuple[int, int] = (image.shape[1], image.shape[0])
        rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS))
        if not (math.isfinite(rate_hz) and rate_hz > 0):
            _LOG.warning('%s does not tell its rate; taking %g Hz', self.path, ASSUMED_RATE_HZ)
            rate_hz = ASSUMED_RATE_HZ
        self.rate_hz = rate_hz
        count = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        known = math.isfinite(count) and count > 0
        self.frame_count: int | None = int(count) if known else None

    def __iter__(self) -> Iterator[tuple[float, Image]]:
        """Yield the file's images from its beginning."""
        # Seeking is inexact in some containers; opening again is not.
        self._capture.release()
        self._capture = cv2.VideoCapture(str(self.path))
        index = 0
        while True:
            is_read, image = self._capture.read()
            if not is_read:
                break
            yield index / self.rate_hz, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            index += 1
        if self.frame_count is not None and index < self.frame_count:
            # The count in a file's header is often an estimate; a cut file looks the same.
            _LOG.info('%s: %d of %d announced images read', self.path, index, self.frame_count)

    def close(self) -> None:
        """Free the file."""
        self._capture.release()


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that puts frame 10 after frame 9."""
    parts = re.split(r'(\d+)', path.name.lower())
    return [(int(part), '') if part.isdigit() else (-1, part) for part in parts]


class FolderSource:
    """Images of a folder, in the natural order of their names.

    Args:
        path: of the folder.
        rate_hz: images per second.

    Raises:
        FileNotFoundError: there is no image in it.
        ValueError: the first image cannot be decoded, or `rate_hz` is not positive.
    """

    intrinsics = None

    def __init__(self, path: str | os.PathLike[str], rate_hz: float = 10.0) -> None:
        if not rate_hz > 0:
            raise ValueError(f'rate_hz: expected more than 0 Hz, got {rate_hz}')
        self.path = Path(path)
        self.name = str(self.path)
        self.rate_hz = rate_hz
        files = [one for one in self.path.iterdir() if one.suffix.lower() in IMAGE_SUFFIXES]
        self._files = sorted(files, key=_natural)
        if not self._files:
            raise FileNotFoundError(
                f'folder {self.path}: no image in it; expected files ending in '
                f'{", ".join(IMAGE_SUFFIXES)}'
            )
        self.frame_count: int | None = len(self._files)
        first = self._read(self._files[0])
        self.image_size: tuple[int, int] = (first.shape[1], first.shape[0])

    @staticmethod
    def _read(path: Path) -> Image:
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise ValueError(f'image {path}: OpenCV cannot decode it')
        image: Image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        return image

    def __iter__(self) -> Iterator[tuple[float, Image]]:
        """Yield the images.

        Raises:
            ValueError: an image cannot be decoded, or has another size than the first.
        """
        for index, path in enumerate(self._files):
            image = self._read(path)
            size = (image.shape[1], image.shape[0])
            if size != self.image_size:
                raise ValueError(
                    f'image {path}: expected {self.image_size[0]} x {self.image_size[1]} px like '
                    f'{self._files[0].name}, got {size[0]} x {size[1]}'
                )
            yield index / self.rate_hz, image

    def close(self) -> None:
        """Do nothing: no file stays open."""


class WebcamSource:
    """Images of a camera on this machine, stamped when they arrive.

    Args:
        index: of the camera.

    Raises:
        OSError: the camera cannot be opened or gives no image.
    """

    intrinsics = None
    frame_count = None

    def __init__(self, index: int) -> None:
        self.name = f'camera {index}'
        self._capture = cv2.VideoCapture(index)
        is_read, image = self._capture.read() if self._capture.isOpened() else (False, None)
        if not is_read or image is None:
            self._capture.release()
            raise OSError(
                f'camera {index}: no image; is it connected, free, and readable by this user '
                f'(on Linux: /dev/video{index})?'
            )
        self.image_size: tuple[int, int] = (image.shape[1], image.shape[0])
        rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate_hz = rate_hz if math.isfinite(rate_hz) and rate_hz > 0 else ASSUMED_RATE_HZ
        self._started_s = time.monotonic()

    def __iter__(self) -> Iterator[tuple[float, Image]]:
        """Yield images until the camera is closed.

        Raises:
            OSError: the camera stopped giving images.
        """
        while self._capture.isOpened():
            is_read, image = self._capture.read()
            if not is_read:
                if not self._capture.isOpened():
                    return
                raise OSError(f'{self.name}: gives no more images; was it unplugged?')
            yield time.monotonic() - self._started_s, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Free the camera."""
        self._capture.release()


def open_video(source: str | int | os.PathLike[str], rate_hz: float | None = None) -> VideoSource:
    """Open a source of images.

    Args:
        source: a video file, a folder of images, a camera's index (a number or its digits), or
            the simulation: `simulation` or `simulation:SCENE`.
        rate_hz: images per second of a folder (default 10) or the simulation (default 15). A
            file and a camera have their own.

    Raises:
        FileNotFoundError: there is no such file or folder, or the folder holds no image.
        ValueError: the file is no video, or the scene is unknown.
        OSError: the camera gives no image.
    """
    text = os.fspath(source) if not isinstance(source, int) else str(source)
    if text.isdecimal():
        return WebcamSource(int(text))
    kind, _, scene = text.partition(':')
    if kind == 'simulation':
        return SimulationSource.of(scene or 'street', rate_hz=rate_hz or 15.0)
    path = Path(text).expanduser()
    if path.is_dir():
        return FolderSource(path) if rate_hz is None else FolderSource(path, rate_hz)
    if not path.exists():
        raise FileNotFoundError(
            f'video source {text!r}: expected a video file, a folder of images, a camera index, '
            'or simulation[:scene]; there is no such file or folder'
        )
    return FileSource(path)
