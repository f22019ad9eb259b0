"""Which strategies can be run, and with which params."""

from fastapi import APIRouter

from coin_api.deps import Deps
from coin_api.schemas import Strategies
from coin_pipeline.strategies.registry import describe_strategy

router = APIRouter(prefix="/api/strategies", tags=["strategies"])


@router.get("")
def strategies(parts: Deps) -> Strategies:
    """List every registered strategy with its description, the schema of its params and its warm-up."""
    registry = parts.strategies.current()
    names = registry.names()
    details = {name: describe_strategy(registry.get(name)) for name in names}
    return Strategies(strategies=list(names), count=len(names), details=details)
