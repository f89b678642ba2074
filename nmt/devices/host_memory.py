"""The memory of arrays on a CPU: on huge pages, and kept from one program to the next.

XLA takes the memory of a program's temporary arrays from the C library at every call and gives it
back after. Left to itself, the C library gives large blocks back to Linux, which maps and clears
each page of 4 KiB again on its first touch. Here it keeps them. What is new all the same comes in
pages of 2 MiB, so that this is five hundred times rarer, and addresses are looked up faster too.
"""

import os
import sys

TUNABLES = "GLIBC_TUNABLES"  # read by the C library when a process starts, and never again
WANTED = ":".join(
    [
        "glibc.malloc.hugetlb=1",  # madvise large blocks of memory to be of huge pages
        "glibc.malloc.mmap_max=0",  # none is mapped by itself, as that one is unmapped when freed
        f"glibc.malloc.trim_threshold={2**40}",  # what is free at the end of the heap stays there
        "glibc.malloc.arena_max=1",  # all threads share it: heaps of their own are small
    ]
)


def tune_host_memory() -> None:
    """Starts this process anew, once, where its C library would keep memory if asked at start.

    To be called first in a program, before threads and files. Nothing happens where the user has
    set GLIBC_TUNABLES, be it to nothing, or outside Linux; other C libraries ignore the variable.
    """
    if sys.platform == "linux" and TUNABLES not in os.environ and sys.orig_argv:
        os.environ[TUNABLES] = WANTED
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
