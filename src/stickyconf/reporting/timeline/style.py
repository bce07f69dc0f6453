"""How a timeline looks: light and dark, and never by colour alone."""

from __future__ import annotations

from stickyconf.reporting.timeline.pods import COLOURS

# Okabe and Ito's colours, which people with any colour vision can tell apart; vermilion is kept for what failed.
_LIGHT = ("#0072b2", "#c98200", "#009e73", "#b0558a", "#3d94cc", "#8a7a00", "#5b5bd6", "#7a7a7a")
_DARK = ("#56a8e8", "#f0b030", "#2fce9f", "#e39bc6", "#8fcaf5", "#e6d850", "#a5a5ff", "#b5b5b5")


def _variables(names: tuple[str, ...]) -> str:
    return "".join(f"--p{number}:{colour};" for number, colour in enumerate(names))


_POD_RULES = "".join(
    f".tl .s{number}{{stroke:var(--p{number})}}.tl .f{number}{{fill:var(--p{number})}}" for number in range(COLOURS)
)

CSS = f"""
.tl{{--bg:#fff;--fg:#1b1f24;--dim:#59636e;--rule:#d8dee4;--stripe:#f6f8fa;--bad:#c8320a;--doubt:#8250df;{_variables(_LIGHT)}
font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;font-size:11px}}
@media (prefers-color-scheme:dark){{.tl{{--bg:#0d1117;--fg:#e6edf3;--dim:#9aa4af;--rule:#30363d;--stripe:#161b22;
--bad:#ff7b54;--doubt:#c297ff;{_variables(_DARK)}}}}}
.tl .ground{{fill:var(--bg)}}.tl .stripe{{fill:var(--stripe)}}
.tl text{{fill:var(--fg);stroke:none}}.tl .dim{{fill:var(--dim)}}
.tl .on{{paint-order:stroke;stroke:var(--bg);stroke-width:3px}}
.tl .head{{font-size:16px;font-weight:600}}.tl .strong{{font-weight:600}}.tl .small{{font-size:9px}}
.tl .end{{text-anchor:end}}.tl .mid{{text-anchor:middle}}
.tl .rule{{stroke:var(--rule);fill:none}}.tl .mark{{fill:none;stroke-width:2}}.tl .thin{{stroke-width:1.3}}
.tl .span{{stroke:none;opacity:.2}}
.tl .bad{{stroke:var(--bad);stroke-width:2;fill:none}}.tl .badtext{{fill:var(--bad);font-weight:600}}
.tl .doubt{{stroke:var(--doubt);stroke-width:1.8;fill:var(--bg)}}
.tl .own{{stroke:var(--dim);stroke-width:1.5;fill:var(--bg)}}
.tl .halo{{stroke:var(--bg);stroke-width:5;fill:none}}
.tl .ring{{stroke:var(--fg);stroke-width:2;fill:none}}
.tl .act{{stroke:var(--fg);stroke-width:1.4}}.tl .seen{{stroke:var(--dim);stroke-width:1;stroke-dasharray:4 3}}
.tl .line{{fill:none;stroke-width:2}}{_POD_RULES}
"""

DASHES = ("", "7 3", "2 3", "9 3 2 3")
"""Of the lines of a plot, so that they are told apart without colour; then again."""
