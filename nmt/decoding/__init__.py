"""Search, translation of text, and forced decoding."""
