"""``python -m conc`` is the command ``conc``."""

from conc.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
