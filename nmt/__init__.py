"""Neural machine translation in JAX: recurrent attention models, the Transformer, alignments.

    import nmt

    translator = nmt.load("runs/quickstart")
    translator.translate("the cat sleeps .").alignment.plot()

Importing this package imports neither jax nor datasets; `nmt.load` does when it is called.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nmt.decoding.translator import Translation, Translator, load

__all__ = ["Translation", "Translator", "load"]


def __getattr__(name: str):
    if name in __all__:
        return getattr(import_module("nmt.decoding.translator"), name)
    raise AttributeError(f"module 'nmt' has no attribute {name!r}")
