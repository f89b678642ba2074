import contextlib
import hashlib
import json
import math
import os
import re
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nmt.errors import RunError
from nmt.runs.checkpoints import MOVING_AVERAGE, PARAMS, Checkpoints
from nmt.runs.manifest import NAME, NewerFormat, Unreadable, read_manifest


class Killed(BaseException):
    """Nothing catches it."""


def some_items(seed=0):
    """Items with every kind of leaf that training saves, bits of odd numbers included."""
    rng = np.random.default_rng(seed)
    params = {
        "encoder": {"layers": {0: {"W": jnp.asarray(rng.normal(size=(3, 4)), jnp.float32)}}},
        "odd": np.array([np.nan, -0.0, np.inf, 1e-45], np.float32),
        "low": jnp.asarray(rng.normal(size=5), jnp.bfloat16),
    }
    training = {
        "opt_state": optax.adam(1e-3).init(params),
        "key": jax.random.key_data(jax.random.key(seed)),
        "count": jnp.int32(seed),
        "none": jnp.zeros((0, 3)),
        "best": 27.25,
        "step": 2**40,
        "flag": np.asarray(True),
    }
    return {"params": params, "training": training}


def assert_same_bits(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


@pytest.fixture
def checkpoints(tmp_path):
    opened = Checkpoints(tmp_path / "run" / "checkpoints", keep_last=2)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of the checkpoints 1 and 2, of which the tests damage copies."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, some_items(1), score=2.0)
    checkpoints.save(2, some_items(2), score=1.0)
    checkpoints.close()
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "run" / "checkpoints"))


def tiny(step):
    return {"params": {"w": np.full(2, step, np.float32)}}


def save_tiny(checkpoints, step, **options):
    checkpoints.save(step, tiny(step), **options)
    checkpoints.wait()


def test_bit_exact_round_trip(saved):
    items, like = some_items(2), some_items(3)
    restored = Checkpoints(saved).restore(2, like)
    assert_same_bits(restored, items)
    for value, wanted in zip(jax.tree.leaves(restored), jax.tree.leaves(like), strict=True):
        assert isinstance(value, type(wanted))


def test_one_item_and_shapes_alone_suffice(saved):
    like = jax.eval_shape(lambda: {"params": some_items()["params"]})
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), like)
    assert_same_bits(Checkpoints(saved).restore(1, like), {"params": some_items(1)["params"]})


def test_weights_load_as_numpy_with_their_own_keys(saved):
    opened = Checkpoints(saved)
    weights = opened.load_item(*opened.resolve("best"))
    assert_same_bits(weights, some_items(1)["params"])
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(weights))
    assert list(weights["encoder"]["layers"]) == [0]


def test_weights_load_without_the_training_item(copy):
    shutil.rmtree(copy / "2" / "training")
    assert_same_bits(Checkpoints(copy).load_item(2, "params"), some_items(2)["params"])


def test_arrays_that_differ_are_listed(saved):
    like = some_items()["params"]
    like["encoder"]["layers"][0] = {"W": jnp.zeros((4, 3)), "b": jnp.zeros(4)}
    like["low"] = like["low"].astype(jnp.float32)
    del like["odd"]
    with pytest.raises(RunError) as caught:
        Checkpoints(saved).restore(1, {"params": like, "average": {"w": np.zeros(1)}})
    message = str(caught.value)
    assert "checkpoint 1" in message and "is of another model" in message
    assert "params.encoder.layers.0.W wanted float32 [4, 3], came float32 [3, 4]" in message
    assert "params.encoder.layers.0.b wanted float32 [4], came nothing" in message
    assert "params.low wanted float32 [5], came bfloat16 [5]" in message
    assert "params.odd wanted nothing, came float32 [4]" in message
    assert "average.w wanted float64 [1], came nothing" in message
    assert "\n" not in message


def test_a_long_list_is_cut(saved):
    like = {"params": {f"w{i}": np.zeros(1) for i in range(30)}}
    with pytest.raises(RunError, match=r"; and 25 more$"):
        Checkpoints(saved).restore(1, like)


def all_files(folder):
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())


def test_a_flipped_bit_in_any_file_is_found(saved, copy, caplog):
    rng = np.random.default_rng(0)
    files = all_files(saved / "2")
    assert Path(NAME) in files and len(files) > 10
    for name in files:
        content = bytearray((saved / "2" / name).read_bytes())
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        (copy / "2" / name).write_bytes(content)
        caplog.clear()
        damaged = Checkpoints(copy)
        assert damaged.latest() == 1
        (message,) = [record.getMessage() for record in caplog.records]
        assert message.startswith("checkpoint 2 is damaged and passed over:")
        assert name.as_posix() in message
        with pytest.raises(RunError, match="checkpoint 2 of run .* is damaged: "):
            damaged.restore(2, some_items())
        shutil.copy(saved / "2" / name, copy / "2" / name)
    assert Checkpoints(copy).latest() == 2


def test_a_truncated_or_missing_file_is_found(saved, copy):
    for name in all_files(saved / "2"):
        content = (saved / "2" / name).read_bytes()
        (copy / "2" / name).write_bytes(content[: len(content) // 2])
        assert Checkpoints(copy).latest() == 1
        (copy / "2" / name).unlink()
        assert Checkpoints(copy).latest() == 1
        (copy / "2" / name).write_bytes(content)
    assert Checkpoints(copy).latest() == 2


def test_a_damaged_best_gives_way_to_the_next_best(copy, caplog):
    (copy / "1" / NAME).write_text("{}")
    assert Checkpoints(copy).resolve("best") == (2, "params")
    assert "checkpoint 1 is damaged" in caplog.text


def test_a_copy_under_another_name_is_no_checkpoint(copy, caplog):
    shutil.copytree(copy / "1", copy / "3")
    assert Checkpoints(copy).latest() == 2
    assert "checkpoint 3 is damaged and passed over: it is a copy of checkpoint 1" in caplog.text


def test_a_half_written_checkpoint_is_named_and_cleared(copy, caplog):
    unfinished = copy / ".unfinished" / "7.orbax-checkpoint-tmp"
    unfinished.mkdir(parents=True)
    (copy / "notes").mkdir()
    (copy / "007").mkdir()
    checkpoints = Checkpoints(copy)
    assert checkpoints.latest() == 2
    assert "checkpoint 7 was not finished and is passed over" in caplog.text
    save_tiny(checkpoints, 7)
    assert checkpoints.latest() == 7 and not unfinished.exists()
    checkpoints.close()


def test_a_damaged_checkpoint_is_replaced_by_its_step_done_again(copy):
    (copy / "2" / NAME).write_text("")
    checkpoints = Checkpoints(copy, keep_last=1)
    assert checkpoints.latest() == 1
    save_tiny(checkpoints, 2)
    checkpoints.close()
    assert checkpoints.latest() == 2
    np.testing.assert_array_equal(checkpoints.load_item(2, "params")["w"], 2)


def test_the_last_and_the_best_are_kept(checkpoints):
    scores = {1: 3.0, 2: 9.0, 3: 9.0, 4: None, 5: math.nan, 6: 1.0, 7: math.inf, 8: -math.inf}
    for step, score in scores.items():
        save_tiny(checkpoints, step, score=score)
        finite = {s: v for s, v in scores.items() if v is not None and math.isfinite(v)}
        known = {s: v for s, v in finite.items() if s <= step}
        best = min(known, key=lambda s: (-known[s], s))
        assert checkpoints.steps() == sorted({best, *range(max(1, step - 1), step + 1)})
        assert checkpoints.best() == best
        stored = read_manifest(checkpoints.folder / str(step)).score
        assert stored == known.get(step)  # no score at all where it is no finite number
    assert json.loads((checkpoints.folder / "2" / NAME).read_text())["score"] == 9.0


def test_one_known_to_be_damaged_is_not_counted_among_the_last_to_keep(checkpoints):
    for step in (1, 2, 3):
        save_tiny(checkpoints, step)
    file = next(name for name in all_files(checkpoints.folder / "3") if name.parts[0] == "params")
    (checkpoints.folder / "3" / file).unlink()  # its manifest is whole
    assert checkpoints.latest() == 2
    save_tiny(checkpoints, 4)
    assert sorted(path.name for path in checkpoints.folder.glob("[0-9]*")) == ["2", "4"]
    for step in (2, 4):
        np.testing.assert_array_equal(checkpoints.load_item(step, "params")["w"], step)


def damage(checkpoints, step):
    """Flips a bit in the largest file of a checkpoint."""
    files = (path for path in (checkpoints.folder / str(step)).rglob("*") if path.is_file())
    file = max((path for path in files if path.name != NAME), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_one_known_to_be_damaged_does_not_stand_for_its_step(checkpoints):
    save_tiny(checkpoints, 4)
    save_tiny(checkpoints, 8)
    damage(checkpoints, 8)
    assert checkpoints.latest() == 4
    save_tiny(checkpoints, 8, interrupted=True)
    assert checkpoints.latest() == 8


def test_one_known_to_be_damaged_comes_before_none(checkpoints):
    save_tiny(checkpoints, 4)
    save_tiny(checkpoints, 8)
    damage(checkpoints, 8)
    assert checkpoints.latest() == 4
    save_tiny(checkpoints, 9)
    assert checkpoints.manifest(9).previous == 4
    assert checkpoints.last(2) == [4, 9]


def test_weights_are_read_where_the_rest_is_damaged(checkpoints):
    large = np.random.default_rng(0).random(50_000)  # which is damaged
    items = {"params": {"w": np.ones(3)}, "training": {"opt_state": large}}
    checkpoints.save(4, items, score=1.0)
    checkpoints.wait()
    damage(checkpoints, 4)
    for which in ("best", "last", "4"):
        assert checkpoints.resolve(which) == (4, PARAMS)
    params = {"params": items["params"]}
    assert_same_bits(checkpoints.restore(4, like=params), params)
    with pytest.raises(RunError, match="checkpoint 4 .* is damaged: training/"):
        checkpoints.restore(4, like=items)
    assert checkpoints.latest() is None  # nothing to go on from


def test_without_scores_the_best_is_the_last(checkpoints):
    for step in (1, 2, 3):
        save_tiny(checkpoints, step)
    assert checkpoints.best() is None
    assert checkpoints.resolve("best") == (3, "params")
    assert checkpoints.steps() == [2, 3]


def test_an_interrupted_checkpoint_serves_resuming_only(checkpoints):
    save_tiny(checkpoints, 1, score=1.0)
    save_tiny(checkpoints, 2, score=99.0, interrupted=True)
    assert checkpoints.latest() == 2
    assert checkpoints.steps() == [1]
    assert checkpoints.best() == 1
    assert checkpoints.resolve("last") == (1, "params")
    assert checkpoints.resolve("2") == checkpoints.resolve(2) == (2, "params")
    save_tiny(checkpoints, 3, interrupted=True)
    assert checkpoints.latest() == 3
    save_tiny(checkpoints, 4)
    assert sorted(p.name for p in checkpoints.folder.glob("[0-9]*")) == ["1", "4"]


def test_an_interrupted_checkpoint_never_replaces_a_regular_one(checkpoints):
    save_tiny(checkpoints, 1, score=1.0)
    save_tiny(checkpoints, 1, interrupted=True)
    assert checkpoints.steps() == [1] and checkpoints.best() == 1


def test_a_kill_between_two_renames_loses_no_checkpoint(checkpoints, monkeypatch, caplog):
    """The regular checkpoint of a step takes the place of the interrupted one."""
    save_tiny(checkpoints, 1)
    save_tiny(checkpoints, 2, interrupted=True)
    rename = Path.rename

    def killed_at_the_second(path, to):
        if path.parent.name == ".unfinished":
            raise Killed
        return rename(path, to)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Path, "rename", killed_at_the_second)
        save_tiny(checkpoints, 2, score=3.0)
    assert checkpoints.steps() == [1]
    with contextlib.closing(Checkpoints(checkpoints.folder, keep_last=2)) as again:
        assert again.latest() == 2 and again.best() == 2
        save_tiny(again, 3)
        assert again.steps() == [2, 3]
    assert "not finished" not in caplog.text


def test_only_an_interrupted_checkpoint(checkpoints):
    save_tiny(checkpoints, 5, interrupted=True)
    with pytest.raises(RunError, match=r"has no finished checkpoint \(legal: 5\)"):
        checkpoints.resolve("best")
    assert checkpoints.resolve("5") == (5, "params")


def test_the_moving_average_is_what_is_evaluated(checkpoints):
    items = {PARAMS: {"w": np.zeros(2)}, MOVING_AVERAGE: {"w": np.ones(2)}}
    checkpoints.save(1, items)
    checkpoints.wait()
    for which in ("best", "last", "1"):
        assert checkpoints.resolve(which) == (1, MOVING_AVERAGE)


@pytest.mark.parametrize("which", ["bset", "3", "-1", "01", "", "../1"])
def test_no_such_checkpoint(saved, which):
    with pytest.raises(RunError, match=r"has no checkpoint .*legal: best, last, 1, 2\)"):
        Checkpoints(saved).resolve(which)


def test_only_what_is_whole_is_legal(copy, caplog):
    checkpoints = Checkpoints(copy)
    checkpoints.save_average([1, 2], tiny(3)["params"])
    save_tiny(checkpoints, 5, interrupted=True)
    checkpoints.close()
    with pytest.raises(RunError, match=r"no checkpoint 9 \(legal: best, last, average, 1, 2, 5\)"):
        Checkpoints(copy).resolve("9")
    shutil.rmtree(copy / "1" / "params")
    with pytest.raises(RunError, match=r"no checkpoint 9 \(legal: best, last, average, 2, 5\)$"):
        Checkpoints(copy).resolve("9")
    shutil.rmtree(copy / "2" / "params")
    for which in ("best", "last", "9"):
        with pytest.raises(RunError, match=r"no finished checkpoint \(legal: average, 5\)$"):
            Checkpoints(copy).resolve(which)
    shutil.rmtree(copy / "average" / "params")
    caplog.clear()
    with pytest.raises(RunError, match=r"no finished checkpoint \(legal: 5\)$"):
        Checkpoints(copy).resolve("best")
    warnings = [record.getMessage().partition(" is damaged")[0] for record in caplog.records]
    assert sorted(warnings) == ["checkpoint 1", "checkpoint 2", "checkpoint average"]


def test_no_average_and_no_checkpoint_at_all(saved, tmp_path):
    with pytest.raises(RunError, match="has no average of checkpoints; nmt average .* makes one"):
        Checkpoints(saved).resolve("average")
    empty = Checkpoints(tmp_path / "absent")
    assert empty.latest() is None and empty.best() is None and empty.steps() == []
    with pytest.raises(RunError, match="has no finished checkpoint$"):
        empty.resolve("best")
    with pytest.raises(RunError, match="checkpoint 1 of run .* is not there, or was removed while"):
        empty.load_item(1, "params")
    (empty.folder / "1").mkdir(parents=True)
    with pytest.raises(RunError, match="checkpoint 1 of run .* is damaged: it has no manifest"):
        empty.load_item(1, "params")
    with pytest.raises(RunError, match="checkpoint 1 has no item weights"):
        Checkpoints(saved).load_item(1, "weights")


def test_a_newer_format_is_refused_and_never_passed_over(copy):
    rewrite_manifest(copy / "2", format=2)
    message = r"checkpoint 2 of run .*: manifest.json has format 2; .* reads format 1$"
    for action in (Checkpoints.latest, Checkpoints.best, Checkpoints.steps):
        with pytest.raises(NewerFormat, match=message):
            action(Checkpoints(copy))
    with pytest.raises(NewerFormat, match=message):
        Checkpoints(copy).restore(2, some_items())
    assert (copy / "2").is_dir()


def rewrite_manifest(folder, **changes):
    """Changes a manifest as whoever can compute a sha256 may."""
    body = json.loads((folder / NAME).read_text()) | changes
    del body["sha256"]
    text = lambda: json.dumps(body, indent=1, sort_keys=True) + "\n"  # noqa: E731
    body["sha256"] = hashlib.sha256(text().encode()).hexdigest()
    (folder / NAME).write_text(text())


def file_for_folder(folder):
    shutil.rmtree(folder)
    folder.write_text("")


def link_for_folder(folder):
    elsewhere = folder.rename(folder.parents[2] / "elsewhere")
    folder.symlink_to(elsewhere)


def link_for_item(folder):
    elsewhere = (folder / "params").rename(folder.parents[2] / "elsewhere")
    (folder / "params").symlink_to(elsewhere)


ODD = {
    "an empty manifest": (lambda f: (f / NAME).write_text(""), "manifest.json is empty"),
    "no manifest": (lambda f: (f / NAME).unlink(), "it has no manifest.json"),
    "one more file": (lambda f: (f / "params" / "x").write_text(""), "params/x is no part of it"),
    "a file for a folder": (file_for_folder, "manifest.json cannot be read: Not a directory"),
    "a link for a folder": (link_for_folder, "manifest.json is a link, or lies behind one"),
    "a link for an item": (link_for_item, "params is no part of it"),
    "a pipe for a manifest": (
        lambda f: ((f / NAME).unlink(), os.mkfifo(f / NAME)),
        "manifest.json is no file",
    ),
    "an array of another shape": (
        lambda f: rewrite_manifest(
            f, items={"params": [{"keys": [1], "shape": [-1], "dtype": ""}]}
        ),
        "manifest.json is not as it was written",
    ),
}


@pytest.mark.parametrize("damage", ODD)
def test_odd_things_in_place_of_a_checkpoint_are_named_and_passed_over(copy, caplog, damage):
    change, message = ODD[damage]
    change(copy / "2")
    checkpoints = Checkpoints(copy)
    assert checkpoints.latest() == 1
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning == f"checkpoint 2 is damaged and passed over: {message}"
    save_tiny(checkpoints, 2)  # takes its place
    assert checkpoints.latest() == 2
    checkpoints.close()


@pytest.mark.parametrize("read", ["pathlib.Path.read_bytes", "pathlib.Path.lstat"])
def test_what_cannot_be_read_for_a_time_is_neither_passed_over_nor_removed(
    checkpoints, monkeypatch, caplog, read
):
    for step, score in {10: 2.0, 20: 9.0, 30: 1.0}.items():
        save_tiny(checkpoints, step, score=score)
    assert checkpoints.steps() == [20, 30]
    path = Path.read_bytes if read.endswith("bytes") else Path.lstat

    def stale(place):
        if place == checkpoints.folder / "20" / NAME:
            raise OSError(116, "Stale file handle")
        return path(place)

    with monkeypatch.context() as patch:
        patch.setattr(read, stale)
        message = (
            "checkpoint 20 of run .*/run: manifest.json cannot be read: Stale file handle; try"
        )
        for ask in (checkpoints.best, checkpoints.steps, lambda: checkpoints.restore(20, {})):
            with pytest.raises(Unreadable, match=message):
                ask()
        assert checkpoints.resolve("last") == (30, "params")  # without the other one
        save_tiny(checkpoints, 30, interrupted=True)  # does nothing: it is there with its score
        save_tiny(checkpoints, 20, interrupted=True)  # nor this: it may be whole
        save_tiny(checkpoints, 40, score=3.0)
        save_tiny(checkpoints, 50, interrupted=True)
        assert re.search(f"{message} again.*; no checkpoint is removed now", caplog.text)
    assert checkpoints.steps() == [20, 30, 40] and checkpoints.best() == 20
    assert [checkpoints.manifest(step).score for step in (20, 30)] == [9.0, 1.0]
    save_tiny(checkpoints, 60, score=4.0)
    assert checkpoints.steps() == [20, 40, 60]


def test_the_last_one_is_taken_though_an_older_one_cannot_be_read(copy, monkeypatch):
    path = Path.read_bytes

    def stale(place, unreadable):
        if place.parent.name == unreadable:
            raise OSError(116, "Stale file handle")
        return path(place)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda place: stale(place, "1"))
        assert Checkpoints(copy).latest() == 2
        patch.setattr(Path, "read_bytes", lambda place: stale(place, "2"))
        with pytest.raises(Unreadable, match="checkpoint 2 of run .* Stale file handle"):
            Checkpoints(copy).latest()


def test_folders_that_cannot_be_listed_are_not_taken_for_none(copy, monkeypatch):
    def stale(folder):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(os, "listdir", stale)
    with pytest.raises(Unreadable, match="cannot read .*: Stale file handle"):
        Checkpoints(copy).latest()


@pytest.mark.parametrize("name", ["", "."])
def test_a_manifest_that_speaks_of_a_file_without_a_name_is_damaged(copy, name):
    rewrite_manifest(copy / "2", files={name: {"size": 0, "sha256": ""}})
    with pytest.raises(RunError, match="manifest.json is not as it was written"):
        Checkpoints(copy).resolve(2)


def test_a_hidden_file_is_no_damage(copy):
    (copy / "2" / ".DS_Store").write_text("")
    assert Checkpoints(copy).latest() == 2


def test_a_manifest_that_lies_about_its_arrays(copy):
    items = {"params": [{"keys": ["odd"], "shape": [4], "dtype": "int32"}]}
    rewrite_manifest(copy / "2", items=items)
    with pytest.raises(RunError, match=r"is damaged: odd is float32 \[4\] instead of int32 \[4\]"):
        Checkpoints(copy).load_item(2, "params")
    items = {"params": [{"keys": ["../../1/params/odd"], "shape": [4], "dtype": "float32"}]}
    rewrite_manifest(copy / "2", items=items)
    with pytest.raises(
        RunError, match="checkpoint 2 of run .* is damaged: its arrays cannot be re"
    ):
        Checkpoints(copy).load_item(2, "params")


def test_the_last_ones_are_not_an_older_one_kept_for_its_score(checkpoints):
    for step, score in {1: 9.0, 2: 1.0, 3: 2.0}.items():
        save_tiny(checkpoints, step, score=score)
    save_tiny(checkpoints, 4, interrupted=True)
    assert checkpoints.steps() == [1, 2, 3]
    assert checkpoints.last(1) == [3]
    assert checkpoints.last(9) == [2, 3]
    (checkpoints.folder / "3" / NAME).write_text("")
    assert checkpoints.last(9) == [2]
