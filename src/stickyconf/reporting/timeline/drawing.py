"""The picture of one history.

title, who was under test, what the findings say
legend
moments        labels, each with a line down through everything
arm            a lane a session: a mark a request, a faint bar while it stayed on one pod; what failed is crossed
...
time axis      seconds on the history's clock
new sessions   for a history in which a pod ended: how many each pod got, against time
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import shorten, wrap
from xml.etree import ElementTree

from stickyconf.model import Exchange, Finding, Happening, History, Unknown
from stickyconf.reporting.timeline.canvas import Scale, clean, element, text_width, titled
from stickyconf.reporting.timeline.cumulative import plot_new_sessions
from stickyconf.reporting.timeline.lanes import Lane, Section, counted, numbered, sections
from stickyconf.reporting.timeline.moments import Moment, moments, rows
from stickyconf.reporting.timeline.pods import COLOURS, FORMS, lettered, place
from stickyconf.reporting.timeline.style import CSS

WIDTH, LEFT, RIGHT = 1200.0, 150.0, 130.0
BODY = 1000.0
"""Pixels all thin lanes may have together; few lanes are FULL pixels high and take less."""
FULL, THIN, HEADING, ROW = 14.0, 3.4, 22.0, 15.0
LEGIBLE = 9.0
"""The least height of a lane, in pixels, that has a label of its own."""
LEGIBLE_GROUP = 11.0
"""The least height of thin lanes that share a label."""
RING = 8.0
LASTING = 0.01
"""A request that took at least this share of the picture's time is drawn as long as it took."""

_ENDS = (Happening.DELETED, Happening.SCALED, Happening.TERMINATING)


def timeline(history: History, findings: Iterable[Finding] = ()) -> str:
    """Return a history as an SVG document; the exchanges that ``findings`` cite in it are circled and named."""
    return _Drawing(history, [finding for finding in findings if finding.place == history.setup.name]).document()


@dataclass(frozen=True, slots=True)
class _Label:
    """A moment, and where its label begins and its line goes down from; ``shown`` is False if it has no room."""

    moment: Moment
    x: float
    top: float
    shown: bool


class _Drawing:
    """One picture being made, from top to bottom; ``y`` is how far it has got."""

    def __init__(self, history: History, findings: Sequence[Finding]) -> None:
        self.history, self.findings = history, findings
        self.letters = lettered(history)
        self.cited = frozenset(number for finding in findings for number in finding.exchanges)
        times = [event.when for event in history.events]
        times += [moment for exchange in history.exchanges for moment in (exchange.sent, exchange.received)]
        start, end = min(times, default=0.0), max(times, default=1.0)
        edge = max(0.01 * (end - start), 0.001)
        self.x = Scale(start - edge, end + edge, LEFT, WIDTH - RIGHT)
        self.sections = sections(history, self.letters, self.cited)
        self.root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "tl", "role": "img"})
        self.rings: list[tuple[Exchange, float, float]] = []
        self.y = 0.0

    def document(self) -> str:
        element(self.root, "title", self._title())
        element(self.root, "desc", self._description())
        element(self.root, "style", CSS)
        ground = element(self.root, "rect", kind="ground", width="100%", height="100%")
        self._heading()
        self._legend()
        stripes = element(self.root, "g")
        shown, below = self._moments()
        top = self.y
        self._time_axis(top)
        for section in self.sections:
            self._section(section, stripes)
        if not self.sections:
            self.y += 2 * FULL
            said = "No requests are recorded here: commands sent them."
            element(self.root, "text", said, kind="dim", x=12, y=self.y)
        bottom = self.y + 4
        self._time_axis(bottom, above=top)
        self.y = bottom + 22
        if any(self.history.happened(what) for what in _ENDS):
            self.y, bottom = plot_new_sessions(self.root, self.history, self.letters, self.x, self.y, bottom)
        self._lines(below, shown, bottom)
        self._rings()
        self.root.set("viewBox", f"0 0 {WIDTH:g} {self.y + 8:.0f}")
        self.root.set("width", f"{WIDTH:g}")
        self.root.set("height", f"{self.y + 8:.0f}")
        ground.set("height", f"{self.y + 8:.0f}")
        return ElementTree.tostring(self.root, encoding="unicode") + "\n"

    def _title(self) -> str:
        history = self.history
        counts = [(len(history.exchanges), "request"), (len(history.sessions()), "session"), (len(self.letters), "pod")]
        requests, sessions, pods = (numbered(*count) for count in counts)
        said = f"{requests} of {sessions} on {pods}" if history.exchanges else numbered(len(history.events), "event")
        return f"{history.setup.name}: {said} in {self.x.end - self.x.start:.1f} s"

    def _description(self) -> str:
        arms = "; ".join(section.title for section in self.sections)
        happened = ", ".join(one.label for one in moments(self.history, self.letters, self.x.end - self.x.start))
        cited = f" Circled: {len(self.cited)} exchanges that a verdict cites." if self.cited else ""
        shown = f"One lane a session, one mark a request. {arms or 'No exchanges'}."
        return f"{shown} Happened: {happened or 'nothing'}.{cited}"

    def _heading(self) -> None:
        self.y = 26.0
        element(self.root, "text", self._title(), kind="head", x=12, y=self.y)
        setup = self.history.setup
        self.y += 18
        element(
            self.root,
            "text",
            f"{setup.implementation} · {setup.target} · recorded {setup.started}",
            kind="dim",
            x=12,
            y=self.y,
        )
        for finding in self.findings[:3]:
            for line in wrap(f"expected {finding.expected}; saw {finding.actual}", 170)[:2]:
                self.y += 15
                element(self.root, "text", line, kind="badtext", x=12, y=self.y)
        if len(self.findings) > 3:
            self.y += 15
            element(self.root, "text", f"and {len(self.findings) - 3} more findings", kind="badtext", x=12, y=self.y)
        self.y += 10

    def _legend(self) -> None:
        x, self.y = 12.0, self.y + 12
        entries: list[tuple[str, str]] = [(f"{letter} {pod}", pod) for pod, letter in self.letters.items()]
        exchanges = self.history.exchanges
        others = {
            "failed": any(e.failed for e in exchanges),
            "answered by the gateway itself": any(e.unserved and not e.failed for e in exchanges),
            "outcome unknown": any(isinstance(e.outcome, Unknown) for e in exchanges),
            "cited by the verdict": bool(self.cited),
        }
        entries += [(name, "") for name, there in others.items() if there]
        group = element(self.root, "g")
        for said, pod in entries:
            width = 22 + text_width(said) + 14
            if x + width > WIDTH - 12:
                x, self.y = 12.0, self.y + 17
            middle = self.y - 4
            if pod:
                self._span(group, pod, x, x + 16, middle - 6, 12.0)
                self._marks(group, pod, [x + 3, x + 8, x + 13], middle - 6, 12.0)
            elif said == "cited by the verdict":
                element(group, "circle", kind="ring", cx=x + 8, cy=middle, r=6)
            else:
                _symbol(group, said, x + 8, middle)
            element(group, "text", said, x=x + 22, y=self.y)
            x += width
        self.y += 12

    def _moments(self) -> tuple[list[_Label], ElementTree.Element]:
        """Leave room for the labels of what happened; return them, and where to draw lines: behind the marks."""
        layer = element(self.root, "g")
        found = moments(self.history, self.letters, self.x.end - self.x.start)
        widths = [text_width(moment.label) + 10 for moment in found]
        # One that would run out of the picture is moved to the left, over lines of earlier ones.
        starts = [min(self.x(one.when), WIDTH - width) for one, width in zip(found, widths, strict=True)]
        placed = rows(starts, widths)
        top = self.y + 6
        deepest = max((row for row in placed if row is not None), default=-1)
        self.y = top + (deepest + 1) * ROW + 4
        labels = [
            _Label(moment, start + 4, top + (row or 0) * ROW, row is not None)
            for moment, start, row in zip(found, starts, placed, strict=True)
        ]
        return labels, layer

    def _lines(self, layer: ElementTree.Element, labels: Sequence[_Label], bottom: float) -> None:
        texts = element(self.root, "g")
        for label in labels:
            moment, x = label.moment, self.x(label.moment.when)
            kind = {"act": "act", "bad": "bad"}.get(moment.kind, "seen")
            titled(layer, "line", moment.told, kind=kind, x1=x, x2=x, y1=label.top, y2=bottom)
            if label.shown:
                style = "on badtext" if kind == "bad" else "on"
                text = titled(texts, "text", moment.told, kind=style, x=label.x, y=label.top + 10)
                text[0].tail = clean(moment.label)

    def _time_axis(self, y: float, above: float | None = None) -> None:
        """Draw the seconds below ``y``; with ``above``, light lines up to there instead of none."""
        group = element(self.root, "g")
        if above is None:
            self.y += 16
            element(group, "line", kind="rule", x1=LEFT, x2=WIDTH - RIGHT, y1=self.y, y2=self.y)
            if self.sections:
                element(group, "text", "requests", kind="dim", x=WIDTH - RIGHT + 8, y=self.y - 4)
        step = list(self.x.ticks())
        digits = next(n for n in range(7) if n == 6 or all(abs(when - round(when, n)) < 1e-9 for when in step))
        for when in step:
            x = self.x(when)
            if above is None:
                element(group, "text", f"{when:.{digits}f} s", kind="dim mid", x=x, y=self.y - 4)
            else:
                self.root.insert(4, ElementTree.Element("line", _grid(x, above + 16, y)))
                element(group, "text", f"{when:.{digits}f} s", kind="dim mid", x=x, y=y + 12)

    def _section(self, section: Section, stripes: ElementTree.Element) -> None:
        lanes = section.lanes
        total = sum(len(each.lanes) for each in self.sections)
        thin = min(FULL, max(THIN, BODY / total))
        top = self.y
        self.y += HEADING
        element(self.root, "text", section.title, kind="on strong", x=12, y=self.y - 7)
        element(stripes, "rect", kind="stripe", x=6, y=top + 3, width=WIDTH - 12, height=HEADING - 5, rx=3)
        for full, run in groupby(lanes, lambda lane: None if lane.notable or thin >= LEGIBLE else lane.pod or ""):
            group = list(run)
            height = FULL if full is None else max(thin, LEGIBLE_GROUP / len(group))
            begun = self.y
            for lane in group:
                self._lane(lane, height, named=full is None)
            if full is not None:
                self._bracket(group, begun)

    def _lane(self, lane: Lane, height: float, *, named: bool) -> None:
        layer = titled(self.root, "g", f"{lane.label}: {counted([lane], self.letters)}")
        y, middle = self.y, self.y + height / 2
        own: list[Exchange] = []
        for pod, run in groupby(lane.exchanges, lambda exchange: exchange.pod):
            exchanges = list(run)
            if pod is None:
                own += exchanges
                continue
            if lane.joined and len(exchanges) > 1:
                self._span(layer, pod, self.x(exchanges[0].sent), self.x(exchanges[-1].received), y, height)
            self._marks(layer, pod, [self.x(exchange.sent) for exchange in exchanges], y, height)
            lasting = [e for e in exchanges if e.received - e.sent > LASTING * (self.x.end - self.x.start)]
            if lasting:
                path = "".join(f"M{self.x(e.sent):.1f} {middle:.1f}H{self.x(e.received):.1f}" for e in lasting)
                element(layer, "path", kind=f"mark s{self._colour(pod)}", d=path)
        for exchange in own:
            said = "outcome unknown" if isinstance(exchange.outcome, Unknown) else "answered by the gateway itself"
            mark = element(layer, "g")
            element(mark, "title", exchange.told())
            _symbol(mark, "failed" if exchange.failed else said, self.x(exchange.sent), middle)
        self.rings += [(e, self.x(e.sent), middle) for e in lane.exchanges if e.seq in self.cited]
        if named:
            self._label(layer, lane, y + height / 2 + 4)
        self.y += height

    def _label(self, layer: ElementTree.Element, lane: Lane, baseline: float) -> None:
        element(layer, "text", lane.label, kind="end", x=LEFT - 22, y=baseline)
        if lane.pod:
            kind = f"strong mid f{self._colour(lane.pod)}"
            element(layer, "text", self.letters[lane.pod], kind="strong mid", x=LEFT - 10, y=baseline)
            element(layer, "rect", kind=kind, x=LEFT - 4, y=baseline - 9, width=3, height=10)
        self._counted(layer, [lane], baseline)

    def _bracket(self, lanes: Sequence[Lane], begun: float) -> None:
        """Name a run of thin lanes on one pod together."""
        pod, middle = lanes[0].pod, (begun + self.y) / 2 + 4
        sessions = sum(lane.sessions for lane in lanes)
        layer = element(self.root, "g")
        if pod:
            kind = f"f{self._colour(pod)}"
            element(layer, "rect", kind=kind, x=LEFT - 4, y=begun + 0.5, width=3, height=self.y - begun - 1)
        named = lanes[0].label if len(lanes) == 1 else f"{sessions} sessions"
        element(layer, "text", named, kind="end", x=LEFT - 22, y=middle)
        element(layer, "text", self.letters[pod] if pod else "?", kind="strong mid", x=LEFT - 10, y=middle)
        self._counted(layer, lanes, middle)

    def _counted(self, layer: ElementTree.Element, lanes: Sequence[Lane], baseline: float) -> None:
        said = shorten(counted(lanes, self.letters), 19, placeholder=" …")
        element(layer, "text", said, kind="dim", x=WIDTH - RIGHT + 8, y=baseline)

    def _span(self, layer: ElementTree.Element, pod: str, start: float, end: float, y: float, height: float) -> None:
        kind = f"span f{self._colour(pod)}"
        gap = min(1.0, height / 6)
        element(layer, "rect", kind=kind, x=start, y=y + gap, width=max(end - start, 1.0), height=height - 2 * gap)

    def _marks(self, layer: ElementTree.Element, pod: str, places: Iterable[float], y: float, height: float) -> None:
        above, below = FORMS[place(self.letters, pod) % len(FORMS)] if height >= LEGIBLE else (0.0, 1.0)
        gap = min(1.5, height / 6)
        start, length = y + gap + above * (height - 2 * gap), (below - above) * (height - 2 * gap)
        path = "".join(f"M{x:.1f} {start:.1f}v{length:.1f}" for x in places)
        kind = f"mark s{self._colour(pod)}" if height >= LEGIBLE else f"mark thin s{self._colour(pod)}"
        element(layer, "path", kind=kind, d=path)

    def _colour(self, pod: str) -> int:
        return place(self.letters, pod) % COLOURS

    def _rings(self) -> None:
        """Circle what is cited, over everything else; name those that have room for it to the right, or to the left."""
        layer = element(self.root, "g")
        for y, lane in groupby(sorted(self.rings, key=lambda ring: (ring[2], ring[1])), key=lambda ring: ring[2]):
            rings = list(lane)
            free = LEFT + 6
            for number, (exchange, x, _) in enumerate(rings):
                element(layer, "circle", kind="halo", cx=x, cy=y, r=RING)
                ring = titled(layer, "circle", exchange.told(), kind="ring", cx=x, cy=y, r=RING)
                ring.set("data-exchange", str(exchange.seq))
                said = f"#{exchange.seq}"
                following = rings[number + 1][1] - RING if number + 1 < len(rings) else WIDTH
                width = RING + 4 + 1.15 * text_width(said)  # bold
                if x + width <= following:
                    element(layer, "text", said, kind="on strong", x=x + RING + 2, y=y + 4)
                    free = x + width
                elif x - width >= free:
                    element(layer, "text", said, kind="on strong end", x=x - RING - 2, y=y + 4)
                    free = x + RING
                else:
                    free = x + RING


_SYMBOLS = {
    "failed": ("bad", "M-4-4l8 8m0-8l-8 8"),
    "outcome unknown": ("doubt", "M0-5l5 5l-5 5l-5-5z"),
    "answered by the gateway itself": ("own", "M-4-4h8v8h-8z"),
}
"""Of requests without a pod: a cross, a diamond for doubt, and a square for the gateway's own answer."""


def _symbol(layer: ElementTree.Element, what: str, x: float, y: float) -> None:
    kind, path = _SYMBOLS[what]
    element(layer, "path", kind=kind, d=path, transform=f"translate({x:.1f} {y:.1f})")


def _grid(x: float, top: float, bottom: float) -> dict[str, str]:
    return {"class": "rule", "x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": f"{top:.1f}", "y2": f"{bottom:.1f}"}
