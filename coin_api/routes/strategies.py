"""Route that lists strategies."""

from fastapi import APIRouter

from coin_api.deps import StrategiesDep
from coin_api.schemas import Strategies
from coin_api.threads import without_database
from coin_pipeline.strategies.registry import describe_strategy

router = APIRouter(prefix="/api/strategies", tags=["strategies"])


@router.get("")
@without_database
def strategies(registered: StrategiesDep) -> Strategies:
    """List the registered strategies with description, parameter schema and warm-up."""
    registry = registered.current()
    names = registry.names()
    details = {name: describe_strategy(registry.get(name)) for name in names}
    return Strategies(strategies=list(names), count=len(names), details=details)
