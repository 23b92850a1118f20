"""Where a bundle is measured: this machine, an emulated board, a board over the network.

targets.py is the table; each lane is a module with the functions of ``targets.LaneModule``.
"""
