"""Single steps against the usual way to do the same, into the report."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from pose_tracking_ros.benchmark import comparisons
from pose_tracking_ros.benchmark.ours import OurNetwork
from pose_tracking_ros.benchmark.report import Report
from pose_tracking_ros.benchmark.rounds import Percentiles
from pose_tracking_ros.skeleton import COCO_17

_CROWD = 50
_DECODED = (5, 20, 100)


class SingleSteps:
    """Measures steps and adds them to a report.

    Args:
        report: gets the figures.
        rounds: turns of each step.
    """

    def __init__(self, report: Report, rounds: int) -> None:
        self._report, self._rounds = report, rounds

    def decoding(self) -> None:
        """Measure keypoint decoding beside torchvision's."""
        for people in _DECODED:
            theirs, ours = comparisons.decoding(people, self._rounds)
            self._add(f'keypoint decoding, torchvision, {people} people', theirs)
            self._add(f'keypoint decoding, ours, {people} people', ours)
            self._report.add_ratio(
                f'decode_torchvision_over_ours_at_{people}',
                comparisons.ratio((theirs, ours)),
                f'heatmaps_to_keypoints over ours on the same 88x64 maps, {people} people',
            )

    def preprocessing(self, image: UInt8[np.ndarray, 'height width 3'], long_side_px: int) -> None:
        """Measure what comes before the network beside the naive way."""
        naive, ours = comparisons.preprocessing(image, long_side_px, self._rounds)
        size = f'{image.shape[1]}x{image.shape[0]}'
        self._add(f'preprocessing of {size}, naive floats', naive)
        self._add(f'preprocessing of {size}, ours', ours)
        self._report.add_ratio(
            f'preprocess_naive_over_ours_{image.shape[0]}p',
            comparisons.ratio((naive, ours)),
            f'floats from the first step on over bytes, {size} to {long_side_px} px',
        )

    def messages(self) -> None:
        """Measure messages and markers of a crowd beside rclpy's serialisation of objects."""
        from pose_tracking_ros.ros.message_cost import message_makers, rclpy_serialiser

        result = comparisons.crowd_result(_CROWD)
        makers = message_makers(COCO_17)
        objects = rclpy_serialiser(makers, result)
        functions = {
            f'message, {_CROWD} people: made and serialised': lambda: makers.poses(result),
            f'message, {_CROWD} people: rclpy serialises objects': lambda: objects.poses(result),
            f'markers, {_CROWD} people: made and serialised': lambda: makers.markers(result),
            f'markers, {_CROWD} people: rclpy serialises objects': lambda: objects.markers(result),
        }
        times = comparisons.in_turns(list(functions.values()), 5 * self._rounds)
        for name, taken in zip(functions, times, strict=True):
            self._add(name, taken)
        for name, ours, theirs in (('message', 0, 1), ('markers', 2, 3)):
            self._report.add_ratio(
                f'{name}_rclpy_over_ours_at_{_CROWD}',
                comparisons.ratio((times[theirs], times[ours])),
                'serialising ready message objects over making and serialising from arrays',
            )

    def threads(
        self, network: OurNetwork, image: UInt8[np.ndarray, 'height width 3'], people: int
    ) -> None:
        """Measure what a second thread brings while others use the machine.

        Args:
            network: run by torch, prepared for so many people.
            image: to look at.
            people: to be told.
        """
        two, one = comparisons.threads_under_load(network, image, self._rounds)
        self._add('lite (torch), two threads, busy machine', two)
        self._add('lite (torch), one thread, busy machine', one)
        self._report.add_ratio(
            'two_threads_over_one_loaded',
            comparisons.ratio((two, one)),
            f'lite (torch), {people} people, beside as many busy programs as cores',
        )

    def _add(self, name: str, times_s: comparisons.Rounds) -> None:
        self._report.costs[name] = Percentiles.of(times_s)
