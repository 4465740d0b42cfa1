"""The cores: games, GANs, conditional GANs and VAEs, and what they are built from."""
