"""A corpus prepared for training as `nmt train` does it, and kept for the next call."""

import hashlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarking.corpus import Corpus
from nmt.config.schema import Config
from nmt.devices.compiled_programs import cache_folder
from nmt.runs.directory import RunDirectory
from nmt.training.preparation import Prepared, prepare


def kept_folder() -> Path:
    """Where benchmarks keep what they have made: in nmt's cache, or beside temporary files."""
    folder = cache_folder() or Path(tempfile.gettempdir()) / "nmt"
    return folder / "benchmarks"


def prepared(config: Config, corpus: Corpus, kept: Path) -> Prepared:
    """The corpus cleaned, its vocabularies trained, its text in pieces, its shapes chosen.

    Models whose sections data and vocabulary are equal share all but the choice of shapes, which
    takes no time; so they are given the same pieces.

    Args:
      config: of a model on the corpus.
      corpus: another one if its files have changed.
      kept: a folder for this and for other corpora.
    """
    settings = asdict(config.data) | asdict(config.vocabulary)
    digest = hashlib.sha256(json.dumps([corpus.fingerprint, settings]).encode()).hexdigest()
    run = RunDirectory(kept / f"corpus_{digest[:16]}")
    if not run.exists():
        RunDirectory.create(run.path, config)
    with run.locked():
        return prepare(config, run)
