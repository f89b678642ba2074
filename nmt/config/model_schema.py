"""The section model: a dataclass for each architecture, of which model.architecture chooses one."""

from dataclasses import dataclass
from typing import Literal

from nmt.config.checks import at_least, at_most, check_fraction
from nmt.errors import ConfigError

MAX_DIM, MAX_LAYERS = 100_000, 1000  # a slip of the pen should not fill the memory
MAX_CLOCKWORK_MODULES = 16  # the slowest then moves every 32,768 positions


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig:
    """The recurrent encoder-decoder, with attention or with a fixed-length context vector."""

    architecture: Literal["recurrent"] = "recurrent"
    cell: Literal[
        "vanilla_tanh",
        "vanilla_relu",
        "gru_reset_before",
        "gru_reset_after",
        "lstm",
        "lstm_peephole",  # vectors, as published
        "lstm_peephole_full",  # matrices
        "lstm_coupled",  # one gate for input and forgetting
        "lstm_depth_gated",  # looks at the layer below; the first layer is lstm_peephole
        "lstm_nested",
        "clockwork",
    ] = "gru_reset_after"
    clockwork_modules: int = 4  # of cell clockwork, with periods of 1, 2, 4, 8 positions
    embedding_dim: int = 256
    encoder_layers: int = 1
    encoder_dim: int = 256  # of each direction
    bidirectional: bool = True
    decoder_layers: int = 1
    decoder_dim: int = 512
    residual: bool = False  # a layer's input is added to its output, in layers above the first
    layer_norm: bool = False  # of the input of each layer above the first
    attention: Literal["additive", "dot", "general", "concat", "none"] = "additive"
    fixed_context: Literal["every_step", "initial_state"] = "every_step"  # without attention
    alignment_dim: int = 512  # the hidden layer of additive attention
    decoder_order: Literal["attend_update", "update_attend", "update_attend_update"] = (
        "attend_update"
    )
    input_feeding: bool = False  # the decoder reads the features of the position before
    readout: Literal["tanh", "maxout"] = "tanh"
    readout_dim: int = 512
    readout_state: Literal["previous", "current"] = "current"  # s_{i-1} or s_i
    share_embeddings: bool = False  # of source and target
    tie_projection: bool = False  # the projection is the target embedding
    dropout: float = 0.0  # of embeddings, between encoder layers, of annotations and the readout

    @property
    def has_attention(self) -> bool:
        """Whether the model gives alignments."""
        return self.attention != "none"

    def __post_init__(self):
        check_fraction("model", dropout=self.dropout)
        _check_sizes(
            self.encoder_layers,
            self.decoder_layers,
            embedding_dim=self.embedding_dim,
            encoder_dim=self.encoder_dim,
            decoder_dim=self.decoder_dim,
            alignment_dim=self.alignment_dim,
            readout_dim=self.readout_dim,
        )
        if self.tie_projection and self.readout_dim != self.embedding_dim:
            raise ConfigError(
                "model.tie_projection needs model.readout_dim equal to model.embedding_dim; "
                f"got {self.readout_dim} and {self.embedding_dim}"
            )
        if self.attention == "none":
            self._check_without_attention()
        annotation_dim = self.encoder_dim * (2 if self.bidirectional else 1)
        if self.attention == "dot" and annotation_dim != self.decoder_dim:
            both = "twice " if self.bidirectional else ""
            raise ConfigError(
                f"model.attention dot needs model.decoder_dim equal to {both}model.encoder_dim, as "
                f"model.bidirectional is {str(self.bidirectional).lower()}; "
                f"got {self.decoder_dim} and {annotation_dim}"
            )
        self._check_stack()
        if self.cell == "clockwork":
            self._check_clockwork()

    def _check_stack(self):
        """What joins layers needs two of them, in the encoder or in the decoder."""
        options = {
            "cell lstm_depth_gated": self.cell == "lstm_depth_gated",
            "residual": self.residual,
            "layer_norm": self.layer_norm,
        }
        chosen = [name for name, is_chosen in options.items() if is_chosen]
        if chosen and self.encoder_layers == self.decoder_layers == 1:
            raise ConfigError(
                f"model.{chosen[0]} needs model.encoder_layers or model.decoder_layers of 2 or "
                "more, as it joins a layer to the one below; got 1 and 1"
            )

    def _check_clockwork(self):
        at_least("model", 1, clockwork_modules=self.clockwork_modules)
        at_most("model", MAX_CLOCKWORK_MODULES, clockwork_modules=self.clockwork_modules)
        for name, dim in (("encoder_dim", self.encoder_dim), ("decoder_dim", self.decoder_dim)):
            if dim % self.clockwork_modules:
                raise ConfigError(
                    f"model.clockwork_modules must divide model.{name}; "
                    f"got {self.clockwork_modules} modules for {dim}"
                )
        if self.decoder_order == "update_attend_update":
            raise ConfigError(
                "model.cell clockwork cannot be updated twice at a position, for which it has one "
                "tick: choose another model.decoder_order; got update_attend_update"
            )

    def _check_without_attention(self) -> None:
        wanted = "needs model.attention additive, dot, general or concat; got none"
        if self.decoder_order != "attend_update":
            raise ConfigError(f"model.decoder_order {self.decoder_order} {wanted}")
        if self.input_feeding:
            raise ConfigError(f"model.input_feeding true {wanted}")
        if self.fixed_context == "initial_state" and self.bidirectional:
            raise ConfigError(
                "model.fixed_context initial_state needs model.bidirectional false, as the decoder "
                "starts from the last state of one direction; got true"
            )


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """The Transformer of Vaswani et al. (2017)."""

    architecture: Literal["transformer"] = "transformer"
    model_dim: int = 512
    feedforward_dim: int = 2048
    num_heads: int = 8
    encoder_layers: int = 6
    decoder_layers: int = 6
    norm: Literal["post", "pre"] = "post"
    activation: Literal["relu", "gelu", "swish"] = "relu"
    sinusoids: Literal["interleaved", "halves"] = "interleaved"  # halves: as Marian has them
    scale_embeddings: bool = True  # by the square root of model_dim
    share_embeddings: bool = False  # of source and target
    tie_projection: bool = False  # the projection is the target embedding
    dropout: float = 0.1
    attention_dropout: float = 0.0
    alignment_layer: int = -2  # the decoder layer whose cross-attention is the alignment
    alignment_head: int | None = None  # None: the mean of the heads

    @property
    def has_attention(self) -> bool:
        """Whether the model gives alignments: it always does."""
        return True

    def __post_init__(self):
        check_fraction("model", dropout=self.dropout, attention_dropout=self.attention_dropout)
        _check_sizes(
            self.encoder_layers,
            self.decoder_layers,
            model_dim=self.model_dim,
            feedforward_dim=self.feedforward_dim,
            num_heads=self.num_heads,
        )
        if self.model_dim % self.num_heads:
            raise ConfigError(
                "model.num_heads must divide model.model_dim; "
                f"got {self.num_heads} heads for {self.model_dim}"
            )
        if self.model_dim % 2:
            raise ConfigError(f"model.model_dim must be even for sinusoids; got {self.model_dim}")
        in_range = -self.decoder_layers <= self.alignment_layer < self.decoder_layers
        if not in_range and self.alignment_layer != -2:  # the default also serves one layer
            raise ConfigError(
                "model.alignment_layer must name one of the "
                f"{self.decoder_layers} decoder layers; got {self.alignment_layer}"
            )
        if self.alignment_head is not None and not 0 <= self.alignment_head < self.num_heads:
            raise ConfigError(
                f"model.alignment_head must be between 0 and {self.num_heads - 1}, or null; "
                f"got {self.alignment_head}"
            )


ModelConfig = RecurrentConfig | TransformerConfig  # told apart by model.architecture


def _check_sizes(encoder_layers: int, decoder_layers: int, **dims: int) -> None:
    layers = {"encoder_layers": encoder_layers, "decoder_layers": decoder_layers}
    at_least("model", 1, **layers, **dims)
    at_most("model", MAX_LAYERS, **layers)
    at_most("model", MAX_DIM, **dims)
