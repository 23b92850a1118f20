"""Everything the command line does, from Python: a frozen request in, a result out, events on the way.

A request has the words of the command's flags. ``run`` does it; ``plan``, where there is one, says what
``run`` would do and writes nothing. Nothing here prints.
"""
