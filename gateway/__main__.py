"""``lienthong``, which is also ``python -m gateway``: a look-up that another process answers loads nothing here."""

import sys
from typing import NoReturn

from gateway import quick


def main() -> NoReturn:
    """Run one command and leave with its exit code."""
    try:
        ended = quick.ask(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    if ended is not None:
        quick.leave(ended[0])
    from gateway.cli import main as whole  # noqa: PLC0415 - costs ten times what stands above

    whole()


if __name__ == "__main__":
    main()
