"""The command line as a module: `python -m kyodaku`, and so `accelerate launch -m kyodaku train …`."""

from tui.cli import main

if __name__ == "__main__":
    main()
