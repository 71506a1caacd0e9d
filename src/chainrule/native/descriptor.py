"""The tables that the entry reads, arrays of words of 8 bytes; and where a function object has what."""

# of a descriptor, in words of 8 bytes
(
    NEXT,
    ARGUMENTS,
    NODES,
    NODE_TABLE,
    OUTPUTS,
    OUTPUT_TABLE,
    BUFFERS,
    BUFFER_TABLE,
    KERNEL,
    STEPS,
    STEP_TABLE,
    LONG,
    SCRATCH,
    NAMED,
    NAME_TABLE,
    CHECK,
) = range(16)
WORDS = 16
# of a node: how an object is found, and what it must be
HOW, PARENT, WHICH, KIND, RANK, DTYPE, SHAPE, SLOT, NTH = range(9)
NODE_WORDS = 9
ARGUMENT, ITEM_OF_DICT, ITEM_OF_TUPLE, ITEM_OF_LIST, ITEM_OF_SCOPE, FIELD, DICT_OF = range(7)
CONTAINER, ARRAY, NUMBER, SAME, ABSENT = range(5)
# of an output
OUT_RANK, OUT_DTYPE, OUT_SHAPE, OUT_SLOT, OUT_ZEROED = range(5)
OUT_WORDS = 5
# of a step of building the result
LEAF, TUPLE, LIST, DICT = range(4)

READ_FLAGS = 0x101  # C_CONTIGUOUS, ALIGNED
ON_STACK = 1 << 14  # bytes of scratch memory that are taken from the stack
MOST_KEPT = 1 << 27  # bytes of scratch memory that are kept from one call to the next
# of a function object, in bytes
VECTORCALL, SLOW, FIRST, KEPT, DICTIONARY, WEAK, SIZE = 16, 24, 32, 40, 48, 56, 64
