"""The line that goes over a piano roll while its piece is heard: it needs one picture and one player in `PIECE`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from music.io.piano_roll import TimeAxis

PIECE = "piece"  # the id of the part of the page in which it works
STYLE = """
#piece .image-frame { position: relative; }
#piece .now { position: absolute; width: 2px; margin-left: -1px; background: white; mix-blend-mode: difference; }
"""  # by the difference to white it is dark on light pixels and light on dark ones
# Events of players do not rise to the document, but go down to their player from there. A picture may be smaller than
# its place on the page, in whose middle it is then.
SCRIPT = """() => {
  const find = what => document.querySelector(`#piece ${what}`);
  const follow = () => {
    const audio = find("audio"), picture = find(".image-frame img"), axis = find("[data-seconds]");
    if (!audio || !picture || !axis) return;
    const { offsetLeft, offsetTop, clientWidth, clientHeight, naturalWidth, naturalHeight } = picture;
    const { left, right, seconds } = axis.dataset;
    const scale = Math.min(1, clientWidth / naturalWidth, clientHeight / naturalHeight);
    const column = Number(left) + (right - left) * Math.min(1, audio.currentTime / seconds);
    const line = find(".now") || picture.parentElement.appendChild(document.createElement("i"));
    line.className = "now";
    line.style.left = `${offsetLeft + clientWidth / 2 + scale * (column - naturalWidth / 2)}px`;
    line.style.top = `${offsetTop + (clientHeight - scale * naturalHeight) / 2}px`;
    line.style.height = `${scale * naturalHeight}px`;
  };
  document.addEventListener("timeupdate", follow, true);
  addEventListener("resize", () => find(".now") && follow());
}"""


def marked(axis: "TimeAxis") -> str:
    """HTML that says to the line where time lies on the picture."""
    return f'<i data-left="{axis.left:.2f}" data-right="{axis.right:.2f}" data-seconds="{axis.seconds:.3f}"></i>'
