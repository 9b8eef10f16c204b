"""How plots inside HTML pages look, and how they become text."""

from __future__ import annotations

import io
from typing import Any, Final

from matplotlib.figure import Figure

INK: Final = '#7c838c'
"""Half way between white and black: read on light and on dark paper."""

STYLE: Final[dict[Any, Any]] = {
    'text.color': INK,
    'axes.edgecolor': INK,
    'axes.labelcolor': INK,
    'axes.facecolor': 'none',
    'figure.facecolor': 'none',
    'xtick.color': INK,
    'ytick.color': INK,
    'grid.color': INK,
    'grid.alpha': 0.25,
    'axes.grid': True,
    'axes.axisbelow': True,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'legend.frameon': False,
    'font.size': 10.0,
    'hatch.linewidth': 0.6,
    # The same figures give the same file; letters become shapes, so that no font is needed.
    'svg.hashsalt': 'pose_tracking_ros',
    'svg.fonttype': 'path',
}
"""Parameters of matplotlib, for `matplotlib.rc_context`."""


def svg_of(figure: Figure) -> str:
    """Return a figure as SVG; the same figure gives the same text."""
    buffer = io.StringIO()
    # Without these entries matplotlib writes neither the time nor addresses of vocabularies.
    nothing = dict.fromkeys(('Date', 'Creator', 'Format', 'Type'))
    figure.savefig(buffer, format='svg', metadata=nothing)
    return buffer.getvalue()
