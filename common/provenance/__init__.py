"""`python -m common.provenance`: tell how a result was made, which is written into it and read from it here."""
