"""CLEAR MOT counts of one joint (Bernardin and Stiefelhagen, 2008): is a joint followed?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from pose_tracking_ros.evaluation.posetrack_matching import MAX_DISTANCE_HEADS


@dataclass
class MotCounts:
    """Sums over frames. Every annotated joint is either detected or missed.

    Attributes:
        objects: annotated joints.
        misses: of them, without a found joint.
        false_positives: found joints without an annotated one.
        switches: detections under another id than the person's last.
        detections: annotated joints that were found, switches included.
        distance_heads: sum over detections, head sizes.
        repeated_distance_heads: sum over every record that the official tool keeps of a pair:
            possible pairs, detections, and each change of partner once or twice more.
    """

    objects: int = 0
    misses: int = 0
    false_positives: int = 0
    switches: int = 0
    detections: int = 0
    distance_heads: float = 0.0
    repeated_distance_heads: float = 0.0


class JointFollower:
    """Counts one joint over the frames of one sequence.

    A pair of the past stays together as long as its distance allows, however long it was apart.
    What is left is matched so that as many pairs as possible come about and, among those, the sum
    of distances is smallest.

    Args:
        counts: added to, so that sequences add up.
    """

    def __init__(self, counts: MotCounts) -> None:
        self._counts = counts
        self._partner: dict[int, int] = {}
        # What the official tool's distance sum depends on.
        self._last_owner: dict[int, int] = {}
        self._ever_detected: set[int] = set()
        self._ever_detecting: set[int] = set()

    def add_frame(
        self,
        truth_ids: Int[np.ndarray, 'truth'],
        found_ids: Int[np.ndarray, 'found'],
        distances: Float[np.ndarray, 'truth found'],
    ) -> None:
        """Count one frame; no joints on either side is a valid frame.

        Args:
            truth_ids: people whose joint is annotated.
            found_ids: tracks whose joint was found.
            distances: in head sizes; NaN for pairs that are too far apart.
        """
        counts = self._counts
        pairs = self._continued(truth_ids, found_ids, distances)
        counts.repeated_distance_heads += float(np.nansum(distances))
        for row, column in pairs:
            self._note(int(truth_ids[row]), int(found_ids[column]), float(distances[row, column]))
        free_rows = np.setdiff1d(np.arange(len(truth_ids)), [row for row, _ in pairs])
        free_columns = np.setdiff1d(np.arange(len(found_ids)), [column for _, column in pairs])
        for row, column in _closest(distances[np.ix_(free_rows, free_columns)]):
            place = (free_rows[row], free_columns[column])
            self._join(int(truth_ids[place[0]]), int(found_ids[place[1]]), float(distances[place]))
            pairs.append((int(place[0]), int(place[1])))
        counts.objects += len(truth_ids)
        counts.detections += len(pairs)
        counts.misses += len(truth_ids) - len(pairs)
        counts.false_positives += len(found_ids) - len(pairs)

    def _continued(
        self,
        truth_ids: Int[np.ndarray, 'truth'],
        found_ids: Int[np.ndarray, 'found'],
        distances: Float[np.ndarray, 'truth found'],
    ) -> list[tuple[int, int]]:
        columns = {int(track): column for column, track in enumerate(found_ids)}
        pairs = []
        for row, person in enumerate(truth_ids.tolist()):
            partner = self._partner.get(person)
            if partner is None or partner not in columns:
                continue
            column = columns[partner]
            if np.isfinite(distances[row, column]):
                # Two people can have had the same partner, one after the other.
                del columns[partner]
                pairs.append((row, column))
        return pairs

    def _join(self, person: int, track: int, distance: float) -> None:
        """Note a pair that was not one in the person's last detection."""
        partner = self._partner.get(person)
        repeats = 0
        if partner is not None and partner != track:
            self._counts.switches += 1
            repeats += track not in self._ever_detecting
        if self._last_owner.get(track, person) != person:
            repeats += 1 + (person not in self._ever_detected)
        self._counts.repeated_distance_heads += repeats * distance
        self._partner[person] = track
        self._last_owner[track] = person
        self._note(person, track, distance)

    def _note(self, person: int, track: int, distance: float) -> None:
        self._ever_detected.add(person)
        self._ever_detecting.add(track)
        self._counts.distance_heads += distance
        self._counts.repeated_distance_heads += distance


def _closest(distances: Float[np.ndarray, 'truth found']) -> list[tuple[int, int]]:
    """Return the most pairs possible and, among such choices, the closest ones."""
    possible = np.isfinite(distances)
    if not possible.any():
        return []
    # One impossible pair costs more than any number of possible ones.
    impossible = 1.0 + MAX_DISTANCE_HEADS * 2 * min(distances.shape)
    rows, columns = linear_sum_assignment(np.where(possible, distances, impossible))
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if possible[row, column]
    ]
