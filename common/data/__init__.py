"""Data of any domain: arrays on a device, folders and archives of files, pieces of text."""
