"""Word links of the training pairs, made by a run that translates in the other direction.

They are made once and kept in data/links/ of the run that they guide, with a note of the text that
they belong to and of the run that made them. What becomes of the other run later changes nothing,
so a run that is resumed goes on with the links that it began with.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nmt.analysis.pharaoh import Link
from nmt.config.schema import Config
from nmt.data.corpus import Corpus
from nmt.data.progress import Check, counting
from nmt.data.ragged import Ragged, RaggedWriter
from nmt.data.stages import not_prepared, stage
from nmt.decoding.loading import load
from nmt.decoding.methods import AlignmentMethod
from nmt.decoding.splitting import MAX_SOURCE_PIECES
from nmt.decoding.translator import Translator
from nmt.devices.processes import is_first
from nmt.errors import ConfigError, DataError, NmtError
from nmt.runs.directory import RunDirectory

logger = logging.getLogger(__name__)
NOTE = "made_from.json"
CHUNK = 1024  # pairs aligned at a time


def links_from_run(config: Config, run: RunDirectory, corpus: Corpus, check: Check) -> Ragged:
    """The links of the cleaned training pairs by `training.alignment_run`.

    Args:
      config: names the other run.
      run: keeps the links; what it has of the same text is taken as it is.
      corpus: the training pairs.
      check: called after each part; what it raises ends the work.
    Returns:
      of each pair (2 x links,) int32: source word, target word, source word, ...
    Raises:
      NmtError: the other run cannot be loaded.
    """
    folder = run.data / "links"
    if _text_of(folder) == corpus.cleaned_fingerprint:
        try:
            return Ragged.load(folder, "links", np.int32)
        except DataError as error:
            logger.warning("%s: the links must be made again", error)
    if not is_first():
        raise not_prepared(folder)
    other = Path(config.training.alignment_run)
    translator = load(other).with_units("word", "word")  # as links of a corpus are counted
    note = {"text": corpus.cleaned_fingerprint, "run": str(other)}
    with (
        stage(folder) as beside,
        counting("aligning by the other run", check) as advance,
        RaggedWriter(beside, "links", np.int32) as writer,
    ):
        for start in range(0, len(corpus.train), CHUNK):
            pairs = slice(start, start + CHUNK)
            sources, targets = corpus.train.source[pairs], corpus.train.target[pairs]
            links = _links(translator, sources, targets, config.data.max_pieces, advance)
            writer.append(
                Ragged.from_arrays([np.array(found, np.int32).reshape(-1) for found in links])
            )
        (beside / NOTE).write_text(json.dumps(note) + "\n", encoding="utf-8")
    return Ragged.load(folder, "links", np.int32)


def _links(
    translator: Translator,
    sources: list[str],
    targets: list[str],
    max_pieces: int | None,
    advance: Callable[[int], None],
) -> list[list[Link]]:
    """Links from source to target by a model that translates targets into sources.

    A pair that is too long to be trained on, by the pieces of this model, has none.
    """
    most = max_pieces or MAX_SOURCE_PIECES
    ids = zip(
        translator.vocabularies.source.encode_batch(targets),
        translator.vocabularies.target.encode_batch(sources),
        strict=True,
    )
    short = [i for i, sides in enumerate(ids) if max(map(len, sides)) < most]
    links: list[list[Link]] = [[] for _ in sources]
    aligned = translator.align_all(
        [targets[i] for i in short],
        [sources[i] for i in short],
        method=best_method(translator),
        progress=advance,
    )
    for i, alignment in zip(short, aligned, strict=True):
        links[i] = sorted((source, target) for target, source in alignment.links())
    advance(len(sources) - len(short))
    return links


def best_method(translator: Translator) -> AlignmentMethod:
    """Shift-att where the model has it, otherwise its attention."""
    shifted = AlignmentMethod("shift-att")
    try:
        translator.check_method(shifted)
    except NmtError:
        return AlignmentMethod()
    return shifted


def check_alignment_run(config: Config, run: RunDirectory) -> None:
    """Makes sure, before the long work, that the other run can guide this one.

    Once its links are kept it is not needed any more.

    Raises:
      ConfigError: it is no run, has no attention, or does not translate in the other direction.
    """
    name = config.training.alignment_run
    if name is None or (run.data / "links").exists():
        return
    try:
        theirs = RunDirectory.open(Path(name)).read_config()
    except NmtError as error:
        raise ConfigError(f"training.alignment_run: {error}") from None
    data = config.data
    wanted = data.target_language, data.source_language
    came = theirs.data.source_language, theirs.data.target_language
    if wanted != came:
        raise ConfigError(
            f"training.alignment_run must translate from {wanted[0]} to {wanted[1]}; "
            f"{name} translates from {came[0]} to {came[1]}"
        )
    if not theirs.model.has_attention:
        raise ConfigError(f"training.alignment_run: the model of {name} has no attention")


def _text_of(folder: Path) -> str | None:
    """The fingerprint of the text that a folder's links belong to; None where there are none."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return note.get("text") if isinstance(note, dict) else None
