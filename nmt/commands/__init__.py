"""The commands of `nmt`, a file each: what it reads, what it calls, what it prints."""
