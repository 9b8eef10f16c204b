"""The benchmark with several engines and precisions: which are compared, and with what."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from pose_tracking_ros.benchmark import command
from pose_tracking_ros.benchmark.accuracy import CocoFolder, compare
from pose_tracking_ros.benchmark.contestants import AfterNetwork, BenchmarkError, Facts
from pose_tracking_ros.benchmark.plan import Plan, Program
from pose_tracking_ros.benchmark.ratios import add_ratios
from pose_tracking_ros.benchmark.report import Report, accuracy_rows
from pose_tracking_ros.benchmark.rounds import Case
from pose_tracking_ros.evaluation.keypoints import KeypointReport
from pose_tracking_ros.inference.processor import Processor

PLAN = Plan(
    presets=('lite',),
    engines=('openvino', 'onnxruntime', 'torch'),
    people=(1, 20),
    sizes=(448,),
    peers=(),
    teachers=None,
    device='cpu',
    threads=1,
    rounds=1,
    clip=None,
    precisions=('f32', 'bf16'),
)


class Idle:
    """A contestant that is never run."""

    pixels, proposals = 100, 10

    def __init__(self, *facts: str) -> None:
        name, engine, precision = facts
        self.facts = Facts(name, engine, 'cpu', 1, precision)


def case_of(time_s: float, name: str, engine: str, precision: str, people: int = 5) -> Case:
    contestant = Idle(name, engine, precision)
    case = Case(contestant, people, 448, [], AfterNetwork(None))  # type: ignore[arg-type]
    case.turns = [[{'heads': time_s}]]
    return case


def ratios_of(cases: list[Case], plan: Plan = PLAN) -> dict[str, float]:
    report = Report('', {}, {})
    add_ratios(report, plan, cases)
    assert set(report.ratios) == set(report.meanings)
    return {name: ratio.value for name, ratio in report.ratios.items()}


def test_bfloat16_is_left_to_the_engines_that_have_it() -> None:
    assert PLAN.programs() == [
        Program('lite', 'openvino', 'f32'),
        Program('lite', 'openvino', 'bf16'),
        Program('lite', 'onnxruntime', 'f32'),
        Program('lite', 'torch', 'f32'),
        Program('lite', 'torch', 'bf16'),
    ]
    assert PLAN.programs(('fastpose-18',))[1] == Program('fastpose-18', 'openvino', 'bf16')


def test_int8_is_for_what_was_quantised() -> None:
    plan = dataclasses.replace(PLAN, precisions=('f32', 'bf16', 'int8'))
    assert [one for one in plan.programs() if one.precision == 'int8'] == [
        Program('lite', 'openvino', 'int8')
    ]
    assert all(one.precision != 'int8' for one in plan.programs(('fastpose-18',)))
    assert plan.peer_precisions == ('f32', 'bf16')


def test_the_paper_is_compared_in_the_same_precision_and_with_full_precision() -> None:
    cases = [
        case_of(8.0, 'torchvision', 'torch', 'f32'),
        case_of(4.0, 'torchvision', 'torch', 'bf16'),
        case_of(2.0, 'fastpose-18', 'openvino', 'f32'),
        case_of(1.0, 'fastpose-18', 'openvino', 'bf16'),
        case_of(6.0, 'fastpose-18', 'torch', 'f32'),
    ]
    assert ratios_of(cases) == {
        'fastpose18_over_torchvision_f32': 0.25,
        'fastpose18_over_torchvision_bf16': 0.25,
        'fastpose18_bf16_over_torchvision_f32': 0.125,
        'fastpose18_torch_over_torchvision_f32': 0.75,
    }


def test_half_precision_of_a_gpu_counts_for_what_was_asked_for() -> None:
    cases = [
        case_of(8.0, 'torchvision', 'torch', 'f32'),
        case_of(1.0, 'fastpose-18', 'torch', 'f16'),
    ]
    on_gpu = dataclasses.replace(PLAN, engines=('torch',), precisions=('f32',))
    assert ratios_of(cases, on_gpu) == {'fastpose18_f16_over_torchvision_f32': 0.125}


def test_two_networks_and_crowds_are_compared_in_one_precision() -> None:
    cases = [
        case_of(6.0, 'two-network', 'openvino', 'f32', 20),
        case_of(3.0, 'two-network', 'openvino', 'bf16', 20),
        case_of(1.0, 'lite', 'openvino', 'f32', 1),
        case_of(1.5, 'lite', 'openvino', 'f32', 20),
        case_of(1.0, 'lite', 'openvino', 'bf16', 20),
        case_of(2.0, 'lite', 'torch', 'f32', 20),
    ]
    assert ratios_of(cases) == {
        'two_network_over_lite_at_20': 4.0,
        'lite_20_over_1': 1.5,
        'two_network_over_lite_bf16_at_20': 3.0,
        'lite_bf16_over_f32_at_20': pytest.approx(2 / 3),
        'two_network_over_lite_torch_at_20': 3.0,
    }


def test_precisions_follow_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report('', {}, {})
    able = Processor('Some CPU', 2, ('avx2', 'avx512_bf16', 'avx_vnni'))
    monkeypatch.setattr(Processor, 'here', lambda: able)
    assert command._precisions('cpu', report) == ['f32', 'bf16', 'int8']
    assert report.skipped == {}
    assert command._precisions('cuda', report) == ['f32']
    unable = dataclasses.replace(able, flags=('avx2',))
    monkeypatch.setattr(Processor, 'here', lambda: unable)
    assert command._precisions('cpu', report) == ['f32']
    assert 'neither AVX512-BF16 nor AMX' in report.skipped['bf16']
    assert 'neither VNNI nor AMX' in report.skipped['int8']


def report_with(box_ap: float, keypoint_ap: float) -> KeypointReport:
    return KeypointReport(box_ap, 0, 0, keypoint_ap, 0, 0, 84, 274, 'lite@0')


def test_accuracy_is_told_as_the_change_against_eager_torch() -> None:
    measured: list[Program] = []
    found_by = {
        ('torch', 'f32'): report_with(0.25, 0.15),
        ('openvino', 'f32'): report_with(0.25, 0.15),
        ('openvino', 'bf16'): report_with(0.24, 0.153),
    }

    def measure(program: Program) -> KeypointReport:
        measured.append(program)
        return found_by[program.engine, program.precision]

    programs = [Program('lite', 'openvino', 'f32'), Program('lite', 'openvino', 'bf16')]
    found = compare(programs, measure)
    assert list(found) == programs
    assert found[programs[0]].box_ap_change == 0
    assert found[programs[1]].box_ap_change == pytest.approx(-0.01)
    assert found[programs[1]].keypoint_ap_change == pytest.approx(0.003)
    # Eager torch was not asked for, and is measured once.
    assert len(measured) == 3
    rows = accuracy_rows(
        {'accuracy': {'lite (openvino, bf16)': dataclasses.asdict(found[programs[1]])}}
    )
    assert rows[1] == ['lite (openvino, bf16)', '24.00', '-1.00', '15.30', '+0.30', '84']


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    person = {
        'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 9, 9], 'area': 81,
        'num_keypoints': 0, 'keypoints': [0] * 51,
    }  # fmt: skip
    truth = {
        'images': [{'id': 1, 'file_name': 'a.jpg', 'width': 64, 'height': 64}],
        'annotations': [person],
        'categories': [{'id': 1}],
    }
    (tmp_path / 'annotations.json').write_text(json.dumps(truth))
    with pytest.raises(BenchmarkError, match=r'--coco: .*a\.jpg: missing or not a picture'):
        CocoFolder(tmp_path, PLAN).measure(Program('lite', 'torch', 'f32'))


def test_ratios_need_the_same_size() -> None:
    cases = [case_of(1.0, 'lite', 'torch', 'f32', 1), case_of(2.0, 'lite', 'torch', 'f32', 20)]
    assert ratios_of(cases) == {'lite_torch_20_over_1': 2.0}
    cases[0].long_side_px = 640
    assert ratios_of(cases) == {}
    assert np.isfinite(cases[0].totals_s).all()
