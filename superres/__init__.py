"""Super-resolution: SRGAN for pictures and video. Its commands arrive in a later release."""
