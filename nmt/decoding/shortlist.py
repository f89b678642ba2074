"""Shortlists: the target pieces that a sentence's translation is likely to need.

Logits of these alone cost a fraction of those of the whole vocabulary (Jean et al. 2015, section
3.2, https://arxiv.org/abs/1412.2007). A sentence's list holds the pieces that are most frequent,
and some of the others, one for two of the sentence's own pieces: those by which these are likeliest
translated, after model 1 of Brown et al. (1993), https://aclanthology.org/J93-2003, trained on the
run's own pairs.

The sentences of a batch share the product with the vocabulary, for which their lists are put
together; so most of a list is the same for all. docs/speed.md compares other parts.
"""

import io
import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nmt.data.encoding import EncodedPairs
from nmt.data.vocabulary import SpecialPieces
from nmt.devices.processes import is_first
from nmt.errors import DataError, RunError
from nmt.models.by_eigen import num_columns
from nmt.runs.directory import RunDirectory, write_atomically

logger = logging.getLogger(__name__)
LIKELY = 100  # target pieces that are kept of each source piece
ITERATIONS = 4  # of expectation maximisation
PIECES_TO_A_LIKELY_ONE = 2  # of the source
MAX_LINKS = 20_000_000  # pairs of a source and a target piece of a sentence that are looked at


class Shortlist(NamedTuple):
    """The pieces that a batch may produce.

    Attributes:
      pieces: (U,), of any of its sentences, EOS among them; the end is filled with padding.
      allowed: (B, U), True on the pieces of a sentence's own list, so batch mates change nothing.
    """

    pieces: np.ndarray
    allowed: np.ndarray


class Lexicon(NamedTuple):
    """What lists are made from.

    Attributes:
      likely: (source vocabulary, LIKELY), target pieces by falling probability.
      probabilities: of them, 0 where there are fewer.
      frequent: (target vocabulary,), target pieces by falling frequency.
    """

    likely: np.ndarray
    probabilities: np.ndarray
    frequent: np.ndarray

    def frequent_of(self, size: int, special: SpecialPieces) -> np.ndarray:
        """The pieces that are on every list.

        Args:
          size: how many at most.
          special: EOS is one of them, BOS and padding are not.
        Returns:
          (size,), or all that may be produced where there are no more.
        """
        others = self.frequent[~np.isin(self.frequent, special)]
        return np.append(special.eos_id, others[: size - 1])

    def likely_of(self, source: np.ndarray, frequent: np.ndarray) -> np.ndarray:
        """The pieces that are on a sentence's list besides the frequent ones.

        Args:
          source: ids.
          frequent: of `frequent_of`.
        Returns:
          likeliest first, half as many as the source has pieces, rounded up, or fewer; a piece is
          as likely as the sum of what all pieces of the source give it.
        """
        scores = np.bincount(
            self.likely[source].ravel(),
            self.probabilities[source].ravel(),
            minlength=len(self.frequent),
        )
        scores[frequent] = 0
        likely = np.flatnonzero(scores)
        return likely[np.argsort(-scores[likely], kind="stable")[: _num_likely(len(source))]]

    def batch(
        self,
        sources: Sequence[np.ndarray],
        shape: tuple[int, int],
        size: int,
        special: SpecialPieces,
    ) -> Shortlist:
        """The lists of the sentences of a batch; rows without a sentence have EOS alone.

        Args:
          sources: ids.
          shape: rows and positions of the batch, on which alone U depends, so that no more programs
            are compiled than without a list.
          size: how many frequent pieces each list has.
          special: the special pieces.
        """
        rows, length = shape
        frequent = self.frequent_of(size, special)
        likely = [self.likely_of(source, frequent) for source in sources]
        union = np.unique(np.concatenate([frequent, *likely]))
        most = min(size + rows * _num_likely(length), len(self.frequent))
        pieces = np.full(num_columns(most), special.pad_id, np.int32)
        pieces[: len(union)] = union
        allowed = np.zeros((rows, len(pieces)), bool)
        allowed[: len(likely), np.searchsorted(union, frequent)] = True
        for row, of_sentence in enumerate(likely):
            allowed[row, np.searchsorted(union, of_sentence)] = True
        allowed[len(likely) :, np.searchsorted(union, special.eos_id)] = True
        return Shortlist(pieces, allowed)


def _num_likely(length: int) -> int:
    """How many pieces are on the list of a sentence of so many pieces besides the frequent ones."""
    return -(-length // PIECES_TO_A_LIKELY_ONE)


def make_lexicon(pairs: EncodedPairs, source_size: int, target_size: int) -> Lexicon:
    """Learns a lexicon from pairs, of many an evenly spaced part.

    Args:
      pairs: with EOS at the end of both sides; the source's is model 1's empty word.
      source_size, target_size: pieces of the vocabularies.
    """
    num_links = int(pairs.source.lengths.astype(np.int64) @ pairs.target.lengths)
    chosen = range(0, len(pairs), max(1, -(-num_links // MAX_LINKS)))
    sources, targets = [pairs.source[i] for i in chosen], [pairs.target[i] for i in chosen]
    frequency = np.bincount(np.concatenate(targets), minlength=target_size)

    # Each target piece may be linked to each source piece of its sentence: a group of links.
    links = [
        np.add.outer(t, s * np.int64(target_size)) for s, t in zip(sources, targets, strict=True)
    ]
    groups = np.repeat([len(s) for s in sources], [len(t) for t in targets])
    keys, link_keys = np.unique(np.concatenate([of.ravel() for of in links]), return_inverse=True)
    source, target = keys // target_size, keys % target_size  # of each kind of link, sorted
    probabilities = translation_probabilities(source, link_keys, groups)

    order = np.lexsort((-probabilities, source))
    rank = np.arange(len(order)) - np.searchsorted(source, source)  # among the links of its source
    order, rank = order[rank < LIKELY], rank[rank < LIKELY]
    likely = np.zeros((source_size, LIKELY), np.int32)
    likely[source[order], rank] = target[order]
    kept = np.zeros((source_size, LIKELY), np.float32)
    kept[source[order], rank] = probabilities[order]
    return Lexicon(likely, kept, np.argsort(-frequency, kind="stable").astype(np.int32))


def translation_probabilities(
    source: np.ndarray, link_keys: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """p(t | s) of model 1 by expectation maximisation, from equal ones.

    Args:
      source: (kinds,), s of each kind (s, t) of links.
      link_keys: (links,), the kind of each possible link.
      groups: (target pieces,), how many links in a row belong to one target piece.
    Returns:
      (kinds,).
    """
    starts = np.cumsum(groups) - groups
    probabilities = np.ones(len(source))
    for _ in range(ITERATIONS):
        shares = probabilities[link_keys]
        shares /= np.repeat(np.add.reduceat(shares, starts), groups)
        counts = np.bincount(link_keys, shares, minlength=len(source))
        probabilities = counts / np.bincount(source, counts)[source]
    return probabilities


def load_lexicon(run: RunDirectory, source_size: int, target_size: int) -> Lexicon:
    """The lexicon of a run, which is made and kept in the run where it has none yet.

    Args:
      run: with the encoded pairs that it was trained on.
      source_size, target_size: pieces of its vocabularies.
    Raises:
      RunError: the file is damaged. One that cannot be written is only warned of.
      DataError: there is none, and no training pairs either.
    """
    file = run.lexicon_file
    if not file.exists():
        try:
            pairs = EncodedPairs.load(run.data / "train")
        except DataError as error:
            raise DataError(f"search.shortlist is made of training pairs: {error}") from None
        if not len(pairs):
            raise DataError(f"search.shortlist is made of training pairs; {run.data} has none")
        lexicon = make_lexicon(pairs, source_size, target_size)
        if is_first():
            content = io.BytesIO()
            np.savez_compressed(content, **lexicon._asdict())
            try:
                write_atomically(file, content.getvalue())
            except RunError as error:  # such as of a run that others share, and may only read
                logger.warning("the lexicon of shortlists is not kept: %s", error)
        return lexicon
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            lexicon = Lexicon(*(arrays[name] for name in Lexicon._fields))
    except Exception:  # zipfile, zlib and numpy raise a dozen types for bytes that are others
        raise RunError(f"{file} is damaged: delete it, and it is made anew") from None
    if not _fits(lexicon, source_size, target_size):
        raise RunError(f"{file} does not fit the run: delete it, and it is made anew")
    return lexicon


def _fits(lexicon: Lexicon, source_size: int, target_size: int) -> bool:
    likely, probabilities, frequent = lexicon
    return (
        likely.shape == probabilities.shape == (source_size, LIKELY)
        and frequent.shape == (target_size,)
        and probabilities.dtype == np.float32
        and all(
            pieces.dtype == np.int32 and pieces.min() >= 0 and pieces.max() < target_size
            for pieces in (likely, frequent)
        )
    )
