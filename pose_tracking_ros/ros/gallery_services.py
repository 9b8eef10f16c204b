"""The services of the gallery: enroll a tracked person by name, forget one, list all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from pose_tracking_ros.srv import EnrollPerson, ForgetPerson, ListPeople
from pose_tracking_ros.tracking.gallery import GalleryError
from pose_tracking_ros.tracking.known_people import KnownPeople

_NOT_CONFIGURED = 'expected a configured node: there is no gallery yet; configure it first'


class GalleryServices:
    """Answers `~/enroll_person`, `~/forget_person` and `~/list_people`.

    Args:
        node: offers the services.
        known_people: the gallery in use; None while the node is not configured.
    """

    def __init__(self, node: Node, known_people: Callable[[], KnownPeople | None]) -> None:
        self._known_people = known_people
        node.create_service(EnrollPerson, '~/enroll_person', self._enroll)
        node.create_service(ForgetPerson, '~/forget_person', self._forget)
        node.create_service(ListPeople, '~/list_people', self._list)

    def _enroll(self, request: Any, response: Any) -> Any:
        people = self._known_people()
        if people is None:
            response.message = _NOT_CONFIGURED
            return response
        try:
            response.looks = people.enroll(request.person_id, request.track_id)
        except GalleryError as error:
            response.message = str(error)
        except OSError as error:
            response.message = (
                f'{request.person_id!r} is known until this node is cleaned up, but could not be '
                f'written to the gallery_file: {error}'
            )
        else:
            response.success = True
            response.message = f'{request.person_id!r} is known by {response.looks} looks'
        return response

    def _forget(self, request: Any, response: Any) -> Any:
        people = self._known_people()
        if people is None:
            response.message = _NOT_CONFIGURED
            return response
        try:
            people.forget(request.person_id)
        except GalleryError as error:
            response.message = str(error)
        except OSError as error:
            response.message = (
                f'{request.person_id!r} is forgotten until this node is configured anew, but '
                f'could not be removed from the gallery_file: {error}'
            )
        else:
            response.success = True
            response.message = f'{request.person_id!r} is forgotten'
        return response

    def _list(self, request: Any, response: Any) -> Any:
        people = self._known_people()
        if people is not None:
            contents = people.contents
            response.person_ids = list(contents.person_ids)
            response.looks = contents.counts.tolist()
        return response
