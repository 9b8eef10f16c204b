"""JSON read field by field, with errors that name file, record and field."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from pose_tracking_ros.training.datasets.problems import DataError

_MAX_SHOWN = 60
# bool is a kind of int, but no number.
_NUMBER_TYPES = {int, float}


class Fields:
    """One JSON object and where it stands.

    Args:
        content: as parsed.
        file: for messages.
        place: of the object in the file, `annotations[17]`; empty for the whole.

    Raises:
        DataError: the content is no object.
    """

    def __init__(self, content: Any, file: Path, place: str = '') -> None:
        self._file = file
        self._place = place
        if not isinstance(content, dict):
            raise DataError(f'{self.where}: expected an object, got {_brief(content)}')
        self._content: dict[str, Any] = content

    @property
    def where(self) -> str:
        """File and place."""
        return f'{self._file}: {self._place}' if self._place else str(self._file)

    def error(self, field: str, message: str) -> DataError:
        """Return the error for a field, to be raised."""
        path = f'{self._place}.{field}' if self._place else field
        return DataError(f'{self._file}: {path}: {message}')

    def has(self, field: str) -> bool:
        """Return whether the field is there, not null and not empty."""
        value = self._content.get(field)
        return value is not None and value != []

    def value(self, field: str, expected: str) -> Any:
        """Return a field as it is.

        Raises:
            DataError: it is missing, as for all methods below; or something else is there.
        """
        if self._content.get(field) is None:
            raise self.error(field, f'expected {expected}, it is missing')
        return self._content[field]

    def objects(self, field: str) -> list[Any]:
        """Return a list, unchecked inside: see `item`."""
        value = self.value(field, 'a list of objects')
        if not isinstance(value, list):
            raise self.error(field, f'expected a list of objects, got {_brief(value)}')
        return value

    def item(self, field: str, number: int, content: Any) -> Fields:
        """Return one object of a list, in its place."""
        place = f'{self._place}.' if self._place else ''
        return Fields(content, self._file, f'{place}{field}[{number}]')

    def whole(self, field: str) -> int:
        """Return a whole number."""
        value = self.value(field, 'a whole number')
        if type(value) is not int:
            raise self.error(field, f'expected a whole number, got {_brief(value)}')
        return value

    def text(self, field: str) -> str:
        """Return a text; a whole number is taken for its digits."""
        value = self.value(field, 'a text')
        if type(value) not in (str, int):
            raise self.error(field, f'expected a text, got {_brief(value)}')
        return str(value)

    def texts(self, field: str) -> list[str]:
        """Return a list of texts."""
        values = self.value(field, 'a list of texts')
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.error(field, f'expected a list of texts, got {_brief(values)}')
        return values

    def flag(self, field: str, default: bool) -> bool:
        """Return true or false (or 1 or 0); the default where the field is missing."""
        value = self._content.get(field, default)
        if not isinstance(value, int) or value not in (0, 1):
            raise self.error(field, f'expected true or false, got {_brief(value)}')
        return bool(value)

    def numbers(self, field: str, count: int | None) -> Float[np.ndarray, 'number']:
        """Return so many finite numbers; any number of them for None."""
        expected = 'numbers' if count is None else f'{count} number{"s" * (count != 1)}'
        values = self.value(field, expected)
        if not isinstance(values, list):
            raise self.error(field, f'expected {expected}, got {_brief(values)}')
        if count is not None and len(values) != count:
            raise self.error(field, f'expected {expected}, got {len(values)}')
        if not _NUMBER_TYPES.issuperset(map(type, values)):
            wrong = next(value for value in values if type(value) not in _NUMBER_TYPES)
            raise self.error(field, f'expected {expected}, got {_brief(wrong)} among them')
        array = np.array(values, np.float64)
        if not np.isfinite(array).all():
            bad = int(np.flatnonzero(~np.isfinite(array))[0])
            raise self.error(f'{field}[{bad}]', f'expected a finite number, got {array[bad]}')
        return array

    def number_lists(self, field: str) -> list[Float[np.ndarray, 'number']]:
        """Return a list of lists of finite numbers, of any lengths."""
        lists = self.objects(field)
        inner = Fields(
            {f'{field}[{n}]': value for n, value in enumerate(lists)}, self._file, self._place
        )
        return [inner.numbers(f'{field}[{n}]', None) for n in range(len(lists))]


def load_json(path: Path) -> Any:
    """Return the content of a JSON file, also `.json.gz`.

    Raises:
        DataError: the file is missing or malformed.
    """
    if not path.is_file():
        raise DataError(f'{path}: no such file; expected annotations (JSON)')
    data = path.read_bytes()
    try:
        return json.loads(gzip.decompress(data) if path.suffix == '.gz' else data)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f'{path}: not readable as JSON: {error}') from error


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f'{text[:_MAX_SHOWN]}...'
