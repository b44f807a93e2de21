"""The commands of `mlc`, and what happens when one fails.

Exit codes: 0 for success, 1 for an error of the model or the machine (an `MlcError`), 2 for a
command that was called wrongly, 130 when interrupted.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import mlc
from mlc.cli.bench import bench
from mlc.cli.compile import compile_model
from mlc.cli.console import errors
from mlc.cli.inspect import inspect
from mlc.cli.operators import operators
from mlc.cli.run import run
from mlc.cli.target import target
from mlc.cli.tune import tune_model
from mlc.errors import MlcError


class _Commands(TyperGroup):
    """Tells errors and warnings in plain words instead of tracebacks."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the context names."""
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except MlcError as error:
                _tell("error", "red", str(error))
                raise typer.Exit(1) from None


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    _tell("warning", "yellow", str(message))


def _tell(kind: str, style: str, text: str) -> None:
    console = errors()
    console.print(f"[bold {style}]{kind}:[/] ", end="")
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mlc {mlc.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Compile trained models to native code for CPUs.

    An option that names a variable MLC_… takes its default from it.
    """


def _examples(*lines: str) -> str:
    return "\n\n".join(("Examples:", *lines))


app.command(
    "compile",
    epilog=_examples(
        "mlc compile model.onnx",
        "mlc compile model.onnx --output model.mlc --shape image=1,3,224,224",
        "mlc compile model.onnx --target aarch64-linux-gnu:neoverse-n1 --dump stages",
    ),
)(compile_model)
app.command(
    epilog=_examples(
        "mlc run model.onnx --seed 1",
        "mlc run model.mlc --input image=cat.npy --top 5",
        "mlc run model.mlc --input feeds.npz --output results.npz",
    ),
)(run)
app.command(
    epilog=_examples(
        "mlc bench model.onnx --threads 1 --against onnxruntime",
        "mlc bench model.mlc --explain",
    ),
)(bench)
app.command(
    epilog=_examples(
        "mlc inspect model.onnx --list",
        "mlc inspect model.onnx --stage loops --kernel k3_conv",
        "mlc inspect model.mlc --stage asm | less",
    ),
)(inspect)
app.command(
    "tune",
    epilog=_examples(
        "mlc tune model.onnx --budget 10m --threads 2",
        "mlc tune model.onnx --trials 500 --from other.jsonl --report tuning.html",
    ),
)(tune_model)
app.command("ops", epilog=_examples("mlc ops", "mlc ops model.onnx"))(operators)
app.command(epilog=_examples("mlc target", "mlc target x86-64-v3", "mlc target --list"))(target)


def main() -> None:
    """The entry point of the command `mlc`."""
    app(prog_name="mlc")
