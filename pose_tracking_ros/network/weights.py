"""Checkpoints: read, checked, written. Safetensors files hold arrays and text, never code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from pose_tracking_ros.network.calibration import ScoreCalibration
from pose_tracking_ros.network.heatmaps import DECODINGS, DEFAULT_DECODING, Decoding
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.presets import PRESETS, build_network
from pose_tracking_ros.skeleton import COCO_17, SKELETONS

FORMAT = 'pose_tracking_ros/1'
_MODELS = Path(__file__).parents[2] / 'models'


class WeightsError(ValueError):
    """A checkpoint is missing, damaged, or for another network; says which and what to do."""


@dataclass(frozen=True)
class Provenance:
    """What a checkpoint says about itself.

    Attributes:
        preset: architecture.
        skeleton: name of the joint set.
        sha256: of the file.
        training: free facts about how it was trained.
        calibration: what the raw keypoint scores are worth.
        decoding: what the pose head's heatmaps mean.
    """

    preset: str
    skeleton: str
    sha256: str
    training: dict[str, str]
    calibration: ScoreCalibration = field(default_factory=ScoreCalibration)
    decoding: Decoding = DEFAULT_DECODING


def save_weights(
    network: MultiTaskNetwork,
    path: Path,
    preset: str,
    training: dict[str, str],
    half: bool = True,
    calibration: ScoreCalibration | None = None,
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        network: of the preset; its `decoding` is written too.
        path: `.safetensors` file.
        preset: architecture name.
        training: facts to keep, for example the configuration and the number of steps.
        half: store floating point arrays in half precision.
        calibration: what the raw keypoint scores are worth; None: not known.
    """
    tensors = {
        name: (value.half() if half and value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    metadata = {
        'format': FORMAT,
        'preset': preset,
        'skeleton': COCO_17.name,
        'training': json.dumps(training),
    }
    if network.decoding != DEFAULT_DECODING:
        # Absent in files from before there was a choice.
        metadata['pose_decoding'] = network.decoding
    if calibration:
        metadata['keypoint_calibration'] = json.dumps([calibration.slope, calibration.offset])
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix('.partial')
    save_file(tensors, partial, metadata)
    partial.replace(path)


def load_network(preset: str, path: Path) -> tuple[MultiTaskNetwork, Provenance]:
    """Return a network of the preset with a checkpoint's weights, in evaluation mode.

    Raises:
        WeightsError: the file is missing, damaged, or for another preset or skeleton.
    """
    metadata, tensors = _read(path, preset)
    if metadata.get('format') != FORMAT:
        raise WeightsError(
            f'weights: {path}: expected format {FORMAT}, got {metadata.get("format")}; '
            'only checkpoints written by this project load'
        )
    absent = [name for name in ('preset', 'skeleton', 'training') if name not in metadata]
    if absent:
        raise WeightsError(
            f'weights: {path}: expected metadata preset, skeleton and training, but '
            f'{", ".join(absent)} is missing; fetch the file again'
        )
    if metadata['preset'] != preset:
        hint = 'set preset to that' if metadata['preset'] in PRESETS else 'choose other weights'
        raise WeightsError(
            f'weights: {path}: expected preset {preset}, got {metadata["preset"]}; {hint}'
        )
    if metadata['skeleton'] not in SKELETONS:
        raise WeightsError(
            f'weights: {path}: expected one of the skeletons {", ".join(SKELETONS)}, '
            f'got {metadata["skeleton"]}'
        )
    network = build_network(preset, SKELETONS[metadata['skeleton']])
    _load_all(network, tensors, path)
    network.decoding = _decoding(metadata, path)
    provenance = Provenance(
        preset=preset,
        skeleton=metadata['skeleton'],
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        training=_training(metadata['training'], path),
        calibration=_calibration(metadata, path),
        decoding=network.decoding,
    )
    return network.eval(), provenance


def preset_of(path: Path) -> str:
    """Return the preset that a checkpoint names, which need not be a known one.

    Raises:
        WeightsError: the file is missing or no checkpoint.
    """
    metadata, _ = _read(path, 'any', with_tensors=False)
    return metadata.get('preset', '')


def _read(
    path: Path, preset: str, with_tensors: bool = True
) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    if not path.is_file():
        raise WeightsError(
            f'weights: no file {path}; expected a .safetensors checkpoint of preset {preset}'
        )
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            names = file.keys() if with_tensors else []
            return metadata, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f'weights: {path} is not a readable safetensors file ({error}); fetch it again'
        ) from error


def _training(text: str, path: Path) -> dict[str, str]:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f'weights: {path}: training: expected JSON, got {error}') from error
    if not isinstance(facts, dict):
        raise WeightsError(f'weights: {path}: training: expected a JSON object, got {text[:80]}')
    return facts


def _decoding(metadata: dict[str, str], path: Path) -> Decoding:
    text = metadata.get('pose_decoding', DEFAULT_DECODING)
    for decoding in DECODINGS:
        if text == decoding:
            return decoding
    raise WeightsError(
        f'weights: {path}: pose_decoding: expected one of {", ".join(DECODINGS)}, got {text}; '
        'the file may need a newer version of this package'
    )


def _calibration(metadata: dict[str, str], path: Path) -> ScoreCalibration:
    text = metadata.get('keypoint_calibration')
    if text is None:
        return ScoreCalibration()
    try:
        slope, offset = json.loads(text)
        return ScoreCalibration(float(slope), float(offset))
    except (ValueError, TypeError) as error:
        raise WeightsError(
            f'weights: {path}: keypoint_calibration: expected two numbers, slope and offset; '
            f'got {text}'
        ) from error


def shipped_weights(preset: str) -> Path:
    """Return the checkpoint that comes with the package.

    Raises:
        WeightsError: none is shipped for the preset.
    """
    candidates = [folder / f'{preset}.safetensors' for folder in model_folders()]
    for path in candidates:
        if path.is_file():
            return path
    raise WeightsError(
        f'weights: no checkpoint is shipped for preset {preset} '
        f'(looked for {", ".join(map(str, candidates))}); train one with '
        f'`python -m pose_tracking_ros.training`, or name a file'
    )


def model_folders() -> list[Path]:
    """Return where shipped checkpoints may lie: in the source tree, or in an installed share."""
    folders = [_MODELS]
    # <prefix>/lib/pythonX.Y/site-packages/pose_tracking_ros/network/weights.py, or on Debian
    # <prefix>/local/lib/...: the share folder is beside one of the parents.
    shares = (parent / 'share' for parent in Path(__file__).resolve().parents)
    return folders + [share / 'pose_tracking_ros' / 'models' for share in shares]


def _load_all(network: nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    own = network.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or extra:
        raise WeightsError(
            f'weights: {path} does not fit this version: {len(missing)} arrays missing '
            f'({", ".join(missing[:2])}), {len(extra)} unknown ({", ".join(extra[:2])})'
        )
    for name, value in own.items():
        if tensors[name].shape != value.shape:
            raise WeightsError(
                f'weights: {path}: {name}: expected shape {tuple(value.shape)}, '
                f'got {tuple(tensors[name].shape)}'
            )
    network.load_state_dict(tensors)
