"""Random segmentations of a word, drawn with random numbers that the caller gives.

SentencePiece can draw them too, but its generator is salted anew in every process, whatever its
seed, and so a run that is resumed would see other pieces than one that was never stopped. Both
models cut a word by itself, so a word is all they need to see, and what they know of it is kept.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import lru_cache

Random = Callable[[], float]  # the next number, uniform in [0, 1)
_KEPT = 1 << 16  # words or states: memory of pure functions, so that forgetting changes nothing


class Unigram:
    """Draws x with probability P(x) ** alpha, normalised: Kudo (2018), section 3.2, l = infinity.

    Sums over all segmentations of word[:end], one end after the other,

        Z(0) = 1        Z(end) = sum over pieces word[start:end] of  Z(start) p(piece) ** alpha

    give the chance that the last piece began at `start`; a draw walks back by it to the start.
    """

    def __init__(self, log_probs: Mapping[str, float]):
        """Takes the pieces; a character that is none of them stands for itself, alone."""
        self._log_probs = log_probs
        self._longest = max(map(len, log_probs), default=1)
        self._lattice = lru_cache(_KEPT)(self._make_lattice)

    def draw(self, word: str, alpha: float, random: Random) -> list[str]:
        """The pieces of one draw, in order; takes one random number for each."""
        lattice = self._lattice(word, alpha)
        pieces, end = [], len(word)
        while end:
            starts, cumulative = lattice[end]
            start = starts[bisect_right(cumulative, random())]
            pieces.append(word[start:end])
            end = start
        return pieces[::-1]

    def _make_lattice(self, word: str, alpha: float) -> list[tuple[list[int], list[float]]]:
        """For each end, where its last piece may begin, and the chances summed but for the last."""
        log_sums, lattice = [0.0], [([], [])]
        for end in range(1, len(word) + 1):
            starts, logs = [], []
            for start in range(max(0, end - self._longest), end):
                log_prob = self._log_prob(word[start:end])
                if log_prob > -math.inf and log_sums[start] > -math.inf:
                    starts.append(start)
                    logs.append(log_sums[start] + alpha * log_prob)
            largest = max(logs, default=-math.inf)
            weights = [math.exp(log - largest) for log in logs]
            log_sums.append(largest + math.log(sum(weights)) if weights else -math.inf)
            cumulative, total = [], 0.0
            for weight in weights[:-1]:
                total += weight
                cumulative.append(total / sum(weights))
            lattice.append((starts, cumulative))
        return lattice

    def _log_prob(self, piece: str) -> float:
        if len(piece) == 1:  # one that is unknown is the only way past itself: any value does
            return self._log_probs.get(piece, 0.0)
        return self._log_probs.get(piece, -math.inf)


class BytePairs:
    """BPE-dropout, Provilkov et al. (2020), algorithm 1.

    Before each merge, each of the merges that are possible is dropped with probability `dropout`,
    and the best of those left is done; where none is left, the word is done. SentencePiece's own
    sampling drops a merge for good instead, and so cuts finer at the same probability.
    """

    def __init__(self, priorities: Mapping[str, float], units: Callable[[str], list[str]]):
        """Takes what the model knows.

        Args:
          priorities: of the pieces that merges make; the highest is made first.
          units: cuts a word into what merging begins with: characters, and symbols.
        """
        self._priorities = priorities
        self._units = lru_cache(_KEPT)(lambda word: tuple(units(word)))
        self._merges = lru_cache(_KEPT)(self._make_merges)

    def draw(self, word: str, dropout: float, random: Random) -> list[str]:
        """The pieces of one draw, in order."""
        pieces = self._units(word)
        while True:
            kept = (place for place in self._merges(pieces) if random() >= dropout)
            best = next(kept, None)  # no number is taken for the places behind it
            if best is None:
                return list(pieces)
            merged = pieces[best] + pieces[best + 1]
            pieces = (*pieces[:best], merged, *pieces[best + 2 :])

    def _make_merges(self, pieces: tuple[str, ...]) -> list[int]:
        """Where two neighbours make a piece, best first and from the left among equals."""
        priorities = (self._priorities.get(a + b) for a, b in zip(pieces, pieces[1:], strict=False))
        ranked = [(-priority, i) for i, priority in enumerate(priorities) if priority is not None]
        return [i for _, i in sorted(ranked)]
