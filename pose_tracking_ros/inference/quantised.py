"""A network in int8: one file beside the checkpoint that it was made of.

A zip archive of OpenVINO's two files for each part, and of what they were made of. Nothing but
OpenVINO is needed to run it; `quantisation.py` writes it.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from pose_tracking_ros.inference.engine_error import EngineError
from pose_tracking_ros.inference.onnx_files import PART_NAMES, REVISION
from pose_tracking_ros.inference.openvino_parts import import_openvino
from pose_tracking_ros.network.weights import Provenance, WeightsError, shipped_weights

FORMAT = 'pose_tracking_ros int8 1'
_FACTS = 'facts.json'
# A file made twice of the same network is the same.
_DATE = (1980, 1, 1, 0, 0, 0)


def quantised_file(weights: Path) -> Path:
    """Return where the int8 form of a checkpoint belongs: `NAME.int8.zip` beside it."""
    return weights.with_suffix('.int8.zip')


def is_shipped(preset: str) -> bool:
    """Return whether the preset's shipped checkpoint has an int8 form."""
    try:
        return quantised_file(shipped_weights(preset)).is_file()
    except WeightsError:
        return False


def facts_of(provenance: Provenance) -> dict[str, str]:
    """Return what an int8 form must have in common with the checkpoint and this software."""
    return {
        'format': FORMAT,
        'weights': provenance.sha256,
        'preset': provenance.preset,
        'graph_revision': REVISION,
    }


def write_quantised(path: Path, models: dict[str, Any], facts: dict[str, str]) -> None:
    """Write an int8 form, whole or not at all.

    Args:
        path: see `quantised_file`.
        models: OpenVINO's, by the name of the part.
        facts: of the network (`facts_of`), and how it was made.
    """
    openvino = import_openvino()
    partial = path.with_suffix('.partial')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PART_NAMES:
            file = folder / f'{part}.xml'
            openvino.save_model(models[part], str(file), compress_to_fp16=False)
        (folder / _FACTS).write_text(json.dumps(facts, indent=1) + '\n')
        with zipfile.ZipFile(partial, 'w', zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                entry = zipfile.ZipInfo(file.name, _DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.read_bytes())
    partial.replace(path)


def read_quantised(path: Path, provenance: Provenance) -> dict[str, Any]:
    """Return OpenVINO's models by the name of the part.

    Args:
        path: see `quantised_file`.
        provenance: of the checkpoint whose int8 form it must be.

    Raises:
        EngineError: no such file, a damaged one, or one of another network or version; OpenVINO
            is not installed.
    """
    openvino = import_openvino()
    make = (
        'make it by `python -m pose_tracking_ros.inference quantise --images FOLDER` with the '
        'same --preset and --weights, or choose another precision'
    )
    if not path.is_file():
        raise EngineError(f'precision: int8 needs {path}, which is not there; {make}')
    try:
        with zipfile.ZipFile(path) as archive:
            found = json.loads(archive.read(_FACTS))
            wanted = facts_of(provenance)
            wrong = [key for key, value in wanted.items() if found.get(key) != value]
            if wrong:
                told = ', '.join(f'{key} {wanted[key]}, got {found.get(key)}' for key in wrong)
                raise EngineError(f'precision: int8: {path}: expected {told}; {make}')
            core = openvino.Core()
            return {
                part: core.read_model(archive.read(f'{part}.xml'), archive.read(f'{part}.bin'))
                for part in PART_NAMES
            }
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, RuntimeError) as error:
        fault = str(error).strip().splitlines()[0]
        raise EngineError(f'precision: int8: {path} is damaged ({fault}); {make}') from error
