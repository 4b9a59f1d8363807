"""Starts the ranks of a test: real processes, which gloo joins."""

import os
import socket
import subprocess
import sys


def run_ranks(script: str, size: int, *words: str) -> None:
    """Run a script in so many processes, as torchrun would, and see that all of them end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen([sys.executable, script, *words], env=os.environ | where | {"RANK": str(rank)})
        for rank in range(size)
    ]
    try:
        assert [rank.wait(100) for rank in ranks] == [0] * size
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
