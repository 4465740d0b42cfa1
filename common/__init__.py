"""What the four domains share: the VAE, GAN and conditional-GAN cores, one trainer, metrics and weights."""
