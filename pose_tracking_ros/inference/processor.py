"""What the processor can compute, and what is asked of it."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from pose_tracking_ros.settings.network import Precision

# What multiplies a lower precision in hardware; any of them will do.
_FLAGS: dict[Precision, tuple[str, ...]] = {
    'f32': (),
    'bf16': ('avx512_bf16', 'amx_bf16'),
    'int8': ('avx512_vnni', 'avx_vnni', 'amx_int8'),
}
_TOLD_FLAGS = ('avx2', 'avx512f', *_FLAGS['int8'], *_FLAGS['bf16'])
_GAPS = {
    'bf16': 'neither AVX512-BF16 nor AMX: bfloat16 would be emulated',
    'int8': 'neither VNNI nor AMX: int8 would take detours there, and was never tried',
}


@dataclass(frozen=True)
class Processor:
    """The CPU as the system tells it.

    Attributes:
        model: name.
        cores: that this process may use.
        flags: instruction sets that matter here.
    """

    model: str
    cores: int
    flags: tuple[str, ...]

    @classmethod
    def here(cls, cpuinfo: Path = Path('/proc/cpuinfo')) -> Processor:
        """Return this machine's; where the system tells no name, its architecture."""
        text = cpuinfo.read_text() if cpuinfo.is_file() else ''
        names = re.findall(r'^model name\s*:\s*(.+)$', text, re.MULTILINE)
        flags = set(' '.join(re.findall(r'^(?:flags|Features)\s*:\s*(.+)$', text, re.M)).split())
        cores = len(os.sched_getaffinity(0))
        model = names[0].strip() if names else platform.machine()
        return cls(model, cores, tuple(flag for flag in _TOLD_FLAGS if flag in flags))

    def gap(self, precision: Precision) -> str:
        """Return why a precision gains nothing; empty where the processor multiplies it."""
        if precision == 'f32' or any(flag in self.flags for flag in _FLAGS[precision]):
            return ''
        return f'{self.model} has {_GAPS[precision]}'


def in_words(precision: Precision) -> str:
    """Return what to add to a runtime's name: nothing for full precision."""
    return '' if precision == 'f32' else f', {precision}'
