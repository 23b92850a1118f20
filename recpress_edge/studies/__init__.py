"""Published studies, run again with the code that ships and compared with the published figures."""
