"""Matlab's .mat files as plain values, with errors that name file, record and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from pose_tracking_ros.training.datasets.problems import DataError


def load_mat(path: Path) -> dict[str, Any]:
    """Return the variables of a file; structs become dicts, cells and arrays of structs arrays.

    Raises:
        DataError: the file is missing, or no .mat file up to version 7.
    """
    if not path.is_file():
        raise DataError(f'{path}: no such file')
    try:
        content: dict[str, Any] = loadmat(str(path), simplify_cells=True)
    except (MatReadError, ValueError, TypeError, NotImplementedError, OSError) as error:
        raise DataError(f'{path}: not readable as a .mat file up to version 7: {error}') from error
    return content


def variable(content: dict[str, Any], names: tuple[str, ...], path: Path) -> Any:
    """Return the first of some variables that a file has.

    Raises:
        DataError: it has none of them.
    """
    for name in names:
        if name in content:
            return content[name]
    found = ', '.join(name for name in content if not name.startswith('__')) or 'none'
    raise DataError(f'{path}: expected a variable {" or ".join(names)}, found {found}')


def items(value: Any) -> list[Any]:
    """Return the elements of a list that Matlab may have squeezed to its only element."""
    if isinstance(value, np.ndarray):
        return list(value.reshape(-1))
    return list(value) if isinstance(value, list) else [value]


def fields(value: Any, names: tuple[str, ...], where: str) -> tuple[Any, ...]:
    """Return some fields of a struct.

    Raises:
        DataError: it is no struct, or lacks one of them.
    """
    if not isinstance(value, dict):
        raise DataError(f'{where}: expected a struct with {", ".join(names)}, got {value!r:.60}')
    for name in names:
        if name not in value:
            raise DataError(
                f'{where}.{name}: expected a field, it is missing; found {", ".join(value)}'
            )
    return tuple(value[name] for name in names)


def text(value: Any, where: str) -> str:
    """Return a text.

    Raises:
        DataError: it is something else, or empty.
    """
    if not isinstance(value, str) or not value:
        raise DataError(f'{where}: expected a text, got {value!r:.60}')
    return value


def numbers(value: Any, count: int, where: str) -> Float[np.ndarray, 'number']:
    """Return so many finite numbers.

    Raises:
        DataError: something else is there.
    """
    array = np.asarray(value)
    if array.dtype.kind not in 'iuf' or array.size != count:
        raise DataError(f'{where}: expected {count} numbers, got {value!r:.60}')
    flat = array.astype(np.float64).reshape(-1)
    bad = np.flatnonzero(~np.isfinite(flat))
    if len(bad):
        raise DataError(f'{where}[{bad[0]}]: expected a finite number, got {flat[bad[0]]}')
    return flat
