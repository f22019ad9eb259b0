"""Files that a page with charts needs; reports inline them, the app serves them."""

from pathlib import Path
from typing import Final

_FILES: Final = Path(__file__).parent
CHARTS_FOLDER: Final = _FILES / "lightweight_charts"
"""The chart library with its licence and notice."""
CHARTS_SCRIPT: Final = CHARTS_FOLDER / "lightweight-charts.standalone.production.js"
"""Script that defines `window.LightweightCharts`."""
STYLE: Final = _FILES / "templates" / "style.css"
"""Style that all reports and pages have."""
