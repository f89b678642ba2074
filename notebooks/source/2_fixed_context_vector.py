# %% [markdown]
# # 2. The bottleneck of the fixed context vector
#
# Before attention, an encoder-decoder put the whole source sentence into one vector, whatever its
# length (Sutskever et al., 2014; Cho et al., 2014). Bahdanau, Cho and Bengio (2015) blamed this
# vector for bad translations of long sentences, and showed it in their figure 2: BLEU against
# sentence length, with and without attention. This notebook makes that figure. It trains both
# models, about two minutes on 2 CPU cores.
#
# The two models differ in one thing: what the decoder gets to see of the source when it writes
# target piece $i$.
#
# - Fixed vector: $c = [\overrightarrow{h}_S ; \overleftarrow{h}_1]$, the last states of both
#   directions of the encoder, the same at every step.
# - Attention: $c_i = \sum_j \alpha_{ij} h_j$, with weights $\alpha_{ij}$ made anew at every step.
#
# The fixed vector has as many numbers for 3 words as for 12. Attention has one $h_j$ for each
# source piece, so what it can look up grows with the sentence.

# %%
import logging
import os
import shutil
import sys
from pathlib import Path

from IPython.display import display

import nmt
from nmt.analysis.by_length import scores_by_length
from nmt.analysis.curves import curve, plot_bleu_by_length, plot_curves
from nmt.analysis.records import read_records
from nmt.config.reader import read_config
from nmt.config.schema import EmbeddedConfig
from nmt.data.cleaning import count_words
from nmt.data.corpus import load_split
from nmt.data.grammar import make_split
from nmt.training.loop import train

logging.basicConfig(format="%(message)s", stream=sys.stdout)  # shows the log of training here
FOLDER = Path("runs/fixed_context_vector")
shutil.rmtree(FOLDER, ignore_errors=True)  # begins anew each time
FOLDER.mkdir(parents=True)

# %% [markdown]
# ## Two models that differ in one key
#
# `model.attention` is `additive` or `none`. The corpus (sentences of 3 to 12 words), the vocabulary
# and the sizes are equal. A step without attention costs less, and that model learns more slowly,
# so it gets twice as many steps.

# %%
config_file = FOLDER / "small.yaml"
config_file.write_text("""
data:
  path: embedded
  source_language: en
  target_language: fr
  embedded: {num_train: 20000, max_words: 12}
  num_shapes: 2
  batch_pieces: 512
vocabulary: {size: 1200}
model: {embedding_dim: 96, encoder_dim: 96, decoder_dim: 192, alignment_dim: 96, readout_dim: 96}
training: {learning_rate: 5.0e-3, schedule: cosine, warmup_steps: 100,
           log_every: 500, save_every: 500}
validation: {every: 500, max_sentences: 64}
search: {beam_size: 1}
""")
systems = {
    "attention": ["model.attention=additive", "training.num_steps=1500"],
    "fixed vector": ["model.attention=none", "training.num_steps=3000"],
}

# %%
for name, overrides in systems.items():
    print(f"---- {name}")
    train(read_config(config_file, overrides), FOLDER / name)

# %%
curves = [
    curve(read_records(FOLDER / name / "metrics.jsonl"), "step", "validation_bleu", name=name)
    for name in systems
]
plot_curves(curves, x_label="step", y_label="validation BLEU")

# %% [markdown]
# ## Test sentences of growing length
#
# The grammar makes sentences of any length that we ask for. We take equally many of each range, so
# that the score of no range rests on a handful of sentences. None of them is in the training
# split. The last range is longer than anything in training.

# %%
ranges = [(3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 16)]
pairs = []
for lowest, highest in ranges:
    pairs += make_split("test", EmbeddedConfig(min_words=lowest, max_words=highest, num_test=60))
sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]
print(
    len(pairs),
    "sentences, such as",
    sources[0],
    references[0],
    sources[-1],
    references[-1],
    sep="\n",
)

# %% [markdown]
# `scores_by_length` scores the sentences of each range as a corpus of its own. The grammar does not
# count the full stop, `count_words` does: the edges are one higher.

# %%
lengths = [count_words(source, "en") for source in sources]
edges = [highest + 1 for _, highest in ranges[:-1]]
translations, by_length = {}, {}
for name in systems:
    found = nmt.load(FOLDER / name).translate(sources)
    translations[name] = [translation.text for translation in found]
    by_length[name] = scores_by_length(
        lengths, translations[name], references, edges, target_language="fr", tokenized=False
    )

# %%
print(
    f"{'words':>7} {'sentences':>10}" + "".join(f"{name:>14}" for name in systems) + "   difference"
)
for with_attention, without in zip(by_length["attention"], by_length["fixed vector"], strict=True):
    difference = with_attention.bleu - without.bleu
    print(
        f"{with_attention.label:>7}{with_attention.count:>11}"
        f"{with_attention.bleu:>14.1f}{without.bleu:>14.1f}{difference:>14.1f}"
    )

# %%
plot_bleu_by_length(by_length, FOLDER / "length.png", title="embedded English-French")

# %% [markdown]
# ## What the figure says
#
# - On the shortest sentences the fixed vector is no disadvantage: a few words fit into it. (That
#   model is even ahead there, as it has taken more steps.)
# - The longer the sentence, the more of it the fixed vector loses. The translation is still fluent
#   French, but it is of another sentence.
# - With attention BLEU falls far less, and it goes on beyond the lengths of training, in the last
#   range. There the model without attention fails.
#
# Below is one sentence of the range 11 to 12, translated by both models. The model without
# attention has no alignment to show, and says so when it is asked for one.

# %%
long = ranges.index((11, 12)) * 60
print("source:      ", sources[long])
print("reference:   ", references[long])
for name in systems:
    print(f"{name + ':':<14}", translations[name][long])

# %%
try:
    nmt.load(FOLDER / "fixed vector").translate(sources[long], align=True)
except nmt.errors.NmtError as error:
    print(error)

# %% tags=["claims"]
# What is said above, as conditions that fail where it is not so.
bleu = {name: [bucket.bleu for bucket in buckets] for name, buckets in by_length.items()}
lead = [ours - theirs for ours, theirs in zip(bleu["attention"], bleu["fixed vector"], strict=True)]
assert lead[0] < 5  # no disadvantage on the shortest
assert lead[4] > 10  # the longest of training
assert lead[5] > 20  # longer than all of training
falls_by = {name: each[0] - each[4] for name, each in bleu.items()}
assert falls_by["fixed vector"] > falls_by["attention"] + 15

# %% [markdown]
# ## The same on a real corpus
#
# Set `CORPUS` to a folder of text files, or the environment variable `NMT_CORPUS` before the
# notebook is started: `train.en`, `train.de`, `validation.en`, `validation.de`, `test.en`,
# `test.de`, line by line translations of each other. Other names and languages are told in
# `SETTINGS`, such as `data.validation=val data.target_language=fr`. Here training is limited by
# time; a real corpus wants larger models and half an hour each on 2 cores, less on a GPU. Without
# a folder the next cells do nothing.
#
# Sentences of real text are not equally many in every range, so the picture tells how many there
# are, and leaves out ranges with fewer than 10.

# %%
CORPUS = os.environ.get("NMT_CORPUS")
SETTINGS = os.environ.get("NMT_SETTINGS", "training.max_minutes=30").split()

real = [
    f"data.path={CORPUS}",
    "data.source_language=en",
    "data.target_language=de",
    "data.num_shapes=8",
    "data.batch_pieces=2048",
    "vocabulary.size=8000",
    *(f"model.{size}_dim=256" for size in ("embedding", "encoder", "alignment", "readout")),
    "model.decoder_dim=512",
    "model.dropout=0.2",
    "training.num_steps=20000",
    "training.learning_rate=1e-3",
    "training.schedule=constant",
    "validation.max_sentences=500",
]
if CORPUS:
    for name, overrides in systems.items():
        print(f"---- {name}")
        config = read_config(config_file, [*real, overrides[0], *SETTINGS])
        train(config, FOLDER / f"{name}, real corpus")

# %%
if CORPUS:
    data = read_config(config_file, [*real, *SETTINGS]).data
    test = load_split(data, data.test[0])
    lengths = [count_words(source, data.source_language) for source in test.source]
    real_by_length = {}
    for name in systems:
        found = nmt.load(FOLDER / f"{name}, real corpus").translate(test.source)
        real_by_length[name] = scores_by_length(
            lengths,
            [translation.text for translation in found],
            test.target,
            (8, 12, 16, 20, 25, 30, 40),
            target_language=data.target_language,
            tokenized=data.tokenized,
        )
    figure = plot_bleu_by_length(
        real_by_length, FOLDER / "real_length.png", title=Path(CORPUS).name
    )
    display(figure)
