"""Runs a TFLite classifier through `ai-edge-litert`, one face at a time or in batches."""

from collections.abc import Callable

import numpy as np

from ferjax.errors import UserError


def tflite_runner(model: bytes, source: str) -> Callable[[np.ndarray], np.ndarray]:
    """Returns float32 [N, H, W, C] → float32 [N, K], computed as one batch.

    Args:
      model: the content of the file.
      source: its name, for messages.

    Raises:
      UserError: `ai-edge-litert` is not installed, or the file is damaged.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UserError(
            f"{source} is a TFLite file; running it needs ai-edge-litert ({error}):"
            " pip install 'ferjax[bench]'."
        ) from None
    try:
        interpreter = Interpreter(model_content=model)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{source} is damaged: no TFLite model ({error}).") from None
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    batch = [1]

    def run(images: np.ndarray) -> np.ndarray:
        if len(images) != batch[0]:
            batch[0] = len(images)
            interpreter.resize_tensor_input(taken["index"], images.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return run
