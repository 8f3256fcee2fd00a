"""Compiled loops for the parts of a layer that matrix products cannot do well.

Importing this package needs Numba, the extra ``fast``. `graphlift.nn.fast` imports it where it pays, and everything
here has a twin in plain torch that gives the same numbers.
"""

from graphlift.nn.kernels.attention import attend as attend
from graphlift.nn.kernels.attention import attend_backward as attend_backward
from graphlift.nn.kernels.attention import scatter as scatter
from graphlift.nn.kernels.gru import reset as reset
from graphlift.nn.kernels.gru import update as update
