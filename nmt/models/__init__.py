"""Models behind the one contract of `nmt.models.seq2seq`."""
