"""What `compare_alignments.py` trains on and measures against."""
