"""Choosing the layer and head whose attention is the alignment, and keeping the choice in the run.

    ranking = choose_head(translator, sources, targets, method="shift-att", gold=gold)
    save_choice(run, AlignmentMethod("shift-att"), ranking[0])

The pairs should be those of a validation set. Where nobody has aligned them, the model of the other
direction takes the place of gold links: of all pairs of heads, one of each model, those that agree
best are right most often (Chen et al. 2020, https://arxiv.org/abs/2004.14837, section 3.3).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.analysis.aer import alignment_scores
from nmt.analysis.alignment import Alignment
from nmt.analysis.links import check_same_words
from nmt.analysis.pharaoh import GoldLinks
from nmt.decoding.methods import METHODS, SALIENCY, AlignmentMethod, check_method
from nmt.devices.processes import is_first
from nmt.errors import NmtError, RunError
from nmt.models.seq2seq import CrossAttentions
from nmt.runs.directory import RunDirectory, write_atomically

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator

CHUNK = 256  # pairs whose heads are in memory together


@dataclass(frozen=True)
class RankedHead:
    """A layer, or one of its heads, and how good its links are.

    Attributes:
      layer: from 0.
      head: from 0; None for the mean of the layer's heads.
      aer: of the links with gold ones, or with those of the model of the other direction.
    """

    layer: int
    head: int | None
    aer: float


def choose_head(
    translator: "Translator",
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    method: str = "attention",
    gold: Sequence[GoldLinks] | None = None,
    reverse: "Translator | None" = None,
    progress: Callable[[int], object] | None = None,
) -> list[RankedHead]:
    """Ranks every layer and head of a model by its links between given pairs.

    Args:
      translator: of the model.
      sources, targets: the pairs.
      method: how the alignments are read; a head may be good for one method and bad for another.
      gold: the links of the pairs. Without, `reverse` is needed.
      reverse: a model from the targets' language into the sources'. Each head is measured with that
        head of it with which it agrees best.
      progress: called with the number of pairs that are done; they add up to all.
    Returns:
      all of them, best first; where two are equal, the lower layer, the mean before the heads.
    Raises:
      NmtError: the method is not the model's, or there is nothing to choose.
    """
    if (gold is None) == (reverse is None):
        raise NmtError(
            "a head is chosen by gold links or by a model of the other direction: by one"
        )
    of_method = AlignmentMethod(method)
    translator.check_method(of_method, heads=True)
    heads = _all_heads(translator.cross_attentions)
    if len(heads) == 1:
        raise NmtError("there is no head to choose: the model has a single alignment")
    if gold is not None and not any(of_pair.possible for of_pair in gold):
        raise NmtError("a head is chosen by links; the gold has none")
    if gold is not None:
        aer = _against_gold(translator, sources, targets, of_method, gold, progress)
    else:
        aer = _against_reverse(translator, reverse, sources, targets, of_method, progress)
    ranked = [RankedHead(*head, float(value)) for head, value in zip(heads, aer, strict=True)]
    return sorted(ranked, key=lambda head: head.aer)


def save_choice(run: RunDirectory, method: AlignmentMethod, choice: RankedHead) -> None:
    """Keeps what was chosen for a method of a run; `nmt.load` reads it from now on.

    With several processes all of them call it.

    Raises:
      RunError: what the run holds already is damaged, or cannot be written.
    """
    if not is_first():
        return
    choices = _read(run) | {method.name: asdict(choice)}
    write_atomically(run.alignment_file, json.dumps(choices, indent=2) + "\n")


def read_choices(
    run: RunDirectory, attentions: CrossAttentions | None
) -> dict[str, AlignmentMethod]:
    """The methods for which a layer and head were chosen, by name; none where nothing was.

    Args:
      run: that may hold choices.
      attentions: of its model.
    Raises:
      RunError: the file is damaged, or belongs to another model.
    """
    choices = {}
    for name, choice in _read(run).items():
        method = AlignmentMethod(name, choice["layer"], choice["head"])
        try:
            check_method(method, attentions)
        except NmtError as error:
            raise RunError(f"{run.alignment_file} does not fit the run: {error}") from None
        choices[name] = method
    return choices


def _read(run: RunDirectory) -> dict[str, Any]:
    """The file's content: a choice for each of some methods."""
    try:
        choices = json.loads(run.alignment_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        raise _damaged(run) from None
    if not isinstance(choices, dict) or not all(map(_is_choice, choices.items())):
        raise _damaged(run)
    return choices


def _is_choice(named: tuple[str, Any]) -> bool:
    name, choice = named
    if name not in METHODS or name == SALIENCY or not isinstance(choice, dict):
        return False
    return type(choice.get("layer")) is int and type(choice.get("head", "")) in (int, type(None))


def _damaged(run: RunDirectory) -> RunError:
    return RunError(
        f"{run.alignment_file} is damaged: wanted a layer and a head, or null, for each alignment "
        "method; remove it, and choose again"
    )


def _all_heads(attentions: CrossAttentions) -> list[tuple[int, int | None]]:
    """Every layer with the mean of its heads, where these are several, and with each of them."""
    mean = [None] if attentions.num_heads > 1 else []
    heads = [*mean, *range(attentions.num_heads)]
    return [(layer, head) for layer in range(attentions.num_layers) for head in heads]


def _against_gold(translator, sources, targets, method, gold, progress) -> list[float]:
    """The AER of every head."""
    found = [[] for _ in _all_heads(translator.cross_attentions)]
    for alignment in _aligned(translator, sources, targets, method, progress):
        for links, (layer, head) in zip(
            found, _all_heads(translator.cross_attentions), strict=True
        ):
            links.append(alignment.head(layer, head).links())
    return [alignment_scores(links, gold).aer for links in found]


def _against_reverse(translator, reverse, sources, targets, method, progress) -> np.ndarray:
    """Of every head, the lowest AER with any head of the other model."""
    ours, theirs, common = 0, 0, 0
    both = zip(
        _aligned(translator, sources, targets, method, progress),
        _aligned(reverse, targets, sources, method, None),
        strict=True,
    )
    for line, (forward, backward) in enumerate(both, 1):
        check_same_words(forward, backward, line)
        a = _link_matrices(forward, _all_heads(translator.cross_attentions))  # heads, T words, S
        b = _link_matrices(backward, _all_heads(reverse.cross_attentions)).swapaxes(1, 2)
        a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
        ours, theirs, common = ours + a.sum(axis=1), theirs + b.sum(axis=1), common + a @ b.T
    totals = np.add.outer(ours, theirs)
    if not np.any(totals):
        raise NmtError("a head is chosen by links; these pairs have none")
    return (1 - 2 * common / np.maximum(totals, 1)).min(axis=1)


def _aligned(translator, sources, targets, method, progress) -> Iterator[Alignment]:
    """The alignments of all pairs, with heads, a part at a time."""
    translator.check_method(method, heads=True)
    for start in range(0, len(sources), CHUNK):
        part = slice(start, start + CHUNK)
        yield from translator.align_all(
            sources[part], targets[part], method=method, heads=True, progress=progress
        )


def _link_matrices(alignment: Alignment, heads: Sequence[tuple[int, int | None]]) -> np.ndarray:
    """(heads, T words, S words), 1 where there is a link."""
    links = np.zeros((len(heads), *alignment.matrix.shape))
    for matrix, (layer, head) in zip(links, heads, strict=True):
        for source, target in alignment.head(layer, head).links():
            matrix[target, source] = 1
    return links
