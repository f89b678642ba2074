"""What is measured on the validation split: loss, BLEU of real translations, AER."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
from flax import nnx
from jax.sharding import Mesh

from nmt.analysis.aer import alignment_scores
from nmt.analysis.scores import corpus_bleu
from nmt.config.schema import Config, SearchConfig
from nmt.data.batching import Batch
from nmt.decoding.translation import joiner_of
from nmt.decoding.translator import Translator
from nmt.devices.mesh import by_rows, to_devices
from nmt.devices.own_rows import sum_over_rows
from nmt.devices.processes import is_first
from nmt.models.build import Params, merge_model
from nmt.runs.directory import write_atomically
from nmt.training.loss import LossSums, cross_entropy
from nmt.training.preparation import Prepared


class Validation(NamedTuple):
    """Measured on the validation split.

    Attributes:
      loss: nll of a target piece, without label smoothing.
      perplexity: exp of it.
      bleu: sacreBLEU of the first `validation.max_sentences` sentences, 0-100.
      aer: alignment error rate of the same sentences with their references, 0-1; None where it is
        not measured.
      score: what chooses the best checkpoint, higher is better: BLEU, or the loss or AER times -1.
    """

    loss: float
    perplexity: float
    bleu: float
    aer: float | None
    score: float


def perplexity(nll: float) -> float:
    """exp of the nll of a target piece; infinite from about 709.8 on, as float64 has no more."""
    try:
        return math.exp(nll)
    except OverflowError:
        return math.inf


class Validator:
    """Measures parameters of one model; what it compiles serves all of them."""

    def __init__(self, config: Config, graph: nnx.GraphDef, prepared: Prepared, mesh: Mesh):
        self.config, self.graph, self.prepared, self.mesh = config, graph, prepared, mesh
        self._sums = jax.jit(partial(_loss_sums, graph, mesh))

    def translator(self, params: Params) -> Translator:
        """A translator with these parameters, whole on every device for as long as it lives.

        It aligns words between white space in every language, as gold links count them.
        """
        config, search = self.config, self.config.search
        search = SearchConfig(
            beam_size=config.validation.beam_size,
            length_norm=search.length_norm,
            max_length_factor=search.max_length_factor,
            max_length_extra=search.max_length_extra,
            batch_sentences=search.batch_sentences,
            unknown=search.unknown,
        )
        return Translator(
            self.graph,
            params,
            self.prepared.vocabularies,
            search,
            cleaning=config.data.cleaning,
            max_source_pieces=config.data.max_pieces,
            joiner=joiner_of(config.data),
            mesh=self.mesh,
        )

    def validate(self, params: Params, translations: Path, check: Callable[[], None]) -> Validation:
        """Measures, on all devices of the mesh; every process gets the same result.

        Args:
          params: to measure.
          translations: the file that gets the translations.
          check: called between batches; what it raises abandons the validation.
        """
        nll, num_pieces = 0.0, 0
        for batch, _ in self.prepared.validation_batches:
            check()
            sums = self._sums(params, to_devices(by_rows(self.mesh), batch))
            nll, num_pieces = nll + float(sums.nll), num_pieces + int(sums.num_pieces)
        loss = nll / num_pieces
        translator = self.translator(params)
        bleu = self._bleu(translator, translations, check)
        aer = self._aer(translator, check)
        score = {"bleu": bleu, "loss": -loss, "aer": None if aer is None else -aer}
        best_by = self.config.validation.score
        return Validation(loss, perplexity(loss), bleu, aer, score[best_by])

    def _aer(self, translator: Translator, check: Callable[[], None]) -> float | None:
        gold, most = self.prepared.validation_gold, self.config.validation.max_sentences
        if gold is None:
            return None
        split = self.prepared.validation
        aligned = translator.align_all(
            split.source[:most], split.target[:most], progress=lambda _: check()
        )
        return alignment_scores([alignment.links() for alignment in aligned], gold[:most]).aer

    def _bleu(self, translator: Translator, translations: Path, check: Callable[[], None]) -> float:
        split, most = self.prepared.validation, self.config.validation.max_sentences
        found = translator.translate(split.source[:most], progress=lambda _: check())
        texts = [translation.text for translation in found]
        if is_first():
            translations.parent.mkdir(exist_ok=True)
            write_atomically(translations, "".join(text + "\n" for text in texts))
        return corpus_bleu(
            texts, split.target[:most], target_language=self.config.data.target_language
        )


def _loss_sums(graph: nnx.GraphDef, mesh: Mesh, params: Params, batch: Batch) -> LossSums:
    def of_some_rows(params: Params, batch: Batch) -> LossSums:
        model = merge_model(graph, params)
        decoded = model(batch.source, batch.source_mask, batch.target_in)
        return cross_entropy(
            decoded.features, model.projection(), batch.target_out, batch.target_mask, 0.0
        )

    return sum_over_rows(of_some_rows, mesh, params, batch)
