"""Training configuration: one YAML file, every key checked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml

from pose_tracking_ros.training.datasets import DatasetSettings
from pose_tracking_ros.training.objective_settings import ObjectiveSettings
from pose_tracking_ros.training.scenes import CanvasSettings


class ConfigError(ValueError):
    """A configuration file is malformed; names the file and the key."""


@dataclass(frozen=True)
class DataSettings:
    """Where the training data lies, relative to the data folder.

    Either `annotations` and `images`, short for one dataset in the layout of COCO, or `datasets`.
    `reid_crops` and `reid_split` are short for one more in the layout of Market-1501.

    Attributes:
        backbone: ImageNet weights of the backbone, empty for none.
        annotations: COCO keypoint JSON.
        images: folder of pictures or shards.
        reid_crops: folder or zip of person crops, empty for none.
        reid_split: which identities train, empty for all.
        datasets: mixed by weight.
    """

    backbone: str = ''
    annotations: str = ''
    images: str = ''
    reid_crops: str = ''
    reid_split: str = ''
    datasets: tuple[DatasetSettings, ...] = ()

    def __post_init__(self) -> None:
        """Check that there is data, and that it is named once."""
        if bool(self.annotations) == bool(self.datasets):
            found = 'both' if self.datasets else 'neither'
            raise ValueError(f'expected annotations and images, or datasets; found {found}')
        names = [settings.name for settings in self.mixture]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'datasets: expected different names; twice: {", ".join(twice)}')

    @property
    def mixture(self) -> tuple[DatasetSettings, ...]:
        """All datasets, the short forms spelled out."""
        found = self.datasets
        if self.annotations:
            found = (DatasetSettings('pictures', 'coco', self.images, self.annotations),)
        if self.reid_crops:
            found += (DatasetSettings('reid', 'market_1501', self.reid_crops, self.reid_split),)
        return found


@dataclass(frozen=True)
class OptimiserSettings:
    """How long and how fast.

    Attributes:
        steps: batches in all.
        detection_canvases: per batch.
        identity_canvases: per batch.
        learning_rate: peak.
        backbone_rate: factor on the backbone's learning rate.
        weight_decay: of matrices and kernels.
        warmup_steps: linear rise.
        decay_share: the learning rate falls to 0 over this last share of the steps (cosine).
        max_gradient_norm: clipped above.
        ema_decay: of the averaged weights, which are the ones saved.
        frozen_blocks: first blocks of the backbone that do not train.
    """

    steps: int
    detection_canvases: int
    identity_canvases: int
    learning_rate: float
    backbone_rate: float
    weight_decay: float
    warmup_steps: int
    decay_share: float
    max_gradient_norm: float
    ema_decay: float
    frozen_blocks: int


@dataclass(frozen=True)
class ValidationSettings:
    """On what the network is scored while it trains.

    Attributes:
        annotations: COCO keypoint JSON of pictures that are not trained on; empty for none.
        images: folder of the pictures.
        every_steps: how often, besides at the end.
        long_side_px: longer side of the pictures inside the network.
    """

    annotations: str = ''
    images: str = ''
    every_steps: int = 1000
    long_side_px: int = 384

    def __post_init__(self) -> None:
        """Check the values."""
        if self.every_steps < 1:
            raise ValueError(f'every_steps: expected at least 1, got {self.every_steps}')


@dataclass(frozen=True)
class TrainingConfig:
    """One training run.

    Attributes:
        name: of the run; names its folder.
        preset: architecture.
        seed: of everything random.
        precision: Lightning Fabric's name, for example `bf16-mixed`; `auto` takes that where the
            device computes in bfloat16, else `32-true`.
        start: checkpoint to start from: a path (relative to the data folder where there is such a
            file), `shipped`, for `lite` the `.json` file of MoveNet MultiPose, for `fastpose-50`
            a `.pth` file of torchvision's Keypoint R-CNN; empty for the backbone alone. It goes
            before `data.backbone`.
        workers: processes that compose canvases.
        save_every_steps: interval of checkpoints.
        data: where the data lies.
        canvas: how canvases are composed.
        objective: losses.
        optimiser: how long and how fast.
        validation: what tells the best weights of the run; none: the last are kept alone.
    """

    name: str
    preset: str
    seed: int
    precision: str
    start: str
    workers: int
    save_every_steps: int
    data: DataSettings
    canvas: CanvasSettings
    objective: ObjectiveSettings
    optimiser: OptimiserSettings
    validation: ValidationSettings = field(default_factory=ValidationSettings)


T = TypeVar('T')


def load_config(path: Path) -> TrainingConfig:
    """Read a configuration.

    Raises:
        ConfigError: the file is missing or malformed, a key is missing, unknown, or of the
            wrong type.
    """
    if not path.is_file():
        raise ConfigError(f'{path}: no such file; expected a training configuration (YAML)')
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f'{path}: not readable as YAML: {error}') from error
    return _build(TrainingConfig, content, str(path))


def _build(kind: type[T], content: Any, where: str) -> T:
    if not isinstance(content, dict):
        raise ConfigError(f'{where}: expected a mapping, got {type(content).__name__}')
    hints = get_type_hints(kind)
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    names = [field.name for field in fields]
    missing = [field.name for field in fields if _is_needed(field) and field.name not in content]
    unknown = [name for name in content if name not in names]
    if missing or unknown:
        raise ConfigError(
            f'{where}: missing keys: {", ".join(missing) or "none"}; '
            f'unknown keys: {", ".join(map(str, unknown)) or "none"}'
        )
    values = {
        name: _value(hints[name], content[name], f'{where}: {name}')
        for name in names
        if name in content
    }
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f'{where}: {error}') from error


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return _build(hint, value, where)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            choices = ', '.join(map(str, get_args(hint)))
            raise ConfigError(f'{where}: expected one of {choices}; got {value!r}')
        return value
    if get_origin(hint) is tuple:
        # The only kind of tuple in configurations: any number of the same.
        if not isinstance(value, list):
            raise ConfigError(f'{where}: expected a list, got {value!r}')
        kind = get_args(hint)[0]
        return tuple(_value(kind, one, f'{where}[{n}]') for n, one in enumerate(value))
    kinds: dict[Any, tuple[type, ...]] = {float: (int, float), dict[str, float]: (dict,)}
    wrong_bool = isinstance(value, bool) and hint is not bool
    if not isinstance(value, kinds.get(hint, (hint,))) or wrong_bool:
        raise ConfigError(f'{where}: expected {hint}, got {value!r}')
    return float(value) if hint is float else value
