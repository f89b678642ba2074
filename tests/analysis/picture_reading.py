"""What tests draw, and how they read it from a picture again."""

import io

import matplotlib.image
import numpy as np

from nmt.analysis.alignment import Alignment, HeadAlignments
from nmt.analysis.fonts import quiet_fonts

MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}


def alignment_of(source, target, seed=0):
    """One with random weights between words."""
    rng = np.random.default_rng(seed)
    matrix = rng.dirichlet(np.full(len(source) + 1, 0.1), size=len(target))
    return Alignment(source, target, matrix[:, :-1], matrix[:, -1])


def with_heads(alignment, num_layers, num_heads, seed=0):
    """The alignment, with random weights for each layer and head."""
    rng = np.random.default_rng(seed)
    num_rows, num_columns = alignment.matrix.shape
    weights = rng.dirichlet(np.ones(num_columns + 1), size=(num_layers, num_heads, num_rows))
    heads = HeadAlignments(weights[..., :-1], weights[..., -1])
    words = alignment.source_words, alignment.target_words
    return Alignment(*words, alignment.matrix, alignment.eos, heads)


def colors(picture):
    """(height, width, 3), from 0 to 1, of the picture as a PNG."""
    return matplotlib.image.imread(io.BytesIO(picture.render(".png")))[..., :3]


def greys(picture):
    """(height, width), 0 black to 1 white."""
    return colors(picture).mean(axis=-1)


def cell(image, picture, axes, source, target):
    """The pixels of one cell of a picture's image, without the lines around it."""
    corners = axes.transData.transform([(source, target + 1), (source + 1, target)])
    # `transform` counts pixels from the bottom, at the picture's own resolution.
    scale = len(image) / (picture.get_figheight() * picture.dpi)
    (left, low), (right, high) = corners * scale
    rows = slice(round(len(image) - high) + 2, round(len(image) - low) - 2)
    return image[rows, round(left) + 2 : round(right) - 2]


def texts(picture):
    """All texts that are drawn."""
    found = [*picture.texts, *(text for box in picture.legends for text in box.get_texts())]
    for axes in picture.axes:
        found += [axes.title, axes.xaxis.label, axes.yaxis.label]
        found += [*axes.get_xticklabels(), *axes.get_yticklabels()]
    return [text for text in found if text.get_text()]


def shown(picture):
    """What is to be read in it, in no order of its own."""
    return sorted(text.get_text() for text in texts(picture))


def check_greys(picture, axes, matrix):
    """Each cell of a panel has the grey of its weight."""
    image = greys(picture)
    for (target, source), weight in np.ndenumerate(matrix):
        here = cell(image, picture, axes, source, target)
        np.testing.assert_allclose(here, weight, atol=0.01)


def check_marks(picture, axes, matrix, framed, dotted):
    """Frames are around the cells of the links `framed` and dots in those of `dotted`, alone."""
    image = colors(picture)
    for target, source in np.ndindex(*matrix.shape):
        marked = np.ptp(cell(image, picture, axes, source, target), axis=-1) > 0.2
        assert marked[: len(marked) // 4].any() == ((source, target) in framed)
        middle = marked[len(marked) // 2, marked.shape[1] // 2]
        assert middle == ((source, target) in dotted)


def box(picture, artist):
    """Where an artist is, in pixels from the lower left corner."""
    if picture.stale:  # matplotlib places labels of axes and legends when it draws
        with quiet_fonts():
            picture.draw_without_rendering()
    return artist.get_window_extent(picture.canvas.get_renderer())


def outside(picture):
    """The texts and legends that are not wholly within the figure."""
    width, height = picture.get_size_inches() * picture.dpi
    boxes = {artist: box(picture, artist) for artist in (*texts(picture), *picture.legends)}
    return [
        artist
        for artist, b in boxes.items()
        if b.x0 < 0 or b.y0 < 0 or b.x1 > width or b.y1 > height
    ]
