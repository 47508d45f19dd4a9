"""Answers of the API as JSON, named after the columns of `launch.predict`'s table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.live.video_table import NOT_SEARCHED, FrameRow
from ferjax.predict.rows import LANDMARKS, NO_FACE, READ, Row

_BOX = ("left", "top", "width", "height")


# Status → why a request is refused.
_REFUSALS: Mapping[int | str, str] = {
    400: "No file, several where one is expected, or a form that cannot be read.",
    403: "A page of another site sent it.",
    404: "No such address.",
    405: "Another method than the header Allow names.",
    408: "The body took too long.",
    413: "Too many bytes, pixels, pictures or frames.",
    415: "Another content type.",
    421: "The server does not answer to this name.",
    422: "No picture or video, or a value that the query must not have.",
    429: "Too many requests a minute; Retry-After says when to try again.",
    503: "Too busy, or not ready yet: Retry-After says when to try again. Without it: it took too"
    " long.",
}


def row_to_json(row: Row, classes: Sequence[str]) -> dict[str, Any]:
    """Returns a row of the table as an object; missing values are left out.

    Probabilities are an object by emotion; `set` is a list, the most probable emotion first.
    """
    values: dict[str, Any] = {"file": row.file, "status": row.status}
    if row.probabilities:
        order = np.argsort(-np.array(row.probabilities), kind="stable")
        values["emotion"] = classes[order[0]]
        values["confidence"] = row.probabilities[order[0]]
        values["probabilities"] = dict(zip(classes, row.probabilities, strict=True))
        if row.inside:
            values["set"] = [classes[k] for k in order if row.inside[k]]
    if row.face is not None:
        values["face"] = row.face
        values |= zip(_BOX, row.box, strict=True)
    if row.score is not None:
        values["score"] = row.score
    if row.landmarks:
        pairs = zip(row.landmarks[::2], row.landmarks[1::2], strict=True)
        values["landmarks"] = dict(zip(LANDMARKS, map(list, pairs), strict=True))
    if row.reason:
        values["reason"] = row.reason
    return values


def frame_row_to_json(row: FrameRow, classes: Sequence[str]) -> dict[str, Any]:
    """Returns a person in a frame of a video, or a frame without one, as an object."""
    values: dict[str, Any] = {"frame": row.frame, "seconds": row.seconds}
    if row.person is None:
        return {**values, "status": NO_FACE if row.searched else NOT_SEARCHED}
    best = int(np.argmax(row.probabilities))
    values |= {"status": READ, "person": row.person, "emotion": classes[best]}
    values["confidence"] = row.probabilities[best]
    values["probabilities"] = dict(zip(classes, row.probabilities, strict=True))
    values |= zip(_BOX, row.box, strict=True)
    return values if row.score is None else {**values, "score": row.score}


def _object(properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


def _typed(kind: str, description: str) -> dict[str, Any]:
    return {"type": kind, "description": description}


def _list_of(items: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), "description": description}


def answer_schemas(classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns name → JSON schema of the answers, with the names of this network's emotions."""
    number = {"type": "number", "minimum": 0, "maximum": 1}
    probabilities = {
        **_object(dict.fromkeys(classes, number), classes),
        "description": "Of the emotions; they sum to 1.",
    }
    point = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    place = {name: _typed("integer", "In pixels of the picture.") for name in _BOX}
    named = {
        "emotion": {"type": "string", "enum": list(classes), "description": "The most probable."},
        "confidence": {**number, "description": "Its probability."},
        "probabilities": probabilities,
    }
    row = _object(
        {
            "file": _typed("string", "Name of the picture."),
            "status": _typed("string", "read, no face, or unreadable."),
            **named,
            "set": _list_of(
                {"type": "string", "enum": list(classes)},
                "Prediction set: it holds the true emotion with the probability that /api/card"
                " states. Missing without a calibration.",
            ),
            "face": _typed(
                "integer",
                "Number of the face in its picture, from 0, in the order of the detector: of MTCNN"
                " the largest first.",
            ),
            **place,
            "score": {**number, "description": "Probability that it is a face."},
            "landmarks": {
                **_object(dict.fromkeys(LANDMARKS, point)),
                "description": "x, y in pixels.",
            },
            "reason": _typed("string", "Why it is unreadable."),
        },
        ("file", "status"),
    )
    frame = _object(
        {
            "frame": _typed("integer", "Number of the frame, from 0."),
            "seconds": _typed("number", "When it is shown."),
            "status": _typed("string", "read, no face, or not searched."),
            "person": _typed("integer", "Number of the person, in the order of appearance."),
            **named,
            **place,
            "score": {**number, "description": "Missing in frames between two searches."},
        },
        ("frame", "seconds", "status"),
    )
    rows = _list_of({"$ref": "#/components/schemas/Row"}, "One for each face or picture.")
    size = {name: _typed("integer", "Of the upright picture.") for name in ("width", "height")}
    return {
        "Row": row,
        "Rows": _object({"rows": rows}, ("rows",)),
        "Picture": _object(
            {
                **_object({"file": _typed("string", "Name of the picture.")})["properties"],
                **size,
                "rows": rows,
                "left_out": _typed("integer", "Faces beyond the limit of this server."),
            },
            ("file", "width", "height", "rows", "left_out"),
        ),
        "FrameRow": frame,
        "Clip": _object(
            {
                "file": _typed("string", "Name of the video."),
                **size,
                "frames": _typed("integer", "How many there are."),
                "rows": _list_of({"$ref": "#/components/schemas/FrameRow"}, "In order of time."),
                "table": _typed("string", "With format=both: the rows as csv."),
            },
            ("file", "width", "height", "frames", "rows"),
        ),
        "Error": _object({"error": _typed("string", "What is wrong, and what to do.")}, ("error",)),
    }


def documented(answer: str, *, several: bool, kind: str = "image/*") -> dict[str, Any]:
    """Returns FastAPI's arguments that document the body and the answers of a route.

    Args:
      answer: a name of `answer_schemas`, or a content type.
      several: whether a form may hold several files.
      kind: content type of a body that is one file.
    """
    file = {"type": "string", "format": "binary"}
    files = _list_of(file, "Any field names do.") if several else file
    form = {"schema": _object({"file": files}, ("file",))}
    is_content_type = "/" in answer
    schema = {"schema": {"type": "string"} if is_content_type else _reference(answer)}
    content = {answer if is_content_type else "application/json": schema}
    error = {"application/json": {"schema": _reference("Error")}}
    refusals = {code: {"description": text, "content": error} for code, text in _REFUSALS.items()}
    return {
        "tags": ["faces"],
        "responses": {200: {"description": "Named.", "content": content}, **refusals},
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": form,
                    kind: {"schema": file},
                    "application/octet-stream": {"schema": file},
                },
            }
        },
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
