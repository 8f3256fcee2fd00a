"""Learning on without forgetting: Fisher information, elastic weight consolidation, a reservoir of past examples."""

from graphlift.continual.ewc import EWC as EWC
from graphlift.continual.fisher import fisher_of_batch as fisher_of_batch
from graphlift.continual.fisher import fisher_of_losses as fisher_of_losses
from graphlift.continual.reservoir import Reservoir as Reservoir

__all__ = ["EWC", "Reservoir", "fisher_of_batch", "fisher_of_losses"]
