"""Puts clothes, hair and skin on the body's rings: radii, colours, and which bands are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter

from pose_tracking_ros.simulation.body import JOINED, PARTS, RING_LEVEL, RING_PART, template_radii
from pose_tracking_ros.simulation.gait import REFERENCE_HEIGHT_M
from pose_tracking_ros.simulation.wardrobe import Colour, Look

_SLEEVE_END = {'sleeveless': 0.0, 't_shirt': 0.56, 'shirt': 1.91, 'jacket': 1.91, 'coat': 1.91}
_TOP_LOOSENESS_M = {
    'sleeveless': 0.004, 't_shirt': 0.010, 'shirt': 0.010, 'jacket': 0.020, 'coat': 0.026,
}  # fmt: skip
_TROUSER_END = {'trousers': 1.91, 'shorts': 0.59, 'skirt': -1.0, 'dress': -1.0}
_SKIRT_END = {'skirt': 0.9, 'dress': 1.0, 'coat': 0.6}


@dataclass(frozen=True, eq=False)
class Outfit:
    """A dressed body, ready to be posed.

    Attributes:
        radii: half width and depth of each ring at the person's real height, m.
        colours: of each quad, RGB reflectance.
        is_drawn: whether a quad exists at all.
    """

    radii: Float[np.ndarray, 'ring 2']
    colours: Float[np.ndarray, 'band sector 3']
    is_drawn: Bool[np.ndarray, 'band sector']


def _rings_of(*parts: str) -> np.ndarray:
    return np.isin(RING_PART, [PARTS.index(part) for part in parts])


_LEGS = _rings_of('left_leg', 'right_leg')
_ARMS = _rings_of('left_arm', 'right_arm')
_TORSO = _rings_of('torso')
_SKIRT = _rings_of('skirt')


def _radii(look: Look) -> np.ndarray:
    radii = template_radii()
    padded = _rings_of(
        'torso', 'skirt', 'left_leg', 'right_leg', 'left_arm', 'right_arm', 'backpack'
    )
    radii[padded] *= look.girth
    if look.girth > 1.05:
        belly = _TORSO * np.exp(-(((RING_LEVEL - 0.08) / 0.12) ** 2))
        radii += (0.22 * (look.girth - 1.05) * belly)[:, None] * np.array([0.5, 1.0])
    loose = _TOP_LOOSENESS_M[look.top_kind]
    is_tucked = look.bottom_kind in ('skirt', 'dress') and look.top_kind != 'coat'
    # Collar and neck stay free.
    radii[_TORSO & np.greater(RING_LEVEL, 0.1 if is_tucked else -0.09) & (RING_LEVEL < 0.45)] += (
        loose
    )
    radii[_ARMS & np.less(RING_LEVEL, _SLEEVE_END[look.top_kind])] += 0.7 * loose + 0.003
    trousers = _LEGS & np.less(RING_LEVEL, _TROUSER_END[look.bottom_kind])
    radii[trousers] += 0.006 + 0.012 * np.clip(RING_LEVEL[trousers] / 2, 0, 1)[:, None]
    if look.bottom_kind == 'shorts':
        radii[trousers] += 0.012 * np.clip(RING_LEVEL[trousers], 0, 1)[:, None]
    return radii * (look.height_m / REFERENCE_HEIGHT_M)


def _patterned(look: Look, level: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return the top's colour at levels (m above the pelvis) and angles around the body."""
    top, accent = np.array(look.top), np.array(look.accent)
    level, angle = np.broadcast_arrays(level, angle)
    if look.pattern == 'stripes':
        is_accent = np.sin(level * (2 * np.pi / 0.098)) > 0.15
    elif look.pattern == 'blocks':
        is_accent = level > 0.29
    elif look.pattern == 'checks':
        rows = np.sin(level * (2 * np.pi / 0.13)) > 0
        is_accent = rows ^ (np.sin(6 * angle) > 0)
    elif look.pattern == 'print':
        ahead = np.abs(np.angle(np.exp(1j * (angle - 1.5 * np.pi))))
        is_accent = ((level - 0.30) / 0.075) ** 2 + (ahead / 0.62) ** 2 < 1
    else:
        is_accent = np.zeros(level.shape, dtype=bool)
    return np.where(is_accent[..., None], accent, top)


def _hair_regions(look: Look, angle: np.ndarray) -> dict[str, np.ndarray]:
    """Return which quads of the hair parts exist, by part."""
    level = 0.5 * (RING_LEVEL[1:] + RING_LEVEL[:-1])[:, None]
    from_face = np.abs(np.angle(np.exp(1j * (angle - 1.5 * np.pi))))[None]
    # The hairline runs from high on the forehead to low on the neck.
    hairline = 0.62 - 1.15 * np.clip((from_face - 0.75) / 1.3, 0, 1)
    has_hair = look.hair_style != 'bald'
    return {
        'hair': has_hair & (level > hairline),
        'long_hair': np.full((1, len(angle)), look.hair_style == 'long'),
        'bun': np.full((1, len(angle)), look.hair_style == 'bun'),
    }


@lru_cache(maxsize=512)
def dress(look: Look, sectors: int) -> Outfit:
    """Dress a body.

    Args:
        look: what to wear.
        sectors: quads around each ring.
    """
    angle = (np.arange(sectors) + 0.5) * (2 * np.pi / sectors)
    level = 0.5 * (RING_LEVEL[1:] + RING_LEVEL[:-1])
    part = RING_PART[:-1]
    bands = len(level)
    colours = np.empty((bands, sectors, 3))
    colours[:] = look.skin
    is_drawn = np.repeat(JOINED[:, None], sectors, axis=1)

    def rings(*names: str) -> np.ndarray:
        return np.isin(part, [PARTS.index(name) for name in names])

    def paint(where: np.ndarray, colour: Colour | np.ndarray) -> None:
        colours[where] = colour

    legs_colour = look.top if look.bottom_kind == 'dress' else look.bottom
    legs = rings('left_leg', 'right_leg')
    paint(legs & (level < _TROUSER_END[look.bottom_kind]), legs_colour)
    socks = tuple(0.5 + 0.4 * c for c in look.shoes)
    paint(legs & (level > 1.845), np.array(socks) if look.bottom_kind == 'shorts' else look.skin)
    if look.bottom_kind == 'trousers':
        paint(legs & (level > 1.7), np.array(legs_colour))
    paint(rings('left_foot', 'right_foot'), look.shoes)
    foot_top = rings('left_foot', 'right_foot')
    # A lighter sole: the lower half of each foot ring (the ring's second axis points up).
    under = np.sin(angle) < -0.75
    sole = np.clip(0.25 + 0.75 * np.array(look.shoes), 0, 1)
    colours[np.ix_(foot_top, under)] = sole

    torso = rings('torso')
    paint(torso, _patterned(look, level[torso][:, None], angle[None]))
    hem = -0.09 if look.top_kind in ('jacket', 'shirt') else -0.05
    paint(torso & (level < hem), legs_colour)
    if look.top_kind in ('jacket', 'coat'):
        # An open front shows what is worn below.
        front = np.abs(np.angle(np.exp(1j * (angle - 1.5 * np.pi)))) < 0.22
        colours[np.ix_(torso & (level > 0.1), front)] = look.accent
    collar = torso & (level > 0.492)
    paint(collar, look.skin)
    arms = rings('left_arm', 'right_arm')
    sleeves = arms & (level < _SLEEVE_END[look.top_kind])
    # Sleeves continue the pattern downwards from shoulder height.
    paint(sleeves, _patterned(look, 0.44 - 0.28 * level[sleeves][:, None], angle[None] * 0))
    if look.top_kind == 'sleeveless':
        paint(torso & (level > 0.47), look.skin)

    skirt = rings('skirt')
    tail = _SKIRT_END.get('coat' if look.top_kind == 'coat' else look.bottom_kind, -1.0)
    if look.bottom_kind in ('skirt', 'dress') and look.top_kind == 'coat':
        tail = max(tail, _SKIRT_END[look.bottom_kind])
    is_drawn[skirt & (RING_LEVEL[1:] > tail + 0.01)] = False
    # Thighs below cloth cannot show through it.
    is_drawn[legs & (level < tail - 0.35)] = False
    skirt_colour = look.top if look.top_kind == 'coat' else np.array(legs_colour)
    paint(skirt, skirt_colour)

    if look.backpack is None:
        is_drawn[rings('backpack')] = False
    else:
        paint(rings('backpack'), look.backpack)
        colours[
            np.ix_(rings('backpack') & (level > 0.16) & (level < 0.27), np.sin(angle) > 0.5)
        ] *= 0.75
    for name, region in _hair_regions(look, angle).items():
        where = rings(name)
        is_drawn[where] &= np.broadcast_to(region, is_drawn.shape)[where]
        paint(where, look.hair)
    from_face = np.abs(np.angle(np.exp(1j * (angle - 1.5 * np.pi))))
    if look.hair_style != 'bald':
        scalp = rings('head')[:, None] & (level[:, None] > 0.7)
        nape = rings('head')[:, None] & (level[:, None] > -0.55) & (from_face[None] > 2.0)
        colours[scalp | nape] = look.hair

    # Folds of cloth and the mottling of skin: smooth, fixed to the surface.
    rng = np.random.default_rng(int(1e6 * (look.height_m + look.girth)))
    folds = gaussian_filter(rng.normal(size=(bands, 40)), (0.8, 1.6), mode=('nearest', 'wrap'))
    folds /= folds.std()
    columns = (np.arange(sectors) * 40 // sectors) % 40
    cloth = rings('torso', 'skirt', 'left_leg', 'right_leg', 'left_arm', 'right_arm')
    strength = np.where(cloth, 0.075, 0.02)[:, None, None]
    colours *= 1 + strength * folds[:, columns, None]
    return Outfit(_radii(look), np.clip(colours, 0.01, 1.0), is_drawn)
