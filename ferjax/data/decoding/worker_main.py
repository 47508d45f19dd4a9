"""Main loop of a decoding process: decodes the files that its parent requests."""

import math
import mmap
import os
import pickle
import sys

import numpy as np

from ferjax.data.decoding.image_file import read_image
from ferjax.data.decoding.worker_handle import DONE, FAILED, READY


def serve(shared_file: int) -> None:
    """Answers requests on standard input, and returns when it is closed or the parent has ended.

    A request is a pickle (names, size, channels, start): files to decode with `read_image`, and the
    byte of the shared file at which their pixels start. An answer is one byte on standard output.

    Args:
      shared_file: descriptor of the file for the pixels, which is shared with the parent.
    """
    requests, answers, memory = sys.stdin.buffer, os.dup(1), b""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # output of libraries must not look like an answer
    answer = READY
    while True:
        try:
            os.write(answers, answer)
            names, size, channels, start = pickle.load(requests)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):  # the parent has ended
            return
        shape = (len(names), *size, channels)
        if len(memory) < start + math.prod(shape):  # the parent has made the file longer
            memory = mmap.mmap(shared_file, 0)
        images = np.ndarray(shape, np.uint8, memory, start)
        try:
            for k, name in enumerate(names):
                images[k] = read_image(name, size, channels)
            answer = DONE
        except Exception:  # the parent gets the same error when it decodes these files itself
            answer = FAILED
