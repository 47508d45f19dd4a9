"""Results of the suite `predict`, and their JSON form."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from ferjax.bench.measuring import case_result
from ferjax.bench.measuring.case_result import CaseResult
from ferjax.bench.prediction import video_score
from ferjax.bench.prediction.detector_scores import DetectorScore
from ferjax.bench.prediction.single_face import Latency
from ferjax.bench.prediction.video_score import VideoScore


@dataclass(frozen=True)
class PredictionResult:
    """The measurements so far.

    Attributes:
      crops: face crops in a folder, a case for each network.
      latencies: the latencies of one face.
      photographs: number of photographs that the detectors searched.
      detectors: the scores of the detectors.
      video: the score of the made video, or None.
      notes: missing packages and photographs.
    """

    crops: tuple[CaseResult, ...] = ()
    latencies: tuple[Latency, ...] = ()
    photographs: int = 0
    detectors: tuple[DetectorScore, ...] = ()
    video: VideoScore | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the result as JSON values."""
        return {
            "crops": [case_result.to_json(case) for case in self.crops],
            "one face": [dataclasses.asdict(each) for each in self.latencies],
            "photographs": self.photographs,
            "detectors": [
                {**dataclasses.asdict(each), "recall": each.recall, "precision": each.precision}
                for each in self.detectors
            ],
            "video": self.video and video_score.to_json(self.video),
            "notes": self.notes,
        }
