"""Routes of strategies and of presets of their parameters."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Response, status

from coin_api.deps import PresetsDep, StrategiesDep
from coin_api.routing import StrategyRoute
from coin_api.schemas import PresetDocument, Presets, Strategies
from coin_api.threads import without_database
from coin_pipeline.presets import Preset, PresetFields, PresetRename, PresetRequest
from coin_pipeline.strategies.registry import describe_strategy

router = APIRouter(prefix="/api/strategies", tags=["strategies"], route_class=StrategyRoute)
PresetName = Annotated[str, Path(description="Name of the preset.")]


@router.get("")
@without_database
def strategies(registered: StrategiesDep) -> Strategies:
    """List the registered strategies with description, parameter schema and warm-up."""
    registry = registered.current()
    names = registry.names()
    details = {name: describe_strategy(registry.get(name)) for name in names}
    return Strategies(strategies=list(names), count=len(names), details=details)


@router.get("/presets", name="presets")
def list_presets(presets: PresetsDep) -> Presets:
    """List the presets by name: three are built in, and users save others."""
    documents = [_document(preset) for preset in presets.list_all()]
    return Presets(presets=documents, count=len(documents))


@router.post("/presets", status_code=status.HTTP_201_CREATED)
def save_preset(
    request: PresetRequest, presets: PresetsDep, registered: StrategiesDep, response: Response
) -> PresetDocument:
    """Save a preset, in place of an earlier one of the same name; the strategy has to accept the parameters."""
    saved = presets.save(request.name, request, registered.current())
    response.headers["Location"] = f"{router.prefix}/presets/{quote(saved.name)}"
    return _document(saved)


@router.get("/presets/{name}")
def preset(name: PresetName, presets: PresetsDep) -> PresetDocument:
    """Return a preset."""
    return _document(presets.get(name))


@router.put("/presets/{name}")
def replace_preset(
    name: PresetName, request: PresetFields, presets: PresetsDep, registered: StrategiesDep
) -> PresetDocument:
    """Replace the strategy, the parameters and the description of a preset that exists."""
    return _document(presets.replace(name, request, registered.current()))


@router.patch("/presets/{name}")
def rename_preset(name: PresetName, request: PresetRename, presets: PresetsDep) -> PresetDocument:
    """Rename a preset; a built-in one, also a changed one, keeps its name."""
    return _document(presets.rename(name, request.name))


@router.delete("/presets/{name}", status_code=status.HTTP_204_NO_CONTENT)
def delete_preset(name: PresetName, presets: PresetsDep) -> None:
    """Delete a preset; a built-in one is restored if it was changed, and cannot be deleted otherwise."""
    presets.delete(name)


def _document(preset: Preset) -> PresetDocument:
    return PresetDocument(**preset._asdict(), built_in=preset.built_in)
