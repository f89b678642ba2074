from dataclasses import replace

import pytest

from nmt.analysis.pharaoh import GoldLinks
from nmt.config.schema import DataConfig, EmbeddedConfig
from nmt.data.corpus import load_split
from nmt.data.gold import load_gold
from nmt.data.grammar import make_split
from nmt.errors import DataError

FILES = {
    "train.en": "a b\nc d e\n\n",
    "train.fr": "f\ng h\n\n",
    "train.links": "0-0 1p0\n2?1 1-1\n\n",
    "test.en": "a\n",
    "test.fr": "f\n",
}
GOLD = [
    GoldLinks(frozenset({(0, 0)}), frozenset({(0, 0), (1, 0)})),
    GoldLinks(frozenset({(1, 1)}), frozenset({(1, 1), (2, 1)})),
    GoldLinks(frozenset(), frozenset()),
]


@pytest.fixture
def config(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return DataConfig(path=str(tmp_path), links="links")


def test_the_third_column_is_sure_and_possible(config):
    assert load_gold(config, "train") == GOLD
    split = load_split(config, "train")
    assert split.links == [sorted(gold.sure) for gold in GOLD]


def test_a_split_without_has_none(config):
    assert load_gold(config, "test") is None
    assert load_gold(replace(config, links=None), "train") is None
    assert load_split(config, "test").links is None


def test_max_examples_limits_training_as_it_does_the_text(config):
    limited = replace(config, max_examples=2)
    assert load_gold(limited, "train") == GOLD[:2]
    assert load_gold(replace(limited, train="test", links="links"), "train") == GOLD


@pytest.mark.parametrize("direction", [("en", "fr"), ("fr", "en")])
def test_the_embedded_corpus_has_gold_in_both_directions(direction):
    embedded = EmbeddedConfig(num_train=60, num_validation=200, num_test=10)
    source, target = direction
    config = DataConfig(
        path="embedded",
        embedded=embedded,
        source_language=source,
        target_language=target,
        max_examples=30,
    )
    for name, count in (("train", 30), ("validation", 200), ("test", 10)):
        pairs, gold = make_split(name, embedded)[:count], load_gold(config, name)
        split = load_split(config, name)
        assert len(gold) == len(split) == count
        assert split.links == [sorted(links.sure) for links in gold]
        for pair, links in zip(pairs, gold, strict=True):
            turn = (lambda link: link) if source == "en" else (lambda link: link[::-1])
            assert links.sure == set(map(turn, pair.sure))
            assert links.possible - links.sure == set(map(turn, pair.possible))
        if name == "validation":
            assert any(links.possible != links.sure for links in gold)


def test_errors_name_file_and_line(config, tmp_path):
    for line, message in (("0-0 1p2", "link 1-2"), ("0-0 1:1", "wanted a link")):
        (tmp_path / "train.links").write_text(f"0-0\n{line}\n\n")
        with pytest.raises(DataError) as caught:
            load_gold(config, "train")
        assert str(caught.value).startswith(f"{tmp_path / 'train.links'}, line 2: {message}")
    with pytest.raises(DataError, match="data.links must be null"):
        load_gold(DataConfig(path="embedded", links="links"), "test")
    with pytest.raises(DataError, match="no split 'tset'"):
        load_gold(config, "tset")
