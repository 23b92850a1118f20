"""Two embedding tables and the ways to learn them from interactions alone."""
