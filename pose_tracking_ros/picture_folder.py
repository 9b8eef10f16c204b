"""Pictures of any sizes in a folder, to learn or to calibrate from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

_KINDS = ('.bmp', '.jpeg', '.jpg', '.png', '.webp')


class PictureError(ValueError):
    """A folder has no pictures, or one of them cannot be read; says which."""


def pictures_in(folder: Path) -> list[Path]:
    """Return all pictures in a folder and the folders in it, sorted by name.

    Raises:
        PictureError: there are none.
    """
    found = sorted(path for path in folder.rglob('*') if path.suffix.lower() in _KINDS)
    if not found:
        raise PictureError(f'{folder}: expected pictures ({", ".join(_KINDS)}), found none')
    return found


def read_picture(path: Path) -> UInt8[np.ndarray, 'height width 3']:
    """Return a picture in RGB.

    Raises:
        PictureError: it cannot be decoded.
        OSError: it cannot be read.
    """
    content = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if image is None:
        raise PictureError(
            f'{path}: expected a picture, it cannot be decoded; remove or replace it'
        )
    return np.ascontiguousarray(image[..., ::-1])
