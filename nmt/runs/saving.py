"""How a checkpoint comes to exist: arrays, then the manifest, then the name; all in the background.

A checkpoint is made in `.unfinished/STEP`, where Orbax writes the arrays of each item and we the
manifest; renaming that folder to `STEP` is what makes it exist.
"""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from nmt.devices.processes import is_first
from nmt.errors import RunError
from nmt.runs.directory import sync_folder
from nmt.runs.flat import snapshot
from nmt.runs.manifest import NAME, Manifest, describe_files, write_manifest
from nmt.runs.storage import ArrayWriter, one_line


class Saver:
    """Makes one checkpoint after another.

    With several processes all of them call it. Each writes the arrays, or parts of arrays, that it
    holds; the first does all else while the others wait.
    """

    def __init__(self, folder: Path, exists: Callable[[Manifest], None]):
        """Takes the run's checkpoints folder.

        Args:
          folder: absolute; made when it is needed.
          exists: called by the first process, in the thread, as soon as a checkpoint exists.
        """
        self.folder, self.unfinished = folder, folder / ".unfinished"
        self._exists = exists
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._pending: Future | None = None
        self._writer = ArrayWriter()

    def start(self, manifest: Manifest, items: dict[str, Any]) -> None:
        """Saves pytrees; returns once their arrays are copied.

        Args:
          manifest: without items and files, which are found here.
          items: a pytree by name.
        Raises:
          RunError: this checkpoint, or the one before it, cannot be written.
        """
        self.wait()
        arrays = {name: snapshot(tree) for name, tree in items.items()}
        manifest = replace(manifest, items={name: tuple(of) for name, of in arrays.items()})
        self._telling(manifest, lambda: self._start(manifest, arrays))
        self._pending = self._thread.submit(self._telling, manifest, lambda: self._finish(manifest))

    def wait(self) -> None:
        """Returns when the last checkpoint exists; raises RunError where it does not."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def check(self) -> None:
        """Raises RunError where the last checkpoint is known not to have come to exist."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def close(self) -> None:
        """Waits, and lets the threads go."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()
            self._writer.close()

    def remove(self, name: str) -> None:
        """Removes a checkpoint, renamed first: it is never seen half removed."""
        if os.path.lexists(self.folder / name):
            (self.folder / name).rename(self._gone(name))
            _delete(self._gone(name))

    def settle(self) -> None:
        """Ends a `_replace` that stopped between its two renames, by a kill or as both failed."""
        for _, made, final in self._between():
            made.rename(final)
            sync_folder(self.folder)

    def _between(self) -> list[tuple[Path, Path, Path]]:
        """What stands between two renames: the old one, the new one, and the place of both."""
        found = []
        for gone in self.unfinished.glob("removed-*"):
            name = gone.name.removeprefix("removed-")
            made, final = self.unfinished / name, self.folder / name
            if (made / NAME).is_file() and not os.path.lexists(final):
                found.append((gone, made, final))
        return found

    def _gone(self, name: str) -> Path:
        """Where a checkpoint goes before its files go."""
        return self.unfinished / f"removed-{name}"

    def _replace(self, name: str) -> None:
        """Makes a checkpoint exist; one of its name goes when the new one is safe.

        That one is damaged, interrupted, had no score, or is an earlier average.
        """
        made, final, gone = self.unfinished / name, self.folder / name, self._gone(name)
        if os.path.lexists(final):
            final.rename(gone)
        try:
            made.rename(final)
        except OSError:
            if os.path.lexists(gone):
                gone.rename(final)
            raise
        sync_folder(self.folder)
        _delete(gone)

    def _clear(self) -> None:
        """Removes what was half-written; it takes room, which may be what is wanting.

        Where both renames of a `_replace` failed, `settle` still needs what they were of.
        """
        needed = {path for gone, made, _ in self._between() for path in (gone, made)}
        for path in self.unfinished.glob("*"):
            if path not in needed:
                shutil.rmtree(path, ignore_errors=True)

    def _telling(self, manifest: Manifest, action: Callable[[], None]) -> None:
        """Tells any failure to write, Orbax's own included, in one line."""
        try:
            action()
        except Exception as error:
            self._writer.forget()
            if is_first():
                self._clear()
            raise RunError(
                f"cannot write checkpoint {manifest.folder} in {self.folder}: {one_line(error)}"
            ) from error

    def _start(self, manifest: Manifest, arrays: dict[str, Any]) -> None:
        if is_first():
            self.settle()
            shutil.rmtree(self.unfinished, ignore_errors=True)
            self.unfinished.mkdir(parents=True, exist_ok=True)
        self._writer.start(self.unfinished / manifest.folder, arrays)

    def _finish(self, manifest: Manifest) -> None:
        """In the thread: waits for the arrays, then makes the checkpoint exist."""
        self._writer.finish()  # the others, too, hear of it where it fails
        made = self.unfinished / manifest.folder
        try:
            if is_first():
                write_manifest(made, replace(manifest, files=describe_files(made)))
                self._replace(manifest.folder)
                self._exists(manifest)
        finally:  # the others wait for the first one, whatever has become of its part
            self._writer.meet()
        if not (self.folder / manifest.folder / NAME).is_file():
            raise RunError(
                f"process {jax.process_index()} does not find it: the first process could not "
                "write it, or the run does not lie on a file system that all of them share"
            )


def _delete(path: Path) -> None:
    """Removes a folder, or what lies in the place of one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
