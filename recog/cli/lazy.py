"""A click group whose commands are imported when they run, and whose exit codes mean what we document."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from recog.cli.options import FAILED, INTERRUPTED, PARTLY, USAGE
from recog.errors import ErasureIncomplete, RecogError


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command lives, and its line in the overview (so that --help need not import it)."""

    target: str  # module:attribute
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


class LazyGroup(click.Group):
    """A group with a table of commands, by section of its help."""

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, Command]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self._table = {name: command for section in sections.values() for name, command in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the help."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        entry = self._table.get(cmd_name)
        return entry.load() if entry else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview from the table."""
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, command.help) for name, command in commands.items()])


class Root(LazyGroup):
    """The outermost group: turns every ending into a documented exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and leave with an exit code; with standalone_mode off, as click does."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        sys.exit(_guarded(lambda: super(Root, self).main(args, prog_name, complete_var, False, **extra)))


def _guarded(call: Callable[[], Any]) -> int:
    """Exit code of a run; click's own would be 1 for errors, which here means "the answer is no"."""
    try:
        code = call()
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        return _silenced()
    except SystemExit:  # click leaves this way when the reader of a pipe is gone
        return _silenced()
    except ErasureIncomplete as error:
        return _report(str(error), PARTLY)
    except RecogError as error:
        return _report(str(error))
    except Exception as error:
        return _report(f"{type(error).__name__}: {error}. Set RECOG_DEBUG=1 to see where; please report it.")


def _report(message: str, code: int = FAILED) -> int:
    if os.environ.get("RECOG_DEBUG") == "1":
        traceback.print_exc()
    click.echo(f"Error: {message}", err=True)
    return code


def _silenced() -> int:
    """The reader of our output has gone: keep Python from complaining about it when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED
