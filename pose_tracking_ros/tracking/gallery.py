"""People known by name and by their looks.

A person is a name and a few embeddings ("looks") that differ from each other: front and back, with
and without a coat. Memory is bounded by the number of people and of looks per person. See
`identification` for giving names to tracks and `gallery_file` for keeping the gallery.
"""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from pose_tracking_ros.settings import GallerySettings

MAX_NAME_LENGTH = 64
# Looks closer than this are one and the same.
_SAME_LOOK = 0.05
# Embeddings are of unit length, to this tolerance of the squared length.
_LENGTH_TOLERANCE = 0.02


class GalleryError(ValueError):
    """A person cannot be enrolled or forgotten, or a file not be read; says why."""


@dataclass(frozen=True, eq=False)
class Contents:
    """All people of a gallery at one moment. Never changes.

    Attributes:
        person_ids: names, in the order in which they were enrolled.
        counts: looks of each person, at least 1.
        looks: unit embeddings, those of the first person first.
    """

    person_ids: tuple[str, ...]
    counts: Int[np.ndarray, 'person']
    looks: Float[np.ndarray, 'look dim']

    def __len__(self) -> int:
        """Return the number of people."""
        return len(self.person_ids)

    @cached_property
    def starts(self) -> Int[np.ndarray, 'person']:
        """Index of each person's first look."""
        starts: Int[np.ndarray, 'person'] = np.cumsum(self.counts) - self.counts
        return starts

    def looks_of(self, person_id: str) -> Float[np.ndarray, 'look dim']:
        """Return a person's looks; none if there is no such person."""
        if person_id not in self.person_ids:
            return self.looks[:0]
        person = self.person_ids.index(person_id)
        start = self.starts[person]
        return self.looks[start : start + self.counts[person]]

    def distances(
        self, embeddings: Float[np.ndarray, 'track dim']
    ) -> Float[np.ndarray, 'track person']:
        """Return the distance of each embedding to each person's nearest look, [0, 2].

        Args:
            embeddings: of unit length; zero where none is known: these rows are NaN.
        """
        if len(self) == 0 or len(embeddings) == 0:
            return np.zeros((len(embeddings), len(self)))
        # Looks first: reducing along rows is several times quicker than along columns.
        cosines = self.looks @ embeddings.T.astype(np.float32)
        nearest = np.maximum.reduceat(cosines, self.starts, axis=0).T.astype(np.float64)
        distances: Float[np.ndarray, 'track person'] = np.sqrt(
            np.clip(2.0 - 2.0 * nearest, 0.0, 4.0)
        )
        distances[~(embeddings != 0).any(axis=1)] = np.nan
        return distances


class Gallery:
    """The people that are known. Safe for use from several threads at once.

    Whoever reads takes `contents`, which does not change any more; whoever writes puts another one
    in its place. So nobody ever sees a person half enrolled, and readers never wait.

    Args:
        model_id: the network the embeddings come from; those of another one mean nothing here.
        dim: length of its embeddings.
        settings: limits; the defaults if not given.
        contents: who is known from the beginning; nobody if not given.

    Raises:
        GalleryError: the contents are of another length, or exceed the limits.
    """

    def __init__(
        self,
        model_id: str,
        dim: int,
        settings: GallerySettings | None = None,
        contents: Contents | None = None,
    ) -> None:
        self.model_id = model_id
        self.dim = dim
        self._settings = settings or GallerySettings()
        self._writing = threading.Lock()
        none = Contents((), np.zeros(0, np.int64), np.zeros((0, dim), np.float32))
        self._contents = contents or none
        if self._contents.looks.shape[1] != dim:
            raise GalleryError(
                f'looks: expected length {dim}, got {self._contents.looks.shape[1]}'
            )
        self._check_limits(self._contents)

    @property
    def contents(self) -> Contents:
        """Who is known at this moment."""
        return self._contents

    def apply_settings(self, settings: GallerySettings) -> None:
        """Use other limits from now on.

        Raises:
            GalleryError: the gallery holds more than these allow; the old ones stay.
        """
        with self._writing:
            before, self._settings = self._settings, settings
            try:
                self._check_limits(self._contents)
            except GalleryError:
                self._settings = before
                raise

    def enroll(self, person_id: str, looks: Float[np.ndarray, 'look dim']) -> int:
        """Add looks to a person, who is added if unknown, and return how many are kept.

        Of all looks that a person then has, the most typical one is kept, and again and again the
        one that differs most from all that are kept, until there are `gallery_max_looks` or
        nothing new is left. Such a set covers all sides of a person; it would cover a passer-by
        as well, so only give it observations that show the person and little else
        (`Visibility.appearance_is_valid`).

        Args:
            person_id: name; see `check_person_id`.
            looks: embeddings of unit length, at least one.

        Raises:
            GalleryError: the name, the looks, or the number of people is not as it should be. The
                gallery is as before.
        """
        person_id = check_person_id(person_id)
        checked = self._checked(person_id, looks)
        with self._writing:
            before = self._contents
            looks = np.concatenate([before.looks_of(person_id), checked])
            kept = spread_looks(looks, self._settings.gallery_max_looks)
            people = {name: before.looks_of(name) for name in before.person_ids}
            people[person_id] = kept
            after = _contents_of(people, self.dim)
            self._check_limits(after)
            self._contents = after
        return len(kept)

    def forget(self, person_id: str) -> None:
        """Remove a person.

        Raises:
            GalleryError: nobody has that name.
        """
        person_id = unicodedata.normalize('NFC', person_id)
        with self._writing:
            people = {name: self._contents.looks_of(name) for name in self._contents.person_ids}
            if person_id not in people:
                known = ', '.join(map(repr, people)) or 'nobody'
                raise GalleryError(f'person_id: nobody is called {person_id!r}; known: {known}')
            del people[person_id]
            self._contents = _contents_of(people, self.dim)

    def _checked(
        self, person_id: str, looks: Float[np.ndarray, 'look dim']
    ) -> Float[np.ndarray, 'look dim']:
        if looks.ndim != 2 or looks.shape[1] != self.dim or len(looks) == 0:
            raise GalleryError(
                f'{person_id!r}: expected at least one embedding of length {self.dim}, as '
                f'{self.model_id} makes them; got shape {" x ".join(map(str, looks.shape))}'
            )
        check_lengths(person_id, looks)
        return looks.astype(np.float32)

    def _check_limits(self, contents: Contents) -> None:
        limit = self._settings.gallery_max_people
        if len(contents) > limit:
            raise GalleryError(
                f'expected at most {limit} people, got {len(contents)}; forget somebody or raise '
                f'gallery_max_people'
            )
        limit = self._settings.gallery_max_looks
        if (contents.counts > limit).any():
            raise GalleryError(
                f'expected at most {limit} looks of each person, got {contents.counts.max()} of '
                f'{contents.person_ids[contents.counts.argmax()]!r}; raise gallery_max_looks'
            )


def check_person_id(person_id: str) -> str:
    """Return a name as it is stored: letters with accents as one character each (NFC).

    Raises:
        GalleryError: it is empty, begins or ends with a space, is longer than 64 characters, or
            holds characters that cannot be printed.
    """
    name = unicodedata.normalize('NFC', person_id)
    if not name or len(name) > MAX_NAME_LENGTH:
        raise GalleryError(
            f'person_id: expected 1 to {MAX_NAME_LENGTH} characters, got {len(name)}'
        )
    if not name.isprintable() or name != name.strip():
        raise GalleryError(
            f'person_id: expected printable characters without space around them, got {name!r}'
        )
    return name


def check_lengths(person_id: str, looks: Float[np.ndarray, 'look dim']) -> None:
    """Check that looks are of unit length.

    Raises:
        GalleryError: one is not; says whether it is one of an unknown appearance.
    """
    squared = np.einsum('ij,ij->i', looks, looks, dtype=np.float64)
    if not (squared != 0.0).all():
        raise GalleryError(
            f'{person_id!r}: a look is all zero, which means that the appearance is not known; '
            f'enroll people while they are seen well'
        )
    # Written so that NaN fails.
    is_unit = np.abs(squared - 1.0) <= _LENGTH_TOLERANCE
    if not is_unit.all():
        raise GalleryError(
            f'{person_id!r}: expected looks of length 1, got {np.sqrt(squared[~is_unit][0]):.3g}'
        )


def spread_looks(
    looks: Float[np.ndarray, 'look dim'], max_looks: int
) -> Float[np.ndarray, 'kept dim']:
    """Return the most typical look, then the one that differs most from all so far, and so on.

    Looks that are the same as one kept are left out. The result depends on the order of the looks
    only among equals.

    Args:
        looks: unit embeddings, at least one.
        max_looks: at most so many are returned, at least 1.
    """
    vectors = looks.astype(np.float64)
    kept = [int((vectors @ vectors.mean(axis=0)).argmax())]
    cosines = vectors @ vectors[kept[0]]
    while len(kept) < min(max_looks, len(vectors)):
        candidate = int(cosines.argmin())
        if 2.0 - 2.0 * cosines[candidate] < _SAME_LOOK**2:
            break
        kept.append(candidate)
        cosines = np.maximum(cosines, vectors @ vectors[candidate])
    return looks[kept]


def _contents_of(people: dict[str, Float[np.ndarray, 'look dim']], dim: int) -> Contents:
    looks = [np.zeros((0, dim), np.float32), *people.values()]
    return Contents(
        person_ids=tuple(people),
        counts=np.array([len(of_one) for of_one in people.values()], dtype=np.int64),
        looks=np.concatenate(looks),
    )
