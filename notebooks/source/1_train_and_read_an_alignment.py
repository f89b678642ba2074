# %% [markdown]
# # 1. Train a model and read its alignment
#
# This notebook trains a small recurrent encoder-decoder with attention (Bahdanau, Cho and Bengio,
# 2015) on the corpus that comes with `nmt`, and looks at what the attention shows. It takes about
# a minute on 2 CPU cores. Nothing is downloaded.
#
# An encoder reads the source words $x_1 \dots x_S$ in both directions and makes an annotation
# $h_j$ of each. The decoder writes the target one piece at a time. Before it writes piece $i$ it
# compares its state $s_{i-1}$ with every annotation, turns these energies into weights, and reads
# the weighted mean of the annotations:
#
# $$e_{ij} = v_a^\top \tanh(W_a s_{i-1} + U_a h_j), \qquad
# \alpha_{ij} = \frac{\exp e_{ij}}{\sum_k \exp e_{ik}}, \qquad
# c_i = \sum_j \alpha_{ij} h_j .$$
#
# The weights $\alpha_{ij}$ are the soft alignment. They are never taught: they are whatever helps
# the model to predict the next piece.

# %%
import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import nmt
from nmt.analysis.aer import alignment_scores
from nmt.analysis.curves import curve, plot_curves
from nmt.analysis.records import read_records
from nmt.analysis.scores import score
from nmt.config.reader import read_config
from nmt.data.corpus import load_split
from nmt.data.gold import load_gold
from nmt.training.loop import train

logging.basicConfig(format="%(message)s", stream=sys.stdout)  # shows the log of training here
FOLDER = Path("runs/train_and_read")
shutil.rmtree(FOLDER, ignore_errors=True)  # begins anew each time
FOLDER.mkdir(parents=True)

# %% [markdown]
# ## The config and the corpus
#
# A config has six sections: `data`, `vocabulary`, `model`, `training`, `validation` and `search`.
# A file says only what differs from the defaults; `nmt/config/schema.py` explains every key.
# `path: embedded` is the built-in corpus: English sentences made by a grammar, with their French
# translations. Here they have at most 8 words, so that a minute is enough.

# %%
config_file = FOLDER / "small.yaml"
config_file.write_text("""
data:
  path: embedded
  source_language: en
  target_language: fr
  embedded: {num_train: 16000, num_test: 200, max_words: 8}
  num_shapes: 2        # batches come in 2 sizes, each of which is compiled once
  batch_pieces: 512    # target pieces of a batch, padding included
vocabulary: {size: 1200}
model: {embedding_dim: 64, encoder_dim: 64, decoder_dim: 128, alignment_dim: 64, readout_dim: 64}
training: {num_steps: 2000, learning_rate: 6.0e-3, schedule: cosine, warmup_steps: 100,
           log_every: 200, save_every: 1000}
validation: {every: 500, max_sentences: 100}
search: {beam_size: 3}
""")
config = read_config(config_file)

# %% [markdown]
# The grammar knows which word was made from which, so every pair has gold links. A link is (source
# word, target word), both counted from 0. French differs from English in word order and in number
# of words: adjectives follow many nouns, *not* becomes *ne ... pas*, and an object pronoun stands
# before the verb.

# %%
test = load_split(config.data, "test")
gold = load_gold(config.data, "test")
for source, target, links in list(zip(test.source, test.target, gold, strict=True))[:3]:
    print(source, target, sorted(links.sure), "", sep="\n")

# %% [markdown]
# ## Training
#
# `train` does the same as `nmt train CONFIG --run FOLDER` on the command line. First the corpus is
# cleaned and cut into vocabulary pieces, then the program that makes the gradients is compiled for
# each size of batch, and the update once. The log gives the loss in nats per target piece.
# Perplexity is its exponential: among how many pieces the model hesitates. At each validation 100
# sentences are translated, and BLEU says how far the translations agree with the references.

# %%
run = FOLDER / "run"
train(config, run)

# %% [markdown]
# What was measured lies in `metrics.jsonl` of the run.

# %%
records = read_records(run / "metrics.jsonl")
bleu = curve(records, "step", "validation_bleu", name="attention")
plot_curves([bleu], x_label="step", y_label="validation BLEU")

# %% [markdown]
# ## Translating
#
# `nmt.load` takes the checkpoint that was best in validation. First the sentences of the test
# split, which share none with the training split:

# %%
translator = nmt.load(run)
translations = translator.translate(test.source)
scores = score([t.text for t in translations], test.target, target_language="fr", tokenized=False)
print(f"BLEU {scores.bleu:.1f}, chrF {scores.chrf:.1f} on {scores.sentences} sentences")

# %% [markdown]
# A single translation shows itself: the text, and its alignment matrix. In JupyterLab and VS Code
# the matrix can be touched: hover over a cell to read its weight, move the threshold, switch
# between soft weights and hard links. Elsewhere there is a picture in its place.

# %%
sentence = "she did not buy the white horses ."
translator.translate(sentence)

# %% [markdown]
# ## Reading the matrix
#
# - **A column is a source word** (on top), **a row is a target word** (at the left). A row says
#   where the model looked when it wrote this word. White is 1, black is 0.
# - The model itself works with vocabulary pieces, of which a word may have several. A word's row
#   is the mean over its pieces; a word's column is the sum over its pieces.
# - **The source ends with EOS**, an invisible last piece that can be attended to as well. Its mass
#   is kept apart in `eos`. Together with it every row sums to 1, since softmax does.
#
# If both languages had the same order, the white cells would form a diagonal. Look for where they
# leave it: an adjective that follows its noun, *not* that becomes *ne* before the verb and *pas*
# after it.

# %%
alignment = translator.translate(sentence).alignment
print("source:", alignment.source_words)
print("target:", alignment.target_words)
print("shape:", alignment.matrix.shape)
row_sums = alignment.matrix.sum(axis=1) + alignment.eos
print("rows, with EOS, sum to", row_sums.round(6))

# %% [markdown]
# The same as a picture, for a paper or a talk: `plot("horses.png")`, or `.svg`, or `.pdf`, writes a
# file. With `eos=True` EOS is one more column. It is bright where a target word was made from no
# source word, or where the model has not learnt where to look. Dots are the hard links.

# %%
alignment.plot(FOLDER / "horses.png", eos=True, links=alignment.links())

# %% [markdown]
# ## Hard links
#
# `links()` makes links of weights: each target word is linked to the source word with the greatest
# weight in its row. A tie goes to the first such word. A target word where EOS has more than any
# source word gets no link. `to_pharaoh()` writes them as most tools want them.

# %%
print(alignment.to_pharaoh())

# %% [markdown]
# ## Every way of decoding has alignments
#
# Search only finds the target pieces. The alignment is then read in one more pass over source and
# target (forced decoding), in which the model computes the same $\alpha_{ij}$ as it did in the
# search. So greedy search, beam search and sampling all have alignments, and every hypothesis of
# an n-best list its own.

# %%
searches = {
    "greedy": replace(config.search, beam_size=1),
    "beam of 5": replace(config.search, beam_size=5),
    "sampling": replace(config.search, method="sample", temperature=1.5, seed=4),
}
found = {name: translator.translate(sentence, search=how) for name, how in searches.items()}
for name, translation in found.items():
    print(f"{name:>9}: {translation.text}   log-probability {translation.log_prob:.2f}")
    print(f"{'':>9}  {translation.alignment.to_pharaoh()}")

# %%
best = translator.translate(sentence, search=searches["beam of 5"], num_hypotheses=3)
for hypothesis in best.hypotheses:
    print(f"{hypothesis.score:6.2f}  {hypothesis.text}  {hypothesis.alignment.to_pharaoh()}")

# %% [markdown]
# ## A translation that you give
#
# `align` takes both sides. This is how parallel text is aligned, and how an alignment can be
# measured: with the reference translation of a test sentence there are gold links to compare with.
# Frames show the gold links, dots those of the model.

# %%
longest = max(range(len(test)), key=lambda i: len(test.target[i].split()))
given = translator.align(test.source[longest], test.target[longest])
given.plot(gold=gold[longest], links=given.links())

# %% [markdown]
# Over the whole test split this gives the alignment error rate (Och and Ney, 2003): with $A$ the
# links found, $S$ the sure and $P \supseteq S$ the possible gold links,
#
# $$\mathrm{AER} = 1 - \frac{|A \cap S| + |A \cap P|}{|A| + |S|} .$$

# %%
aligned = translator.align_all(test.source, test.target)
errors = alignment_scores([a.links() for a in aligned], gold)
print(errors)

# %% tags=["claims"]
# What this notebook says of its model, as conditions that fail where it is not so.
assert scores.bleu > 70
assert errors.aer < 0.3
assert abs(row_sums - 1).max() < 1e-5

# %% [markdown]
# A model may translate well and still align worse. Nobody has taught it where to look, and an
# annotation $h_j$ knows the words around $x_j$ too, so the model can look at a neighbour, or even
# at the full stop, and still find what it needs. And one link for each target word cannot be all
# there is where one French word stands for two English ones. `3_alignment_methods` shows what can
# be done.
#
# ## Next
#
# - `2_fixed_context_vector`: what happens without attention.
# - `3_alignment_methods`: better links, and those of a Transformer.
# - `4_your_own_text_files`: the same with your own text.
