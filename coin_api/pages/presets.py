"""The page of presets, where they are renamed and deleted."""

from fastapi import Request, Response

from coin_api.deps import PresetsDep
from coin_api.pages import texts_presets as texts
from coin_api.pages.rendering import render_page
from coin_api.pages.routing import page_router

router = page_router()


@router.get("/presets")
def presets(request: Request, presets: PresetsDep) -> Response:
    """List the presets."""
    return render_page(request, "presets.html.j2", texts=texts, presets=presets.list_all())
