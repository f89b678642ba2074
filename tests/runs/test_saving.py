"""Saving that fails, is killed, or is done by several processes."""

import concurrent.futures
import logging
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from nmt.devices.mesh import make_mesh
from nmt.errors import RunError
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import sync_folder
from nmt.runs.manifest import NAME


@pytest.fixture
def checkpoints(tmp_path):
    opened = Checkpoints(tmp_path / "run" / "checkpoints", keep_last=2)
    yield opened
    opened.close()


def tree(value, size=2):
    return {"params": {"w": np.random.default_rng(value).random(size)}}


def save(checkpoints, step, size=2):
    checkpoints.save(step, tree(step, size))
    checkpoints.wait()


def assert_whole(checkpoints, step):
    """The last checkpoint is as it was saved."""
    assert checkpoints.latest() == step
    weights = checkpoints.load_item(step, "params")["w"]
    np.testing.assert_array_equal(weights, tree(step, weights.shape)["params"]["w"])


@pytest.mark.parametrize(
    "place",
    [
        "nmt.runs.saving.describe_files",
        "nmt.runs.saving.write_manifest",
        "nmt.runs.saving.sync_folder",
        "nmt.runs.manifest.write_atomically",
        "pathlib.Path.rename",
    ],
)
def test_a_failure_in_the_background_is_told_and_leaves_the_last_whole(
    checkpoints, monkeypatch, place, capfd
):
    save(checkpoints, 1)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(place, full)
        checkpoints.save(2, tree(2))
        with pytest.raises(RunError, match="cannot write checkpoint 2 in .*: No space left on dev"):
            checkpoints.wait()
    if place.endswith("sync_folder"):
        assert checkpoints.latest() == 2  # it was renamed already
    else:
        assert_whole(checkpoints, 1)
    assert not any((checkpoints.folder / ".unfinished").glob("*"))  # it would fill the disk
    assert capfd.readouterr() == ("", "")
    save(checkpoints, 3)
    assert_whole(checkpoints, 3)


def test_a_failure_comes_out_when_it_is_asked_for(checkpoints, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    checkpoints.check()
    save(checkpoints, 1)
    checkpoints.check()
    with monkeypatch.context() as patch:
        patch.setattr("nmt.runs.saving.describe_files", full)
        checkpoints.save(2, tree(2))
        concurrent.futures.wait([checkpoints._saver._pending])
        with pytest.raises(RunError, match="cannot write checkpoint 2 "):
            checkpoints.check()
    checkpoints.check()  # it has been told


def test_an_interrupted_one_is_saved_although_the_one_before_it_failed(
    checkpoints, monkeypatch, caplog
):
    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("nmt.runs.saving.describe_files", full)
        checkpoints.save(4, tree(4))
        concurrent.futures.wait([checkpoints._saver._pending])
    checkpoints.save(6, tree(6), interrupted=True)
    checkpoints.wait()
    assert_whole(checkpoints, 6)
    assert "cannot write checkpoint 4 " in caplog.text


def test_a_failure_comes_out_at_the_next_save_and_at_closing(checkpoints, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nmt.runs.saving.describe_files", full)
    checkpoints.save(1, tree(1))
    with pytest.raises(RunError, match="cannot write checkpoint 1 "):
        checkpoints.save(2, tree(2))
    checkpoints.save(3, tree(3))
    with pytest.raises(RunError, match="cannot write checkpoint 3 "):
        checkpoints.close()


def test_files_that_cannot_grow_are_one_line_and_leave_the_last_whole(checkpoints, capfd):
    save(checkpoints, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    many = {str(i): np.random.default_rng(i).random(20_000) for i in range(20)}
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(RunError, match="cannot write checkpoint 2 in .*: File too large$"):
            checkpoints.save(2, {"params": many})
            checkpoints.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_whole(checkpoints, 1)
    save(checkpoints, 2, size=100_000)
    assert_whole(checkpoints, 2)
    assert capfd.readouterr() == ("", "")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    checkpoints = Checkpoints(tmp_path / "file" / "checkpoints")
    with pytest.raises(RunError, match="cannot write checkpoint 1 in .*: Not a directory"):
        checkpoints.save(1, tree(1))
    checkpoints.close()


@pytest.mark.parametrize("failing", [{1}, {2}, {2, 3}], ids=["away", "in", "in and back"])
def test_a_rename_that_fails_leaves_the_checkpoint_that_was_there(
    checkpoints, monkeypatch, failing
):
    checkpoints.save(1, tree(1), interrupted=True)
    checkpoints.wait()
    rename, renames = Path.rename, []

    def full(path, target):
        renames.append(path)
        if len(renames) in failing:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    checkpoints.save(1, tree(2))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(RunError, match="cannot write checkpoint 1 in .*: No space left on dev"):
            checkpoints.wait()
    assert len(renames) == max(failing) + (failing == {2})
    removed = checkpoints.folder / ".unfinished" / "removed-1"
    if failing == {2, 3}:  # nothing can be renamed, but nothing is lost: the new one is whole
        assert checkpoints.steps() == [] and removed.exists()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", lambda *_: full(Path("again"), None))
            failing.add(4)
            with pytest.raises(RunError, match="cannot write checkpoint 2 in .*: No space left on"):
                checkpoints.save(2, tree(3))
        assert not (checkpoints.folder / ".unfinished" / "2").exists() and removed.exists()
        assert Checkpoints(checkpoints.folder).latest() == 1
        weights = checkpoints.load_item(1, "params")["w"]
        np.testing.assert_array_equal(weights, tree(2)["params"]["w"])
    else:
        assert not removed.exists() and not (checkpoints.folder / ".unfinished" / "1").exists()
        assert_whole(checkpoints, 1)
    save(checkpoints, 1)
    assert_whole(checkpoints, 1)
    assert checkpoints.steps() == [1] and not any(removed.parent.iterdir())


def test_the_old_one_goes_when_the_new_one_is_on_the_disk(checkpoints, monkeypatch):
    checkpoints.save(1, tree(1), interrupted=True)
    checkpoints.wait()
    sync, there = sync_folder, []

    def synced(folder):
        if folder == checkpoints.folder:
            there.extend(path.name for path in (folder / ".unfinished").iterdir())
        sync(folder)

    monkeypatch.setattr("nmt.runs.saving.sync_folder", synced)
    save(checkpoints, 1)
    assert there == ["removed-1"]
    assert not any((checkpoints.folder / ".unfinished").iterdir())


def test_one_that_cannot_be_removed_to_its_end_is_not_seen_any_more(checkpoints, monkeypatch):
    save(checkpoints, 1)
    save(checkpoints, 2)
    remove, broken_off = shutil.rmtree, []

    def some_files_only(folder, ignore_errors=False):
        if ignore_errors:
            return remove(folder, ignore_errors=True)
        (Path(folder) / NAME).unlink()
        broken_off.append(Path(folder))
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", some_files_only)
        checkpoints.save(3, tree(3))
        with pytest.raises(RunError, match="cannot write checkpoint 3 in .*: Input/output error"):
            checkpoints.wait()
    assert len(broken_off) == 1
    assert sorted(path.name for path in checkpoints.folder.glob("[0-9]*")) == ["2", "3"]
    assert_whole(checkpoints, 3)
    save(checkpoints, 4)
    assert_whole(checkpoints, 4)
    assert checkpoints.steps() == [3, 4]


def test_all_of_a_checkpoint_is_on_the_disk_before_it_has_its_name(checkpoints, monkeypatch):
    events, sync, rename, replace = [], os.fsync, Path.rename, os.replace

    def synced(descriptor):
        events.append(("to the disk", os.readlink(f"/proc/self/fd/{descriptor}")))
        sync(descriptor)

    def renamed(path, target):
        events.append(("renamed", str(target)))
        return rename(path, target)

    def replaced(path, target):
        events.append(("renamed", str(target)))
        replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(os, "replace", replaced)
    save(checkpoints, 1)
    made, final = checkpoints.folder / ".unfinished" / "1", checkpoints.folder / "1"
    exists = events.index(("renamed", str(final)))
    before = [path for what, path in events[:exists] if what == "to the disk"]
    entries = {str(made / path.relative_to(final)) for path in final.rglob("*")}
    manifest, half_written = str(made / NAME), str(made / f".{NAME}.{os.getpid()}.tmp")
    assert {str(made), half_written, *entries} - {manifest} <= set(before)
    named = events.index(("renamed", manifest))
    assert events.index(("to the disk", half_written)) < named
    assert named < max(i for i in range(exists) if events[i] == ("to the disk", str(made)))
    assert ("to the disk", str(checkpoints.folder)) in events[exists:]


def test_donated_arrays_are_saved_as_they_were(checkpoints):
    step = jax.jit(lambda tree: jax.tree.map(lambda x: x + 1, tree), donate_argnums=0)
    state = step({"w": jnp.zeros((200, 200))})
    for _ in range(3):
        before = np.array(state["w"])
        checkpoints.save(1, {"params": state})
        state = step(step(state))
        checkpoints.wait()
        np.testing.assert_array_equal(checkpoints.load_item(1, "params")["w"], before)
        state = step(checkpoints.restore(1, {"params": state})["params"])
        np.testing.assert_array_equal(state["w"], before + 1)


def test_saving_and_reading_say_nothing(checkpoints, caplog, capfd):
    with caplog.at_level(logging.INFO):
        save(checkpoints, 1)
        checkpoints.load_item(*checkpoints.resolve("last"))
    assert [record.getMessage() for record in caplog.records] == []
    assert capfd.readouterr() == ("", "")


def place(mesh_devices, tree, spec):
    """Puts a tree on so many devices: its leaf "w" as `spec` says, the others whole on each."""
    mesh = make_mesh(1, jax.devices()[:mesh_devices])
    shardings = {name: NamedSharding(mesh, spec if name == "w" else P()) for name in tree}
    return {name: jax.device_put(leaf, shardings[name]) for name, leaf in tree.items()}


@pytest.mark.parametrize("before", [1, 4])
@pytest.mark.parametrize("after", [1, 2, 8])
def test_a_checkpoint_moves_to_another_number_of_devices(checkpoints, before, after):
    tree = {"w": np.arange(16, dtype=np.float32).reshape(8, 2), "n": np.float32(3)}
    checkpoints.save(1, {"params": place(before, tree, P("data"))})
    checkpoints.wait()
    like = place(after, jax.tree.map(np.zeros_like, tree), P("data"))
    restored = checkpoints.restore(1, {"params": like})["params"]
    for name, value in tree.items():
        np.testing.assert_array_equal(restored[name], value, strict=True)
    assert all(restored[name].sharding == like[name].sharding for name in tree)


def environment(**changes):
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **changes}


KILLED = """
import os, signal, sys, threading, time
import numpy as np
from nmt.runs.checkpoints import Checkpoints
checkpoints = Checkpoints(sys.argv[1])
checkpoints.save(1, {"params": {"w": np.full(1000, 1)}})
checkpoints.wait()
threading.Thread(target=lambda: (time.sleep(float(sys.argv[2])),
                                 os.kill(os.getpid(), signal.SIGKILL))).start()
for step in range(2, 10_000):
    checkpoints.save(step, {"params": {"w": np.full(1000, step)}})
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.013, 0.2, 0.431])
def test_killed_while_saving_the_latest_is_whole(tmp_path, seconds):
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(seconds)]
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=100)
    assert done.returncode == -9
    checkpoints = Checkpoints(tmp_path)
    step = checkpoints.latest()
    np.testing.assert_array_equal(checkpoints.load_item(step, "params")["w"], np.full(1000, step))


SEVERAL = """
import sys
import jax, numpy as np
process, address, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
from nmt.devices.processes import ProcessFlags, ending_together, start_processes
start_processes(ProcessFlags(address, 2, process))
from jax.sharding import NamedSharding, PartitionSpec as P
from nmt.devices.mesh import make_mesh, replicated, to_devices
from nmt.runs.checkpoints import Checkpoints
with ending_together():
    mesh = make_mesh(1)
    assert mesh.size == 4
    w = np.arange(32, dtype=np.float32).reshape(8, 4)
    def tree(scale):
        return {"params": {"rows": to_devices(NamedSharding(mesh, P("data")), scale * w),
                           "columns": to_devices(NamedSharding(mesh, P(None, "data")), scale * w),
                           "whole": to_devices(replicated(mesh), scale * w[0])},
                "training": {"best": 2.5 * scale, "none": np.zeros((0, 3)), "host": scale * w[1]}}
    checkpoints = Checkpoints(folder, keep_last=2)
    for step in range(1, 6):
        checkpoints.save(step, tree(step), score=float(step))
        if step % 2:
            checkpoints.wait()
            assert checkpoints.latest() == step, "whole for both processes"
    checkpoints.save(5, tree(0), interrupted=True)  # does nothing
    checkpoints.save(6, tree(6), interrupted=True)
    checkpoints.wait()
    assert (checkpoints.steps(), checkpoints.latest(), checkpoints.best()) == ([4, 5], 6, 5)
    restored = checkpoints.restore(6, tree(0))
    for here, there in zip(jax.tree.leaves(restored), jax.tree.leaves(tree(6)), strict=True):
        if isinstance(there, jax.Array):
            assert here.sharding == there.sharding
            here, there = ([s.data for s in a.addressable_shards] for a in (here, there))
        np.testing.assert_array_equal(here, there)
    checkpoints.close()
"""


@pytest.mark.slow
def test_two_processes_save_one_checkpoint_that_any_number_of_devices_restores(
    two_processes, tmp_path
):
    two_processes("-c", SEVERAL, tmp_path)
    w = 6 * np.arange(32, dtype=np.float32).reshape(8, 4)
    checkpoints = Checkpoints(tmp_path)
    np.testing.assert_array_equal(checkpoints.load_item(6, "params")["columns"], w)
    for number in (1, 2, 4):
        mesh = make_mesh(1, jax.devices()[:number])
        spread = NamedSharding(mesh, P("data"))
        like = {name: jax.device_put(np.zeros_like(w), spread) for name in ("rows", "columns")}
        like["whole"] = jax.device_put(np.zeros_like(w[0]), NamedSharding(mesh, P()))
        restored = checkpoints.restore(6, {"params": like})["params"]
        for name, value in {"rows": w, "columns": w, "whole": w[0]}.items():
            np.testing.assert_array_equal(restored[name], value)
            assert restored[name].sharding == like[name].sharding
    rest = {"best": 0.0, "none": np.ones((0, 3)), "host": np.zeros(4, np.float32)}
    assert checkpoints.restore(6, {"training": rest})["training"]["best"] == 15.0


FAILS_ONCE = """
import logging, sys
import numpy as np
process, address, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
from nmt.devices.processes import ProcessFlags, ending_together, is_first, start_processes
start_processes(ProcessFlags(address, 2, process))
from nmt.runs import saving
from nmt.runs.checkpoints import Checkpoints
with ending_together():
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, {"params": {"w": np.arange(5)}})
    checkpoints.wait()
    describe_files = saving.describe_files
    def full(folder):
        saving.describe_files = describe_files
        raise OSError(28, "No space left on device")
    saving.describe_files = full
    checkpoints.save(2, {"params": {"w": np.arange(6)}})
    logging.basicConfig()
    checkpoints.save(3, {"params": {"w": np.arange(7)}}, interrupted=True)
    checkpoints.wait()
    assert checkpoints.steps() == [1] and (not is_first() or checkpoints.latest() == 3)
    checkpoints.close()
"""


@pytest.mark.slow
def test_two_processes_save_an_interrupted_one_though_the_first_failed_before(
    two_processes, tmp_path
):
    two_processes("-c", FAILS_ONCE, tmp_path)
    np.testing.assert_array_equal(Checkpoints(tmp_path).load_item(3, "params")["w"], np.arange(7))


def test_what_the_first_process_wrote_must_be_seen_by_all(checkpoints, monkeypatch):
    monkeypatch.setattr(checkpoints._saver._writer, "meet", lambda: (saved / NAME).unlink())
    saved = checkpoints.folder / "1"
    with pytest.raises(RunError, match="process 0 does not find .* a file system that all of them"):
        save(checkpoints, 1)
