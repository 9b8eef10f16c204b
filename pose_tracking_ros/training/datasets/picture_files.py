"""Where a picture's bytes are, what its header says, and what its pixels are."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from pose_tracking_ros.training.datasets.problems import DataError

# Where EXIF says how the camera was held; from 5 on width and height trade places.
_EXIF_ORIENTATION = 0x0112
_FIRST_TURNED = 5
# Where a whole file has its end mark, unless a camera appended something of its own.
_TAIL_BYTES = 2_048
_END_MARKS = {'JPEG': b'\xff\xd9', 'PNG': b'IEND'}


@dataclass(frozen=True)
class PictureFile:
    """A picture in a file of its own, inside an uncompressed archive, or in memory.

    Attributes:
        path: the file, or the archive.
        name: within the archive; empty for a file of its own.
        offset: bytes before it in the archive.
        size: bytes; -1 for the whole file.
        data: its bytes, where they were in a compressed archive.
    """

    path: Path
    name: str = ''
    offset: int = 0
    size: int = -1
    data: bytes | None = None

    def __str__(self) -> str:
        """Return the path, and the name within it."""
        return f'{self.path}: {self.name}' if self.name else str(self.path)

    def read(self) -> bytes:
        """Return the encoded picture.

        Raises:
            DataError: the file cannot be read.
        """
        if self.data is not None:
            return self.data
        try:
            if self.size < 0:
                return self.path.read_bytes()
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                return os.pread(descriptor, self.size, self.offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DataError(f'{self}: cannot be read: {error.strerror}') from error

    def pixels(self) -> UInt8[np.ndarray, 'height width 3']:
        """Return the picture, RGB.

        Raises:
            DataError: the bytes are no picture.
        """
        data = self.read()
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if image is None:
            raise self._broken(len(data))
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def header_size(self) -> tuple[int, int]:
        """Return width and height as the header has them, without decoding the pixels.

        Raises:
            DataError: the file is missing, no picture, or cut off.
        """
        if self.data is None and self.size < 0:
            if not self.path.is_file():
                raise DataError(f'{self}: no such file; remove its record or restore it')
            with self.path.open('rb') as file:
                return self._header_of(file)
        return self._header_of(io.BytesIO(self.read()))

    def verify(self) -> None:
        """Decode the whole picture, strictly.

        Raises:
            DataError: it is broken or cut off anywhere.
        """
        data = self.read()
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise self._broken(len(data)) from error

    def _header_of(self, file: IO[bytes]) -> tuple[int, int]:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            with Image.open(file) as image:
                (width, height), kind = image.size, image.format
                # Of a PNG this would decode the pixels.
                turn = 1 if kind == 'PNG' else image.getexif().get(_EXIF_ORIENTATION, 1)
                if turn >= _FIRST_TURNED:
                    width, height = height, width
                file.seek(max(length - _TAIL_BYTES, 0))
                has_end = kind not in _END_MARKS or _END_MARKS[kind] in file.read()
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise self._broken(length) from error
        if not has_end:
            self.verify()
        return width, height

    def _broken(self, length: int) -> DataError:
        return DataError(
            f'{self}: not a readable picture ({length} bytes); remove its record or restore it'
        )


class TarShards:
    """Pictures in numbered, uncompressed archives `images-NN.tar` of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._members: dict[int, dict[str, PictureFile]] = {}

    def find(self, number: int, name: str) -> PictureFile:
        """Return a picture by its name, or by the last part of it.

        Raises:
            DataError: the archive is missing or lacks it.
        """
        path = self._folder / f'images-{number:02d}.tar'
        if number not in self._members:
            self._members[number] = _tar_members(path)
        members = self._members[number]
        found = members.get(name) or members.get(Path(name).name)
        if found is None:
            raise DataError(f'{path}: no {name}, which the annotations name')
        return found


def _tar_members(path: Path) -> dict[str, PictureFile]:
    if not path.is_file():
        raise DataError(f'{path}: no such file; the annotations name it')
    try:
        with tarfile.open(path) as shard:
            return {
                (name := member.name.removeprefix('./')): PictureFile(
                    path, name, member.offset_data, member.size
                )
                for member in shard
                if member.isfile()
            }
    except tarfile.TarError as error:
        raise DataError(f'{path}: not readable as an uncompressed tar file: {error}') from error


def zip_members(path: Path) -> list[PictureFile]:
    """Return the files of a zip, in memory, in the order of its directory.

    Raises:
        DataError: it is missing or damaged.
    """
    if not path.is_file():
        raise DataError(f'{path}: no such file')
    try:
        with zipfile.ZipFile(path) as archive:
            return [
                PictureFile(path, name, data=archive.read(name))
                for name in archive.namelist()
                if not name.endswith('/')
            ]
    except zipfile.BadZipFile as error:
        raise DataError(f'{path}: not readable as a zip file: {error}') from error
