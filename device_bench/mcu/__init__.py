"""The engine of format c as firmware of a microcontroller: built, run in an emulator, and its figures."""
