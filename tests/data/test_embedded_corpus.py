import pytest

from nmt.config.schema import DataConfig, EmbeddedConfig
from nmt.data.embedded_corpus import embedded_rows, embedded_state, iter_embedded
from nmt.data.grammar import make_split
from nmt.data.readers import read_split
from nmt.errors import DataError

EMBEDDED = EmbeddedConfig(num_train=40, num_validation=10, num_test=10)
FORTH = DataConfig(path="embedded", embedded=EMBEDDED)
BACK = DataConfig(path="embedded", embedded=EMBEDDED, source_language="fr", target_language="en")


def swapped(links):
    return {(j, i) for i, j in links}


def error_of(function, *arguments):
    with pytest.raises(DataError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_both_directions_are_the_pairs_of_the_grammar(name):
    pairs = make_split(name, EMBEDDED)
    assert list(iter_embedded(FORTH, name)) == pairs
    for pair, back in zip(pairs, iter_embedded(BACK, name), strict=True):
        assert (back.source, back.target) == (pair.target, pair.source)
        assert set(back.sure) == swapped(pair.sure) and list(back.sure) == sorted(back.sure)
        assert set(back.possible) == swapped(pair.possible)
        assert list(back.possible) == sorted(back.possible)


@pytest.mark.parametrize("config", [FORTH, BACK])
def test_a_split_has_the_sure_links(config):
    pairs, split = list(iter_embedded(config, "train")), read_split(config, "train")
    assert [list(pair.sure) for pair in pairs] == split.links
    assert [pair.source for pair in pairs] == split.source
    assert [pair.target for pair in pairs] == split.target
    first = read_split(config, "train", 7)
    assert (first.source, first.links) == (split.source[:7], split.links[:7])


def test_rows_are_made_anew_each_time():
    rows = embedded_rows(FORTH, "test")
    assert list(rows()) == list(rows())


def test_the_state_tells_the_limit_and_the_settings():
    states = [
        embedded_state(FORTH, None),
        embedded_state(FORTH, 7),
        embedded_state(DataConfig(path="embedded"), None),
    ]
    assert all(state not in states[:i] for i, state in enumerate(states))
    assert embedded_state(FORTH, None) == states[0]


@pytest.mark.parametrize("function", [iter_embedded, embedded_rows, read_split])
def test_splits_languages_and_links_are_its_own(function):
    assert "no split 'valid'; did you mean \"validation\"?" in error_of(function, FORTH, "valid")
    german = DataConfig(path="embedded", target_language="de")
    assert "wanted the languages en and fr" in error_of(function, german, "train")
    assert error_of(function, DataConfig(path="embedded", links="links"), "test") == (
        "data.path embedded has word links of its own: data.links must be null; got 'links'"
    )
