"""The parts of the report that need no model."""

import pytest
from reproduction.paper import PRESETS, SEARCH_50
from reproduction.report import differing_settings, drawn_by_lot

from nmt.config.reader import read_config

CONFIG = read_config(SEARCH_50.config)


def lines(words, number, name):
    return [" ".join([f"{name}{i}", *["x"] * (words - 1)]) for i in range(number)]


FITTING, SHORT = lines(12, 9, "fitting"), lines(5, 20, "short")


@pytest.mark.parametrize(
    ("known", "test", "pool"),
    [
        (SHORT + FITTING[:5], SHORT + FITTING, FITTING[:5]),
        (SHORT + FITTING[:3], SHORT + FITTING, FITTING),  # too few of the known ones fit
        (SHORT, SHORT + FITTING[:3], SHORT + FITTING[:3]),  # too few of all fit
        (FITTING[:1] * 9, [*FITTING[:1] * 9, ""], FITTING[:1]),  # one sentence, again and again
    ],
)
def test_sentences_are_drawn_from_the_best_that_there_are(known, test, pool):
    drawn = drawn_by_lot(known, test, CONFIG)
    assert len(drawn) == len(set(drawn)) == min(4, len(pool)) and set(drawn) <= set(pool)
    assert drawn_by_lot(known, test, CONFIG) == drawn


def test_settings_that_are_the_paper_s_are_not_told():
    published = read_config(SEARCH_50.config, PRESETS["paper"].overrides_of(SEARCH_50))
    assert differing_settings(published) == []
    told = {key: (here, there) for key, here, there in differing_settings(CONFIG)}
    assert told["model.decoder_dim"] == ("256", "1000")
    assert told["training.optimizer"] == ("adam", "adadelta")
    assert not any(key.startswith(("validation.", "data.path")) for key in told)
