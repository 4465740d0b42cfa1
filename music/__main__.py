"""`python -m music`: list the commands."""

from common.cli import list_commands

COMMANDS = ("data", "train", "generate", "evaluate", "sound.train", "sound.generate", "sound.evaluate")

if __name__ == "__main__":
    list_commands("music", COMMANDS)
