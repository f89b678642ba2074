"""Gradient saliency: how much the probability of a target piece depends on each source position.

Ding et al. (2019), https://arxiv.org/abs/1906.10282, take the gradient with regard to the source's
embeddings. Here it is with regard to the memory, what the encoder leaves of each source position,
at the one step that predicts the piece; the state that the steps before have left is held fixed.

A position's weight is the sum of the gradient's absolute values, which had the lowest alignment
error rate on 300 held-out sentences of the embedded corpus: 12.5 % for a GRU (its attention 12.6 %)
and 15.8 % for a Transformer (15.8 %). The Euclidean norm had 12.7 and 21.4 %; the gradient times
the memory 27.0 and 30.5 % as a sum, 37.4 and 30.8 % as its positive part, and 13.2 and 17.2 % as a
sum of absolute values.
"""

import jax
import jax.numpy as jnp

from nmt.models.seq2seq import Seq2Seq, logits_from_features

Array = jax.Array


def saliency(
    model: Seq2Seq, source: Array, source_mask: Array, target_in: Array, target_out: Array
) -> Array:
    """The saliency of given pieces.

    The gradient is that of log p - log (1 - p), which is that of log p divided by 1 - p: a row says
    the same, and does not vanish where the model is sure.

    Args:
      model: any model of the contract that keeps something of each source position.
      source, source_mask: (B, S).
      target_in, target_out: (B, T).
    Returns:
      (B, T, S), every row sums to one, zero on padding; EOS is a source position like others. A
      row without any gradient is uniform.
    """
    memory, projection = model.encode(source, source_mask), model.projection()
    leaves, structure = jax.tree.flatten(memory)
    of_positions = [i for i, leaf in enumerate(leaves) if leaf.ndim >= 3]  # (B, ..., S, d)

    def log_odds(annotations, state, piece, position, wanted):
        """annotations: the leaves of the memory -> () and the next state."""
        whole = list(leaves)
        for i, leaf in zip(of_positions, annotations, strict=True):
            whole[i] = leaf
        memory = jax.tree.unflatten(structure, whole)
        state, features, _ = model.step(state, memory, piece[:, None], position)
        logits = logits_from_features(features[:, 0], projection)  # B V
        is_wanted = jnp.arange(logits.shape[1]) == wanted[:, None]
        others = jax.nn.logsumexp(jnp.where(is_wanted, -jnp.inf, logits), axis=1)
        return (jnp.where(is_wanted, logits, 0).sum(axis=1) - others).sum(), state

    annotations = [leaves[i] for i in of_positions]

    def at_position(state, now):
        gradients, state = jax.grad(log_odds, has_aux=True)(annotations, state, *now)
        return state, _weights(gradients, source_mask)

    positions = jnp.arange(target_in.shape[1])
    state = model.init_state(memory, 1, target_in.shape[1])
    _, rows = jax.lax.scan(at_position, state, (target_in.T, positions, target_out.T))
    return rows.swapaxes(0, 1)


def _weights(gradients: list[Array], source_mask: Array) -> Array:
    """Gradients (B, ..., S, d) -> weights (B, S), zero on padding, which sum to one."""
    of_positions = [leaf.swapaxes(1, -2).reshape(*source_mask.shape, -1) for leaf in gradients]
    sizes = sum(jnp.abs(leaf).sum(axis=-1) for leaf in of_positions)
    sizes = jnp.where(source_mask, sizes, 0)
    total = sizes.sum(axis=1, keepdims=True)
    uniform = source_mask / source_mask.sum(axis=1, keepdims=True)
    return jnp.where(total > 0, sizes / jnp.where(total > 0, total, 1), uniform)
