"""What scripts share that are started by hand: their command lines, and runs that they train."""
