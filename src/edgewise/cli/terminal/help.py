"""The classes of the commands: help pages that a reader without knowledge of Python's types understands."""

from __future__ import annotations

import inspect
import re
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose help page shows a flag without a value, and an argument without its Python type."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page, with the lines of its paragraphs joined: the terminal decides where they break."""
        self.help = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(self.help or ""))
        super().format_help(ctx, formatter)

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, --help included."""
        return _plain(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: Any) -> Any:
        """Read the arguments; some versions of typer put words of a library before their sentence about a value."""
        try:
            rest = super().parse_args(ctx, args)
        except Exception as error:
            if isinstance(getattr(error, "message", None), str):
                error.message = error.message.removeprefix("Value error, ")  # type: ignore[attr-defined]
            raise
        # An empty name of a file would be the present folder: a variable of a script that has no value, in most cases.
        parameters: Any = self.params
        for parameter in parameters:
            if ctx.params.get(parameter.name) == "":
                raise typer.BadParameter("expected some text, got ''", ctx, parameter)
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line; some versions of typer put required arguments into braces."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """The command `edgewise` itself, with the same kind of help page."""

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        """Find the command; where there is none of this name or a similar one, name all."""
        try:
            return super().resolve_command(ctx, args)
        except Exception as error:
            message = getattr(error, "message", None)
            if isinstance(message, str) and message.startswith("No such command") and "Did you mean" not in message:
                names = ", ".join(self.list_commands(ctx))
                hint = " In Python, edgewise.from_pykan reads a model of pykan." if "convert" in args[:1] else ""
                error.message = f"{message.rstrip('.')}; the commands are {names}.{hint}"  # type: ignore[attr-defined]
            raise

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, --help included."""
        return _plain(super().get_params(ctx))


def _plain(parameters: Any) -> Any:
    for parameter in parameters:
        if isinstance(parameter, TyperArgument):
            # The column of types, which is "str" for every argument here.
            setattr(parameter, "display_type_rich", lambda ctx: None)  # noqa: B010 - only some versions have it
        elif getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return parameters
