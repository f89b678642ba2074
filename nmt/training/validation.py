"""What is measured on the validation split: loss, and BLEU of real translations."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
from flax import nnx
from jax.sharding import Mesh

from nmt.analysis.scores import corpus_bleu
from nmt.config.schema import Config
from nmt.data.batching import Batch
from nmt.decoding.translator import Translator
from nmt.devices.mesh import by_rows, replicated, to_devices
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
      score: what chooses the best checkpoint, higher is better: BLEU, or the negative loss.
    """

    loss: float
    perplexity: float
    bleu: float
    score: float


class Validator:
    """Measures parameters of one model; what it compiles serves all of them."""

    def __init__(self, config: Config, graph: nnx.GraphDef, prepared: Prepared, mesh: Mesh):
        self.config, self.graph, self.prepared, self.mesh = config, graph, prepared, mesh
        self._sums = jax.jit(partial(_loss_sums, graph), out_shardings=replicated(mesh))

    def translator(self, params: Params) -> Translator:
        """A translator with these parameters, whole on every device for as long as it lives."""
        config = self.config
        search = replace(config.search, method="beam", beam_size=config.validation.beam_size)
        return Translator(
            self.graph,
            params,
            self.prepared.vocabularies,
            search,
            cleaning=config.data.cleaning,
            max_source_pieces=config.data.max_pieces,
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
        bleu = self._bleu(params, translations, check)
        score = bleu if self.config.validation.score == "bleu" else -loss
        return Validation(loss, math.exp(min(loss, 700.0)), bleu, score)

    def _bleu(self, params: Params, translations: Path, check: Callable[[], None]) -> float:
        split, most = self.prepared.validation, self.config.validation.max_sentences
        found = self.translator(params).translate(split.source[:most], progress=lambda _: check())
        texts = [translation.text for translation in found]
        if is_first():
            translations.parent.mkdir(exist_ok=True)
            write_atomically(translations, "".join(text + "\n" for text in texts))
        return corpus_bleu(
            texts, split.target[:most], target_language=self.config.data.target_language
        )


def _loss_sums(graph: nnx.GraphDef, params: Params, batch: Batch) -> LossSums:
    model = merge_model(graph, params)
    decoded = model(batch.source, batch.source_mask, batch.target_in)
    return cross_entropy(
        decoded.features, model.projection(), batch.target_out, batch.target_mask, 0.0
    )
