"""Images: train, sample and measure GANs and VAEs."""
