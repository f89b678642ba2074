# %% [markdown]
# # 5. How far back a gradient reaches
#
# A network learns that word $t$ depends on word $j$ only if the gradient of the loss at $t$ gets
# there. Bengio, Simard and Frasconi (1994) showed that in a recurrent network it vanishes, or
# explodes, with the number of updates in between, since it is multiplied by a Jacobian at each of
# them (Pascanu, Mikolov and Bengio 2013, equation 5):
#
# $$\frac{\partial\,\mathrm{loss}_t}{\partial s_{t-k}} =
#   \frac{\partial\,\mathrm{loss}_t}{\partial s_t}
#   \prod_{i=t-k+1}^{t} \frac{\partial s_i}{\partial s_{i-1}}$$
#
# Gates were made against it, and attention goes around it. Here both are measured, in about a
# minute: the norm of that gradient against the distance $k$, by cell, before and after training,
# with and without attention.
#
# Without attention, encoder and decoder are one chain of states, $h_1 \dots h_S, s_0 \dots s_T$:
# from $h_j$ to $\mathrm{loss}_t$ it is $S - j + t$ updates. All figures are medians over the pairs
# $(j, t)$ at a distance, of 8 sentences, as a share of the median at the shortest distance; the
# bands hold 80 % of the pairs; distances of fewer than 8 pairs are left out. A state is all that
# the cell carries: $h$, and for an LSTM $c$ too.

# %%
import logging
import shutil
import sys
from functools import partial
from pathlib import Path

import nmt
from nmt.analysis.gradient_decay import decay, encoder_distances, plot_decay
from nmt.config.reader import read_config
from nmt.config.schema import EmbeddedConfig
from nmt.data.grammar import make_split
from nmt.decoding.aligning import segment
from nmt.decoding.gradients import annotation_gradients, encoder_gradients
from nmt.decoding.scoring import forced_batches
from nmt.models.build import build_model, split_model
from nmt.training.loop import train

logging.basicConfig(format="%(message)s", stream=sys.stdout)  # shows the log of training here
FOLDER = Path("runs/long_term_dependencies")
shutil.rmtree(FOLDER, ignore_errors=True)  # begins anew each time
FOLDER.mkdir(parents=True)

# %% [markdown]
# ## Models that differ in the cell alone
#
# The encoder reads forwards only, and without attention nothing but $s_0$ knows the source
# (Sutskever et al. 2014). So there is one way from $h_j$ to a loss, through all states in between.
# Training is short, far from good translations.

# %%
config_file = FOLDER / "small.yaml"
config_file.write_text("""
data:
  path: embedded
  embedded: {num_train: 4000, num_validation: 8}
  num_shapes: 1
  batch_sentences: 32
vocabulary: {kind: word, size: 1000}
model: {bidirectional: false, attention: none, fixed_context: initial_state,
        embedding_dim: 48, encoder_dim: 48, decoder_dim: 48, alignment_dim: 48, readout_dim: 48}
training: {num_steps: 250, learning_rate: 4.0e-3, warmup_steps: 50, log_every: 250}
search: {beam_size: 1}
""")
models = {
    "vanilla": ["model.cell=vanilla_tanh"],
    "GRU": ["model.cell=gru_reset_after"],
    "LSTM": ["model.cell=lstm"],
}
configs = {name: read_config(config_file, overrides) for name, overrides in models.items()}

# %%
trained = {}
for name, config in configs.items():
    print(f"---- {name}")
    train(config, FOLDER / name)
    translator = nmt.load(FOLDER / name, "last")
    trained[name] = translator.graph, translator.params

# %% [markdown]
# The same models with fresh parameters, and 8 sentences of 32 words. They are longer than those of
# training (20 words at most), so that distances are long.

# %%
vocabularies = translator.vocabularies
size = len(vocabularies.source)  # joint
untrained = {
    name: split_model(build_model(config.model, source_size=size, target_size=size))
    for name, config in configs.items()
}
pairs = make_split("test", EmbeddedConfig(min_words=32, max_words=32, num_test=8))
sources = [segment(vocabularies.source, pair.source).ids for pair in pairs]
targets = [segment(vocabularies.target, pair.target).ids for pair in pairs]
(batch,) = forced_batches(sources, targets, vocabularies.target.special, len(pairs), 1)
pieces = batch.source, batch.source_mask, batch.target_in, batch.target_out
print(*pairs[0][:2], sep="\n")

# %% [markdown]
# ## The whole chain, without attention
#
# `encoder_gradients` gives the norm for each loss $t$ and each source piece $j$. Backpropagation
# through time is `jax.vjp` through the models' own scan.

# %%
along_chain = encoder_distances(batch.source_mask, batch.target_mask)
by_distance = partial(decay, distances=along_chain, fewest=8)


def chain(parameters):
    """Of each cell, from the losses back to the states of the encoder."""
    return {name: by_distance(encoder_gradients(*parameters[name], *pieces)) for name in models}


def show(falls):
    """A row for each line of a plot."""
    for name, fall in falls.items():
        at = "  ".join(f"{k}: {fall.at(k):8.1e}" for k in (2, 10, 20, 40, 60))
        print(f"{name:<36} {at}")


before, after = chain(untrained), chain(trained)
for when, falls in (("untrained", before), ("trained", after)):
    print(when)
    show(falls)

# %%
plot_decay(before, FOLDER / "untrained.png", title="Without attention, before training")

# %%
plot_decay(after, FOLDER / "trained.png", title="Without attention, trained")

# %% [markdown]
# - **Before training the vanilla cell reaches farthest.** Its matrix starts orthogonal, which keeps
#   a gradient's norm but for the slope of tanh (Saxe et al. 2014). A fresh GRU's update gate is
#   half open, so a state fades at each position; a fresh LSTM's forget gate starts at
#   $\sigma(1) = 0.73$.
# - **Trained, it is the other way round.** The vanilla cell has nothing to keep a state with but
#   the matrix and the tanh that also take in the input; its gradient falls to nothing within a
#   sentence. GRU and LSTM can learn to leave a state as it is, and theirs stay above it by many
#   powers of ten at long distance.
# - At short distance the vanilla cell is not behind; it is the slope that differs.

# %% [markdown]
# ## With attention
#
# Every $h_j$ is an annotation too, which each step of the decoder reads: one way to
# $\mathrm{loss}_t$ that no number of updates lengthens. `annotation_gradients` measures that way
# alone, `encoder_gradients` all ways together. We take the GRU with fresh parameters, whose
# gradient falls fastest along the chain: what is seen is owed to attention, not to what was learnt.

# %%
attentive = read_config(config_file, ["model.cell=gru_reset_after", "model.attention=additive"])
model = split_model(build_model(attentive.model, source_size=size, target_size=size))
around = {
    "through attention alone": by_distance(annotation_gradients(*model, *pieces)),
    "with attention, all ways": by_distance(encoder_gradients(*model, *pieces)),
    "without attention": before["GRU"],
}
show(around)

# %%
plot_decay(around, FOLDER / "attention.png", title="The GRU before training, and attention")

# %% tags=["claims"]
# What is said here, as conditions that fail where it is not so.
untrained_at, trained_at = (
    {name: fall.at(60) for name, fall in falls.items()} for falls in (before, after)
)
assert max(untrained_at, key=untrained_at.get) == "vanilla"
assert trained_at["vanilla"] < 1e-3 * min(trained_at["GRU"], trained_at["LSTM"])
assert trained_at["vanilla"] < 1e-6 * untrained_at["vanilla"]
assert min(around["through attention alone"].at(k) for k in range(1, 61)) > 0.5  # no decay
plateau = [around["with attention, all ways"].at(k) for k in range(20, 61)]
assert max(plateau) < 10 * min(plateau)
assert around["without attention"].at(60) < 1e-5 * min(plateau)

# %% [markdown]
# The way through attention does not decay with distance. All ways together fall for some
# positions, as long as the chain is the louder one, and then stay where attention holds them.
# Without attention the gradient is gone.
#
# `decoder_gradients` measures the states of the decoder in the same way. There attention helps
# little, as it looks at the source, not back at the target: that took self-attention (Vaswani et
# al. 2017).
