"""Arrays of RViz markers that grow, straight to the bytes that are sent (`cdr`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from visualization_msgs.msg import Marker, MarkerArray

from pose_tracking_ros.ros.cdr import ENCAPSULATION, Lengths, encode, encode_long


class GrowingMarkerArray:
    """A MarkerArray that grows.

    Args:
        header: of every marker.
        frame_id: used in place of the header's; empty for that.
    """

    def __init__(self, header: Any, frame_id: str = '') -> None:
        self._frame_id = (frame_id or header.frame_id).encode()
        self._common = {
            'header.stamp.sec': header.stamp.sec,
            'header.stamp.nanosec': header.stamp.nanosec,
            'header.frame_id': self._frame_id,
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

    def delete(self, namespace: str, track_ids: Sequence[int]) -> None:
        """Add the deletion of one marker per track."""
        for track_id in track_ids:
            values = self._common | {
                'ns': namespace.encode(),
                'id': _marker_id(track_id),
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
        """Add points or pairs of ends of lines; an empty list deletes what RViz showed.

        Args:
            namespace: of the marker.
            kind: `Marker.POINTS` or `Marker.LINE_LIST`.
            points_m: in the header's frame.
            colours: red, green, blue, alpha in [0, 1] of each point.
            width_m: of points and lines.
        """
        values = self._common | {
            'ns': namespace.encode(),
            'type': kind,
            'action': Marker.ADD,
            'pose.orientation.w': 1.0,
            'scale.x': width_m,
            'scale.y': width_m,
        }
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
        common = self._common | {
            'ns': namespace.encode(),
            'type': Marker.TEXT_VIEW_FACING,
            'action': Marker.ADD,
            'pose.orientation.w': 1.0,
            'scale.z': height_m,
        }

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


class ShownMarkers:
    """Knows what viewers show of one topic, so that what is gone can be deleted."""

    def __init__(self) -> None:
        self._text_ids: set[int] = set()
        self._is_shown = False

    def _delete_gone(self, array: GrowingMarkerArray, track_ids: set[int]) -> None:
        """Add the deletion of the texts of tracks that are not among those shown from now on."""
        array.delete('ids', sorted(self._text_ids - track_ids))
        self._text_ids, self._is_shown = track_ids, True

    def forget(self) -> None:
        """Start anew because nobody looks: there is nothing to delete."""
        self._text_ids = set()
        self._is_shown = False

    def clear(self, header: Any) -> bytes | None:
        """Return the deletion of everything shown; None when nothing is."""
        if not self._is_shown:
            return None
        self.forget()
        array = GrowingMarkerArray(header)
        array.delete_all()
        return array.content()
