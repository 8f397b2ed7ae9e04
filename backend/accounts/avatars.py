"""Avatars: a disc of spores, drawn from the handle and from nothing else.

The same handle gives the same picture on every forge, for ever, whether anybody has it or not:
so it tells nothing, needs no row and may be kept for good. Ink on paper, readable on either; a
mirrored pattern is recognised faster than any other.
"""

import hashlib
from functools import lru_cache

GRID = 5
CELL = 12
EDGE = 10
SIZE = GRID * CELL + 2 * EDGE


def avatar_path(handle: str) -> str:
    """The address of a handle's picture."""
    return f"/avatars/{handle}.svg"


@lru_cache(maxsize=1024)
def avatar(handle: str) -> str:
    """The picture as SVG, 80 by 80."""
    bits = int.from_bytes(hashlib.sha256(handle.encode()).digest(), "big")
    ground, ink = _TONES[bits % len(_TONES)]
    bits >>= 8
    spores = []
    for column in range((GRID + 1) // 2):
        for row in range(GRID):
            radius, bits = _RADII[bits % len(_RADII)], bits >> 4
            corner = column == 0 and row in (0, GRID - 1)
            for x in {column, GRID - 1 - column} if radius and not corner else ():
                cx, cy = (EDGE + CELL * place + CELL // 2 for place in (x, row))
                spores.append(f'<circle cx="{cx}" cy="{cy}" r="{radius}"/>')
    half = SIZE // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" height="{SIZE}">'
        f'<circle cx="{half}" cy="{half}" r="{half}" fill="{ground}"/>'
        f'<g fill="{ink}">{"".join(sorted(spores))}</g></svg>'
    )


_RADII = (0, 0, 0, 0, 0, 0, 2.5, 4, 4, 5.5, 5.5, 5.5, 5.5, 5.5, 6, 6)
_TONES = (
    ("#d9d8cf", "#4a4a41"),
    ("#cfd2c8", "#41483d"),
    ("#d8d2c6", "#4d463a"),
    ("#cdd1d1", "#3f4648"),
    ("#5c5d54", "#e4e3da"),
    ("#545b50", "#dfe3d9"),
    ("#5f584c", "#e6e0d5"),
    ("#50585a", "#dce1e1"),
)
