"""Reports: results as SVG figures and HTML pages."""
