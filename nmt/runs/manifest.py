"""The manifest of a checkpoint: what it holds, and size and sha256 of every file.

It is written last, so a folder without one is no checkpoint; and it carries its own sha256, so that
no byte of a checkpoint can change unseen.
"""

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nmt.errors import RunError
from nmt.runs.directory import sync_folder, write_atomically

NAME = "manifest.json"
FORMAT = 1
AVERAGE = "average"  # the checkpoint that is the mean of the last ones: its folder


class NewerFormat(RunError):
    """A manifest that is whole, and that a later version of this package will have written."""


class Unreadable(RunError):
    """A file that the system does not give: nothing is known of it, and it may be whole."""


@dataclass(frozen=True)
class ArrayEntry:
    """One array of an item; `keys` lead to it in the item's pytree."""

    keys: tuple[str | int, ...]
    shape: tuple[int, ...]
    dtype: str

    @property
    def name(self) -> str:
        """The keys as one word, such as encoder.layers.0.kernel."""
        return ".".join(map(str, self.keys))

    def __str__(self):
        return f"{self.dtype} {list(self.shape)}"


@dataclass(frozen=True)
class FileEntry:
    """What a file must be."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint holds.

    Attributes:
      step: updates done; of an average, those of the last checkpoint in it.
      score: of the validation at this step, higher is better; None where there was none.
      interrupted: saved on a signal, for resuming only.
      time: when it was saved, ISO 8601 in UTC.
      items: the arrays of each item.
      files: by path below the checkpoint's folder.
      averaged: the steps of the checkpoints that it is the mean of, in order; none for one that
        training saved.
      seconds: of training until it was saved, earlier starts counted.
      previous: the step of the regular checkpoint before it, which may be gone; None where there
        was none, or where that is not known.
    """

    step: int
    score: float | None
    interrupted: bool
    time: str
    items: dict[str, tuple[ArrayEntry, ...]]
    files: dict[str, FileEntry]
    averaged: tuple[int, ...] = ()
    seconds: float = 0.0
    previous: int | None = None

    @property
    def folder(self) -> str:
        """The name of the checkpoint's folder."""
        return AVERAGE if self.averaged else str(self.step)


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Hashes every file below a folder, and brings each to the disk on the way."""
    files = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            files[path.relative_to(folder).as_posix()] = FileEntry(path.stat().st_size, digest)
        sync_folder(Path(parent))
    return files


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest, by which a folder becomes a checkpoint."""
    body = {"format": FORMAT, **asdict(manifest)}
    write_atomically(folder / NAME, _text({**body, "sha256": _digest(body)}))


def read_manifest(folder: Path) -> Manifest:
    """Reads and checks a manifest.

    Raises:
      RunError: where it is missing or not, to the byte, what was written; without the folder's
        name, which the caller knows.
      NewerFormat: where another version wrote it.
      Unreadable: where reading it fails.
    """
    _check_regular(folder, NAME)
    try:
        content = (folder / NAME).read_bytes()
    except OSError as error:
        raise _not_read(NAME, error) from None
    if not content:
        raise RunError(f"{NAME} is empty")
    damaged = RunError(f"{NAME} is not as it was written")
    try:
        body = json.loads(content)
        if content != _text(body).encode() or body.pop("sha256") != _digest(body):
            raise damaged
        written_as = body.pop("format")
        if written_as == FORMAT:
            return _parse(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged from None
    raise NewerFormat(
        f"{NAME} has format {written_as!r}; this version of nmt reads format {FORMAT}"
    )


def verify_files(folder: Path, manifest: Manifest, items: Collection[str] | None = None) -> None:
    """Compares the files with the manifest: all of them, or those that reading `items` may open.

    Raises:
      RunError: naming the first file that is missing, is not as it was written, or was not written
        with the others. Hidden files, which file managers leave about, are no matter.
      Unreadable: where reading one fails.
    """
    for name in _names(folder):
        hidden = PurePosixPath(name).name.startswith(".")
        if _concerns(name, items) and name not in manifest.files and not hidden and name != NAME:
            raise RunError(f"{name} is no part of it")
    for name, entry in manifest.files.items():
        if _concerns(name, items):
            _verify_file(folder, name, entry)


def _verify_file(folder: Path, name: str, entry: FileEntry) -> None:
    size = _check_regular(folder, name)
    if size != entry.size:
        raise RunError(f"{name} has {size} bytes instead of {entry.size}")
    try:
        with (folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _not_read(name, error) from None
    if digest != entry.sha256:
        raise RunError(f"{name} is not as it was written (its sha256 differs)")


def _concerns(name: str, items: Collection[str] | None) -> bool:
    """Whether reading items may open a file; those beside the items concern all of them."""
    parts = PurePosixPath(name).parts
    return items is None or len(parts) == 1 or parts[0] in items


def _names(folder: Path) -> Iterator[str]:
    """The files below a folder, links to folders among them, as a manifest names files."""
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*files, *links):
            yield Path(parent, name).relative_to(folder).as_posix()


def _check_regular(folder: Path, name: str) -> int:
    """The size of a file; refuses links on the way to it, and what only looks like a file.

    A link may lead out of the run, and a pipe would be waited for without end.
    """
    places = [folder, *(folder / part for part in PurePosixPath(name).parents[:-1])]
    try:
        modes = [place.lstat().st_mode for place in places]
        status = (folder / name).lstat()
    except FileNotFoundError:
        raise RunError(f"it has no {name}" if name == NAME else f"{name} is missing") from None
    except OSError as error:
        raise _not_read(name, error) from None
    if any(map(stat.S_ISLNK, (*modes, status.st_mode))):
        raise RunError(f"{name} is a link, or lies behind one")
    if not stat.S_ISREG(status.st_mode):
        raise RunError(f"{name} is no file")
    return status.st_size


def _not_read(name: str, error: OSError) -> RunError:
    """What a failure to read says of a file: that it is not there, or else nothing."""
    is_gone = isinstance(error, FileNotFoundError | NotADirectoryError)
    return (RunError if is_gone else Unreadable)(f"{name} cannot be read: {error.strerror}")


def _parse(body: dict[str, Any]) -> Manifest:
    """Makes a manifest of what json read; anything but the types that we write is an error."""
    items = {
        name: tuple(ArrayEntry(tuple(e["keys"]), tuple(e["shape"]), e["dtype"]) for e in entries)
        for name, entries in body.pop("items").items()
    }
    files = {name: FileEntry(**entry) for name, entry in body.pop("files").items()}
    averaged = tuple(body.pop("averaged", ()))  # older manifests have none, nor what follows
    manifest = Manifest(items=items, files=files, averaged=averaged, **body)
    entries = [entry for of_item in items.values() for entry in of_item]
    numbers = [manifest.step, *averaged, *(size for entry in entries for size in entry.shape)]
    numbers += [] if manifest.previous is None else [manifest.previous]
    right = (
        all(type(number) is int and number >= 0 for number in numbers)
        and all(type(key) in (str, int) for entry in entries for key in entry.keys)
        and all(_is_tree(of_item) for of_item in items.values())
        and all(type(entry.dtype) is str for entry in entries)
        and type(manifest.score) in (float, type(None))
        and type(manifest.interrupted) is bool
        and type(manifest.seconds) is float
        and manifest.seconds >= 0
        and all(map(_is_own, files))
    )
    if not right:
        raise ValueError
    return manifest


def _is_own(file: str) -> bool:
    """Whether a file can be one of the checkpoint's folder, of which alone a manifest speaks."""
    path = PurePosixPath(file.encode().decode())  # half of a surrogate pair is a ValueError
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return inside and "\0" not in file


def _is_tree(entries: Sequence[ArrayEntry]) -> bool:
    """Whether arrays can be the leaves of one tree: none has the keys of a branch, or no keys."""
    branches = {entry.keys[:depth] for entry in entries for depth in range(len(entry.keys))}
    leaves = {entry.keys for entry in entries}
    names = {entry.name for entry in entries}
    return len(names) == len(entries) and not leaves & (branches | {()})


def _text(body: dict[str, Any]) -> str:
    """The one way to write a body, so that any other bytes are a damage."""
    return json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(_text(body).encode()).hexdigest()
