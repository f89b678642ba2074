"""How fast JoeyNMT 2.3 trains models A and B: real target pieces a second, for comparison.

    python3 -m venv joeynmt && joeynmt/bin/pip install joeynmt==2.3.0
    taskset -c 0 joeynmt/bin/python scripts/benchmark_joeynmt.py --corpus FOLDER --threads 1

It runs in an environment of its own and imports nothing of nmt; `benchmark_training.py --joeynmt
joeynmt/bin/python` calls it. FOLDER holds train and val as .en and .de files, plain or .gz. JoeyNMT
trains as it is shipped, by its own loop, batch_type token 4096, in float32: the time between the
beginnings of two of its steps is measured, and the target pieces in between are counted without
padding, EOS included. Its pieces are SentencePiece's, joint, as many as the other side has.

The models have the sizes of configs/multi30k_gru.yaml and configs/multi30k_transformer.yaml as far
as JoeyNMT has them. Its recurrent decoder attends with the state before the update, has input
feeding (on, as it is by default), and a readout as wide as its state.
"""

import argparse
import gzip
import importlib.metadata
import json
import logging
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

SOURCE, TARGET = "en", "de"
SPECIAL = {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3}


class Enough(Exception):
    """All steps that were wanted have been timed."""


class Mistake(Exception):
    """Of the user: told in one line."""


def recurrent() -> dict:
    """Model A."""
    embeddings = {"embedding_dim": 256, "scale": False, "dropout": 0.2}
    return {
        "tied_embeddings": True,
        "tied_softmax": False,
        "encoder": {
            "type": "recurrent",
            "rnn_type": "gru",
            "embeddings": embeddings,
            "hidden_size": 256,
            "bidirectional": True,
            "num_layers": 1,
        },
        "decoder": {
            "type": "recurrent",
            "rnn_type": "gru",
            "embeddings": embeddings,
            "hidden_size": 512,
            "hidden_dropout": 0.2,
            "num_layers": 1,
            "attention": "bahdanau",
            "init_hidden": "bridge",
            "input_feeding": True,
        },
    }


def transformer() -> dict:
    """Model B."""
    layers = {
        "type": "transformer",
        "num_layers": 4,
        "num_heads": 4,
        "embeddings": {"embedding_dim": 128, "scale": True, "dropout": 0.2},
        "hidden_size": 128,
        "ff_size": 256,
        "dropout": 0.2,
        "layer_norm": "pre",
    }
    initializers = {"initializer": "xavier_uniform", "embed_initializer": "xavier_uniform"}
    both = {"tied_embeddings": True, "tied_softmax": True}
    return {**both, **initializers, "encoder": layers, "decoder": dict(layers)}


MODELS = {"A": recurrent, "B": transformer}


def write_corpus(corpus: Path, folder: Path, vocabulary_size: int) -> None:
    """Puts the text, a joint SentencePiece model and its list of pieces into a folder."""
    import sentencepiece

    texts = []
    for split in ("train", "val"):
        for language in (SOURCE, TARGET):
            plain, packed = (corpus / f"{split}.{language}{suffix}" for suffix in ("", ".gz"))
            if not plain.exists() and not packed.exists():
                raise Mistake(f"the corpus {corpus} has no {plain.name}, plain or .gz")
            written = folder / plain.name
            open_text = partial(open, plain, "rb") if plain.exists() else partial(gzip.open, packed)
            with open_text() as lines, written.open("wb") as out:
                shutil.copyfileobj(lines, out)
            texts += [written] if split == "train" else []
    sentencepiece.SentencePieceTrainer.train(
        input=list(map(str, texts)),
        model_prefix=str(folder / "pieces"),
        model_type="bpe",
        vocab_size=vocabulary_size,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
        **SPECIAL,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
    pieces = (model.id_to_piece(k) for k in range(len(SPECIAL), model.get_piece_size()))
    (folder / "pieces.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")


def whole_config(model: str, folder: Path, batch_pieces: int) -> dict:
    """What JoeyNMT reads of a config file."""
    import torch

    def side(language: str) -> dict:
        return {
            "lang": language,
            "level": "bpe",
            "max_length": 256,
            "voc_file": str(folder / "pieces.txt"),
            "tokenizer_type": "sentencepiece",
            "tokenizer_cfg": {"model_file": str(folder / "pieces.model")},
        }

    (folder / model).mkdir()
    return {
        "name": model,
        "joeynmt_version": "2.3.0",
        "model_dir": str(folder / model),
        "use_cuda": torch.cuda.is_available(),
        "random_seed": 1,
        "data": {
            "train": str(folder / "train"),
            "dev": str(folder / "val"),
            "dataset_type": "plain",
            "special_symbols": dict(SPECIAL),
            "src": side(SOURCE),
            "trg": side(TARGET),
        },
        "model": MODELS[model](),
        "training": {
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "scheduling": "warmupinversesquareroot",
            "learning_rate_warmup": 500,
            "normalization": "tokens",
            "label_smoothing": 0.1,
            "clip_grad_norm": 1.0,
            "batch_type": "token",
            "batch_size": batch_pieces,
            "epochs": 1000,
            "logging_freq": 10**6,
            "validation_freq": 10**6,
        },
        "testing": {"beam_size": 1},
    }


class Watch:
    """Notes when each training step begins, and what it trains on."""

    def __init__(self, num_steps: int, clock):
        self.num_steps, self.clock = num_steps, clock
        self.starts, self.real, self.positions = [], [], []

    def note(self, batch) -> None:
        """Called as a step begins; ends the training with the step after the last one."""
        if batch.src.is_cuda:
            import torch

            torch.cuda.synchronize()
        self.starts.append(self.clock())
        if len(self.starts) > self.num_steps:
            raise Enough
        self.real.append(int(batch.ntokens))
        self.positions.append(batch.trg.numel())


def measure(model: str, folder: Path, options: argparse.Namespace, clock) -> dict:
    """Trains a model for some updates, of which the first ones warm up."""
    from joeynmt import training

    watch = Watch(options.warm_up + options.updates, clock)
    shipped = training.TrainManager._train_step

    def noted(manager, batch):
        watch.note(batch)
        return shipped(manager, batch)

    config = whole_config(model, folder, options.batch_pieces)
    training.TrainManager._train_step = noted
    training.TrainManager._save_checkpoint = lambda *_: None  # as the training is broken off
    try:
        training.train(rank=0, world_size=None, cfg=config, skip_test=True)
    except Enough:
        pass
    finally:
        training.TrainManager._train_step = shipped
    seconds = watch.starts[-1] - watch.starts[options.warm_up]
    real = sum(watch.real[options.warm_up :])
    return {
        "model": model,
        "precision": "float32",
        "toolkit": f"JoeyNMT {importlib.metadata.version('joeynmt')}",
        "target_tokens_per_second": real / seconds,
        "milliseconds_per_step": 1000 * seconds / options.updates,
        "real_target_positions": real / sum(watch.positions[options.warm_up :]),
    }


def model_names(text: str) -> list[str]:
    """For argparse, such as A,B."""
    names = text.split(",")
    if not set(names) <= set(MODELS):
        raise argparse.ArgumentTypeError(f"wanted A, B or both; got {text!r}")
    return names


def main() -> int:
    """Reads the command line, measures and reports; returns the exit status."""
    try:
        return benchmark()
    except Mistake as mistake:
        print(f"benchmark_joeynmt: {mistake}", file=sys.stderr)
        return 2


def benchmark() -> int:
    """What is within `main`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--models", type=model_names, default=list(MODELS), help="A,B")
    add("--corpus", type=Path, required=True, metavar="DIR")
    add("--vocabulary-size", type=int, default=8000)
    add("--batch-pieces", type=int, default=4096, help="batch_size, padding counted")
    add("--updates", type=int, default=10, help="that are timed")
    add("--warm-up", type=int, default=2, help="updates before them")
    add("--threads", type=int, help="of PyTorch")
    add("--cpu-time", action="store_true", help="time by processor time")
    add("--json", action="store_true")
    options = parser.parse_args()
    sys.modules.setdefault("importlib_metadata", importlib.metadata)  # JoeyNMT does not require it
    try:
        import torch
        from joeynmt import tokenizers
    except ImportError as error:
        raise Mistake(f"{error}; run it in an environment with joeynmt") from None
    if options.threads:
        torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    # sentencepiece 0.2.1 and later have no such method; all pieces are in the vocabulary anyway
    tokenizers.SentencePieceTokenizer.set_vocab = tokenizers.BasicTokenizer.set_vocab
    logging.disable(logging.CRITICAL)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(options.corpus, Path(folder), options.vocabulary_size)
        for model in options.models:
            print(f"JoeyNMT: {model}", file=sys.stderr, flush=True)
            results.append(measure(model, Path(folder), options, clock))
    if options.json:
        print(json.dumps({"torch": torch.__version__, "results": results}, indent=2))
        return 0
    for result in results:
        print(
            f"{result['model']}: {result['target_tokens_per_second']:.0f} target tokens/s, "
            f"{result['milliseconds_per_step']:.0f} ms a step, "
            f"{100 * result['real_target_positions']:.0f} % of the target positions real"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
