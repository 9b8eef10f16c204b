"""Ratios between programs that were measured in the same rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pose_tracking_ros.benchmark.contestants import Facts
from pose_tracking_ros.benchmark.plan import Plan
from pose_tracking_ros.benchmark.report import Report
from pose_tracking_ros.benchmark.rounds import Case, ratio_of

# The paper's network beside torchvision's, which is of its kind.
RIVAL, RIVAL_PEOPLE = 'fastpose-18', 5
_TWO_NETWORKS, _TORCHVISION = 'two-network', 'torchvision'


def add_ratios(report: Report, plan: Plan, cases: Sequence[Case]) -> None:
    """Add all ratios that the cases allow, at the sizes at which programs are compared.

    A name without an engine in it is of OpenVINO, or of the first engine where that was not
    measured; one without a precision is of f32 on both sides.

    Args:
        report: gets them.
        plan: what was measured.
        cases: after their turns.
    """
    found = _Cases(cases, plan.usual_size_px)
    rivals = _Cases(cases, plan.rival_size_px)
    first = 'openvino' if 'openvino' in plan.engines else plan.engines[0]
    for engine in plan.engines:
        for precision in plan.precisions:
            by = '' if engine == first else f'_{engine}'
            suffix = by if precision == 'f32' else f'{by}_{precision}'
            _add_two_network(report, plan, found, engine, precision, suffix)
            _add_people(report, plan, found, engine, precision, suffix)
            _add_gain(report, plan, found, engine, precision, suffix)
            _add_rivals(report, rivals, engine, precision, by)


class _Cases:
    """Finds a case by what it measured."""

    def __init__(self, cases: Sequence[Case], size: int) -> None:
        self._cases, self._size = cases, size

    def find(self, name: str, engine: str, people: int, precision: str) -> Case | None:
        # A GPU takes half precision by itself where full precision was asked for.
        precisions = ('f32', 'f16') if precision == 'f32' else (precision,)
        return next(
            (
                case
                for case in self._cases
                if (case.facts.name, case.facts.engine) == (name, engine)
                and (case.people, case.long_side_px) == (people, self._size)
                and case.facts.precision in precisions
            ),
            None,
        )


def _add_two_network(
    report: Report, plan: Plan, cases: _Cases, engine: str, precision: str, suffix: str
) -> None:
    for people in plan.people:
        peer = cases.find(_TWO_NETWORKS, 'openvino', people, precision)
        ours = cases.find('lite', engine, people, precision)
        if peer and ours:
            report.add_ratio(
                f'two_network_over_lite{suffix}_at_{people}',
                ratio_of(peer, ours),
                f'{_told(peer.facts)} over {_told(ours.facts)}, image to message, {people} people',
            )


def _add_people(
    report: Report, plan: Plan, cases: _Cases, engine: str, precision: str, suffix: str
) -> None:
    low, high = min(plan.people), max(plan.people)
    few = cases.find('lite', engine, low, precision)
    many = cases.find('lite', engine, high, precision)
    if few and many and low < high:
        report.add_ratio(
            f'lite{suffix}_{high}_over_{low}',
            ratio_of(many, few),
            f'{_told(few.facts)}: {high} people over {low}, image to message',
        )


def _add_gain(
    report: Report, plan: Plan, cases: _Cases, engine: str, precision: str, suffix: str
) -> None:
    for people in plan.people if precision != 'f32' else ():
        full = cases.find('lite', engine, people, 'f32')
        lower = cases.find('lite', engine, people, precision)
        if full and lower:
            report.add_ratio(
                f'lite{suffix}_over_f32_at_{people}',
                ratio_of(lower, full),
                f'{_told(lower.facts)} over f32, image to message, {people} people',
            )


def _add_rivals(report: Report, cases: _Cases, engine: str, precision: str, by: str) -> None:
    ours = cases.find(RIVAL, engine, RIVAL_PEOPLE, precision)
    for theirs in _torchvision(cases, precision):
        if ours is None:
            return
        mine, other = ours.facts.precision, theirs.facts.precision
        lower = '' if mine == other else f'_{mine}'
        report.add_ratio(
            f'fastpose18{by}{lower}_over_torchvision_{other}',
            ratio_of(ours, theirs),
            f'{_told(ours.facts)}, over keypointrcnn_resnet50_fpn, eager, '
            f'{other}, same input of {ours.pixels} px, {RIVAL_PEOPLE} people; '
            f'proposals: {ours.proposals} and {theirs.proposals}',
        )


def _torchvision(cases: _Cases, precision: str) -> Iterator[Case]:
    """Yield torchvision's network in the same precision and, beside a lower one, in f32."""
    for theirs in dict.fromkeys((precision, 'f32')):
        case = cases.find(_TORCHVISION, 'torch', RIVAL_PEOPLE, theirs)
        if case:
            yield case


def _told(facts: Facts) -> str:
    return f'{facts.name} ({facts.engine}), {facts.precision}, {facts.threads} thread(s)'
