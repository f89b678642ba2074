"""The corpus: read, cleaned, turned into pieces and cut into batches."""
