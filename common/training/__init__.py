"""The trainer and what it needs: checkpoints, runs, devices, the monitor and the collapse alarm."""
