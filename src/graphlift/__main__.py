"""``python -m graphlift`` is the command ``graphlift``."""

from graphlift.cli import main

if __name__ == "__main__":
    main()
