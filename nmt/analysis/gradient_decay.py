"""How gradients fall with distance: figures of many pairs of places, and their curves.

    norms = decoder_gradients(graph, params, source, source_mask, target_in, target_out)
    falls = decay(norms, decoder_distances(target_mask))
    plot_decay({"lstm": falls}, "decay.svg")

`decoder_gradients` is in `nmt.decoding.gradients`.

The distance of a state from a loss is the number of state updates from the one to the other. The
states of the encoder and those of the decoder are one chain h_1 ... h_S, s_0 ... s_T: target piece
t is predicted from s_t, which is t updates from s_0 and from h_S, of which s_0 is made. Of a
bidirectional encoder this is said of the forward direction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike

import numpy as np

from nmt.analysis.curves import Curve, plot_curves
from nmt.analysis.figures import Picture
from nmt.errors import DataError

BAND = (0.1, 0.9)  # of the pairs at a distance lie between these quantiles


@dataclass(frozen=True)
class Decay:
    """Norms of gradients by distance, of which there are D; all arrays are (D,).

    The median of the pairs at a distance, not their mean: norms spread over powers of ten, so that
    a mean is that of the largest, and the logarithm of some is minus infinity.

    Attributes:
      distances: in ascending order, without those that no pair has.
      median, low, high: of the pairs at a distance, and the quantiles of BAND.
      count: how many pairs there are.
    """

    distances: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray

    def at(self, distance: int) -> float:
        """The median at a distance as a share of that at the shortest one.

        Raises:
          DataError: no pair is at that distance, or the shortest has no gradient.
        """
        (place,) = np.nonzero(self.distances == distance)
        if not len(place) or not self.median[0]:
            raise DataError(f"no gradient is known at distance {distance}")
        return float(self.median[place[0]] / self.median[0])

    def curve(self, name: str) -> Curve:
        """The line of a plot: shares of the first median; none where a median is zero."""
        shown = self.median > 0
        if not shown.any():
            return Curve(name, [], [])
        median, low, high = (of[shown] for of in (self.median, self.low, self.high))
        # A band that reaches zero is drawn to the least that is not: its logarithm has no end.
        low = np.where(low > 0, low, np.concatenate([low[low > 0], median]).min())
        y, lower, upper = ((of / median[0]).tolist() for of in (median, low, high))
        return Curve(name, self.distances[shown].tolist(), y, band=(lower, upper))


def decay(norms: np.ndarray, distances: np.ndarray, *, fewest: int = 1) -> Decay:
    """Gathers norms by distance.

    Args:
      norms: || d loss_t / d state_p ||, (B, T, P).
      distances: (B, T, P) int; pairs with 0 are left out.
      fewest: distances of fewer pairs are left out; the longest have but one in all sentences.
    Raises:
      DataError: all pairs are left out.
    """
    norms, distances = np.asarray(norms, np.float64), np.asarray(distances)
    found, counts = np.unique(distances[distances > 0], return_counts=True)
    found = found[counts >= fewest]
    if not len(found):
        raise DataError("no pair of a loss and a state has a distance")
    groups = [norms[distances == distance] for distance in found]
    low, median, high = np.array([np.quantile(of, (BAND[0], 0.5, BAND[1])) for of in groups]).T
    return Decay(found, median, low, high, np.array(list(map(len, groups))))


def decoder_distances(target_mask: np.ndarray) -> np.ndarray:
    """target_mask (B, T) -> (B, T, T): from the state that position p begins with to loss t.

    It is 1 for p = t: s_{t-1}, when the piece that s_t is to predict was not yet read.
    """
    positions = np.arange(target_mask.shape[1])
    distances = positions[:, None] - positions + 1
    return np.where((distances > 0) & target_mask[:, :, None], distances, 0)


def encoder_distances(source_mask: np.ndarray, target_mask: np.ndarray) -> np.ndarray:
    """source_mask (B, S), target_mask (B, T) -> (B, T, S): from h_j through h_S to loss t."""
    lengths = source_mask.sum(axis=1)[:, None, None]
    j, t = np.arange(source_mask.shape[1]), np.arange(target_mask.shape[1])[:, None]
    distances = (lengths - 1 - j) + (t + 1)
    return np.where(source_mask[:, None] & target_mask[:, :, None], distances, 0)


def plot_decay(
    decays: Mapping[str, Decay], path: str | PathLike | None = None, *, title: str | None = None
) -> Picture:
    """Draws how gradients fall, on a logarithmic axis, each from 1 at its shortest distance.

    Args:
      decays: by name.
      path: where to write it, as the suffix says: .png, .svg or .pdf. None writes nothing.
      title: a line above.
    Returns:
      The matplotlib figure. Bands hold 80 % of the pairs. A line ends where its median is zero.
    Raises:
      DataError: nothing to draw; another suffix; a file that cannot be written.
    """
    return plot_curves(
        [falls.curve(name) for name, falls in decays.items()],
        path,
        x_label="distance (updates of the state)",
        y_label="norm of the gradient, relative",
        title=title,
        logarithmic=True,
    )
