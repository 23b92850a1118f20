"""Parts of benchmarks/reading.py: the logs, and a module for each subject, which is run as a process."""
