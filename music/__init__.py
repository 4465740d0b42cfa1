"""Music: a MIDI GAN. Its commands arrive in a later release."""
