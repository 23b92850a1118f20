"""TFLite files that somebody made to do harm, from a whole one: changed as objects, or byte by byte."""

import copy

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def edit(data, change):
    """The file with its model changed as an object."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))
    change(model)
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _size(buffer):
    return 0 if buffer.data is None else len(buffer.data)


def flex_operator(model):
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = b"FlexReadFile"


def delegate_operator(model):
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DELEGATE


def named_operator(model):
    model.operatorCodes[0].customCode = b"Mine"


def buffer_outside(model):
    buffer = max(model.buffers, key=_size)
    buffer.data, buffer.offset, buffer.size = None, 10**6, 10**9


def external_buffer(model):
    model.subgraphs[0].tensors[0].externalBuffer = 1


def external_groups(model):
    group = schema.ExternalBufferGroupT()
    group.name = b"/etc/hostname"
    model.externalBufferGroups = [group]


def no_such_buffer(model):
    model.subgraphs[0].tensors[0].buffer = 10**6


def no_such_code(model):
    model.subgraphs[0].operators[0].opcodeIndex = 10**6


def no_such_tensor(model):
    operator = model.subgraphs[0].operators[0]
    operator.inputs = [10**6 for _ in operator.inputs]


def no_such_output(model):
    model.subgraphs[0].outputs = [-1, -1]


def shape_beyond_values(model):
    tensors = model.subgraphs[0].tensors
    tensor = next(
        t
        for t in tensors
        if len(model.buffers[t.buffer].data if model.buffers[t.buffer].data is not None else ())
    )
    tensor.shape = [2**20 for _ in tensor.shape]


def options_outside(model):
    operator = model.subgraphs[0].operators[0]
    operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize = 10**6, 10**6


def many_from_one_buffer(model):
    """A hundred tensors of the largest buffer: unpacked one by one they are a hundred times the file."""
    tensors = model.subgraphs[0].tensors
    largest = max(tensors, key=lambda tensor: _size(model.buffers[tensor.buffer]))
    model.buffers[largest.buffer].data = [0] * (2 * 10**5)
    largest.shape, largest.type = [2 * 10**5], schema.TensorType.INT8
    tensors += [copy.copy(largest) for _ in range(100)]


def endless_loop(model):
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.WHILE


def random_numbers(model):
    code = model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.RANDOM_UNIFORM, 127


CASES = {
    endless_loop: "it needs the operator 'builtin 119', and only functions of tensors are run",
    random_numbers: "it needs the operator 'builtin 148', and only functions of tensors are run",
    flex_operator: "it needs an operator of its own, 'FlexReadFile'",
    delegate_operator: "it needs an operator of its own, 'DELEGATE'",
    named_operator: "it needs an operator of its own, 'Mine'",
    buffer_outside: "a tensor's values lie outside the flatbuffer",
    external_buffer: "a tensor's values are in another file (external buffers)",
    external_groups: "tensors' values are in another file (external buffers)",
    no_such_buffer: "a tensor is in buffer 1000000 of",
    no_such_code: "an operator has a code that the file does not list",
    no_such_tensor: "tensor 1000000 of",
    no_such_output: "tensor -1 of",
    shape_beyond_values: "a tensor of shape [1048576",
    options_outside: "an operator's options lie outside the flatbuffer",
    many_from_one_buffer: "its tensors take",
}
