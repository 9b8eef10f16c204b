"""Many images with captions on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PAPER = 250
_INK = (40, 40, 40)


def contact_sheet(
    images: Sequence[UInt8[np.ndarray, '_height _width 3']],
    captions: Sequence[str],
    columns: int = 3,
    width_px: int = 1800,
) -> UInt8[np.ndarray, 'height width 3']:
    """Lay images out in rows, each above its caption.

    Args:
        images: RGB, 8 bit, of any sizes; each is scaled to fit its field and keeps its ratio.
        captions: one line for each image; what is too long is cut.
        columns: images in a row.
        width_px: of the sheet.

    Returns:
        The sheet, RGB.

    Raises:
        ValueError: there is no image, not one caption for each, or no room for the columns.
    """
    if not images:
        raise ValueError('images: expected at least one, got none')
    if len(images) != len(captions):
        raise ValueError(f'captions: expected {len(images)}, one per image, got {len(captions)}')
    gap = max(round(width_px / 150), 2)
    columns = min(columns, len(images))
    field = (width_px - gap) // columns - gap if columns > 0 else 0
    if field < 16:
        raise ValueError(
            f'columns: expected 1 or more fields of at least 16 px, got {columns} columns on '
            f'{width_px} px'
        )
    scale = max(field / 1000, 0.3)
    thickness = max(round(1.5 * scale), 1)
    line = int(38 * scale) + gap
    shapes = [image.shape[:2] for image in images]
    # Every field is as tall as the tallest image needs at full width, within reason.
    tall = min(max(round(field * height / width) for height, width in shapes), 2 * field)
    rows = -(-len(images) // columns)
    sheet = np.full((gap + rows * (tall + line + gap), width_px, 3), _PAPER, dtype=np.uint8)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = gap + (i % columns) * (field + gap)
        top = gap + (i // columns) * (tall + line + gap)
        height, width = image.shape[:2]
        ratio = min(field / width, tall / height)
        size = (max(round(width * ratio), 1), max(round(height * ratio), 1))
        how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
        x, y = left + (field - size[0]) // 2, top + (tall - size[1]) // 2
        sheet[y : y + size[1], x : x + size[0]] = cv2.resize(image, size, interpolation=how)
        text = caption
        while text and cv2.getTextSize(text, _FONT, scale, thickness)[0][0] > field:
            text = text[:-1]
        at = (left, top + tall + int(30 * scale))
        cv2.putText(sheet, text, at, _FONT, scale, _INK, thickness, cv2.LINE_AA)
    return sheet
