"""The recurrent encoder: layers above one another, each in one direction or in both."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from nmt.config.schema import RecurrentConfig
from nmt.models import cells
from nmt.models.dropout import dropout, split_keys
from nmt.models.stacks import Joint

Array = jax.Array


class Encoder(nnx.Module):
    """A stack of recurrent layers, each read forwards, or forwards and backwards and joined.

    A layer reads the outputs of both directions of the layer below. A cell that looks at the state
    of the layer below as well looks at that of its own direction.
    """

    def __init__(self, config: RecurrentConfig, *, precision: str, rngs: nnx.Rngs):
        directions = 2 if config.bidirectional else 1
        self.annotation_dim = directions * config.encoder_dim
        inputs = [config.embedding_dim] + [self.annotation_dim] * (config.encoder_layers - 1)
        makers = [cells.bottom_cell(config)]
        makers += [cells.upper_cell(config)] * (config.encoder_layers - 1)

        def new_cells():
            return nnx.List(
                [
                    new_cell(dim, config.encoder_dim, precision=precision, rngs=rngs)
                    for new_cell, dim in zip(makers, inputs, strict=True)
                ]
            )

        self.forward = new_cells()
        self.backward = new_cells() if config.bidirectional else nnx.List([])
        self.joints = nnx.List([Joint(config, dim, rngs=rngs) for dim in inputs[1:]])
        self.dropout = config.dropout
        self.unroll = 1  # see `nmt.models.execution.unrolled`

    def __call__(self, embedded: Array, mask: Array, dropout_keys: Array | None):
        """Reads the source.

        Args:
          embedded: (B, S, E).
          mask: (B, S).
          dropout_keys: for what goes from one layer to the next.
        Returns:
          annotations: (B, S, M).
          finals: the annotation of each direction at the position that it visits last, its own half
            of it, [(B, H), ...].
        """
        keys = split_keys(dropout_keys, len(self.forward))
        below = [None] * (2 if self.backward else 1)
        annotations, finals, below = self._run_layer(0, embedded, mask, below)
        for layer, joint in enumerate(self.joints, start=1):
            inputs = dropout(joint.before(annotations), self.dropout, keys[layer])
            outputs, lasts, below = self._run_layer(layer, inputs, mask, below)
            annotations = joint.after(annotations, outputs)
            finals = [joint.after(*pair) for pair in zip(finals, lasts, strict=True)]
        return annotations, finals

    def _run_layer(
        self, layer: int, inputs: Array, mask: Array, below: Sequence[cells.State | None]
    ) -> tuple[Array, list[Array], list[cells.State | None]]:
        """inputs (B, S, I), states of each direction -> outputs (B, S, M), finals, states."""
        is_top = layer + 1 == len(self.forward)
        how = {"above": None if is_top else self.forward[layer + 1], "unroll": self.unroll}
        if self.backward:
            own = self.forward[layer], self.backward[layer]
            of_directions = cells.run_both_ways(own, inputs, mask, below=tuple(below), **how)
        else:
            (under,) = below
            of_directions = [
                cells.run_in_stack(self.forward[layer], inputs, mask, below=under, **how)
            ]
        outputs = jnp.concatenate([seen.output for seen, _ in of_directions], axis=-1)
        return outputs, [final for _, final in of_directions], [s.state for s, _ in of_directions]
