"""CTranslate2 on the same lines with the same weights, by a Python of its own.

Beam search is not quite the same one. CTranslate2 divides log-probabilities by length^alpha, where
ours divides by ((5 + length) / 6)^alpha (Wu et al. 2016, eq. 14), and it ends a sentence when as
many hypotheses as its beam is wide have ended, where ours goes on while a longer one might win. It
bounds all translations by one length, that of the longest sentence, ours each by its own's.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarking.peers import ask_peer, check_peer
from nmt.config.schema import Config, SearchConfig
from nmt.decoding.finding import max_target_pieces
from nmt.decoding.translator import Translator
from nmt.devices.processor import num_cores

OPTION = "--ctranslate2"
PEER = Path(__file__).with_name("ctranslate2_peer.py")
OF_THE_MODEL = (
    "encoder_layers",
    "decoder_layers",
    "num_heads",
    "norm",
    "activation",
    "sinusoids",
    "scale_embeddings",
)


def check_ctranslate2(python: str) -> None:
    """Raises ConfigError where a Python has no CTranslate2."""
    check_peer(OPTION, python, "ctranslate2", "sentencepiece", "numpy")


def ask_ctranslate2(
    python: str,
    translator: Translator,
    config: Config,
    lines: Sequence[str],
    search: SearchConfig,
    repetitions: int,
    *,
    cpu_time: bool,
) -> dict[str, Any]:
    """Has the other Python translate lines, with as many threads as this process has cores.

    Args:
      python: of an environment with ctranslate2 and sentencepiece.
      translator: whose weights and vocabulary are handed over.
      config: of its run.
      lines: to translate.
      search: its beam, exponent and bound of the length, batch and compute type are taken over.
      repetitions: of which the median counts.
      cpu_time: time it by processor time, as ours is.
    Returns:
      "texts", "seconds" and "version".
    Raises:
      ConfigError: it did not run.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(translator.params)
    arrays = {
        jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf)
        for path, leaf in leaves
    }
    target = translator.vocabularies.target
    longest = 1 + max(map(len, translator.vocabularies.source.encode_batch(lines)))
    request = {name: getattr(config.model, name) for name in OF_THE_MODEL} | {
        "size": len(target),
        "bos_id": target.bos_id,
        "eos_id": target.eos_id,
        "unk_id": target.unk_id,
        "pad_id": target.pad_id,
        "lines": list(lines),
        "beam_size": search.beam_size,
        "length_penalty": search.length_norm,
        "batch_sentences": search.batch_sentences,
        "max_length": max_target_pieces(longest, search),
        "max_positions": 1024,
        "repetitions": repetitions,
        "cpu_time": cpu_time,
        "threads": num_cores(),
        "compute_type": search.precision,
    }
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "weights.npz", **arrays)
        target.save(Path(folder) / "vocabulary.model")
        (Path(folder) / "request.json").write_text(json.dumps(request), encoding="utf-8")
        return ask_peer(OPTION, python, PEER, folder)
