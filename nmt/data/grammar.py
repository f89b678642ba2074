"""The embedded corpus: English sentences, their French translations, and the links of their words.

A seeded sampler draws what is said, and the rules of `nmt.data.embedded.syntax` say it in both
languages. English to French is a function, so a model can be asked for the one translation:

- "you" is always "vous", several men; "i", "we", "you" and "they" agree as masculine;
- a relative clause belongs to the nearest noun, whose gender may show in a participle;
- "they" and "them" stand in the first clause only, where no other noun can be meant.

Which split a sentence belongs to is decided by a checksum of its French side alone. So the splits
share no sentence on either side, whatever their sizes, lengths and seeds.

    python -m nmt.data.grammar --num 20
"""

import argparse
import hashlib
import random
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from nmt.config.schema import EmbeddedConfig
from nmt.data.embedded.phrases import Pair
from nmt.data.embedded.sentences import Sampler
from nmt.errors import DataError, nearest

__all__ = ["Pair", "fingerprint", "iter_split", "make_split", "sure_share"]

SPLITS = ("train", "validation", "test")
_SHARES = 8  # of the checksums one is validation, one is test, and the others are training
_MAX_STALLED = 5_000  # draws without a new sentence: the grammar has no more


def make_split(name: str, config: EmbeddedConfig) -> list[Pair]:
    """Makes one split of the embedded corpus: `iter_split` in a list."""
    return list(iter_split(name, config))


def iter_split(name: str, config: EmbeddedConfig) -> Iterator[Pair]:
    """Makes one split of the embedded corpus, pair by pair.

    A smaller split is the beginning of a larger one of the same seed and lengths.

    Args:
      name: "train", "validation" or "test".
      config: sizes, lengths and seed.
    Returns:
      Pairs with distinct English sentences, of min_words to max_words words each.
    Raises:
      DataError: there is no such split, or it cannot be so large within these lengths.
    """
    sizes = dict(
        zip(SPLITS, (config.num_train, config.num_validation, config.num_test), strict=True)
    )
    if name not in sizes:
        raise DataError(f"the embedded corpus has no split {name!r}{nearest(name, SPLITS)}")
    sampler = Sampler(random.Random(f"embedded corpus, seed {config.seed}, {name}").random)
    made: set[str] = set()
    stalled = 0
    while len(made) < sizes[name]:
        pair = sampler.sentence(config.min_words, config.max_words)
        stalled += 1
        if pair is None or _split_of(pair) != name or pair.source in made:
            if stalled > _MAX_STALLED:
                raise DataError(
                    f"the embedded corpus has too few sentences of {config.min_words} to "
                    f"{config.max_words} words for a {name} split of {sizes[name]}; found "
                    f"{len(made)}: lower data.embedded.num_{name} or raise "
                    "data.embedded.max_words"
                )
            continue
        made.add(pair.source)
        yield pair
        stalled = 0


def fingerprint() -> str:
    """Differs where the same config may make other sentences: a sha256 of the grammar's code."""
    here = Path(__file__)
    digest = hashlib.sha256()
    for path in (here, *sorted((here.parent / "embedded").glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sure_share(pairs: Iterable[Pair]) -> float:
    """The share of sure links among all links."""
    pairs = list(pairs)
    sure = sum(len(pair.sure) for pair in pairs)
    return sure / max(sure + sum(len(pair.possible) for pair in pairs), 1)


def _split_of(pair: Pair) -> str:
    share = zlib.crc32(pair.target.encode()) % _SHARES
    return {0: "test", 1: "validation"}.get(share, "train")


def main() -> None:
    """Prints sentences with their links, and the share of sure links."""
    parser = argparse.ArgumentParser(prog="python -m nmt.data.grammar", description=main.__doc__)
    parser.add_argument("--num", type=int, default=20, help="sentences to print")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--min-words", type=int, default=3)
    parser.add_argument("--max-words", type=int, default=20)
    options = parser.parse_args()
    config = EmbeddedConfig(
        num_train=options.num,
        min_words=options.min_words,
        max_words=options.max_words,
        seed=options.seed,
    )
    pairs = make_split("train", config)
    for pair in pairs:
        sure = [f"{i}-{j}" for i, j in pair.sure]
        possible = [f"{i}?{j}" for i, j in pair.possible]
        print(pair.source, pair.target, " ".join(sure + possible), "", sep="\n")
    print(f"sure links: {sure_share(pairs):.1%}")


if __name__ == "__main__":
    main()
