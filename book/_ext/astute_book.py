"""What the book needs of Sphinx beyond its settings: nothing is loaded from elsewhere."""

import importlib.util
import shutil
from pathlib import Path


def mathjax():
    """The folder of MathJax in the package sphinx-mathjax-offline."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None:
        raise ModuleNotFoundError(
            "sphinx-mathjax-offline is missing; run `make book` or `make html`"
        )
    return Path(spec.origin).parent / "static/mathjax"


def use_local_mathjax(app, config):
    """Readers without a network see formulas, not their source."""
    mathjax()
    config.mathjax_path = "mathjax/tex-mml-chtml.js"


def copy_mathjax(app, error):
    """Copy the two parts that are used, 1.6 MB of 18."""
    target = Path(app.outdir) / "_static/mathjax"
    if error is None and app.builder.format == "html" and not target.exists():
        fonts = "output/chtml/fonts/woff-v2"
        shutil.copytree(mathjax() / fonts, target / fonts)
        shutil.copy(mathjax() / "tex-mml-chtml.js", target)


def once(app, pagename, templatename, context, doctree):
    """Drop repeated inline scripts: a constant declared twice stops the rest of the page's."""
    seen = set()
    scripts = []
    for script in context.get("script_files", []):
        inline = None if script.filename else script.attributes.get("body")
        if inline is None or inline not in seen:
            scripts.append(script)
        seen.add(inline)
    context["script_files"] = scripts


def setup(app):
    app.set_html_assets_policy("always")  # Sphinx can't see the formulas in tables made by code
    app.connect("config-inited", use_local_mathjax)
    app.connect("html-page-context", once, priority=900)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
