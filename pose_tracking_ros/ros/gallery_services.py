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
        name = request.person_id

        def enroll(people: KnownPeople) -> str:
            response.looks = people.enroll(name, request.track_id)
            return f'{name!r} is known by {response.looks} looks'

        unsaved = (
            f'{name!r} is known until this node is cleaned up, but could not be written to the '
            'gallery_file'
        )
        return self._answer(response, enroll, unsaved)

    def _forget(self, request: Any, response: Any) -> Any:
        name = request.person_id

        def forget(people: KnownPeople) -> str:
            people.forget(name)
            return f'{name!r} is forgotten'

        unsaved = (
            f'{name!r} is forgotten until this node is configured anew, but could not be removed '
            'from the gallery_file'
        )
        return self._answer(response, forget, unsaved)

    def _answer(self, response: Any, change: Callable[[KnownPeople], str], unsaved: str) -> Any:
        """Return the response after a change of the gallery.

        Args:
            response: gets `success` and `message`.
            change: does it, and says what was done.
            unsaved: what is true when the gallery has changed but its file has not.
        """
        people = self._known_people()
        if people is None:
            response.message = _NOT_CONFIGURED
            return response
        try:
            response.message = change(people)
            response.success = True
        except GalleryError as error:
            response.message = str(error)
        except OSError as error:
            response.message = f'{unsaved}: {error}'
        return response

    def _list(self, request: Any, response: Any) -> Any:
        people = self._known_people()
        if people is not None:
            contents = people.contents
            response.person_ids = list(contents.person_ids)
            response.looks = contents.counts.tolist()
        return response
