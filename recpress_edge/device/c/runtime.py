"""What answers from a model.bin: numpy on its tables, until the engine is compiled."""

from recpress_edge.device.reference_file import FileReference


class CRuntime(FileReference):
    """Answers of one model.bin."""

    name = "c"
