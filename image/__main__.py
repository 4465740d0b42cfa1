"""`python -m image`: list the commands."""

from common.cli import list_commands

if __name__ == "__main__":
    list_commands("image", ("train", "generate", "evaluate", "classifier"))
