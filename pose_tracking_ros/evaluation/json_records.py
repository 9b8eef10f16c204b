"""Read records of a JSON file field by field, with errors that name file, record and field."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.evaluation.errors import EvaluationError

_MAX_SHOWN = 60


class Record:
    """One JSON object and where it stands.

    Args:
        content: as parsed.
        where: file and record, for messages.

    Raises:
        EvaluationError: the content is no object.
    """

    def __init__(self, content: Any, where: str) -> None:
        if not isinstance(content, dict):
            raise EvaluationError(f'{where}: expected an object, got {_brief(content)}')
        self._content: dict[str, Any] = content
        self._where = where

    def error(self, field: str, message: str) -> EvaluationError:
        """Return the error for a field, to be raised."""
        return EvaluationError(f'{self._where}: {field}: {message}')

    def has(self, field: str) -> bool:
        """Return whether the field is there and not null."""
        return self._content.get(field) is not None

    def records(self, field: str) -> list[Record]:
        """Return a list of objects.

        Raises:
            EvaluationError: it is missing or something else, as for the methods below.
        """
        items = self._list(field, 'a list of objects')
        return [
            Record(item, f'{self._where}: {field}[{number}]') for number, item in enumerate(items)
        ]

    def whole(self, field: str) -> int:
        """Return a whole number."""
        value = self._value(field, 'a whole number')
        if type(value) is not int:
            raise self._mismatch(field, 'a whole number', value)
        return value

    def number(self, field: str) -> float:
        """Return a finite number."""
        value = self._value(field, 'a finite number')
        array = _finite([value])
        if array is None:
            raise self._mismatch(field, 'a finite number', value)
        return float(array[0])

    def text(self, field: str) -> str:
        """Return a text; a whole number is taken for its digits."""
        value = self._value(field, 'a text')
        if type(value) not in (str, int):
            raise self._mismatch(field, 'a text', value)
        return str(value)

    def texts(self, field: str) -> list[str]:
        """Return a list of texts."""
        values = self._list(field, 'a list of texts')
        if not all(isinstance(value, str) for value in values):
            raise self._mismatch(field, 'a list of texts', values)
        return values

    def flag(self, field: str, default: bool) -> bool:
        """Return true or false (or 1 or 0); the default where the field is missing."""
        if not self.has(field):
            return default
        value = self._content[field]
        if not isinstance(value, int) or value not in (0, 1):
            raise self._mismatch(field, 'true or false', value)
        return bool(value)

    def numbers(self, field: str, count: int) -> Float[np.ndarray, 'number']:
        """Return so many finite numbers."""
        expected = f'{count} finite numbers'
        values = self._list(field, expected)
        array = _finite(values)
        if array is None:
            raise self._mismatch(field, expected, values)
        if len(array) != count:
            raise self.error(field, f'expected {expected}, got {len(array)}')
        return array

    def number_lists(self, field: str) -> list[Float[np.ndarray, 'number']]:
        """Return a list of lists of finite numbers, of any lengths."""
        expected = 'a list of lists of finite numbers'
        values = self._list(field, expected)
        lists = []
        for value in values:
            array = _finite(value)
            if array is None:
                raise self._mismatch(field, expected, value)
            lists.append(array)
        return lists

    def _value(self, field: str, expected: str) -> Any:
        if not self.has(field):
            raise self.error(field, f'expected {expected}, it is missing')
        return self._content[field]

    def _list(self, field: str, expected: str) -> list[Any]:
        value = self._value(field, expected)
        if not isinstance(value, list):
            raise self._mismatch(field, expected, value)
        return value

    def _mismatch(self, field: str, expected: str, value: Any) -> EvaluationError:
        return self.error(field, f'expected {expected}, got {_brief(value)}')


def _finite(values: Any) -> Float[np.ndarray, 'number'] | None:
    if not isinstance(values, list) or not all(type(v) in (int, float) for v in values):
        return None
    array = np.array(values, dtype=np.float64)
    return array if np.isfinite(array).all() else None


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f'{text[:_MAX_SHOWN]}...'
