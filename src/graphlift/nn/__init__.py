"""Graph layers and the parts of the model, in plain PyTorch."""

from graphlift.nn.conv import RuvectorConv as RuvectorConv
from graphlift.nn.gru import GatedUpdate as GatedUpdate
from graphlift.nn.hierarchical import HierarchicalEncoder as HierarchicalEncoder
from graphlift.nn.residual import ResidualLinear as ResidualLinear
