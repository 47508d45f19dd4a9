"""Runs the suite `predict`: crops, single faces, photographs, a video; writes the report."""

import os
import time
from dataclasses import replace
from pathlib import Path

from ferjax.bench.measure_suites import free_folder, measure_case
from ferjax.bench.measuring.interleaved_timing import QUICK, Effort
from ferjax.bench.measuring.machine_ceilings import measure_ceilings
from ferjax.bench.prediction.detector_scores import score_detectors
from ferjax.bench.prediction.face_crops import crop_cases
from ferjax.bench.prediction.made_video import Scene
from ferjax.bench.prediction.photographs import load_photographs
from ferjax.bench.prediction.report_files import write_prediction
from ferjax.bench.prediction.results import PredictionResult
from ferjax.bench.prediction.single_face import single_face_latencies
from ferjax.bench.prediction.video_score import score_video
from ferjax.bench.pytorch.missing_sides import (
    missing_onnxruntime_for_torch,
    missing_torch_beside_cpu,
)
from ferjax.bench.suite_registry import PREDICT, cases_expression
from ferjax.config.tool_configs import PredictBenchConfig
from ferjax.errors import UserError
from ferjax.faces.detectors import face_detector
from ferjax.live.open_video import pyav
from ferjax.runtime.progress_bar import tqdm

# The parts from which --cases selects.
PARTS = ("crops", "single face", "photographs", "video")
# Crops, calls with one face, seconds of the video: in a full and in a quick run.
_FULL_SIZES, _QUICK_SIZES = (10_000, 2_000, 600.0), (512, 200, 20.0)
# 10,000 crops take a minute or more.
_FULL_EFFORT = Effort(rounds=3, least=2)


def run_prediction(
    config: PredictBenchConfig,
    cases: str | None = None,
    quick: bool = False,
    out: str | None = None,
) -> tuple[PredictionResult, Path]:
    """Measures prediction and writes bench.json and bench.md after each part.

    Args:
      config: the folder of the photographs, and the detectors.
      cases: a regular expression that picks from `PARTS`, or None.
      quick: few crops and calls, a short video.
      out: the folder to write, new or empty; None for bench/predict-<date>-<time>.

    Returns:
      The results and the folder.

    Raises:
      UserError: a wrong flag, or a damaged photograph.
    """
    parts = [part for part in PARTS if not cases or cases_expression(cases).search(part)]
    if not parts:
        raise UserError(f"--cases={cases} matches no part. Parts: {', '.join(PARTS)}.")
    folder, started = free_folder(out, PREDICT), time.monotonic()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    sizes, effort = (_QUICK_SIZES, QUICK) if quick else (_FULL_SIZES, _FULL_EFFORT)
    no_torch, no_onnx = missing_torch_beside_cpu(), missing_onnxruntime_for_torch()
    result = PredictionResult(notes=tuple(filter(None, (no_torch, no_onnx))))
    photographs, detectors = [], config.detectors.split(",")
    if "photographs" in parts:
        if config.photos:
            photographs, notes = load_photographs(Path(config.photos).expanduser())
            for name in detectors:  # a wrong name fails before anything is measured
                face_detector(name)
        else:
            parts.remove("photographs")
            notes = ["no --photos: detectors are not compared"]
        if not parts:
            raise UserError("--cases: the photographs need --photos=DIR, their folder.")
        result = replace(result, notes=(*result.notes, *notes))
    if "video" in parts:
        pyav()
    with tqdm(parts, unit="part", disable=None, leave=False) as bar:
        for part in bar:
            bar.set_postfix_str(part)
            show = bar.set_postfix_str
            if part == "crops":
                ceilings = measure_ceilings()
                crops = [
                    measure_case(PREDICT, case, ceilings, effort, not no_torch, show)
                    for case in crop_cases(sizes[0])
                ]
                result = replace(result, crops=tuple(crops))
            elif part == "single face":
                latencies = single_face_latencies(sizes[1])
                result = replace(result, latencies=tuple(latencies))
            elif part == "photographs":
                scores = score_detectors(detectors, photographs)
                result = replace(result, photographs=len(photographs), detectors=tuple(scores))
            else:
                result = replace(result, video=score_video(Scene(sizes[2]), show))
            write_prediction(folder, result, time.monotonic() - started)
    return result, folder
