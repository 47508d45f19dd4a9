"""Answers to requests: reads the uploaded files, names their faces and builds the response."""

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ferjax.live.open_video import VideoBytes
from ferjax.live.video_table import VideoColumns
from ferjax.predict.rows import Row
from ferjax.predict.table_files import csv_text
from ferjax.serve.clip import NamedClip, name_clip
from ferjax.serve.explanations import explained_face
from ferjax.serve.limits import Refused
from ferjax.serve.pictures import (
    FoundFaces,
    find_faces,
    found_at_once,
    name_faces,
    search_settings,
    table_of,
)
from ferjax.serve.schema import frame_row_to_json, row_to_json
from ferjax.serve.service import Service, in_thread, while_connected
from ferjax.serve.uploads import Upload, uploaded

# Values of a query: how faces are searched, how small they may be, the format of an answer.
Faces = Literal["auto", "whole", "crop"]
View = Literal["picture", "camera"]
Form = Literal["json", "csv", "both"]
_IMAGE = ("image/", "application/octet-stream")
_VIDEO = ("video/", "application/octet-stream")
_STARTING_RETRY_SECONDS = 2
# Most videos that are processed or wait at the same time.
_MOST_CLIPS = 4
_CLIPS_RETRY_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    """The body of a successful answer.

    Attributes:
      body: bytes of the body.
      kind: content type.
      file: name under which a browser saves the body; None if the browser shows it.
    """

    body: bytes
    kind: str = "application/json"
    file: str | None = None

    def headers(self) -> dict[str, str]:
        """Returns the header that makes browsers save the body."""
        return {"Content-Disposition": f'attachment; filename="{self.file}"'} if self.file else {}


def json_answer(value: Mapping[str, Any]) -> Answer:
    """Returns an object as JSON."""
    return Answer(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def csv_answer(text: str, file: str) -> Answer:
    """Returns a table as CSV, which browsers save under the name `file`."""
    return Answer(text.encode("utf-8", "backslashreplace"), "text/csv; charset=utf-8", file)


def check_ready(service: Service) -> None:
    """Raises `Refused` (503) while the network is compiled, or when the server stops."""
    if not service.ready.is_set():
        raise Refused(503, "the server is not ready; try again soon", _STARTING_RETRY_SECONDS)


async def answer_faces(service: Service, request: Any, faces: Faces, view: View) -> Answer:
    """Names every face of one picture."""
    check_ready(service)
    async with uploaded(request, service.limits, service.memory, _IMAGE) as files:
        work = _find_and_name(service, [one_file(files)], faces, view)
        pictures, rows = await while_connected(request, service.limits.seconds, work)
    picture = pictures[0]
    if picture.refused:
        raise picture.refused
    classes = service.recogniser.classes
    return json_answer(
        {
            "file": files[0].name,
            "width": picture.size[0],
            "height": picture.size[1],
            "rows": [row_to_json(row, classes) for row in rows[0]],
            "left_out": picture.left_out,
        }
    )


async def answer_crops(service: Service, request: Any) -> Answer:
    """Names pictures that are one face each."""
    check_ready(service)
    async with uploaded(request, service.limits, service.memory, _IMAGE) as files:
        pictures = found_at_once(service, files, search_settings("whole", None))
        if pictures:
            # A single small face is named without watching whether the client leaves.
            rows = await name_faces(service, pictures)
        else:
            work = _find_and_name(service, files, "whole", "picture")
            pictures, rows = await while_connected(request, service.limits.seconds, work)
    if len(files) == 1 and pictures[0].refused:
        raise pictures[0].refused
    classes = service.recogniser.classes
    return json_answer({"rows": [row_to_json(row, classes) for part in rows for row in part]})


async def answer_table(service: Service, request: Any, faces: Faces) -> Answer:
    """Names every face of any number of pictures; answers with the table of `launch.predict`."""
    check_ready(service)
    async with uploaded(request, service.limits, service.memory, _IMAGE) as files:
        work = _find_and_name(service, files, faces, "picture")
        _, rows = await while_connected(request, service.limits.seconds, work)
    flat = [row for part in rows for row in part]
    return csv_answer(table_of(service, flat, faces=faces != "whole"), "emotions.csv")


async def answer_clip(service: Service, request: Any, form: Form) -> Answer:
    """Follows and names the persons of a video."""
    check_ready(service)
    async with uploaded(request, service.limits, service.memory, _VIDEO) as files:
        video = VideoBytes(one_file(files).name, one_file(files).data)
        clip = await _name_clip_in_turn(service, request, video)
    classes = service.recogniser.classes
    table = csv_text(clip.rows, VideoColumns(classes), header=True) if form != "json" else None
    if table is not None and form == "csv":
        return csv_answer(table, "persons.csv")
    return json_answer(
        {
            "file": video.name,
            "width": clip.size[0],
            "height": clip.size[1],
            "frames": clip.frames,
            "rows": [frame_row_to_json(row, classes) for row in clip.rows],
            **({} if table is None else {"table": table}),
        }
    )


async def answer_explain(
    service: Service, request: Any, face: int, faces: Faces, method: str | None, emotion: str | None
) -> Answer:
    """Draws the explanation of an answer over one face of a picture."""
    check_ready(service)
    recogniser = service.recogniser
    async with uploaded(request, service.limits, service.memory, _IMAGE) as files:
        work = in_thread(
            service.threads,
            explained_face,
            one_file(files),
            face,
            search_settings(faces, recogniser.plans["picture"]),
            service.limits,
            recogniser.explainer,
            method,
            emotion,
        )
        picture = await while_connected(request, service.limits.seconds, work)
    return Answer(picture, "image/png")


def one_file(files: list[Upload]) -> Upload:
    """Returns the only file of a request; raises `Refused` (400) if there are several."""
    if len(files) > 1:
        raise Refused(400, f"one file is expected, found {len(files)}; /api/table takes several")
    return files[0]


async def _find_and_name(
    service: Service, files: list[Upload], faces: Faces, view: View
) -> tuple[list[FoundFaces], list[list[Row]]]:
    settings = search_settings(faces, service.recogniser.plans[view])
    pictures = await find_faces(service, files, settings)
    return pictures, await name_faces(service, pictures)


async def _name_clip_in_turn(service: Service, request: Any, video: VideoBytes) -> NamedClip:
    if service.clips.value >= _MOST_CLIPS:
        raise Refused(503, "too many videos wait; try again later", _CLIPS_RETRY_SECONDS)
    stop, begun, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()

    def name() -> NamedClip:
        loop.call_soon_threadsafe(begun.set)
        return name_clip(video, service.recogniser, service.limits, stop)

    seconds = service.limits.seconds
    too_late = Refused(503, "other videos take too long; try again later", _CLIPS_RETRY_SECONDS)
    service.clips.value += 1
    work = asyncio.ensure_future(in_thread(service.clip_thread, name))
    # If the work fails before it begins, the wait for its turn must end, too.
    work.add_done_callback(lambda done: begun.set())
    try:
        # The wait for its turn does not reduce the time limit of the video's own work.
        await while_connected(request, seconds, begun.wait(), too_late)
        return await while_connected(request, seconds, work)
    finally:
        work.cancel()
        # The thread stops at its next frame.
        stop.set()
        service.clips.value -= 1
