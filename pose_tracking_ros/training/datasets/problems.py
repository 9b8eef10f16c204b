"""What is wrong with training data: raised at the first, or collected for a list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class DataError(ValueError):
    """Training data does not hold what it should; names file, record and field."""


class Problems:
    """Decides what an error in one record means for the rest.

    Args:
        limit: so many errors are kept and reading goes on with the next record; 0 raises the
            first.
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self.kept: list[str] = []
        self.count = 0

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run the reading of one record; an error in it is raised, or counted and kept."""
        try:
            yield
        except DataError as error:
            if not self._limit:
                raise
            self.count += 1
            if len(self.kept) < self._limit:
                self.kept.append(str(error))
