"""The service that chooses a target, and what is told of the target afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node

from pose_tracking_ros.people import Track
from pose_tracking_ros.ros.health import Health
from pose_tracking_ros.srv import SetTarget
from pose_tracking_ros.tracking.known_people import KnownPeople
from pose_tracking_ros.tracking.target import (
    TargetError,
    TargetKeeper,
    TargetReport,
    TargetState,
    TargetWish,
)

_AXES = 2


class TargetService:
    """Answers `~/set_target`, and follows who was chosen.

    Args:
        node: offers the service and logs.
        health: takes complaints of the kind `target`: it is lost.
        is_active: whether images are worked on.
        known_people: the gallery in use; None while the node is not configured.
    """

    def __init__(
        self,
        node: Node,
        health: Health,
        is_active: Callable[[], bool],
        known_people: Callable[[], KnownPeople | None],
    ) -> None:
        self._logger = node.get_logger()
        self._health = health
        self._is_active = is_active
        self._known_people = known_people
        self._keeper = TargetKeeper()
        self._told_track_id = 0
        node.create_service(SetTarget, '~/set_target', self._set)

    @property
    def description(self) -> str:
        """How it stands with the target, in words, for diagnostics."""
        return self._keeper.description

    def see(self, tracks: Sequence[Track], session_id: int) -> list[Track] | None:
        """Take in an image's tracks; return the target: one, none, or None when nobody is wanted.

        Args:
            tracks: all living tracks, with the names of those who are known.
            session_id: as published.
        """
        report = self._keeper.update(tracks, session_id)
        if report is None:
            return None
        if report.state is not report.before or report.track_id != self._told_track_id:
            self._tell(report)
        return [] if report.track is None else [report.track]

    def forget_image(self) -> None:
        """Let nobody be chosen by the last image any more."""
        self._keeper.forget_image()

    def _tell(self, report: TargetReport) -> None:
        self._told_track_id = report.track_id
        if report.state is TargetState.FOLLOWED:
            self._health.resolve('target')
            self._logger.info(f'the target is in view: {report.name}')
        elif report.state is TargetState.LOST:
            hope = 'Choose another one with ~/set_target, or none'
            if report.person_id:
                hope = 'It is followed again when the gallery recognises them'
            self._health.report('target', f'the target is lost ({report.name}). {hope}')

    def _set(self, request: Any, response: Any) -> Any:
        people = self._known_people()
        if not self._is_active() or people is None:
            response.message = 'expected an active node: nobody is tracked. Activate it first'
            return response
        try:
            report = self._keeper.choose(_wish_of(request), people.contents.person_ids)
        except TargetError as error:
            response.message = str(error)
            return response
        # What was complained of concerns the target before.
        self._health.resolve('target')
        response.success = True
        if report is None:
            response.message = 'there is no target'
        else:
            response.message = f'the target is {report.description}'
            response.track_id = self._told_track_id = report.track_id
        self._logger.info(response.message)
        return response


def _wish_of(request: Any) -> TargetWish:
    """Return what a request asks for.

    Raises:
        TargetError: it makes no sense.
    """
    point = list(request.point_px)
    if len(point) not in (0, _AXES):
        raise TargetError(f'point_px: expected x and y, or nothing; got {point}')
    return TargetWish(request.track_id, request.person_id, (point[0], point[1]) if point else None)
