"""What simulated people look like: body build, hair, clothes, and the appearance they give.

An appearance vector is derived from the very colours that are drawn, so people who look alike
have similar vectors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

Colour = tuple[float, float, float]
"""RGB in [0, 1], as reflectance."""

APPEARANCE_DIM = 32
"""Length of the appearance vectors."""

TOPS = ('t_shirt', 'shirt', 'jacket', 'coat', 'sleeveless')
BOTTOMS = ('trousers', 'shorts', 'skirt', 'dress')
PATTERNS = ('plain', 'stripes', 'blocks', 'checks', 'print')
HAIR_STYLES = ('short', 'long', 'bald', 'cap', 'bun')

_SKINS: tuple[Colour, ...] = (
    (0.93, 0.76, 0.67), (0.88, 0.69, 0.57), (0.80, 0.60, 0.46), (0.68, 0.48, 0.36),
    (0.52, 0.35, 0.25), (0.38, 0.25, 0.18),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06), (0.17, 0.11, 0.08), (0.30, 0.19, 0.11), (0.55, 0.40, 0.22),
    (0.62, 0.60, 0.58), (0.42, 0.18, 0.09),
)  # fmt: skip
_TOP_COLOURS: tuple[Colour, ...] = (
    (0.60, 0.14, 0.15), (0.16, 0.24, 0.44), (0.86, 0.85, 0.82), (0.12, 0.12, 0.14),
    (0.18, 0.36, 0.26), (0.80, 0.64, 0.26), (0.40, 0.20, 0.38), (0.44, 0.58, 0.70),
    (0.76, 0.42, 0.24), (0.46, 0.45, 0.43), (0.80, 0.58, 0.60), (0.34, 0.36, 0.24),
    (0.22, 0.46, 0.48), (0.56, 0.44, 0.32), (0.70, 0.66, 0.56), (0.26, 0.30, 0.34),
)  # fmt: skip
_ACCENTS: tuple[Colour, ...] = (
    (0.88, 0.87, 0.84), (0.13, 0.13, 0.15), (0.16, 0.20, 0.34), (0.55, 0.54, 0.52),
    (0.62, 0.18, 0.17), (0.70, 0.62, 0.48),
)  # fmt: skip
_BOTTOM_COLOURS: tuple[Colour, ...] = (
    (0.13, 0.18, 0.32), (0.09, 0.09, 0.10), (0.55, 0.47, 0.35), (0.30, 0.31, 0.33),
    (0.28, 0.40, 0.58), (0.36, 0.27, 0.20), (0.62, 0.61, 0.58), (0.42, 0.10, 0.14),
)  # fmt: skip
_SHOE_COLOURS: tuple[Colour, ...] = (
    (0.06, 0.06, 0.06), (0.80, 0.80, 0.78), (0.30, 0.19, 0.12), (0.55, 0.12, 0.12),
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """One person's build and clothes.

    Attributes:
        height_m: body height.
        girth: thickness relative to an average build.
        skin: colour.
        hair: colour, of the cap if one is worn.
        hair_style: one of `HAIR_STYLES`.
        top: colour.
        accent: second colour of the top's pattern.
        top_kind: one of `TOPS`.
        pattern: of the top, one of `PATTERNS`.
        bottom: colour.
        bottom_kind: one of `BOTTOMS`; a dress takes the top's colour.
        shoes: colour.
        backpack: colour, or None when none is worn.
    """

    height_m: float
    girth: float
    skin: Colour
    hair: Colour
    hair_style: str
    top: Colour
    accent: Colour
    top_kind: str
    pattern: str
    bottom: Colour
    bottom_kind: str
    shoes: Colour
    backpack: Colour | None


def _pick(rng: np.random.Generator, choices: tuple[Colour, ...], spread: float = 0.03) -> Colour:
    chosen = np.array(choices[rng.integers(len(choices))])
    red, green, blue = np.clip(chosen + rng.normal(0, spread, 3), 0.03, 0.95)
    return float(red), float(green), float(blue)


def _clothing(rng: np.random.Generator, choices: tuple[Colour, ...], skin: Colour) -> Colour:
    """Return a colour that nobody would take for bare skin."""
    while True:
        colour = _pick(rng, choices)
        if np.abs(np.array(colour) - skin).max() > 0.16:
            return colour


def random_look(rng: np.random.Generator, is_child: bool = False) -> Look:
    """Draw a plausible person."""
    height_m = (
        rng.uniform(1.12, 1.32) if is_child else np.clip(rng.normal(1.71, 0.085), 1.54, 1.92)
    )
    top_kind = str(rng.choice(TOPS, p=(0.32, 0.28, 0.24, 0.08, 0.08)))
    pattern = str(rng.choice(PATTERNS, p=(0.5, 0.19, 0.11, 0.11, 0.09)))
    skin = _pick(rng, _SKINS, 0.015)
    return Look(
        height_m=float(height_m),
        girth=float(np.clip(rng.normal(1.0, 0.09), 0.86, 1.25)),
        skin=skin,
        hair=_pick(rng, _HAIRS, 0.015),
        hair_style=str(rng.choice(HAIR_STYLES, p=(0.5, 0.28, 0.04, 0.08, 0.1))),
        top=_clothing(rng, _TOP_COLOURS, skin),
        accent=_pick(rng, _ACCENTS),
        top_kind=top_kind,
        # Jackets and coats are of one colour; their accent is what shows at the open front.
        pattern='plain' if top_kind in ('jacket', 'coat') else pattern,
        bottom=_clothing(rng, _BOTTOM_COLOURS, skin),
        bottom_kind=str(rng.choice(BOTTOMS, p=(0.68, 0.14, 0.1, 0.08))),
        shoes=_clothing(rng, _SHOE_COLOURS, skin),
        backpack=_pick(rng, _TOP_COLOURS) if rng.random() < 0.22 else None,
    )


def _features(look: Look) -> np.ndarray:
    """Return what an observer could tell people apart by, weighted by how much of it shows."""
    is_patterned = look.pattern != 'plain' or look.top_kind in ('jacket', 'coat')
    second = look.accent if is_patterned else look.top
    legs = look.top if look.bottom_kind == 'dress' else look.bottom
    return np.concatenate(
        [
            2.4 * np.array(look.top) - 1.0,
            1.2 * (np.array(second) - np.array(look.top)),
            2.2 * np.array(legs) - 0.75,
            0.7 * (np.array(look.shoes) - 0.4),
            1.0 * (np.array(look.skin) - 0.55),
            1.0 * (np.array(look.hair) - 0.25),
            0.35 * np.array([look.top_kind == kind for kind in TOPS]),
            0.35 * np.array([look.bottom_kind == kind for kind in BOTTOMS]),
            0.35 * np.array([look.pattern == kind for kind in PATTERNS]),
            0.35 * np.array([look.hair_style == style for style in HAIR_STYLES]),
            [0.5 * (look.backpack is not None), 2.0 * (look.height_m - 1.65), look.girth - 1.0],
        ]
    )


# Any fixed random projection keeps distances roughly; this one never changes.
_PROJECTION = np.random.default_rng(1908_05593).normal(
    size=(APPEARANCE_DIM, 18 + len(TOPS) + len(BOTTOMS) + len(PATTERNS) + len(HAIR_STYLES) + 3)
)


def appearance_of(look: Look) -> Float[np.ndarray, 'dim']:
    """Return the appearance vector of a look, unit length, float32."""
    vector = _PROJECTION @ _features(look)
    unit: np.ndarray = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def distinct_looks(
    rng: np.random.Generator, count: int, children: int = 0, min_distance: float = 0.75
) -> list[Look]:
    """Draw people who can be told apart.

    Args:
        rng: source of randomness.
        count: number of people.
        children: how many of them, the last ones, are children.
        min_distance: between any two appearance vectors; it is lowered step by step when a
            crowd is so large that it cannot be held.
    """
    looks: list[Look] = []
    for i in range(count):
        wanted = min_distance
        candidate = random_look(rng, is_child=i >= count - children)
        while (
            looks
            and min(
                float(np.linalg.norm(appearance_of(candidate) - appearance_of(look)))
                for look in looks
            )
            < wanted
        ):
            candidate = random_look(rng, is_child=i >= count - children)
            wanted *= 0.98
        looks.append(candidate)
    return looks


def similar_looks(rng: np.random.Generator, count: int) -> list[Look]:
    """Draw people dressed nearly alike: one outfit, slightly other shades and builds."""
    model = replace(random_look(rng), backpack=None, hair_style='short')
    looks = []
    for _ in range(count):
        shade = rng.normal(0, 0.03, 3)
        top = tuple(float(c) for c in np.clip(np.array(model.top) + shade, 0.03, 0.95))
        looks.append(
            replace(
                model,
                top=(top[0], top[1], top[2]),
                height_m=float(model.height_m + rng.uniform(-0.05, 0.05)),
                girth=float(model.girth * rng.uniform(0.95, 1.05)),
                hair=_pick(rng, (model.hair,), 0.02),
            )
        )
    return looks
