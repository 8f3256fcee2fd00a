"""The loops of `graphlift.nn.kernels` for CUDA, with the same names and arguments.

Importing this package needs Triton, which comes with torch's CUDA builds. `graphlift.nn.fast` imports it where tensors
lie on such a device. Numbers may be float32, bfloat16 or float16; sums are float32.
"""

from graphlift.nn.cuda_kernels.attention import attend as attend
from graphlift.nn.cuda_kernels.attention import attend_backward as attend_backward
from graphlift.nn.cuda_kernels.attention import scatter as scatter
from graphlift.nn.cuda_kernels.gru import reset as reset
from graphlift.nn.cuda_kernels.gru import update as update
