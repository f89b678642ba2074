"""Gold word links: what the alignments of a split are measured against."""

from dataclasses import replace
from itertools import islice

from nmt.analysis.pharaoh import GoldLinks
from nmt.config.schema import EMBEDDED, DataConfig
from nmt.data.columns import gold_links
from nmt.data.embedded_corpus import iter_embedded
from nmt.data.readers import open_rows


def load_gold(config: DataConfig, name: str) -> list[GoldLinks] | None:
    """Reads the sure and the possible links of a split as it is, never filtered.

    They are those of the embedded corpus, or of the column that `data.gold` names, or else
    `data.links`.

    Args:
      config: says where the corpus is.
      name: the split, as the corpus calls it.
    Returns:
      of each pair that `load_split` reads, in its order, source-target; None where the split has
      no such column.
    Raises:
      DataError: the split cannot be read.
    """
    limit = config.max_examples if name == config.train else None
    if config.path == EMBEDDED:
        pairs = islice(iter_embedded(config, name), limit)
        return [GoldLinks(frozenset(pair.sure), frozenset(pair.possible)) for pair in pairs]
    config = replace(config, links=config.gold or config.links)
    gold = []
    for row in islice(open_rows(config, name).rows(), limit):
        if len(row) == 2:
            return None
        gold.append(gold_links(*row))
    return gold
