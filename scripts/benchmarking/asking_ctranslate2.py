"""CTranslate2 on the same lines with the same weights, by a Python of its own."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarking.machine import num_cores
from nmt.config.schema import Config, SearchConfig
from nmt.decoding.translator import Translator

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


def ask_ctranslate2(
    python: str,
    translator: Translator,
    config: Config,
    lines: Sequence[str],
    search: SearchConfig,
    repetitions: int,
) -> dict[str, Any]:
    """Has the other Python translate lines, with as many threads as this process has cores.

    Args:
      python: of an environment with ctranslate2 and sentencepiece.
      translator: whose weights and vocabulary are handed over.
      config: of its run.
      lines: to translate.
      search: its beam, batch and compute type are taken over.
      repetitions: of which the median counts.
    Returns:
      "texts", "seconds" and "version".
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(translator.params)
    arrays = {
        jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf)
        for path, leaf in leaves
    }
    target = translator.vocabularies.target
    request = {name: getattr(config.model, name) for name in OF_THE_MODEL} | {
        "size": len(target),
        "bos_id": target.bos_id,
        "eos_id": target.eos_id,
        "unk_id": target.unk_id,
        "pad_id": target.pad_id,
        "lines": list(lines),
        "beam_size": search.beam_size,
        "batch_sentences": search.batch_sentences,
        "max_length": 256,
        "max_positions": 1024,
        "repetitions": repetitions,
        "threads": num_cores(),
        "compute_type": search.precision,
    }
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "weights.npz", **arrays)
        target.save(Path(folder) / "vocabulary.model")
        (Path(folder) / "request.json").write_text(json.dumps(request), encoding="utf-8")
        environment = {"OMP_NUM_THREADS": str(num_cores()), "PATH": "/usr/bin:/bin"}
        ended = subprocess.run(
            [python, str(PEER), folder], check=True, stdout=subprocess.PIPE, env=environment
        )
    return json.loads(ended.stdout)
