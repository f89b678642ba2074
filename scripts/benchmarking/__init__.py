"""What the benchmarks of this folder share: machine, corpus, models, and how they report."""
