"""How orders and answers are framed between the inspection and its worker."""

import struct

FRAME = struct.Struct(">II")
"""sizes of the order in JSON and of the content"""
ANSWER = struct.Struct(">I")
"""size of the answer in JSON; 0 is the greeting of a worker that is ready"""
MAX_CONTENT_BYTES = 64 * 1024 * 1024
MAX_ANSWER_BYTES = 16 * 1024 * 1024
