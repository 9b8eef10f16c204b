"""Settings of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pose_tracking_ros.settings.limits import check_settings, setting

Precision = Literal['f32', 'bf16', 'int8']
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
ENGINES = ('auto', 'torch', 'compiled', 'onnxruntime', 'openvino', 'tensorrt')


@dataclass(frozen=True)
class NetworkSettings:
    """Which network runs, where, and what it reports."""

    preset: str = setting(
        'lite',
        'Network architecture.',
        choices=(
            'lite',
            'fastpose-mobilenetv2',
            'fastpose-18',
            'fastpose-50',
            'fastpose-101',
        ),
    )
    weights: str = setting(
        'default',
        'Checkpoint: "default" for the one shipped with the preset, the name of a shipped one, a '
        'file, or https://ADDRESS#sha256=HASH.',
    )
    allow_download: bool = setting(
        False,
        'Whether weights may be fetched from an https address, once; they are kept in '
        'engine_cache. Nothing else ever uses the network.',
    )
    device: str = setting(
        'auto', 'Where the network runs: auto (CUDA, else CPU), cpu, cuda or cuda:N.'
    )
    threads: int = setting(0, 'CPU threads of the network; 0 lets torch decide.', low=0, high=256)
    engine: str = setting(
        'auto',
        'What runs the network; auto measures the installed ones once per machine and takes the '
        'fastest. compiled and tensorrt take minutes to build when first used.',
        choices=ENGINES,
    )
    precision: Precision = setting(  # noqa: RUF009 - makes a field, as it does for the others
        'f32',
        'Arithmetic of the network. Lower ones are for CPUs that multiply them, and refused '
        'elsewhere: bf16 with AVX512-BF16 or AMX, by the engines openvino and torch; int8 with '
        'VNNI or AMX, by openvino, from a file beside the weights. lite takes a quarter to a '
        'third less time with either and finds nearly as much (docs/performance.md).',
        choices=PRECISIONS,
    )
    engine_cache: str = setting(
        '',
        'Folder of converted networks and fetched weights; empty: pose_tracking_ros in the '
        "user's cache folder.",
    )
    image_long_side_px: int = setting(
        384,
        'Longer side of the image inside the network; the frame is scaled to it. More finds '
        'people who are further away, and takes longer.',
        unit='px',
        low=64,
        high=4096,
        live=True,
    )
    min_person_score: float = setting(
        0.3, 'People below this score are not reported.', low=0.0, high=1.0, live=True
    )
    nms_iou: float = setting(
        0.5, 'Of two boxes that overlap more, the worse is dropped.', low=0.0, high=1.0, live=True
    )
    max_people: int = setting(
        100, 'At most so many people are reported per image.', low=1, high=1000, live=True
    )

    def __post_init__(self) -> None:
        """Check the values."""
        check_settings(self)
