"""`python -m image`: list the commands."""

from common.cli import list_commands

COMMANDS = (
    "train",
    "generate",
    "evaluate",
    "train_translation",
    "translate",
    "evaluate_translation",
    "classifier",
    "scorer",
)

if __name__ == "__main__":
    list_commands("image", COMMANDS)
