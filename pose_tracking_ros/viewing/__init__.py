"""Show results: overlays, video, contact sheets."""

from pathlib import Path
from typing import Final

STYLE_FOLDER: Final = Path(__file__).parent / 'templates'
"""Holds `style.css`, which all HTML reports take in."""
