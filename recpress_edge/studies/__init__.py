"""Published studies, run again with the code that ships, beside the figures that were published."""
