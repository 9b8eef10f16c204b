"""HTML pages that need no other file: one style, and pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from jaxtyping import UInt8

# Holds `style.css`, which every page takes in.
_STYLE = Path(__file__).parent / 'templates'
_JPEG_QUALITY = 82


def rendered_page(templates: Path, name: str, content: Mapping[str, Any]) -> str:
    """Return a page as text.

    Args:
        templates: folder of the template.
        name: of the template in it.
        content: all that the template names.

    Raises:
        jinja2.UndefinedError: something that it names is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, _STYLE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(name).render(content)


def jpeg_address(picture: UInt8[np.ndarray, 'height width 3']) -> str:
    """Return a picture as a data address that an `img` element shows without a file."""
    is_done, content = cv2.imencode(
        '.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    if not is_done:
        raise OSError(f'OpenCV could not encode a picture of {picture.shape} as JPEG')
    return f'data:image/jpeg;base64,{base64.b64encode(content.tobytes()).decode()}'


def svg_address(svg: str) -> str:
    """Return an SVG as a data address, which an `img` element shows without a file."""
    return f'data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}'
