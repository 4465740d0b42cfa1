"""`python -m image`: list the commands."""

from common.cli import list_commands

COMMANDS = (
    "train",
    "generate",
    "evaluate",
    "edit",
    "evaluate_edit",
    "train_translation",
    "translate",
    "evaluate_translation",
    "classifier",
    "scorer",
)

if __name__ == "__main__":
    list_commands("image", COMMANDS)
