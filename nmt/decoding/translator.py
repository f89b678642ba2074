"""Text in, translations out: what notebooks, the command line and validation use.

translator = nmt.load("runs/quickstart")
translator.translate("the cat sleeps .").alignment.plot()
translator.translate(["one line .", "another ."], num_hypotheses=3)
"""

import copy
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from nmt.analysis.alignment import Alignment
from nmt.analysis.links import word_alignment
from nmt.config.schema import CleaningConfig, SearchConfig
from nmt.data.cleaning import to_nfc, to_single_spaces
from nmt.data.vocabulary import Vocabularies, Vocabulary, load_vocabularies
from nmt.decoding import scoring
from nmt.decoding.finding import Found, find
from nmt.decoding.scoring import Ids
from nmt.decoding.search import length_penalty
from nmt.decoding.splitting import MAX_SOURCE_PIECES, split_line
from nmt.decoding.translation import Hypothesis, Translation, join_alignments
from nmt.devices import mesh as meshes
from nmt.errors import ConfigError, NmtError
from nmt.models.build import Params, build_model, merge_model, split_model
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import RunDirectory


class Translator:
    """Translates, scores and aligns texts with one model. Its parameters never change."""

    def __init__(
        self,
        graph: nnx.GraphDef,
        params: Params,
        vocabularies: Vocabularies,
        search: SearchConfig | None = None,
        *,
        cleaning: CleaningConfig | None = None,
        max_source_pieces: int | None = None,
        mesh: Mesh | None = None,
    ):
        """Holds a model and its vocabularies.

        Args:
          graph, params: of `nmt.models.build.split_model`.
          vocabularies: of both sides.
          search: how translations are found where a call does not say.
          cleaning: of the training text; lines are rewritten as it was (Unicode form, spaces).
          max_source_pieces: a longer line is translated in parts, EOS counted; what
            training allowed, or MAX_SOURCE_PIECES when it had no limit (None).
          mesh: the devices that share the work; all of this process when None. Processes that
            share one call each method together, with equal arguments, and get equal results.
        """
        self.mesh = mesh or meshes.make_mesh(devices=_local_devices())
        self.graph, self.params = graph, meshes.on_all(self.mesh, params)
        self.vocabularies = vocabularies
        self.search = search or SearchConfig()
        self.cleaning = cleaning or CleaningConfig()
        self.max_source_pieces = max_source_pieces or MAX_SOURCE_PIECES

    def with_params(self, params: Params) -> "Translator":
        """The same translator with other parameters; nothing is compiled again."""
        other = copy.copy(self)
        other.params = meshes.on_all(self.mesh, params)
        return other

    @cached_property
    def has_attention(self) -> bool:
        """Whether the model gives alignments."""
        ids = np.zeros((1, 1), np.int32)
        decoded = jax.eval_shape(
            lambda params: merge_model(self.graph, params)(ids, ids > -1, ids), self.params
        )
        return decoded.alignment is not None

    def translate(
        self,
        text: str | Sequence[str],
        *,
        align: bool | None = None,
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
        progress: Callable[[int], object] | None = None,
    ) -> Translation | list[Translation]:
        """Translates a line, or many lines in their order.

        A line without words stays empty. A line of more than `max_source_pieces` is translated in
        parts that end with its sentences; its log_prob is the sum of theirs.

        Args:
          text: one line, or a sequence of them.
          align: whether to add alignments, which cost one more pass. When None, a lone line gets
            one if the model can give it, and a sequence gets none.
          search: how to search this time.
          num_hypotheses: the n of the n-best list; with beam search at most `beam_size`.
          progress: called after each batch with the number of lines that it has dealt with; they
            add up to all lines.
        Raises:
          ConfigError: the beam is larger than the vocabulary, or too small for the hypotheses.
          NmtError: `align` is True and the model has no attention.
        """
        lines = [text] if isinstance(text, str) else list(text)
        if align and not self.has_attention:
            raise NmtError("the model has no attention, and so no alignment to show")
        if align is None:
            align = isinstance(text, str) and self.has_attention
        search = search or self.search

        parts = [self._parts(line) for line in lines]  # of each line, none for an empty one
        flat = [part for of_line in parts for part in of_line]
        found = self.translate_ids(
            self._encode(self.vocabularies.source, flat),
            search=search,
            num_hypotheses=num_hypotheses,
            on_batch=progress and _count_lines(parts, progress),
        )
        best = [hypotheses[0] for hypotheses in found]
        aligned = self._align_found(flat, best) if align else [None] * len(flat)
        translations, first = [], 0
        for line, of_line in zip(lines, parts, strict=True):
            here = slice(first, first + len(of_line))
            translations.append(self._join(line, found[here], aligned[here], search.length_norm))
            first = here.stop
        return translations[0] if isinstance(text, str) else translations

    def translate_ids(
        self,
        sources: Sequence[Ids],
        *,
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
        on_batch: Callable[[list[int]], object] | None = None,
    ) -> list[list[Found]]:
        """Translates encoded sentences.

        Args:
          sources: ids with EOS at the end.
          search, num_hypotheses: as in `translate`.
          on_batch: called after each batch with the indices of its sentences.
        Returns:
          for each sentence its hypotheses, best first; see `nmt.decoding.finding.find`.
        """
        search = search or self.search
        _check(search, num_hypotheses, len(self.vocabularies.target))
        return find(
            self.graph,
            self.params,
            sources,
            self.vocabularies.target.special,
            search,
            mesh=self.mesh,
            num_hypotheses=num_hypotheses,
            on_batch=on_batch,
        )

    def align(self, source: str, target: str) -> Alignment:
        """The alignment of a line with a given translation, in its canonical pieces.

        Raises:
          NmtError: the model has no attention.
        """
        return self.align_all([source], [target])[0]

    def align_all(self, sources: Sequence[str], targets: Sequence[str]) -> list[Alignment]:
        """`align` of many pairs, in their order."""
        sources, targets = self._pairs(sources, targets)
        ids = self._encode(self.vocabularies.target, targets)
        matrices = self._matrices(sources, ids)
        of_target = self.vocabularies.target.encode_with_spans
        return [
            self._words(matrix, source, target, of_target(target).spans)
            for matrix, source, target in zip(matrices, sources, targets, strict=True)
        ]

    def log_probs(self, sources: Sequence[str], targets: Sequence[str]) -> list[float]:
        """The log-probability of each given translation in its canonical pieces, EOS included."""
        sources, targets = self._pairs(sources, targets)
        scores = scoring.score_ids(
            self.graph,
            self.params,
            self._encode(self.vocabularies.source, sources),
            self._encode(self.vocabularies.target, targets),
            self.vocabularies.target.special,
            mesh=self.mesh,
            batch_sentences=self.search.batch_sentences,
        )
        return [score.log_prob for score in scores]

    def _clean(self, line: str) -> str:
        """The line as the training text was rewritten."""
        line = to_nfc(line) if self.cleaning.nfc else line
        return to_single_spaces(line) if self.cleaning.whitespace else line

    def _pairs(self, sources: Sequence[str], targets: Sequence[str]) -> tuple[list[str], list[str]]:
        if isinstance(sources, str) or isinstance(targets, str):
            raise NmtError("lists of lines are wanted; got a lone text, which is to be put in one")
        if len(sources) != len(targets):
            raise NmtError(
                f"a translation to each source is needed; got {len(sources)} and {len(targets)}"
            )
        return [self._clean(s) for s in sources], [self._clean(t) for t in targets]

    def _parts(self, line: str) -> list[str]:
        """What is translated of a line: all, parts of a long one, nothing of an empty one."""
        line = self._clean(line)
        return split_line(line, self.vocabularies.source, self.max_source_pieces - 1)

    def _encode(self, vocabulary: Vocabulary, texts: Sequence[str]) -> list[Ids]:
        """The ids of texts, EOS at the end."""
        eos = np.array([vocabulary.eos_id], np.int32)
        return [np.concatenate([ids, eos]) for ids in vocabulary.encode_batch(texts)]

    def _align_found(self, texts: Sequence[str], found: Sequence[Found]) -> list[Alignment]:
        """The alignments of translations in the pieces that search chose."""
        matrices = self._matrices(texts, [hypothesis.ids for hypothesis in found])
        alignments = []
        for text, hypothesis, matrix in zip(texts, found, matrices, strict=True):
            decoded = self.vocabularies.target.decode_with_spans(hypothesis.ids)
            alignments.append(self._words(matrix, text, decoded.text, decoded.spans))
        return alignments

    def _matrices(self, sources: Sequence[str], targets: Sequence[Ids]) -> list[np.ndarray]:
        """The piece alignments (T, S) of texts with encoded translations."""
        return scoring.align_ids(
            self.graph,
            self.params,
            self._encode(self.vocabularies.source, sources),
            targets,
            self.vocabularies.target.special,
            mesh=self.mesh,
            batch_sentences=self.search.batch_sentences,
        )

    def _words(self, matrix: np.ndarray, source: str, target: str, target_spans) -> Alignment:
        spans = self.vocabularies.source.encode_with_spans(source).spans
        return word_alignment(matrix, source, spans, target, target_spans)

    def _join(
        self,
        line: str,
        parts: Sequence[list[Found]],
        alignments: Sequence[Alignment | None],
        length_norm: float,
    ) -> Translation:
        """The translation of a line from the hypotheses of its parts, the k-th with the k-th."""
        if not parts:
            return Translation(line, "", 0.0, 0.0, [Hypothesis("", 0.0, 0.0)])
        hypotheses = []
        for of_parts in zip(*parts, strict=False):  # as many as the part that has fewest
            texts = [self.vocabularies.target.decode(found.ids) for found in of_parts]
            log_prob, score = of_parts[0].log_prob, of_parts[0].score
            if len(of_parts) > 1:
                length = sum(len(found.ids) for found in of_parts)
                log_prob = sum(found.log_prob for found in of_parts)
                score = float(log_prob / length_penalty(length, length_norm))
            hypotheses.append(Hypothesis(" ".join(filter(None, texts)), score, log_prob))
        best = hypotheses[0]
        alignment = None if alignments[0] is None else join_alignments(alignments)
        return Translation(line, best.text, best.score, best.log_prob, hypotheses, alignment)


def _local_devices() -> list[jax.Device]:
    """The devices that are this process's own."""
    process = jax.process_index()
    return [device for device in meshes.visible_devices() if device.process_index == process]


def _check(search: SearchConfig, num_hypotheses: int, num_pieces: int) -> None:
    """ConfigError where a search cannot give what is wanted; num_pieces: of the vocabulary."""
    if num_hypotheses < 1:
        raise ConfigError(f"the number of hypotheses must be 1 or more; got {num_hypotheses}")
    if search.method != "beam":
        return
    if search.beam_size > num_pieces:
        raise ConfigError(
            f"search.beam_size must not exceed the vocabulary of {num_pieces} pieces; "
            f"got {search.beam_size}"
        )
    if num_hypotheses > search.beam_size:
        raise ConfigError(
            f"the number of hypotheses must not exceed search.beam_size ({search.beam_size}); "
            f"got {num_hypotheses}"
        )


def _count_lines(
    parts: Sequence[Sequence[str]], progress: Callable[[int], object]
) -> Callable[[list[int]], object]:
    """Turns parts that are done into lines: one counts with its first part, an empty one now."""
    is_first = [part == 0 for of_line in parts for part in range(len(of_line))]
    progress(sum(not of_line for of_line in parts))
    return lambda indices: progress(sum(is_first[i] for i in indices))


def load(path: str | Path, checkpoint: str = "best") -> Translator:
    """Opens a run to translate with it.

    Args:
      path: the run directory.
      checkpoint: "best", "last", "average" or the number of a step.
    Raises:
      RunError: the folder is no run, has no such checkpoint, or that of another model.
      DataError: its vocabulary is missing or damaged.
    """
    run = RunDirectory.open(Path(path))
    config = run.read_config()
    vocabularies = load_vocabularies(run.vocabulary)
    model = nnx.eval_shape(  # the structure alone: fresh parameters would be thrown away
        lambda: build_model(
            config.model,
            source_size=len(vocabularies.source),
            target_size=len(vocabularies.target),
            precision=config.training.precision,
        )
    )
    graph, shapes = split_model(model)
    checkpoints = Checkpoints(run.checkpoints)
    step, item = checkpoints.resolve(checkpoint)
    return Translator(
        graph,
        checkpoints.restore(step, {item: shapes})[item],
        vocabularies,
        config.search,
        cleaning=config.data.cleaning,
        max_source_pieces=config.data.max_pieces,
    )
