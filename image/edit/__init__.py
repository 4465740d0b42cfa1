"""`python -m image.edit`: move a picture through a model's latent space."""
