import contextlib

import numpy as np
import pytest

from nmt.errors import RunError
from nmt.runs.averaging import average_last, mean
from nmt.runs.checkpoints import MOVING_AVERAGE, PARAMS, Checkpoints
from nmt.runs.manifest import AVERAGE, NAME


def tree(step):
    rng = np.random.default_rng(step)
    W = 10.0 ** rng.integers(-4, 4) * rng.normal(size=(4, 3))
    return {"encoder": {"layers": {0: {"W": W.astype(np.float32)}}, "b": np.float32([step, 1e8])}}


@pytest.fixture
def checkpoints(tmp_path):
    """Of the steps 1 to 4, of which the first has the best score, and an interrupted one."""
    opened = Checkpoints(tmp_path / "run" / "checkpoints", keep_last=3)
    for step in range(1, 5):
        items = {PARAMS: tree(step), MOVING_AVERAGE: tree(-step % 9), "training": {"n": step}}
        opened.save(step, items, score=-float(step))
    opened.save(5, {PARAMS: tree(5)}, interrupted=True)
    opened.wait()
    yield opened
    opened.close()


def assert_is_mean(weights, steps):
    """Against a mean of each number by itself, in Python's own floats."""
    for path in (("layers", 0, "W"), ("b",)):
        values, found = [tree(step)["encoder"] for step in steps], weights["encoder"]
        for key in path:
            values, found = [value[key] for value in values], found[key]
        assert found.dtype == np.float32
        for index in np.ndindex(found.shape):
            exact = sum(float(value[index]) for value in values) / len(steps)
            assert found[index] == np.float32(exact)


@pytest.mark.parametrize(("number", "steps"), [(1, (4,)), (2, (3, 4)), (3, (2, 3, 4))])
def test_the_mean_of_the_last_is_a_checkpoint_of_its_own(checkpoints, number, steps):
    before = checkpoints.latest(), checkpoints.best(), checkpoints.steps()
    assert average_last(checkpoints, number) == steps
    opened = Checkpoints(checkpoints.folder)
    assert opened.resolve("average") == (AVERAGE, PARAMS)
    manifest = opened.manifest(AVERAGE)
    assert (manifest.averaged, manifest.step, manifest.score) == (steps, 4, None)
    assert set(manifest.items) == {PARAMS}
    assert_is_mean(opened.load_item(AVERAGE, PARAMS), steps)
    assert_is_mean(opened.restore(AVERAGE, {PARAMS: tree(0)})[PARAMS], steps)
    assert (opened.latest(), opened.best(), opened.steps()) == before == (5, 1, [1, 2, 3, 4])


def test_without_a_number_it_is_five_or_as_many_as_are_kept(checkpoints):
    assert average_last(checkpoints) == (2, 3, 4)
    checkpoints.keep_last = 9
    for step in range(6, 12):
        checkpoints.save(step, {PARAMS: tree(step)})
    checkpoints.wait()
    assert average_last(checkpoints) == (7, 8, 9, 10, 11)
    assert_is_mean(
        checkpoints.load_item(AVERAGE, PARAMS), (7, 8, 9, 10, 11)
    )  # in the old one's place


def test_training_on_leaves_the_average(checkpoints):
    average_last(checkpoints, 2)
    checkpoints.save(6, {PARAMS: tree(6)})
    checkpoints.wait()
    assert_is_mean(checkpoints.load_item(AVERAGE, PARAMS), (3, 4))


def test_fewer_than_wanted_is_refused(checkpoints, tmp_path):
    with pytest.raises(
        RunError, match=r"last 4 .* wanted; got 3: .* last 3 \(training.keep_last\)$"
    ):
        average_last(checkpoints, 4)
    (checkpoints.folder / "2" / NAME).unlink()
    with pytest.raises(RunError, match="last 3 checkpoints of run .* are wanted; got 2$"):
        average_last(checkpoints, 3)
    assert not (checkpoints.folder / AVERAGE).exists()


def test_there_is_nothing_to_average(tmp_path):
    with contextlib.closing(Checkpoints(tmp_path / "run" / "checkpoints")) as checkpoints:
        checkpoints.save(5, {PARAMS: tree(5)}, interrupted=True)
        checkpoints.wait()
        with pytest.raises(RunError, match=f"run {tmp_path}/run has no finished checkpoint to av"):
            average_last(checkpoints)
    with pytest.raises(RunError, match=f"run {tmp_path} has no finished checkpoint to average"):
        average_last(Checkpoints(tmp_path / "absent"))


def test_a_damaged_one_is_named_and_passed_over(checkpoints, caplog):
    (file,) = (checkpoints.folder / "3" / PARAMS).glob("manifest.ocdbt")
    file.write_bytes(b"")
    assert average_last(checkpoints) == (2, 4)
    assert "checkpoint 3 is damaged and passed over: params/manifest.ocdbt has 0 " in caplog.text
    with pytest.raises(RunError, match="the last 3 .* got 2"):
        average_last(checkpoints, 3)


def test_the_old_best_is_not_among_the_last_where_more_are_kept_than_before(tmp_path):
    folder = tmp_path / "run" / "checkpoints"
    for keep_last, steps in [(1, range(1, 6)), (4, range(6, 8))]:
        opened = Checkpoints(folder, keep_last=keep_last)
        for step in steps:
            opened.save(step, {PARAMS: tree(step)}, score=-float(step))
        opened.close()
    assert opened.steps() == [1, 5, 6, 7]
    with contextlib.closing(Checkpoints(folder, keep_last=4)) as opened:
        assert average_last(opened) == (5, 6, 7)


def test_a_damaged_average_is_told(checkpoints):
    average_last(checkpoints)
    (checkpoints.folder / AVERAGE / NAME).write_text("")
    with pytest.raises(RunError, match="checkpoint average of run .* is damaged: .* is empty"):
        checkpoints.resolve(AVERAGE)


def test_an_average_is_no_step_and_a_step_no_average(checkpoints, caplog):
    average_last(checkpoints)
    (checkpoints.folder / AVERAGE).rename(checkpoints.folder / "7")
    assert checkpoints.latest() == 5
    assert "checkpoint 7 is damaged and passed over: it is a copy of checkpoint ave" in caplog.text
    (checkpoints.folder / "4").rename(checkpoints.folder / AVERAGE)
    with pytest.raises(RunError, match="it is a copy of checkpoint 4"):
        checkpoints.resolve(AVERAGE)


def test_the_mean_is_taken_in_float64():
    values = [np.float32(x) for x in (2**24, 1, 1, 1)]  # float32 alone would lose every 1
    assert mean({"w": np.array([value])} for value in values)["w"] == np.float32((2**24 + 3) / 4)
