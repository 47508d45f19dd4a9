"""`launch.predict` of a video: tables, a timeline, an annotated copy; continues after a kill."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from ferjax.config.predict_and_export import PredictConfig
from ferjax.errors import UserError
from ferjax.faces.detectors import crop_plan
from ferjax.live.annotated_video import (
    check_copy,
    join_segments,
    segment_folder,
    segment_writer,
)
from ferjax.live.follow_faces import (
    Followed,
    FollowSettings,
    Group,
    follow_faces,
)
from ferjax.live.follow_faces import from_json as followed_from_json
from ferjax.live.follow_faces import to_json as followed_to_json
from ferjax.live.open_video import check_video_file
from ferjax.live.timeline_figure import draw_timeline
from ferjax.live.video_frames import VideoFacts, read_frames, smallest_face, video_facts
from ferjax.live.video_summary import write_video_summary
from ferjax.live.video_table import (
    PersonColumns,
    VideoColumns,
    from_json,
    rows_of_frame,
    summarise_persons,
    to_json,
)
from ferjax.predict.journal import (
    check_is_new,
    converted_entry,
    goes_on,
    journal_path,
    journal_rows,
    open_journal,
)
from ferjax.predict.predictor import Predictor, load_predictor
from ferjax.predict.result_places import check_results
from ferjax.predict.table_files import write_table
from ferjax.runtime.progress_bar import tqdm

# A kill loses about one chunk of the video. A chunk consists of whole groups of frames, and ends
# with the first group that reaches one of these limits.
_CHUNK_SECONDS, _CHUNK_FRAMES = 1.0, 120


@dataclass(frozen=True)
class VideoSettings:
    """Settings and output files of the prediction of a video.

    Attributes:
      follow: how persons are followed.
      described: other settings that change the result, for the journal: detector and TTA.
      copy: the path of the annotated video, or None.
      summary: the path of the page about the video, or None.
      progress: whether to show a progress bar on a terminal.
    """

    follow: FollowSettings
    described: tuple[str, ...] = ()
    copy: Path | None = None
    summary: Path | None = None
    progress: bool = True


def persons_path(out: Path) -> Path:
    """Returns the path of the table of persons, beside the table of the frames."""
    return out.with_name(f"{out.stem}-persons{out.suffix}")


def timeline_path(out: Path) -> Path:
    """Returns the path of the timeline, beside the table of the frames."""
    return out.with_name(f"{out.stem}-timeline.png")


def run_video(video: Path, out: Path, predictor: Predictor, settings: VideoSettings) -> str:
    """Predicts a video; returns a summary in one line.

    Writes `out`, a row for each person in each frame; `<out>-persons`, a row for each person;
    `<out>-timeline.png`; and the annotated copy. Memory does not grow with the frames.

    Raises:
      UserError: no video, a result that exists already, or one that cannot be written.
      KeyboardInterrupt: standard error says how to continue.
    """
    facts = video_facts(video)
    stat = video.stat()
    command = {
        "video": [str(video.resolve()), stat.st_size, stat.st_mtime_ns],
        "network": predictor.network,
        "follow": [settings.follow.every, settings.follow.window, *settings.described],
        "annotate": str(settings.copy),
        "summary": str(settings.summary),
    }
    if not goes_on(out, command):
        # An unfinished command, which found none of these files, has left them.
        for path in (out, persons_path(out), timeline_path(out)):
            check_is_new(path)
        for flag, path in (("annotate", settings.copy), ("summary", settings.summary)):
            if path:
                check_is_new(path, flag)
        if settings.copy:
            check_is_new(segment_folder(settings.copy), "annotate")
    damaged = 0

    def on_damage() -> None:
        nonlocal damaged
        damaged += 1

    with open_journal(out, command) as journal:
        state = Followed()
        if journal.state:
            state = converted_entry(journal_path(out), followed_from_json, journal.state)
        done, chunk_number = state.frame + 1, journal.chunks
        total = facts.frames or round(facts.seconds * facts.rate) or None
        bar = tqdm(total=total, unit="frame", disable=None if settings.progress else True)
        frames = read_frames(video, done, on_damage)
        groups = follow_faces(frames, predictor, settings.follow, state)
        with bar:
            bar.update(done)
            try:
                group = next(groups, None)
                while group:
                    group, lines, state = _chunk(
                        group, groups, predictor, settings, chunk_number, facts
                    )
                    journal.add(lines, followed_to_json(state))
                    bar.update(state.frame + 1 - done)
                    done, chunk_number = state.frame + 1, chunk_number + 1
            except KeyboardInterrupt:
                progress = f"{done:,} frames are done; the same command goes on from there"
                print(progress, file=sys.stderr)
                raise
        persons, count, without_face = summarise_persons(journal_rows(out, from_json))
        if settings.copy:
            # A kill after this may leave some of the segments beside the complete copy.
            if not settings.copy.exists():
                join_segments(settings.copy, chunk_number, video)
            shutil.rmtree(segment_folder(settings.copy), ignore_errors=True)
        draw_timeline(persons, predictor.classes, timeline_path(out), video.name)
        write_table(persons, PersonColumns(predictor.classes), persons_path(out))
        if settings.summary:
            write_video_summary(
                settings.summary,
                video,
                journal_rows(out, from_json),
                predictor.classes,
                (count, without_face),
                timeline_path(out),
            )
        check_is_new(out)
        rows = journal_rows(out, from_json)
        write_table(rows, VideoColumns(predictor.classes), out)
        with suppress(OSError):
            journal_path(out).unlink()
    if damaged:
        print(f"warning: {video}: {damaged:,} damaged packets or frames", file=sys.stderr)
    counts = f"{count:,} frames, {len(persons):,} persons"
    return f"{out}: {counts}, no face in {without_face:,} of the searched frames"


def _chunk(
    group: Group,
    groups: Iterator[Group],
    predictor: Predictor,
    settings: VideoSettings,
    number: int,
    facts: VideoFacts,
) -> tuple[Group | None, str, Followed]:
    """Returns the group after a chunk, the chunk's lines, and the state at the end of the chunk.

    The frames of a chunk are a segment of the annotated copy.
    """
    lines, frame_count, start = "", 0, group[0][0][0].seconds
    next_group: Group | None = group
    state = group[1]
    with ExitStack() as stack:
        add = None
        if settings.copy:
            add = stack.enter_context(segment_writer(settings.copy, number, facts.rate or 25))
        while (
            next_group
            and frame_count < _CHUNK_FRAMES
            and next_group[0][0][0].seconds - start < _CHUNK_SECONDS
        ):
            frames, state = next_group
            for frame, faces in frames:
                searched = frame is frames[-1][0]
                lines += to_json(rows_of_frame(frame, faces, searched=searched))
                if add:
                    add(frame, faces, predictor.classes)
            frame_count += len(frames)
            next_group = next(groups, None)
    return next_group, lines, state


def predict_video(config: PredictConfig, words: Sequence[str]) -> str:
    """Predicts the video that a command names; returns a summary in one line.

    Raises:
      UserError: further words beside the video, no `out`, flags that videos do not have, or an
        error of `run_video`.
    """
    if len(words) > 1:
        raise UserError(f"{' '.join(words)}: a video is predicted by a command of its own.")
    if not config.out:
        raise UserError("--out is missing: the table of the video, such as --out=p.csv.")
    has_picture_flags = (
        config.sets is not None or config.part is not None or config.faces == "whole"
    )
    if has_picture_flags or len(config.workdir) > 1:
        raise UserError(
            "--sets, --part, --faces=whole and several runs: not for videos. Leave them out."
        )
    if config.on_bad_image == "error":
        raise UserError(
            "--on_bad_image=error: not for videos, whose damaged frames are left out and counted in"
            " a warning. Leave it out."
        )
    video = Path(os.path.expanduser(words[0]))
    check_results(config)
    if config.annotate:
        check_copy(Path(config.annotate))
    check_video_file(video)
    smallest = smallest_face(video_facts(video))
    source = Path(config.workdir[0]) if config.workdir else config.weights
    predictor = load_predictor(source, config.checkpoint, config.batch_size, config.tta)
    plan = crop_plan(config.detector, smallest=smallest)
    settings = VideoSettings(
        FollowSettings(plan, config.every, config.smooth),
        (config.detector, config.tta),
        Path(config.annotate) if config.annotate else None,
        Path(config.summary) if config.summary else None,
        config.progress,
    )
    return run_video(video, Path(config.out), predictor, settings)
