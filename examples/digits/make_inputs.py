"""Makes the example inputs: seven.png and seven-ink.png drawn here, seven.wav spoken by espeak-ng."""
from pathlib import Path

from PIL import Image, ImageDraw

from recipe import data

HERE = Path(__file__).parent
SIDE, FINER = 140, 4  # pixels; drawn four times finer and reduced, which smooths the edges


def seven(ink, paper):
    """A seven in three strokes, its corners round as a pen's."""
    big = Image.new("L", (SIDE * FINER, SIDE * FINER), paper)
    pen = ImageDraw.Draw(big)
    path = [(38, 40), (66, 37), (101, 34), (84, 68), (70, 92), (62, 115)]
    width = 11
    points = [(x * FINER, y * FINER) for x, y in path]
    pen.line(points, fill=ink, width=width * FINER, joint="curve")
    for x, y in points:
        r = width * FINER / 2
        pen.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    return big.resize((SIDE, SIDE), Image.Resampling.BOX)


if __name__ == "__main__":
    seven(ink=255, paper=0).save(HERE / "seven.png", optimize=True)
    seven(ink=25, paper=240).save(HERE / "seven-ink.png", optimize=True)
    data.write_wav(HERE / "seven.wav", data.espeak("seven", "en-gb", pitch=45, speed=150))
