"""Puts clothes, hair and skin on the body's rings: radii, colours, and which bands are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter

from pose_tracking_ros.simulation.body import JOINED, PARTS, RING_LEVEL, RING_PART, template_radii
from pose_tracking_ros.simulation.gait import REFERENCE_HEIGHT_M
from pose_tracking_ros.simulation.wardrobe import Look

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
        colours: of each quad of the surface, RGB reflectance.
        bands: which band between two rings each drawn quad belongs to.
        sectors: where in its band each drawn quad is.
        corners: of the drawn quads, as indices into the surface's points, ring by ring;
            counter-clockwise from outside.
        points: the points that any drawn quad uses.
    """

    radii: Float[np.ndarray, 'ring 2']
    colours: Float[np.ndarray, 'band sector 3']
    bands: Int[np.ndarray, 'quad']
    sectors: Int[np.ndarray, 'quad']
    corners: Int[np.ndarray, 'quad 4']
    points: Int[np.ndarray, 'point']


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


class _Surface:
    """The quads of one body while it is being dressed.

    Args:
        look: what to wear.
        sectors: quads around each ring.
    """

    def __init__(self, look: Look, sectors: int) -> None:
        self.look = look
        self.angle = (np.arange(sectors) + 0.5) * (2 * np.pi / sectors)
        self.from_front = np.abs(np.angle(np.exp(1j * (self.angle - 1.5 * np.pi))))
        self.level = 0.5 * (RING_LEVEL[1:] + RING_LEVEL[:-1])
        self.colours = np.empty((len(self.level), sectors, 3))
        self.colours[:] = look.skin
        self.is_drawn = np.repeat(JOINED[:, None], sectors, axis=1)
        self.legs_colour = look.top if look.bottom_kind == 'dress' else look.bottom

    def bands(self, *parts: str) -> np.ndarray:
        """Return which bands belong to the named parts."""
        return np.isin(RING_PART[:-1], [PARTS.index(part) for part in parts])

    def dress_legs(self) -> None:
        """Put on trousers or shorts, socks and shoes."""
        look, legs = self.look, self.bands('left_leg', 'right_leg')
        end = _TROUSER_END[look.bottom_kind]
        self.colours[legs & np.less(self.level, end)] = self.legs_colour
        if look.bottom_kind == 'shorts':
            self.colours[legs & (self.level > 1.845)] = 0.5 + 0.4 * np.array(look.shoes)
        feet = self.bands('left_foot', 'right_foot')
        self.colours[feet] = look.shoes
        # A lighter sole: the ring's second axis points up.
        under = np.sin(self.angle) < -0.75
        self.colours[np.ix_(feet, under)] = 0.25 + 0.75 * np.array(look.shoes)

    def dress_trunk(self) -> None:
        """Put on the top, with its sleeves, and what shows below it."""
        look, torso = self.look, self.bands('torso')
        self.colours[torso] = _patterned(look, self.level[torso][:, None], self.angle[None])
        hem = -0.09 if look.top_kind in ('jacket', 'shirt') else -0.05
        self.colours[torso & (self.level < hem)] = self.legs_colour
        if look.top_kind in ('jacket', 'coat'):
            # An open front shows what is worn below.
            front = self.from_front < 0.22
            self.colours[np.ix_(torso & (self.level > 0.1), front)] = look.accent
        neckline = 0.47 if look.top_kind == 'sleeveless' else 0.492
        self.colours[torso & (self.level > neckline)] = look.skin
        arms = self.bands('left_arm', 'right_arm')
        sleeves = arms & np.less(self.level, _SLEEVE_END[look.top_kind])
        # Sleeves continue the pattern downwards from shoulder height.
        height = 0.44 - 0.28 * self.level[sleeves]
        self.colours[sleeves] = _patterned(look, height[:, None], 0 * self.angle[None])

    def dress_skirt(self) -> None:
        """Put on a skirt, the lower part of a dress, or the tails of a coat."""
        look, skirt = self.look, self.bands('skirt')
        tail = max(
            _SKIRT_END.get(look.bottom_kind, -1.0),
            _SKIRT_END['coat'] if look.top_kind == 'coat' else -1.0,
        )
        self.is_drawn[skirt & (RING_LEVEL[1:] > tail + 0.01)] = False
        # Thighs under cloth cannot show through it.
        legs = self.bands('left_leg', 'right_leg')
        self.is_drawn[legs & (self.level < max(tail - 0.35, 0.0))] = False
        self.colours[skirt] = look.top if look.top_kind == 'coat' else self.legs_colour

    def dress_back(self) -> None:
        """Put on a backpack, if there is one."""
        pack = self.bands('backpack')
        if self.look.backpack is None:
            self.is_drawn[pack] = False
            return
        self.colours[pack] = self.look.backpack
        pocket = pack & (self.level > 0.16) & (self.level < 0.27)
        self.colours[np.ix_(pocket, np.sin(self.angle) > 0.5)] *= 0.75

    def dress_head(self) -> None:
        """Put hair or a cap on the head."""
        style, level = self.look.hair_style, self.level[:, None]
        # The hairline runs from high on the forehead to low on the neck.
        hairline = 0.62 - 1.15 * np.clip((self.from_front - 0.75) / 1.3, 0, 1)
        for part, exists in (
            ('hair', (level > hairline) & (style != 'bald')),
            ('long_hair', np.full(self.is_drawn.shape, style == 'long')),
            ('bun', np.full(self.is_drawn.shape, style == 'bun')),
        ):
            bands = self.bands(part)
            self.is_drawn[bands] &= exists[bands]
            self.colours[bands] = self.look.hair
        if style != 'bald':
            head = self.bands('head')[:, None]
            scalp = (level > 0.7) | ((level > -0.55) & (self.from_front > 2.0))
            self.colours[head & scalp] = self.look.hair

    def wear(self) -> None:
        """Give cloth its folds and skin its mottling: smooth, fixed to the surface."""
        count, sectors = self.is_drawn.shape
        # Every body has folds of its own; the look is all there is to tell bodies apart.
        rng = np.random.default_rng(int(1e6 * (self.look.height_m + self.look.girth)))
        fine = rng.normal(size=(count, 40))
        folds = gaussian_filter(fine, (1.1, 2.2), mode=('nearest', 'wrap'))
        folds /= folds.std()
        cloth = self.bands('torso', 'skirt', 'left_leg', 'right_leg', 'left_arm', 'right_arm')
        strength = np.where(cloth, 0.055, 0.015)[:, None, None]
        columns = np.arange(sectors) * 40 // sectors
        self.colours *= 1 + strength * folds[:, columns, None]


@lru_cache(maxsize=512)
def dress(look: Look, sectors: int) -> Outfit:
    """Dress a body.

    Args:
        look: what to wear.
        sectors: quads around each ring.
    """
    surface = _Surface(look, sectors)
    surface.dress_legs()
    surface.dress_trunk()
    surface.dress_skirt()
    surface.dress_back()
    surface.dress_head()
    surface.wear()
    bands, columns = np.nonzero(surface.is_drawn)
    after = (columns + 1) % sectors
    low, high = bands * sectors, (bands + 1) * sectors
    corners = np.stack([low + columns, low + after, high + after, high + columns], axis=1)
    return Outfit(
        radii=_radii(look),
        colours=np.clip(surface.colours, 0.01, 1.0),
        bands=bands,
        sectors=columns,
        corners=corners,
        points=np.unique(corners),
    )
