"""Neural machine translation in JAX: recurrent attention models, the Transformer, alignments.

    import nmt

    translator = nmt.load("runs/quickstart")
    translator.translate("the cat sleeps .").alignment.plot()

Importing this package imports neither jax nor datasets; `nmt.load` does when it is called.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nmt.config.reader import read_config
    from nmt.decoding.loading import load
    from nmt.decoding.methods import AlignmentMethod
    from nmt.decoding.translation import Translation
    from nmt.decoding.translator import Translator
    from nmt.training.loop import train

_PLACES = {
    "AlignmentMethod": "nmt.decoding.methods",
    "Translation": "nmt.decoding.translation",
    "Translator": "nmt.decoding.translator",
    "load": "nmt.decoding.loading",
    "read_config": "nmt.config.reader",
    "train": "nmt.training.loop",
}
__all__ = ["AlignmentMethod", "Translation", "Translator", "load", "read_config", "train"]


def __getattr__(name: str):
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'nmt' has no attribute {name!r}")
