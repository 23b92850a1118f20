"""An emulated 64-bit Arm machine, set up without root: Debian packages and wheels in a cache folder."""
