"""What an examination finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """How bad a finding is; the worst of all decides the exit code."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True)
class Finding:
    """One thing that was examined.

    Attributes:
        level: whether it is as it should be.
        subject: what was examined, in a word or two.
        text: what is there.
        remedy: what to do; empty where nothing need be done.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ''

    def __post_init__(self) -> None:
        """Check that a complaint says what to do.

        Raises:
            ValueError: it does not.
        """
        if self.level != Level.OK and not self.remedy:
            raise ValueError(f'remedy: expected one for {self.subject}: {self.text}')


def worst(findings: Sequence[Finding]) -> Level:
    """Return the highest level; OK for no findings."""
    return max((finding.level for finding in findings), default=Level.OK)


def as_records(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return findings as JSON has them."""
    return [
        {
            'level': finding.level.name.lower(),
            'subject': finding.subject,
            'text': finding.text,
            'remedy': finding.remedy,
        }
        for finding in findings
    ]
