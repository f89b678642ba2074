"""Text in, translations out: what notebooks, the command line and validation use.

translator = nmt.load("runs/quickstart")
translator.translate("the cat sleeps .").alignment.plot()
translator.translate(["one line .", "another ."], num_hypotheses=3)
"""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, partial

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from nmt.analysis.alignment import Alignment
from nmt.analysis.links import Unit, Units, check_unit
from nmt.config.schema import CleaningConfig, SearchConfig
from nmt.data.cleaning import rewritten
from nmt.data.vocabulary import Vocabularies, Vocabulary
from nmt.decoding import aligning, scoring
from nmt.decoding.aligning import PieceAlignment, Segmented, segment, segment_ids
from nmt.decoding.finding import Found, Number, check_search, find
from nmt.decoding.methods import AlignmentMethod, check_method
from nmt.decoding.programs import prepare_search
from nmt.decoding.scoring import Ids
from nmt.decoding.shortlist import Lexicon
from nmt.decoding.splitting import MAX_SOURCE_PIECES, split_line
from nmt.decoding.translation import (
    PartHypothesis,
    Translation,
    best_of_parts,
    join_parts,
    samples_of_parts,
)
from nmt.decoding.unknown import check_replaceable, words_for_unknown
from nmt.devices import mesh as meshes
from nmt.devices.allocator import keep_freed_memory
from nmt.errors import ConfigError, NmtError
from nmt.models.build import Params, merge_model
from nmt.models.execution import in_precision
from nmt.models.seq2seq import CrossAttentions

logger = logging.getLogger(__name__)


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
        units: Units | None = None,
        joiner: str = " ",
        choices: Mapping[str, AlignmentMethod] | None = None,
        read_lexicon: Callable[[], Lexicon] | None = None,
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
          units: what the rows and columns of alignments stand for; words where None.
          joiner: what goes between the translations of a line's parts.
          choices: the layer and head of an alignment method, by its name, where a call does not
            say; the model's config says it where they do not.
          read_lexicon: gives what shortlists are made from, called when one is first asked for.
          mesh: the devices that share the work; all of this process when None. Processes that
            share one call each method together, with equal arguments, and get equal results.
        """
        keep_freed_memory()  # which one batch after the other takes
        self.mesh = mesh or meshes.make_mesh(devices=meshes.own_devices())
        self.graph, self.params = graph, meshes.on_all(self.mesh, params)
        self.vocabularies = vocabularies
        self.search = search or SearchConfig()
        self.cleaning = cleaning or CleaningConfig()
        self.max_source_pieces = max_source_pieces or MAX_SOURCE_PIECES
        self.units = units or Units()
        self.joiner = joiner
        self.choices = dict(choices or {})
        self._read_lexicon = read_lexicon and cache(read_lexicon)
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
        self._graph_in = cache(partial(in_precision, graph, shapes))
        special = self.vocabularies.target.special
        # What a search needs of the parameters is made once, when it is first asked for.
        self._prepared = cache(
            partial(prepare_search, params=self.params, mesh=self.mesh, special=special)
        )

    def with_units(self, source: Unit, target: Unit) -> "Translator":
        """The same translator with other rows and columns of alignments.

        Args:
          source, target: "word" (between white space), "piece" or "character".
        """
        check_unit(source)
        check_unit(target)
        other = copy.copy(self)
        other.units = Units(source, target)
        return other

    @cached_property
    def cross_attentions(self) -> CrossAttentions | None:
        """The layers and heads that attend to the source; None without attention."""
        return merge_model(self.graph, self.params).cross_attentions

    @property
    def has_attention(self) -> bool:
        """Whether the model gives alignments."""
        return self.cross_attentions is not None

    def check_method(self, method: AlignmentMethod | None = None, *, heads: bool = False) -> None:
        """Makes sure that the model can be aligned by a method.

        Raises:
          NmtError: it cannot, and why; see `nmt.decoding.methods.check_method`.
        """
        check_method(method or AlignmentMethod(), self.cross_attentions, heads=heads)

    def precision(self, search: SearchConfig | None = None) -> str:
        """The compute type in which translations are found, "float32" or "bfloat16".

        Args:
          search: how they are searched for; as a call does that does not say, when None.
        """
        model = partial(merge_model, self._graph_for(search or self.search))
        return jax.eval_shape(lambda params: model(params).projection(), self.params).precision

    def translate(
        self,
        text: str | Sequence[str],
        *,
        align: bool | None = None,
        heads: bool = False,
        method: AlignmentMethod | None = None,
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
        first_line: int = 0,
        progress: Callable[[int], object] | None = None,
    ) -> Translation | list[Translation]:
        """Translates a line, or many lines in their order.

        A line without words stays empty. A line of more than `max_source_pieces` is translated in
        parts that end with its sentences, which is logged; its log_prob and score are the sums of
        theirs.

        Args:
          text: one line, or a sequence of them.
          align: whether to add alignments, one to each hypothesis, which cost one more pass. When
            None, a lone line gets them if the model can give them, a sequence where `heads` or
            `method` ask for them. When False nothing else asks for them.
          heads: whether the alignments are to hold those of every layer and head too.
          method: how alignments are read; attention when None.
          search: how to search this time.
          num_hypotheses: the n of the n-best list; with beam search at most `beam_size`.
          first_line: the number of the first line, where a text comes in several calls: samples
            depend on the numbers of their lines, and on none beside.
          progress: called after each batch with the number of lines that it has dealt with; they
            add up to all lines.
        Raises:
          ConfigError: the beam is larger than the vocabulary, or too small for the hypotheses; a
            shortlist is asked for of a translator that was not opened from a run; unknown pieces
            are to be replaced by a model without attention.
          NmtError: alignments are asked for that the model has not.
        """
        lines = [text] if isinstance(text, str) else list(text)
        asked = heads or method is not None if align is None else align
        if asked:
            self.check_method(method, heads=heads)
        align = asked or (align is None and isinstance(text, str) and self.has_attention)
        search = search or self.search
        if search.unknown == "replace":
            check_replaceable(has_attention=self.has_attention)

        parts = [self._parts(line) for line in lines]  # of each line, none for an empty one
        if too_long := sum(len(of_line) > 1 for of_line in parts):
            logger.info(
                "lines of more than %d pieces, which are translated in parts: %d of %d",
                self.max_source_pieces,
                too_long,
                len(lines),
            )
        flat = [part for of_line in parts for part in of_line]
        numbers = [
            (n, k) for n, of_line in enumerate(parts, first_line) for k in range(len(of_line))
        ]
        found = self.translate_ids(
            self._encode(self.vocabularies.source, flat),
            search=search,
            num_hypotheses=num_hypotheses,
            numbers=numbers,
            on_batch=progress and _count_lines(parts, progress),
        )
        so_searching = copy.copy(self)  # whose batches are as large
        so_searching.search = search
        written: list[list[list[str] | None]] = [[None] * len(of_text) for of_text in found]
        if search.unknown == "replace":
            written = words_for_unknown(flat, found, self.vocabularies, so_searching._align_ids)
        aligned = so_searching._align_found(flat, found, written, method, heads) if align else None
        translations, first = [], 0
        for number, (line, of_line) in enumerate(zip(lines, parts, strict=True), first_line):
            here = range(first, first + len(of_line))
            of_parts = [
                self._hypotheses(found[i], written[i], aligned and aligned[i]) for i in here
            ]
            if search.method == "beam":
                wholes = best_of_parts(of_parts, num_hypotheses)
            else:
                wholes = samples_of_parts(of_parts, (search.seed, number))
            words = self._clean(line).split()
            translations.append(join_parts(line, wholes, words, self.units, joiner=self.joiner))
            first = here.stop
        return translations[0] if isinstance(text, str) else translations

    def translate_ids(
        self,
        sources: Sequence[Ids],
        *,
        search: SearchConfig | None = None,
        num_hypotheses: int = 1,
        numbers: Sequence[Number] | None = None,
        on_batch: Callable[[list[int]], object] | None = None,
    ) -> list[list[Found]]:
        """Translates encoded sentences.

        Args:
          sources: ids with EOS at the end.
          search, num_hypotheses: as in `translate`.
          numbers: as in `nmt.decoding.finding.find`.
          on_batch: called after each batch with the indices of its sentences.
        Returns:
          for each sentence its hypotheses, best first; see `nmt.decoding.finding.find`.
        """
        search = search or self.search
        check_search(search, num_hypotheses, len(self.vocabularies.target))
        if search.shortlist is not None and self._read_lexicon is None:
            raise ConfigError("search.shortlist needs a run, whose training pairs it is made of")
        graph = self._graph_for(search)
        return find(
            graph,
            self.params,
            sources,
            self.vocabularies.target.special,
            search,
            mesh=self.mesh,
            num_hypotheses=num_hypotheses,
            lexicon=None if search.shortlist is None else self._read_lexicon(),
            forbidden_id=self.vocabularies.target.unk_id if search.unknown == "forbid" else None,
            prepared=self._prepared(graph),
            numbers=numbers,
            on_batch=on_batch,
        )

    def align(
        self,
        source: str,
        target: str,
        *,
        method: AlignmentMethod | None = None,
        heads: bool = False,
    ) -> Alignment:
        """The alignment of a line with a given translation, in its canonical pieces.

        Args:
          source, target: the line and its translation.
          method: how the alignment is read; attention when None.
          heads: whether it is to hold those of every layer and head too.
        Raises:
          NmtError: the model cannot be aligned so.
        """
        return self.align_all([source], [target], method=method, heads=heads)[0]

    def align_all(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        *,
        method: AlignmentMethod | None = None,
        heads: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> list[Alignment]:
        """`align` of many pairs, in their order.

        Args:
          sources, targets: the pairs.
          method, heads: as in `align`.
          progress: called after each batch with the number of its pairs; they add up to all.
        """
        sources, targets = self._pairs(sources, targets)
        return self._aligned(
            [segment(self.vocabularies.source, text) for text in sources],
            [segment(self.vocabularies.target, text) for text in targets],
            method,
            heads,
            progress,
        )

    def log_probs(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> list[float]:
        """The log-probability of each given translation in its canonical pieces, EOS included.

        Args:
          sources, targets: the pairs.
          progress: called after each batch with the number of its pairs; they add up to all.
        """
        sources, targets = self._pairs(sources, targets)
        scores = scoring.score_ids(
            self.graph,
            self.params,
            self._encode(self.vocabularies.source, sources),
            self._encode(self.vocabularies.target, targets),
            self.vocabularies.target.special,
            mesh=self.mesh,
            batch_sentences=self.search.batch_sentences,
            on_batch=progress and (lambda indices: progress(len(indices))),
        )
        return [score.log_prob for score in scores]

    def _graph_for(self, search: SearchConfig) -> nnx.GraphDef:
        return self.graph if search.precision is None else self._graph_in(search.precision)

    def _clean(self, line: str) -> str:
        """The line as the training text was rewritten."""
        return rewritten(line, self.cleaning)

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

    def _align_found(
        self,
        texts: Sequence[str],
        found: Sequence[Sequence[Found]],
        written: Sequence[Sequence[Sequence[str] | None]],
        method: AlignmentMethod | None,
        heads: bool,
    ) -> list[list[Alignment]]:
        """The alignments of all hypotheses of texts, in the pieces that search chose."""
        sources = [segment(self.vocabularies.source, text) for text in texts]
        target = self.vocabularies.target
        of_sources = [s for s, of_text in zip(sources, found, strict=True) for _ in of_text]
        targets = [
            segment_ids(target, one.ids, words)
            for of_text, of_words in zip(found, written, strict=True)
            for one, words in zip(of_text, of_words, strict=True)
        ]
        aligned = iter(self._aligned(of_sources, targets, method, heads))
        return [[next(aligned) for _ in of_text] for of_text in found]

    def _aligned(
        self,
        sources: Sequence[Segmented],
        targets: Sequence[Segmented],
        method: AlignmentMethod | None,
        heads: bool,
        progress: Callable[[int], object] | None = None,
    ) -> list[Alignment]:
        """The alignments of pairs in their pieces."""
        ids = [source.ids for source in sources], [target.ids for target in targets]
        alignments = self._align_ids(*ids, method, heads, progress)
        return aligning.align_segmented(sources, targets, alignments, self.units)

    def _align_ids(
        self,
        sources: Sequence[Ids],
        targets: Sequence[Ids],
        method: AlignmentMethod | None = None,
        heads: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> list[PieceAlignment]:
        """The alignments of pairs between pieces."""
        method = method or AlignmentMethod()
        if method.layer is None:
            method = self.choices.get(method.name, method)
        return aligning.align_ids(
            self.graph,
            self.params,
            sources,
            targets,
            self.vocabularies.target.special,
            mesh=self.mesh,
            method=method,
            heads=heads,
            batch_sentences=self.search.batch_sentences,
            on_batch=progress and (lambda indices: progress(len(indices))),
        )

    def _hypotheses(
        self,
        found: Sequence[Found],
        written: Sequence[Sequence[str] | None],
        aligned: Sequence[Alignment] | None,
    ) -> list[PartHypothesis]:
        """The hypotheses of a part of a line, as text; `written` is what unknown pieces become."""
        texts = map(self.vocabularies.target.decode, [one.ids for one in found], written)
        return [
            PartHypothesis(text, one.score, one.log_prob, alignment)
            for text, one, alignment in zip(
                texts, found, aligned or [None] * len(found), strict=True
            )
        ]


def _count_lines(
    parts: Sequence[Sequence[str]], progress: Callable[[int], object]
) -> Callable[[list[int]], object]:
    """Turns parts that are done into lines: one counts with its first part, an empty one now."""
    is_first = [part == 0 for of_line in parts for part in range(len(of_line))]
    progress(sum(not of_line for of_line in parts))
    return lambda indices: progress(sum(is_first[i] for i in indices))
