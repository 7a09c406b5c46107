"""Run the command line as `python -m flowstone.cli`."""

from flowstone.cli.main import run

if __name__ == "__main__":
    run()
