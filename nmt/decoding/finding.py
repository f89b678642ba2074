"""Search in batches: the translations of encoded sentences, in the order that these came in."""

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from nmt.config.schema import SearchConfig
from nmt.data.vocabulary import SpecialPieces
from nmt.decoding import programs
from nmt.decoding.lattice import Group, group_by_length, pad
from nmt.decoding.scoring import Ids
from nmt.decoding.search import Hypotheses
from nmt.decoding.shortlist import Lexicon, Shortlist
from nmt.errors import ConfigError
from nmt.models.build import Params

logger = logging.getLogger(__name__)
Number = tuple[int, int]  # of a sentence: its line, and which part of it, both from 0
MOST_SAMPLES = 512  # of a batch on each device, where one sentence does not have more of its own
MOST_SHARING = 2  # batches of one shape: a long search is not to be much longer over padding


class Found(NamedTuple):
    """A hypothesis in pieces.

    Attributes:
      ids: (length,), EOS at the end.
      log_prob, score: before and after length normalisation.
    """

    ids: Ids
    log_prob: float
    score: float


def find(
    graph: nnx.GraphDef,
    params: Params,
    sources: Sequence[Ids],
    special: SpecialPieces,
    search: SearchConfig,
    *,
    mesh: Mesh,
    num_hypotheses: int = 1,
    lexicon: Lexicon | None = None,
    forbidden_id: int | None = None,
    prepared: programs.PreparedParts | None = None,
    numbers: Sequence[Number] | None = None,
    on_batch: Callable[[list[int]], object] | None = None,
) -> list[list[Found]]:
    """Searches for the translations of sentences; batch mates and devices change none of them.

    Args:
      graph, params: the model, whole on every device of the mesh.
      sources: ids with EOS at the end.
      special: the special pieces.
      search: how to search.
      mesh: the devices that share the work.
      num_hypotheses: wanted of each sentence; of a beam no more than it has.
      lexicon: to make `search.shortlist` from, where it is set.
      forbidden_id: one more piece that no translation is to have, besides padding and BOS.
      prepared: of `programs.prepare_search`, which is called here when None.
      numbers: of the sentences, which samples depend on; each is a line of its own when None.
      on_batch: called after each batch with the indices of its sentences.
    Returns:
      for each sentence its hypotheses, best first: `num_hypotheses`, or fewer where a beam found
      no more (as under a tiny vocabulary or length) or states of samples overflow, but at least
      one.
    """
    numbers = [(i, 0) for i in range(len(sources))] if numbers is None else numbers
    prepared = prepared or programs.prepare_search(graph, params, mesh=mesh, special=special)
    static = dict(
        mesh=mesh, special=special, forbidden_id=forbidden_id, num_hypotheses=num_hypotheses
    )
    search_batch = _beam_search if search.method == "beam" else _sample
    run = partial(search_batch, graph, params, prepared, search=search, **static)
    results: list[list[Found]] = [[] for _ in sources]
    lengths = [(len(ids),) for ids in sources]
    most = search.batch_sentences
    if search.method == "sample":  # each sample is a row of its own
        most = min(most, max(1, MOST_SAMPLES // num_hypotheses))
    groups = group_by_length(lengths, most, mesh.size, most_sharing=MOST_SHARING)
    for group in groups:
        rows = _rows(sources, numbers, group, special, search, lexicon)
        found = jax.tree.map(np.asarray, run(rows))
        for row, i in enumerate(group.indices):
            results[i] = _of_row(found, row) or [_nothing_found(numbers[i], special)]
        if on_batch:
            on_batch(group.indices)
    return results


def _nothing_found(number: Number, special: SpecialPieces) -> Found:
    """An empty translation, where the model gives no numbers by which to choose any."""
    line, part = number
    name = f"line {line + 1}" if part == 0 else f"part {part + 1} of line {line + 1}"
    logger.warning("%s has no translation: the model's states overflow", name)
    return Found(np.array([special.eos_id], np.int32), -math.inf, -math.inf)


def check_search(search: SearchConfig, num_hypotheses: int, num_pieces: int) -> None:
    """Raises ConfigError where a search cannot give what is wanted of so large a vocabulary."""
    if num_hypotheses < 1:
        raise ConfigError(f"num_hypotheses must be 1 or more; got {num_hypotheses}")
    if search.method != "beam":
        return
    if search.beam_size > num_pieces:
        raise ConfigError(
            f"search.beam_size must not exceed the vocabulary of {num_pieces} pieces; "
            f"got {search.beam_size}"
        )
    if num_hypotheses > search.beam_size:
        raise ConfigError(
            f"num_hypotheses (--n-best) must not exceed search.beam_size ({search.beam_size}); "
            f"got {num_hypotheses}"
        )


def max_target_pieces(source_pieces: int, search: SearchConfig) -> int:
    """How many pieces a translation may have; EOS is counted on both sides."""
    return math.ceil(search.max_length_factor * source_pieces) + search.max_length_extra


class _Rows(NamedTuple):
    """A batch to search, in a lattice shape; filler rows end with their first piece.

    Attributes:
      source, source_mask: (B, S).
      max_lengths: (B,), pieces that the translation may have.
      numbers: (B, 2), line and part of the sentence, which its draws depend on.
      shortlist: of the batch, None for the whole vocabulary.
    """

    source: np.ndarray
    source_mask: np.ndarray
    max_lengths: np.ndarray
    numbers: np.ndarray
    shortlist: Shortlist | None


def _rows(
    sources: Sequence[Ids],
    numbers: Sequence[Number],
    group: Group,
    special: SpecialPieces,
    search: SearchConfig,
    lexicon: Lexicon | None,
) -> _Rows:
    of_group = [sources[i] for i in group.indices]
    (length,) = group.lengths
    source, source_mask = pad(of_group, group.rows, length, [special.eos_id], special.pad_id)
    max_lengths, of_rows = np.ones(group.rows, np.int32), np.zeros((group.rows, 2), np.int32)
    max_lengths[: len(of_group)] = [max_target_pieces(len(ids), search) for ids in of_group]
    of_rows[: len(of_group)] = [numbers[i] for i in group.indices]
    shortlist = None
    if search.shortlist is not None:
        assert lexicon is not None
        shortlist = lexicon.batch(of_group, source.shape, search.shortlist, special)
    return _Rows(source, source_mask, max_lengths, of_rows, shortlist)


def _beam_search(
    graph: nnx.GraphDef,
    params: Params,
    prepared: programs.PreparedParts,
    rows: _Rows,
    *,
    search: SearchConfig,
    **static: Any,
) -> Hypotheses:
    """Searches for a batch; `static` is what all batches share."""
    return programs.beam_search(
        graph,
        params,
        prepared,
        rows.source,
        rows.source_mask,
        rows.max_lengths,
        np.float32(search.length_norm),
        rows.shortlist,
        beam_size=search.beam_size,
        max_length=max_target_pieces(rows.source.shape[1], search),
        **static,
    )


def _sample(
    graph: nnx.GraphDef,
    params: Params,
    prepared: programs.PreparedParts,
    rows: _Rows,
    *,
    search: SearchConfig,
    **static: Any,
) -> Hypotheses:
    """Samples for a batch; `static` is what all batches share."""
    return programs.sample(
        graph,
        params,
        prepared,
        rows.source,
        rows.source_mask,
        rows.max_lengths,
        rows.numbers,
        np.float32(search.length_norm),
        np.uint32(search.seed),
        np.float32(search.temperature),
        None if search.top_p is None else np.float32(search.top_p),
        top_k=search.top_k,
        max_length=max_target_pieces(rows.source.shape[1], search),
        **static,
    )


def _of_row(hypotheses: Hypotheses, row: int) -> list[Found]:
    """The hypotheses of one sentence, without empty places."""
    return [
        Found(ids[:length], float(log_prob), float(score))
        for ids, length, log_prob, score in zip(*(leaf[row] for leaf in hypotheses), strict=True)
        if length
    ]
