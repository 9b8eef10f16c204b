"""The people known by name: their gallery, its file, and which track is who.

This is all that a running pipeline needs of `gallery`, `gallery_file` and `identification`.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pose_tracking_ros.people import Track, TrackEvent
from pose_tracking_ros.settings import GallerySettings
from pose_tracking_ros.tracking.gallery import Contents, Gallery, GalleryError
from pose_tracking_ros.tracking.gallery_file import load_gallery, save_gallery
from pose_tracking_ros.tracking.identification import Identifier, with_names


class KnownPeople:
    """Names tracks, and takes in new people. Safe for use from several threads at once.

    Each change is written to `gallery_file` at once, where one is set: robots lose power. The file
    may be missing at first, its people are known from the beginning if it is not.

    Args:
        model_id: the network in use; embeddings of another one mean nothing here.
        dim: length of its embeddings.
        settings: file, limits, distances and times; the defaults if not given.

    Raises:
        GalleryError: the file is there but cannot be used; says why, and what to do.
    """

    def __init__(self, model_id: str, dim: int, settings: GallerySettings | None = None) -> None:
        settings = settings or GallerySettings()
        self._path = Path(settings.gallery_file).expanduser() if settings.gallery_file else None
        if self._path is not None and self._path.exists():
            self._gallery = load_gallery(self._path, model_id, dim, settings)
        else:
            self._gallery = Gallery(model_id, dim, settings)
        self._identifier = Identifier(self._gallery, settings)
        self._settings = settings
        # Held from a change until it is on disk, so that an older state never replaces a newer.
        self._changing = threading.Lock()

    def for_another_camera(self) -> KnownPeople:
        """Return the same people, gallery, file and limits, for the tracks of another camera."""
        other = copy.copy(self)
        other._identifier = Identifier(self._gallery, self._settings)
        return other

    def check_shareable(self, model_id: str, settings: GallerySettings) -> None:
        """Check that a camera with this network and these settings can use the same people.

        Raises:
            GalleryError: it cannot; says why, and what to do.
        """
        remedy = 'give all cameras the same, or set share_gallery to false'
        if model_id != self._gallery.model_id:
            raise GalleryError(
                f'the cameras share one gallery: expected the network {self._gallery.model_id} '
                f'as of the others, got {model_id}, whose looks cannot be compared; {remedy}'
            )
        path = Path(settings.gallery_file).expanduser() if settings.gallery_file else None
        if path != self._path:
            raise GalleryError(
                f'gallery_file: the cameras share one gallery: expected {str(self._path or "")!r} '
                f'as of the others, got {settings.gallery_file!r}; {remedy}'
            )

    @property
    def contents(self) -> Contents:
        """Who is known at this moment."""
        return self._gallery.contents

    def apply_settings(self, settings: GallerySettings) -> None:
        """Use other limits, distances and times from the next image on; the file stays.

        Raises:
            GalleryError: more people or looks are known than these allow. All stays as it was.
        """
        if settings is self._settings:
            return
        self._gallery.apply_settings(settings)
        self._identifier.apply_settings(settings)
        self._settings = settings

    def name(
        self, tracks: Sequence[Track], events: Sequence[TrackEvent], stamp_s: float
    ) -> tuple[list[Track], list[TrackEvent]]:
        """Return one image's tracks and events with the names of those who are known.

        Args:
            tracks: all living tracks.
            events: what happened to tracks in this image.
            stamp_s: time of the image, s. A stamp before the previous one starts anew.
        """
        identities = self._identifier.update(tracks, stamp_s)
        if not identities:
            return list(tracks), list(events)
        named_events = [
            replace(event, person_id=identities[event.track_id].person_id)
            if event.track_id in identities
            else event
            for event in events
        ]
        return with_names(tracks, identities), named_events

    def enroll(self, person_id: str, track_id: int) -> int:
        """Make a track's person known; return how many looks are kept of them.

        Raises:
            GalleryError: the name, the track or its looks will not do; nothing has changed.
            OSError: the person is known until the end, but could not be written to the file.
        """
        with self._changing:
            count = self._identifier.enroll_track(person_id, track_id)
            self._save()
        return count

    def forget(self, person_id: str) -> None:
        """Remove a person.

        Raises:
            GalleryError: nobody has that name.
            OSError: the person is forgotten until the end, but still in the file.
        """
        with self._changing:
            self._gallery.forget(person_id)
            self._save()

    def _save(self) -> None:
        if self._path is not None:
            save_gallery(self._gallery, self._path)


class SharedGallery:
    """Gives several cameras the same people, so that whom one enrolls all call by name.

    Each camera gets a `KnownPeople` for its own tracks; gallery, file and limits are common, the
    limits being those that any of them applied last. The gallery is freed with the last of them.
    Safe for use from several threads at once.
    """

    def __init__(self) -> None:
        self._opening = threading.Lock()
        self._in_use: weakref.WeakSet[KnownPeople] = weakref.WeakSet()

    def open(self, model_id: str, dim: int, settings: GallerySettings) -> KnownPeople:
        """Return the people for one more camera.

        Args:
            model_id: the network of this camera.
            dim: length of its embeddings.
            settings: of this camera.

        Raises:
            GalleryError: the file cannot be used; or another network or file is in use, whose
                looks cannot be compared with these.
        """
        with self._opening:
            first = next(iter(self._in_use), None)
            if first is None:
                people = KnownPeople(model_id, dim, settings)
            else:
                first.check_shareable(model_id, settings)
                people = first.for_another_camera()
                people.apply_settings(settings)
            self._in_use.add(people)
        return people
