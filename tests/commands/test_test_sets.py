"""Which test sets the options name."""

import argparse

import pytest

from nmt.commands.test_sets import read_test_sets
from nmt.config.schema import DataConfig
from nmt.errors import NmtError


@pytest.fixture
def config(tmp_path):
    for name, text in (("test", "one\ntwo\n"), ("more", "three\n")):
        for language in ("en", "fr"):
            (tmp_path / f"{name}.{language}").write_text(text)
    return DataConfig(path=str(tmp_path), test=("test", "more", "test"))


def options(split=None, source=None, reference=None):
    return argparse.Namespace(split=split, source=source, reference=reference)


def test_all_of_the_config_each_once_or_the_one_that_is_named(config):
    assert [split.name for split in read_test_sets(options(), config)] == ["test", "more"]
    (split,) = read_test_sets(options(split="more"), config)
    assert split.source == split.target == ["three"]


def test_files(config, tmp_path):
    source, reference = str(tmp_path / "test.en"), str(tmp_path / "test.fr")
    (split,) = read_test_sets(options(source=source, reference=reference), config)
    assert (split.name, split.source) == ("test.en", ["one", "two"])


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"source": "a"}, "are given together"),
        ({"reference": "a"}, "are given together"),
        ({"split": "test", "source": "a", "reference": "b"}, "not both"),
    ],
)
def test_options_that_contradict_one_another(config, wrong, says):
    with pytest.raises(NmtError, match=says):
        read_test_sets(options(**wrong), config)
