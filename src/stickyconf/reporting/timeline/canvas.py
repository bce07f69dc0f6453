"""SVG elements and the scales they are placed by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log10
from xml.etree import ElementTree

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def element(parent: ElementTree.Element, tag: str, text: str = "", **attributes: object) -> ElementTree.Element:
    """Add an element. ``kind`` is its class; an underscore in a name stands for a hyphen; numbers are rounded."""
    made = ElementTree.SubElement(
        parent,
        tag,
        {("class" if name == "kind" else name.replace("_", "-")): number(value) for name, value in attributes.items()},
    )
    if text:
        made.text = clean(text)
    return made


def titled(parent: ElementTree.Element, tag: str, title: str, **attributes: object) -> ElementTree.Element:
    """Add an element with a tooltip."""
    made = element(parent, tag, "", **attributes)
    element(made, "title", title)
    return made


def clean(text: str) -> str:
    """Return the text without the characters XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)


def number(value: object) -> str:
    """Write a number in as few characters as a tenth of a pixel needs, anything else as it is."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else clean(str(value))


def text_width(text: str) -> float:
    """Return about how wide a label is, in pixels, at 11 pixels and on the safe side."""
    return 6.3 * len(text)


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds of a history's clock to pixels."""

    start: float
    end: float
    left: float
    right: float

    def __call__(self, when: float) -> float:
        """Return where a moment is."""
        return self.left + (when - self.start) / (self.end - self.start) * (self.right - self.left)

    def ticks(self, most: int = 12) -> Iterator[float]:
        """Yield round moments, at most about so many."""
        return round_steps(self.start, self.end, most)


def round_steps(start: float, end: float, most: int) -> Iterator[float]:
    """Yield multiples of 1, 2 or 5 times a power of ten between two numbers, at most about ``most``."""
    rough = (end - start) / most
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    place = -floor(-start / step + 1e-9)
    while place * step <= end + 1e-9 * step:
        yield place * step
        place += 1
