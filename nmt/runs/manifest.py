"""The manifest of a checkpoint: what it holds, and size and sha256 of every file.

It is written last, so a folder without one is no checkpoint; and it carries its own sha256, so that
no byte of a checkpoint can change unseen.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nmt.errors import RunError
from nmt.runs.directory import sync_folder, write_atomically

NAME = "manifest.json"
FORMAT = 1


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
      step: updates done.
      score: of the validation at this step, higher is better; None where there was none.
      interrupted: saved on a signal, for resuming only.
      time: when it was saved, ISO 8601 in UTC.
      items: the arrays of each item.
      files: by path below the checkpoint's folder.
    """

    step: int
    score: float | None
    interrupted: bool
    time: str
    items: dict[str, tuple[ArrayEntry, ...]]
    files: dict[str, FileEntry]


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
    """
    try:
        content = (folder / NAME).read_bytes()
    except FileNotFoundError:
        raise RunError(f"it has no {NAME}") from None
    except OSError as error:
        raise RunError(f"{NAME} cannot be read: {error.strerror}") from None
    try:
        body = json.loads(content)
        whole = content == _text(body).encode() and body.pop("sha256") == _digest(body)
        manifest = _parse(body) if whole else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        manifest = None
    if manifest is None:
        raise RunError(f"{NAME} is not as it was written")
    return manifest


def verify_files(folder: Path, manifest: Manifest, item: str | None = None) -> None:
    """Compares the files with the manifest: all of them, or those that reading `item` may open.

    Raises:
      RunError: naming the first file that is missing or not as it was written.
    """
    for name, entry in manifest.files.items():
        parts = PurePosixPath(name).parts
        if item is not None and len(parts) > 1 and parts[0] != item:
            continue
        path = folder / name
        try:
            if path.stat().st_size != entry.size:
                raise RunError(f"{name} has {path.stat().st_size} bytes instead of {entry.size}")
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise RunError(f"{name} is missing") from None
        except OSError as error:
            raise RunError(f"{name} cannot be read: {error.strerror}") from None
        if digest != entry.sha256:
            raise RunError(f"{name} is not as it was written (its sha256 differs)")


def _parse(body: dict[str, Any]) -> Manifest:
    if body.pop("format") != FORMAT:
        raise ValueError
    items = {
        name: tuple(ArrayEntry(tuple(e["keys"]), tuple(e["shape"]), e["dtype"]) for e in entries)
        for name, entries in body.pop("items").items()
    }
    files = {name: FileEntry(**entry) for name, entry in body.pop("files").items()}
    if any(PurePosixPath(name).is_absolute() or ".." in name.split("/") for name in files):
        raise ValueError  # a manifest speaks of its own folder only
    return Manifest(items=items, files=files, **body)


def _text(body: dict[str, Any]) -> str:
    """The one way to write a body, so that any other bytes are a damage."""
    return json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(_text(body).encode()).hexdigest()
