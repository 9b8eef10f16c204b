"""An encoder of compressed depth, written from the published formats, one number at a time."""

from __future__ import annotations

import struct

import cv2
import numpy as np


def rvl(pixels: np.ndarray) -> bytes:
    """Code 16-bit pixels one by one, as the paper's listing does."""
    groups: list[int] = []

    def write(number: int) -> None:
        while True:
            group, number = number & 7, number >> 3
            groups.append(group | 8 if number else group)
            if not number:
                return

    values, place, before = pixels.reshape(-1).tolist(), 0, 0
    while place < len(values):
        start = place
        while place < len(values) and values[place] == 0:
            place += 1
        write(place - start)
        start = place
        while place < len(values) and values[place] != 0:
            place += 1
        write(place - start)
        for value in values[start:place]:
            difference, before = value - before, value
            write(2 * difference if difference >= 0 else -2 * difference - 1)
    groups += [0] * (-len(groups) % 8)
    words = [
        int(''.join(f'{g:x}' for g in groups[i : i + 8]), 16) for i in range(0, len(groups), 8)
    ]
    height, width = pixels.shape
    return struct.pack(f'<II{len(words)}I', width, height, *words)


def png(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode('.png', pixels)[1])


def header(a: float = 0.0, b: float = 0.0) -> bytes:
    return struct.pack('<iff', 0, a, b)


CODERS = {'png': png, 'rvl': rvl}
