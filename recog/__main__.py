"""`python -m recog`: the command line without the script."""

from recog.cli import run

if __name__ == "__main__":
    run()
