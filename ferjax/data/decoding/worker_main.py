"""What a decoding process runs: it answers the requests of its parent until there are no more."""

import math
import mmap
import os
import pickle
import sys

import numpy as np

from ferjax.data.decoding.image_file import read_image
from ferjax.data.decoding.worker_handle import DONE, FAILED, READY


def serve(board: int) -> None:
    """Decodes what standard input asks for, and returns when that ends, as it does with the parent.

    A request is a pickle (names, size, channels, start): the files to decode as `read_image` does,
    to the bytes of the board from `start` on. An answer is a byte on standard output.

    Args:
      board: descriptor of the file that the pixels are left in, which is shared with the parent.
    """
    requests, answers, memory = sys.stdin.buffer, os.dup(1), b""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    answer = READY
    while True:
        try:
            os.write(answers, answer)
            names, size, channels, start = pickle.load(requests)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):  # the parent is gone
            return
        shape = (len(names), *size, channels)
        if len(memory) < start + math.prod(shape):  # the parent has made the file longer
            memory = mmap.mmap(board, 0)
        images = np.ndarray(shape, np.uint8, memory, start)
        try:
            for k, name in enumerate(names):
                images[k] = read_image(name, size, channels)
            answer = DONE
        except Exception:  # whatever it is, the parent meets it when it decodes these files itself
            answer = FAILED
