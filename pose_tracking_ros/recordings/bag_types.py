"""Turn serialised messages into objects, by the types that a bag describes or that are known."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from pose_tracking_ros.recordings.bag_parts import BagError, Channel, StoredMessage
from pose_tracking_ros.recordings.message_types import IMAGE_TYPES, typestore_with_poses

_IDL_SEPARATOR: Final = f'{"=" * 80}\n'


class MessageDamagedError(ValueError):
    """A message cannot be read as what its topic is declared to hold."""


class BagTypes:
    """The message types of a bag.

    Each is read with the description in the bag, since a type may have changed since it was
    recorded; without one, with those known to this project.

    Args:
        channels: of all files of the bag.
    """

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._definitions: dict[str, MessageDefinition] = {}
        for channel in channels:
            if channel.definition.format != MessageDefinitionFormat.NONE:
                self._definitions.setdefault(channel.type_name, channel.definition)
        self._stores: dict[str, Typestore] = {}

    def message(self, stored: StoredMessage) -> Any:
        """Return a message as an object whose attributes are named as in its definition.

        Raises:
            BagError: its type is neither described in the bag nor known.
            MessageDamagedError: the content does not fit the type.
        """
        type_name = stored.channel.type_name
        store = self._store(type_name)
        try:
            return store.deserialize_cdr(stored.cdr, type_name)
        except (SerdeError, struct.error, IndexError, ValueError) as error:
            raise MessageDamagedError(f'{type_name}: {error}') from error

    def _store(self, type_name: str) -> Typestore:
        if type_name not in self._stores:
            self._stores[type_name] = self._make_store(type_name)
        return self._stores[type_name]

    def _make_store(self, type_name: str) -> Typestore:
        if type_name in IMAGE_TYPES:
            # The same in every version of ROS 2: what damage does to a description cannot matter.
            return typestore_with_poses()
        definition = self._definitions.get(type_name)
        problem = 'the bag does not describe it'
        if definition is not None:
            store = get_typestore(Stores.EMPTY)
            try:
                store.register(_parse(definition, type_name))
            except (TypesysError, ValueError) as error:
                problem = f'its description in the bag cannot be read ({error})'
            else:
                return store
        known = typestore_with_poses()
        if type_name not in known.types:
            raise BagError(
                f'{type_name}: expected a type that the bag describes or that is part of ROS 2 or '
                f'this package, but {problem}; convert the bag where the type is installed, with '
                '`ros2 bag convert` to MCAP'
            )
        return known


def _parse(definition: MessageDefinition, type_name: str) -> Any:
    if definition.format == MessageDefinitionFormat.MSG:
        return get_types_from_msg(definition.data, type_name)
    if not definition.data.startswith(_IDL_SEPARATOR):
        return get_types_from_idl(definition.data)
    types: Any = {}
    for part in definition.data.split(_IDL_SEPARATOR)[1:]:
        # The first line of each part names the type.
        types.update(get_types_from_idl(part.partition('\n')[2]))
    return types


def header_stamp_ns(stored: StoredMessage) -> int | None:
    """Return the stamp of a message that begins with a header, ns, without reading the rest.

    None when the message is too short, or not CDR.
    """
    try:
        order = {b'\x00\x00': '>', b'\x00\x01': '<'}[stored.cdr[:2]]
        seconds, nanoseconds = struct.unpack_from(f'{order}iI', stored.cdr, 4)
    except (KeyError, struct.error):
        return None
    return int(seconds) * 10**9 + int(nanoseconds)
