"""Entry point: the commands, and the one place where errors become exit codes.

Exit codes: 0 nothing refuted, 1 a promise refuted, 2 bad input or a machine that is not fit,
3 inconclusive, 70 a fault of the testbed itself, 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
import traceback
from typing import NoReturn

import typer

from architecture import InputError
from cli import commands
from cli.common import err
from evidence.record import RecordError
from evidence.verdict import EXIT_BAD_INPUT, EXIT_INCONCLUSIVE, NoVerdictError
from reference_stack.errors import StackError
from reference_stack.models.errors import ModelError

INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130
TERMINATED = 143
# Typer exports only this one of its usage errors; its base is all of them.
UsageError: type[typer.BadParameter] = typer.BadParameter.__bases__[0]
BAD_INPUT = (InputError, StackError, RecordError, ModelError)


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _on_terminate)
    try:
        result = typer.main.get_command(commands.app)(standalone_mode=False)
    except UsageError as error:
        error.show()
        sys.exit(EXIT_BAD_INPUT)
    except BAD_INPUT as error:
        _complain(str(error))
        sys.exit(EXIT_BAD_INPUT)
    except NoVerdictError as error:
        _complain(str(error))
        sys.exit(EXIT_INCONCLUSIVE)
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted; everything that was started has been ended")
        sys.exit(INTERRUPTED)
    except Exception:  # noqa: BLE001 - a fault of the testbed must not look like a refuted promise
        traceback.print_exc()
        sys.exit(INTERNAL_ERROR)
    sys.exit(result if isinstance(result, int) else 0)


def _complain(message: str) -> None:
    err.print("[bold red]error:[/bold red] ", end="")
    err.print(message, markup=False, highlight=False, soft_wrap=True)


def _on_terminate(_number: int, _frame: object) -> NoReturn:
    """End as on Ctrl-C, so that every clean-up on the way out runs."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(TERMINATED)


if __name__ == "__main__":
    main()
