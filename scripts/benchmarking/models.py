"""The models that are benchmarked: A, B, or any config of the project by its name."""

from collections.abc import Sequence
from pathlib import Path

from benchmarking.corpus import Corpus
from nmt.config.reader import read_config
from nmt.config.schema import Config

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = {
    "A": "multi30k_gru",  # the GRU with additive attention
    "B": "multi30k_transformer",  # Transformer-Tiny
}


def model_config(name: str, corpus: Corpus, overrides: Sequence[str] = ()) -> Config:
    """The config of a model on a corpus.

    Args:
      name: A, B, or the name of a file in configs/, without its ending.
      corpus: in place of the config's own.
      overrides: section.key=value, laid over it.
    Raises:
      ConfigError: there is no such config, or an override does not fit it.
    """
    return read_config(config_path(name), [*corpus.overrides, *overrides])


def config_path(name: str) -> Path:
    """The file of a model's config, of the same names; it need not exist."""
    return CONFIGS / f"{NAMES.get(name, name)}.yaml"
