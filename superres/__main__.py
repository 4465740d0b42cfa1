"""`python -m superres`: list the commands."""

from common.cli import list_commands

if __name__ == "__main__":
    list_commands("superres", ("train", "upscale", "evaluate"))
