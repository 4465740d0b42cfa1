"""What is read and written: MIDI, sound and piano rolls."""
