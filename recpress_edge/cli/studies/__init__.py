"""One module a study of ``recpress-edge reproduce``: each has ``run(args)``."""
