"""python -m mlc.demo: compile two trained networks, read a picture, race onnxruntime."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.console import Console
from rich.panel import Panel

import mlc
from mlc.demo.engines import Engine, compile_network, interpret_network, race_all
from mlc.demo.models import DETECTION, RECOGNITION
from mlc.demo.picture import TEXTS, draw_picture
from mlc.demo.reader import detect, detection_input, line_batches, recognise
from mlc.demo.show import annotate, in_terminal, save_whole, time_table, word_table

LONGEST_SIDE = 1280


def main(
    image: Annotated[Path | None, typer.Option(help="A picture of your own.")] = None,
    output: Annotated[Path, typer.Option(help="Where to write the result.")] = Path("demo.png"),
    threads: Annotated[int, typer.Option(help="Threads that both engines use.")] = 1,
) -> None:
    """Read the words of a picture with networks compiled by mlc."""
    console = Console()
    console.print(
        Panel.fit(
            "[bold]mlc[/] compiles PP-OCRv4, two trained networks that find and spell text,\n"
            "to native code, reads a picture with them, and races onnxruntime.",
            border_style="cyan",
        )
    )
    picture = _open(image)
    with console.status("fetching the trained networks (once)"):
        detection, recognition = DETECTION.path(), RECOGNITION.path()
    engine = Engine("mlc", compile_network, threads)
    peer = Engine("onnxruntime", interpret_network, threads)

    with console.status("compiling the network that finds lines of text"):
        boxes = detect(engine, detection, picture)
    console.print(
        f"[green]✓[/] found {len(boxes)} lines of text "
        f"[dim](ready in {engine.seconds_to_make:.1f} s)[/]"
    )
    before = engine.seconds_to_make
    with console.status("compiling the network that spells them"):
        words = recognise(engine, recognition, picture, boxes)
    console.print(
        f"[green]✓[/] read them [dim](ready in {engine.seconds_to_make - before:.1f} s)[/]\n"
    )

    result = annotate(picture, words)
    if console.color_system in ("256", "truecolor"):
        console.print(in_terminal(result, min(console.width, 120)))
    console.print(word_table(words, TEXTS if image is None else None))

    with console.status("racing onnxruntime"):
        races = {"find the lines": (detection, detection_input(picture))}
        for width, (members, batch) in line_batches(picture, boxes).items():
            races[f"spell {len(members)} of width {width}"] = recognition, batch
        rows, worst = race_all((engine, peer), races)
    console.print(time_table([engine.name, peer.name], rows, threads))
    console.print(f"largest difference between the two engines' probabilities: {worst:.1e}")
    save_whole(result, output)
    console.print(f"the picture with its boxes: [bold]{output}[/]")


def _open(image: Path | None) -> Image.Image:
    """The picture to read, at most so large that it is read in a moment."""
    if image is None:
        return Image.fromarray(draw_picture())
    picture = Image.open(image).convert("RGB")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return picture


if __name__ == "__main__":
    try:
        typer.run(main)
    except mlc.MlcError as error:
        sys.exit(f"error: {error}")
