"""Arrays of RViz markers that grow, straight to the bytes that are sent (`cdr`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracking_ros.ros.cdr import ENCAPSULATION, Lengths, encode, encode_long
from pose_tracking_ros.ros.conversion import durations_from_seconds
from pose_tracking_ros.settings import NodeSettings


class GrowingMarkerArray:
    """A MarkerArray that grows.

    Args:
        header: of every marker.
        frame_id: used in place of the header's; empty for that.
        lifetime_s: after which viewers drop what is not sent again, s; 0 for never.
    """

    def __init__(self, header: Any, frame_id: str = '', lifetime_s: float = 0.0) -> None:
        self._frame_id = (frame_id or header.frame_id).encode()
        self._common = {
            'header.stamp.sec': header.stamp.sec,
            'header.stamp.nanosec': header.stamp.nanosec,
            'header.frame_id': self._frame_id,
        }
        whole, nanoseconds = durations_from_seconds(np.array([lifetime_s]))
        self._added = {
            'action': Marker.ADD,
            'pose.orientation.w': 1.0,
            'lifetime.sec': whole[0],
            'lifetime.nanosec': nanoseconds[0],
        }
        self._parts: list[bytes] = []
        self._count = 0
        # Behind their number, which the array begins with.
        self._end = 4

    def content(self) -> bytes:
        """Return the array, serialised."""
        count = encode(
            MarkerArray, [()], lambda rows, _: rows.__setitem__('markers.length', self._count)
        )
        return b''.join([ENCAPSULATION, count, *self._parts])

    def _append(self, content: bytes, count: int) -> None:
        self._parts.append(content)
        self._count += count
        self._end += len(content)

    def _lengths(self, namespace: str, text: bytes = b'') -> Lengths:
        return (
            ('header.frame_id', len(self._frame_id)),
            ('ns', len(namespace)),
            ('text', len(text)),
        )

    def delete_all(self) -> None:
        """Add the deletion of everything shown."""
        values = self._common | {'action': Marker.DELETEALL}
        self._append(encode_long(Marker, self._lengths(''), values, {}, self._end), 1)

    def delete(self, namespace: str, marker_ids: Sequence[int]) -> None:
        """Add the deletion of markers."""
        for marker_id in marker_ids:
            values = self._common | {
                'ns': namespace.encode(),
                'id': marker_id,
                'action': Marker.DELETE,
            }
            self._append(encode_long(Marker, self._lengths(namespace), values, {}, self._end), 1)

    def add_list(
        self,
        namespace: str,
        kind: int,
        points_m: Float[np.ndarray, 'n 3'],
        colours: Float[np.ndarray, 'n 4'],
        width_m: float,
    ) -> None:
        """Add points or pairs of ends of lines, as the marker of number 0.

        Args:
            namespace: of the marker.
            kind: `Marker.POINTS` or `Marker.LINE_LIST`.
            points_m: in the header's frame.
            colours: red, green, blue, alpha in [0, 1] of each point.
            width_m: of points and lines.
        """
        values = (
            self._common
            | self._added
            | {
                'ns': namespace.encode(),
                'type': kind,
                'scale.x': width_m,
                'scale.y': width_m,
            }
        )
        elements = {
            'points': np.ascontiguousarray(points_m, dtype='<f8'),
            'colors': np.ascontiguousarray(colours, dtype='<f4'),
        }
        lengths = self._lengths(namespace)
        self._append(encode_long(Marker, lengths, values, elements, self._end), 1)

    def add_texts(
        self,
        namespace: str,
        track_ids: Sequence[int],
        names: Sequence[str],
        places_m: Float[np.ndarray, 'n 3'],
        colours: Float[np.ndarray, 'n 4'],
        height_m: float,
    ) -> None:
        """Add a text per track; none adds nothing.

        Args:
            namespace: of the markers.
            track_ids: whose texts; they number the markers.
            names: what is written.
            places_m: in the header's frame.
            colours: red, green, blue, alpha in [0, 1].
            height_m: of the letters.
        """
        if not names:
            return
        texts = [name.encode() for name in names]
        ids = np.array([_marker_id(track_id) for track_id in track_ids])
        written = np.array(texts)
        common = (
            self._common
            | self._added
            | {
                'ns': namespace.encode(),
                'type': Marker.TEXT_VIEW_FACING,
                'scale.z': height_m,
            }
        )

        def fill(rows: np.ndarray, members: Int[np.ndarray, 'row']) -> None:
            for name, value in common.items():
                rows[name] = value
            rows['id'] = ids[members]
            rows['text'] = written[members]
            for axis, value in zip('xyz', places_m[members].T, strict=True):
                rows[f'pose.position.{axis}'] = value
            for channel, value in zip('rgba', colours[members].T, strict=True):
                rows[f'color.{channel}'] = value

        lengths = [self._lengths(namespace, text) for text in texts]
        self._append(encode(Marker, lengths, fill, self._end), len(texts))


def _marker_id(track_id: int) -> int:
    """Fit a track id, 64 bits, into a marker's id, 31 bits."""
    return track_id & 0x7FFFFFFF


@dataclass(frozen=True)
class MarkerView:
    """What markers depend on besides people.

    Attributes:
        stamp_s: time of the image, s.
        session_id: of the tracks; with another one, what was remembered of them is forgotten.
        trail_s: length of the trails, s; 0 for none.
        lifetime_s: after which viewers drop what is not sent again, s; 0 for never.
    """

    stamp_s: float = 0.0
    session_id: int = 0
    trail_s: float = 0.0
    lifetime_s: float = 0.0

    @classmethod
    def of(cls, settings: NodeSettings, stamp_s: float, session_id: int) -> MarkerView:
        """Return the view that a node's settings ask for."""
        lifetime_s = settings.marker_lifetime_s
        if lifetime_s > 0:
            # Else they would flicker.
            lifetime_s = max(lifetime_s, 2 / settings.max_markers_hz)
        return cls(stamp_s, session_id, settings.trail_s, lifetime_s)


class MarkerList(NamedTuple):
    """A list marker: points, or pairs of ends of lines.

    Attributes:
        namespace: of the marker.
        kind: `Marker.POINTS` or `Marker.LINE_LIST`.
        points_m: in the array's frame.
        colours: red, green, blue, alpha in [0, 1] of each point.
        width_m: of points and lines.
    """

    namespace: str
    kind: int
    points_m: Float[np.ndarray, 'n 3']
    colours: Float[np.ndarray, 'n 4']
    width_m: float


class ShownMarkers:
    """Knows what viewers show of one topic, so that what is gone can be deleted."""

    def __init__(self) -> None:
        self._text_ids: set[int] = set()
        self._namespaces: set[str] = set()

    def _delete_gone(self, array: GrowingMarkerArray, track_ids: set[int]) -> None:
        """Add the deletion of the texts of tracks that are not among those shown from now on."""
        array.delete('ids', [_marker_id(one) for one in sorted(self._text_ids - track_ids)])
        self._text_ids = track_ids

    def _add_lists(self, array: GrowingMarkerArray, lists: Sequence[MarkerList]) -> None:
        """Add the lists that hold something, and the deletion of those that did and do not now.

        An empty list would be taken for a mistake by some viewers.
        """
        for each in lists:
            if len(each.points_m):
                array.add_list(*each)
                self._namespaces.add(each.namespace)
            elif each.namespace in self._namespaces:
                array.delete(each.namespace, [0])
                self._namespaces.remove(each.namespace)

    def forget(self) -> None:
        """Start anew because nobody looks: there is nothing to delete."""
        self._text_ids = set()
        self._namespaces = set()

    def clear(self, header: Any) -> bytes | None:
        """Return the deletion of everything shown; None when nothing is."""
        is_shown = bool(self._text_ids or self._namespaces)
        self.forget()
        if not is_shown:
            return None
        array = GrowingMarkerArray(header)
        array.delete_all()
        return array.content()
