"""`conc.Timeline`: what a watch has seen, and every way to look at it.

A watch begins with this module, as conc/watching/api.py says: what looks at a timeline is imported when somebody does.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own is a module more
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    import pandas  # type: ignore[import-untyped]

    from conc.watching.plot import Picture
    from conc.watching.records import RawTimeline
    from conc.watching.results import Summary


class Timeline:
    """What every thread did while it was watched. ``print(timeline)`` shows a table, a notebook a picture to zoom into.

    Example:
        >>> from conc import Timeline
        >>> timeline = Timeline.from_json("watch.json")  # doctest: +SKIP
        >>> timeline.summary().gil.contention            # doctest: +SKIP
        0.97
    """

    _summary: Summary | None = None

    def __init__(self, raw: RawTimeline) -> None:
        self._raw = raw

    @property
    def raw(self) -> RawTimeline:
        """The records as the sampler handed them over, from which everything here is worked out."""
        return self._raw

    def summary(self) -> Summary:
        """What it adds up to: shares of each thread and of all, who held and who waited for the GIL, and a verdict."""
        raw = self.raw
        if self._summary is None:
            from conc.watching.summary import summarize

            self._summary = summarize(raw)
        return self._summary

    def plot(self, width: int = 960, threads: int = 60) -> Picture:
        """A static picture, `width` pixels wide: a bar for each thread, of at most so many threads.

        A notebook shows it, ``to_svg(path)`` writes it. Of more threads those that did most are drawn, and it says so.

        Raises:
            ValueError: no picture can be that wide, or have so few threads.
        """
        from conc.watching.plot import draw

        return draw(self.raw, width, threads)

    def to_html(self, path: str | Path | None = None) -> str:
        """A page of its own, without any other file: to zoom and to pan with mouse and keys; also written to `path`.

        Raises:
            OSError: the file cannot be written.
        """
        from conc.watching.html import render_page

        page = render_page(self.raw, self.summary())
        if path is not None:
            _write(path, page)
        return page

    def to_perfetto(self, path: str | Path) -> None:
        """Write a trace for ui.perfetto.dev (Perfetto's protobuf; ``.pftrace`` is the usual ending).

        A track for each thread and each GIL, and counters of the CPUs kept busy and of the threads that wait for a GIL.

        Raises:
            OSError: the file cannot be written.
        """
        from conc.watching.perfetto import packets

        with open(path, "wb") as file:
            file.writelines(packets(self.raw))

    def to_speedscope(self, path: str | Path) -> None:
        """Write the sampled Python stacks for speedscope.app, a profile for each thread.

        Raises:
            ValueError: no places were sampled: watch with ``where=True``.
            OSError: the file cannot be written.
        """
        import json

        from conc.watching.speedscope import profile

        _write(path, json.dumps(profile(self.raw)))

    def to_dataframe(self) -> pandas.DataFrame:
        """One row for each segment: thread, native_id, pid, begin_s, end_s, state, reason, syscall, descriptor, cpu.

        Seconds count from the watch's beginning; descriptor and cpu are Int64, and missing where they are not known.
        `Timeline.summary().to_dataframe()` has one row for each thread.

        Raises:
            ImportError: pandas is not installed.
        """
        from conc.watching.frames import segment_frame

        return segment_frame(self.raw)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data: the format's name, the summary, and the raw records that `from_json` reads."""
        from conc.records import plain
        from conc.watching.restore import FORMAT

        return {"format": FORMAT, "summary": self.summary().to_dict(), "raw": plain(self.raw)}

    def to_json(self, path: str | Path | None = None) -> str:
        """The same as JSON text, also written to `path` when one is given.

        Raises:
            OSError: the file cannot be written.
        """
        import json

        text = json.dumps(self.to_dict(), separators=(",", ":"))
        if path is not None:
            _write(path, text + "\n")
        return text

    @staticmethod
    def from_json(path: str | Path) -> Timeline:
        """The timeline that `to_json` wrote to a file.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds no timeline; the message says what is wrong.
        """
        import json

        with open(path, encoding="utf-8") as file:
            return Timeline.from_dict(json.load(file))

    @staticmethod
    def from_dict(data: object) -> Timeline:
        """The timeline whose `to_dict()` this is.

        Raises:
            ValueError: it is none; the message says what is wrong.
        """
        from conc.watching.restore import restore

        return Timeline(restore(data))

    def __str__(self) -> str:
        from conc.watching.text import render_text

        return render_text(self.summary(), self.raw)

    def __repr__(self) -> str:
        from conc.comparison.units import seconds

        raw = self.raw
        wall_s = (raw.end_ns - raw.begin_ns) / 1e9
        return f"<conc.Timeline of {len(raw.threads):,} threads, {seconds(wall_s)}, {raw.ticks:,} looks>"

    def _repr_html_(self) -> str:
        from conc.watching.html import render_fragment

        return render_fragment(self.raw, self.summary())


def _write(path: str | Path, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
