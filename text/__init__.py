"""Text: a sequence VAE. Its commands arrive in a later release."""
