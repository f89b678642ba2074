"""Runs small enough to be made in a moment, what they hold, and the command as a process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

CONFIG = """
data:
  path: embedded
  test: [test, validation]
  num_shapes: 1
  embedded: {num_train: 200, num_validation: 3, num_test: 12, max_words: 9}
vocabulary: {size: 300}
model: {embedding_dim: 8, encoder_dim: 8, decoder_dim: 8, alignment_dim: 8, readout_dim: 8}
training: {num_steps: 4, log_every: 2, save_every: 4}
validation: {every: 4, max_sentences: 2}
search: {beam_size: 2, max_length_factor: 0.5, max_length_extra: 5}
"""
LINES = ["the cat sleeps .", "", "a small dog sees the house .", "  ", "we do not sing ."]


def make_run(path, config_text):
    """A run as training leaves it, with random parameters in checkpoints 7 (the best) and 9.

    Of several seeds, each model is that of a run of its seed alone.
    """
    import jax

    from nmt.config.reader import read_config
    from nmt.data.corpus import load_split
    from nmt.data.vocabularies import train_vocabularies
    from nmt.models.build import build_model, split_model
    from nmt.runs.checkpoints import BEST, Checkpoints
    from nmt.runs.directory import RunDirectory
    from nmt.training.members import Members

    path.with_suffix(".yaml").write_text(config_text)
    config = read_config(path.with_suffix(".yaml"))
    run = RunDirectory.create(path, config)
    train = load_split(config.data, "train")
    run.vocabulary.mkdir()
    vocabularies = train_vocabularies(
        train.source,
        train.target,
        config.vocabulary,
        run.vocabulary,
        languages=(config.data.source_language, config.data.target_language),
    )
    members = Members(config.training.seeds)
    sizes = {"source_size": len(vocabularies.source), "target_size": len(vocabularies.target)}
    models = [build_model(config.model, **sizes, seed=seed) for seed in members.seeds]
    params = members.stacked([split_model(model)[1] for model in models])
    checkpoints = Checkpoints(run.checkpoints)
    for step, scale, score in ((7, 4, 2.0), (9, 3, 1.0)):
        items = {"params": jax.tree.map(lambda leaf, scale=scale: scale * leaf, params)}
        if members.leading:
            items[BEST], score = jax.tree.map(lambda leaf: 4 * leaf, params), None
        checkpoints.save(step, items, score=score)
    checkpoints.close()
    return path


def start_nmt(*arguments, **options):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "nmt.cli", *map(str, arguments)]
    cheap = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    environment = os.environ | cheap | {"NMT_CACHE": ""}
    return subprocess.Popen(command, env=environment, **options)


def listing(folder):
    """Every file and link below a folder, by its name: its sha256, or where it points.

    But for the lock, which says who held the run last, and the log, which says what was tried. An
    empty folder counts for nothing.
    """
    found = {}
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            if path.is_symlink():
                found[str(path.relative_to(folder))] = os.readlink(path)
            elif path.is_file() and path.name not in (".lock", "log.txt"):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[str(path.relative_to(folder))] = digest
    return found
