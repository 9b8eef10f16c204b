"""Procedural pictures of ground, walls, facades, trees and sky. Colours are sRGB in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float

Picture = Float[np.ndarray, 'height width 3']


def rgb(colour: Sequence[float]) -> Float[np.ndarray, '3']:
    """Return a colour as an array that keeps pictures in 32 bit."""
    return np.array(colour, dtype=np.float32)


def noise(
    rng: np.random.Generator, size: tuple[int, int], cell_px: float, octaves: int = 4
) -> Float[np.ndarray, 'height width']:
    """Return fractal noise of mean 0 and standard deviation 1 that tiles seamlessly.

    Args:
        rng: source of randomness.
        size: width and height, px.
        cell_px: size of the largest blobs.
        octaves: each has half the size and 0.55 of the strength of the one before.
    """
    width, height = size
    total = np.zeros((height, width), dtype=np.float32)
    for octave in range(octaves):
        cell = max(cell_px / 2**octave, 1.0)
        columns, rows = max(round(width / cell), 2), max(round(height / cell), 2)
        small = rng.normal(size=(rows, columns)).astype(np.float32)
        margin = 3
        small = np.pad(small, margin, mode='wrap')
        scale_x, scale_y = width / columns, height / rows
        big = cv2.resize(
            small,
            (round(small.shape[1] * scale_x), round(small.shape[0] * scale_y)),
            interpolation=cv2.INTER_CUBIC,
        )
        x, y = round(margin * scale_x), round(margin * scale_y)
        total += 0.55**octave * big[y : y + height, x : x + width]
    result: np.ndarray = (total - total.mean()) / max(float(total.std()), 1e-6)
    return result


def plain(size: tuple[int, int], colour: tuple[float, float, float]) -> Picture:
    """Return a picture of one colour."""
    picture = np.empty((size[1], size[0], 3), dtype=np.float32)
    picture[:] = colour
    return picture


def rough(rng: np.random.Generator, picture: Picture, cell_px: float, strength: float) -> Picture:
    """Return a picture with its brightness varied by noise."""
    height, width = picture.shape[:2]
    grain = noise(rng, (width, height), cell_px)[..., None]
    varied: np.ndarray = np.clip(picture * (1 + strength * grain), 0, 1).astype(np.float32)
    return varied


def bricks(
    rng: np.random.Generator,
    size: tuple[int, int],
    colour: tuple[float, float, float],
    brick_px: tuple[int, int] = (22, 8),
    joint: tuple[float, float, float] = (0.62, 0.60, 0.57),
) -> Picture:
    """Return a brick wall in running bond."""
    width, height = size
    rows, columns = height // brick_px[1] + 2, width // brick_px[0] + 3
    shade = 1 + 0.10 * rng.normal(size=(rows, columns, 1))
    tint = 1 + 0.03 * rng.normal(size=(rows, columns, 3))
    y, x = np.mgrid[:height, :width]
    row = y // brick_px[1]
    shifted = x + (row % 2) * (brick_px[0] // 2)
    column = shifted // brick_px[0]
    picture = np.array(colour) * shade[row, column] * tint[row, column]
    is_joint = (y % brick_px[1] < 1) | (shifted % brick_px[0] < 1)
    picture = np.where(is_joint[..., None], np.array(joint), picture)
    return rough(rng, picture.astype(np.float32), 60, 0.05)


def paving(rng: np.random.Generator, size_px: int, slab_px: int) -> Float[np.ndarray, 'size size']:
    """Return a tile of brightness factors around 1 for a paved ground; it repeats seamlessly."""
    count = size_px // slab_px
    y, x = np.mgrid[:size_px, :size_px]
    row = y // slab_px % count
    shifted = (x + (row % 2) * (slab_px // 2)) % size_px
    column = shifted // slab_px % count
    shade = 1 + 0.035 * rng.normal(size=(count, count))
    factor = shade[row, column]
    gap = (y % slab_px < 2) | (shifted % slab_px < 2)
    factor = np.where(gap, 0.78, factor)
    factor = factor * (1 + 0.035 * noise(rng, (size_px, size_px), 6, 2))
    tile: np.ndarray = np.clip(
        factor * (1 + 0.04 * noise(rng, (size_px, size_px), size_px / 6)), 0, 2
    ).astype(np.float32)
    return tile


def asphalt(rng: np.random.Generator, size_px: int) -> Float[np.ndarray, 'size size']:
    """Return a tile of brightness factors around 1 for asphalt; it repeats seamlessly."""
    size = (size_px, size_px)
    factor = 1 + 0.05 * noise(rng, size, 3, 2) + 0.04 * noise(rng, size, size_px / 5)
    tile: np.ndarray = np.clip(factor, 0, 2).astype(np.float32)
    return tile


def _window(rng: np.random.Generator, picture: Picture, box: tuple[int, int, int, int]) -> None:
    """Paint a window with frame, sill and a reflection of the sky."""
    x1, y1, x2, y2 = box
    frame = np.float32(rng.choice([0.25, 0.82, 0.9]))
    picture[max(y1 - 2, 0) : y2 + 2, max(x1 - 2, 0) : x2 + 2] = frame
    height, width = picture[y1:y2, x1:x2].shape[:2]
    if not height or not width:
        return
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    glass = (1 - down) * rgb([0.42, 0.50, 0.58]) + down * rgb([0.13, 0.16, 0.19])
    glass = glass * rng.uniform(0.55, 1.15)
    if rng.random() < 0.45:
        curtain = rng.uniform(0.15, 0.6)
        glass[: int(curtain * height)] = 0.6 * glass[: int(curtain * height)] + 0.28
    picture[y1:y2, x1:x2] = np.clip(glass, 0, 1)
    picture[y1:y2, (x1 + x2) // 2 : (x1 + x2) // 2 + 1] = frame
    picture[y1 + height // 3 : y1 + height // 3 + 1, x1:x2] = frame
    picture[y2 + 1 : y2 + 4, max(x1 - 3, 0) : x2 + 3] *= 0.6


def _shop(rng: np.random.Generator, picture: Picture, x1: int, x2: int, per_m: int) -> None:
    """Paint a shop front between two columns at the foot of a facade."""
    height = picture.shape[0]
    top = height - int(3.1 * per_m)
    colour = np.array(rng.uniform(0.1, 0.75, 3), dtype=np.float32)
    picture[top:height, x1:x2] = 0.3 + 0.25 * colour
    picture[top : top + int(0.55 * per_m), x1:x2] = colour
    for letter in range(x1 + per_m // 2, x2 - per_m, max(per_m // 3, 3)):
        if rng.random() < 0.8:
            tall = int(rng.uniform(0.15, 0.3) * per_m)
            y = top + int(0.12 * per_m)
            picture[y : y + tall, letter : letter + max(per_m // 6, 1)] = (
                0.92 - 0.5 * colour.mean()
            )
    inside = rng.uniform(0.08, 0.22)
    y1, y2 = top + int(0.7 * per_m), height - int(0.35 * per_m)
    for pane in range(x1 + per_m // 4, x2 - per_m, int(1.5 * per_m)):
        end = min(pane + int(1.3 * per_m), x2 - 2)
        shape = (y2 - y1, end - pane, 1)
        depth = np.linspace(0.5, 0.0, shape[0], dtype=np.float32)[:, None, None]
        goods = np.abs(noise(rng, (shape[1], shape[0]), per_m * 0.4, 3))[..., None] * 0.08
        picture[y1:y2, pane:end] = inside + 0.25 * depth + goods * rng.uniform(0.6, 1.4, 3)
    if rng.random() < 0.5:
        awning = colour * 0.9
        rows = slice(top + int(0.45 * per_m), top + int(1.0 * per_m))
        stripe = (np.arange(x2 - x1) // max(int(0.25 * per_m), 1)) % 2
        picture[rows, x1:x2] = np.where(stripe[None, :, None] == 0, awning, 0.85)


def facade(
    rng: np.random.Generator, width_m: float, height_m: float, per_m: int, has_shops: bool = True
) -> Picture:
    """Return the front of a building, `per_m` px per metre, its foot in the last row."""
    size = (round(width_m * per_m), round(height_m * per_m))
    walls = (
        (0.66, 0.58, 0.47), (0.74, 0.70, 0.64), (0.52, 0.32, 0.26), (0.62, 0.55, 0.50),
        (0.56, 0.58, 0.60), (0.72, 0.62, 0.50),
    )  # fmt: skip
    colour = walls[rng.integers(len(walls))]
    is_brick = rng.random() < 0.45
    picture = (
        bricks(rng, size, colour, (max(per_m // 3, 4), max(per_m // 8, 3)))
        if is_brick
        else rough(rng, plain(size, colour), 3.0 * per_m, 0.05)
    )
    storey, bay = int(3.1 * per_m), int(rng.uniform(2.0, 2.9) * per_m)
    window = (int(rng.uniform(0.9, 1.4) * per_m), int(rng.uniform(1.4, 1.9) * per_m))
    for foot in range(size[1] - storey, -1, -storey):
        if foot - storey < 0:
            break
        for left in range(bay // 4, size[0] - bay + 1, bay):
            x, y = left + (bay - window[0]) // 2, foot - storey + (storey - window[1]) // 2
            _window(rng, picture, (x, y, x + window[0], y + window[1]))
        ledge = slice(max(foot - 3, 0), max(foot, 1))
        picture[ledge] = np.clip(picture[ledge] * 1.12, 0, 1)
    cornice = int(0.35 * per_m)
    picture[:cornice] = np.clip(np.array(colour) * 0.8, 0, 1)
    x = 0
    while x < size[0] - 2 * per_m:
        wide = int(rng.uniform(4.0, 7.0) * per_m)
        if has_shops:
            _shop(rng, picture, x, min(x + wide, size[0]), per_m)
        x += wide
    # Rain leaves streaks, and the foot of a wall is dirty.
    streaks = cv2.GaussianBlur(noise(rng, size, 0.4 * per_m, 2), (0, 0), 1, sigmaY=1.5 * per_m)
    dirt = 1 - 0.12 * np.exp(-np.arange(size[1])[::-1] / (0.5 * per_m))
    picture *= (1 + 0.12 * streaks[..., None]) * dirt[:, None, None]
    return np.asarray(np.clip(picture, 0, 1), dtype=np.float32)


def tree(rng: np.random.Generator, size: tuple[int, int]) -> Float[np.ndarray, 'height width 4']:
    """Return a leafy tree, alpha in the fourth channel; its foot is in the last row."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    trunk_half = width * (0.022 + 0.02 * (y / height) ** 3)
    trunk = (np.abs(x - width / 2 - 2 * np.sin(y / 25)) < trunk_half) & (y > 0.45 * height)
    crown = np.zeros((height, width), dtype=np.float32)
    light = np.zeros_like(crown)
    for _ in range(46):
        angle, far = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random())
        cx = width * (0.5 + 0.34 * far * np.cos(angle))
        cy = height * (0.33 + 0.22 * far * np.sin(angle))
        radius = width * rng.uniform(0.07, 0.15)
        inside = 1 - ((x - cx) ** 2 + (y - cy) ** 2) / radius**2
        # Each clump is lit from above left.
        shade = 0.5 - 0.35 * ((x - cx) + (y - cy)) / radius / 2
        light = np.where(inside > np.maximum(crown, 0), shade, light)
        crown = np.maximum(crown, inside)
    leaves = noise(rng, size, max(width / 40, 2), 3)
    alpha = np.clip((crown + 0.22 * leaves * np.minimum(8 * crown, 1) - 0.08) * 4, 0, 1)
    green = np.array([rng.uniform(0.20, 0.34), rng.uniform(0.32, 0.42), rng.uniform(0.10, 0.17)])
    shade = np.clip(0.45 + 0.75 * light + 0.22 * leaves, 0.15, 1.4)
    colour = green * shade[..., None]
    bark = np.array([0.27, 0.22, 0.18]) * (1 + 0.18 * noise(rng, size, 6, 2))[..., None]
    on_trunk = trunk & (alpha < 0.5)
    colour = np.where(on_trunk[..., None], bark, colour)
    alpha = np.maximum(alpha, trunk.astype(np.float32))
    return np.dstack([np.clip(colour, 0, 1), alpha]).astype(np.float32)


def sky(rng: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Return a sky, brightest at the horizon in the last row, with soft clouds."""
    width, height = size
    up = np.linspace(1, 0, height, dtype=np.float32)[:, None, None]
    clear = up * rgb([0.42, 0.58, 0.80]) + (1 - up) * rgb([0.82, 0.87, 0.91])
    cover = np.clip(0.35 + 0.45 * noise(rng, size, width / 5, 5), 0, 1)[..., None]
    cloud = rgb([0.90, 0.91, 0.92])
    picture: np.ndarray = (clear * (1 - 0.8 * cover) + cloud * 0.8 * cover).astype(np.float32)
    return picture
