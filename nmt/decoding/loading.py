"""A run opened to translate with: its structure, its weights and its vocabularies put together."""

from functools import partial
from pathlib import Path

import jax
from flax import nnx

from nmt.data.vocabularies import load_vocabularies
from nmt.decoding.aligning import units_of
from nmt.decoding.heads import read_choices
from nmt.decoding.shortlist import load_lexicon
from nmt.decoding.translation import joiner_of
from nmt.decoding.translator import Translator
from nmt.models.build import Params, build_model, split_model
from nmt.models.ensemble import split_ensemble
from nmt.models.execution import in_use
from nmt.runs.checkpoints import Checkpoints
from nmt.runs.directory import RunDirectory
from nmt.runs.seeds import Choice, chosen


def load(path: str | Path, checkpoint: str | int = "best", *, seed: Choice = None) -> Translator:
    """Opens a run to translate with it, in the precision that `nmt.models.execution.in_use` says.

    Args:
      path: the run directory.
      checkpoint: "best", "last", "average" or the number of a step.
      seed: which model of a run of several seeds: its seed, or "ensemble" for all of them as one,
        whose logits are the mean of theirs; the first when None.
    Raises:
      RunError: the folder is no run, has no such checkpoint or seed, or that of another model, or
        its alignment.json is damaged.
      DataError: its vocabulary is missing or damaged.
    """
    run = RunDirectory.open(Path(path))
    chosen(run, run.read_config().training, seed)  # before the files are verified, which takes time
    return load_found(run, *Checkpoints(run.checkpoints).resolve(checkpoint), seed=seed)


def load_found(run: RunDirectory, step: int | str, item: str, *, seed: Choice = None) -> Translator:
    """As `load`, of a checkpoint that was found already.

    Args:
      run: the run.
      step, item: as `Checkpoints.resolve` gives them.
      seed: as in `load`.
    """
    config = run.read_config()
    vocabularies = load_vocabularies(run.vocabulary)
    model = nnx.eval_shape(  # the structure alone: fresh parameters would be thrown away
        lambda: build_model(
            config.model,
            source_size=len(vocabularies.source),
            target_size=len(vocabularies.target),
            precision=in_use(config.training.precision, jax.default_backend()),
        )
    )
    graph, shapes = split_model(model)
    wanted = chosen(run, config.training, seed)
    members = _restored(Checkpoints(run.checkpoints), step, item, shapes, config.training.num_seeds)
    if len(wanted) == 1:
        params = members[wanted[0]]
    else:
        graph, params = split_ensemble(graph, members)
    return Translator(
        graph,
        params,
        vocabularies,
        config.search,
        cleaning=config.data.cleaning,
        max_source_pieces=config.data.max_pieces,
        units=units_of(config.data),
        joiner=joiner_of(config.data),
        choices=read_choices(run, model.cross_attentions),
        read_lexicon=partial(load_lexicon, run, len(vocabularies.source), len(vocabularies.target)),
    )


def _restored(
    checkpoints: Checkpoints, step: int | str, item: str, shapes: Params, num_members: int
) -> list[Params]:
    """The weights of each member, given the shapes of one; where there are several, on an axis."""
    if num_members == 1:
        return [checkpoints.restore(step, {item: shapes})[item]]
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((num_members, *leaf.shape), leaf.dtype), shapes
    )
    stacked = checkpoints.restore(step, {item: like})[item]
    return [jax.tree.map(lambda leaf, k=k: leaf[k], stacked) for k in range(num_members)]
