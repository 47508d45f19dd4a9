"""Predicts emotion probabilities of face images, and of the faces in photographs."""

from ferjax.predict.faces_in_photographs import FacesOfImage
from ferjax.predict.inputs import Input, list_inputs
from ferjax.predict.predict_inputs import PredictSettings, predict_inputs
from ferjax.predict.predictor import Predictor, load_predictor
from ferjax.predict.rows import Row, TableColumns
from ferjax.predict.table_files import write_table
from ferjax.runs.finished_runs.load_run import LoadedRun, load_run

__all__ = [
    "FacesOfImage",
    "Input",
    "LoadedRun",
    "PredictSettings",
    "Predictor",
    "Row",
    "TableColumns",
    "list_inputs",
    "load_predictor",
    "load_run",
    "predict_inputs",
    "write_table",
]
