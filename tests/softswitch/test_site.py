"""The documents as a site: every page has its place, and no link leads nowhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MKDOCS = Path(sys.executable).with_name("mkdocs")


@pytest.mark.skipif(not MKDOCS.exists() and shutil.which("mkdocs") is None, reason="no mkdocs")
def test_the_site_is_built_without_a_warning(tmp_path):
    program = str(MKDOCS) if MKDOCS.exists() else "mkdocs"
    done = subprocess.run(
        [program, "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = {page.with_suffix("").name for page in (tmp_path / "site").glob("*.html")} - {"404"}
    assert pages == {page.stem for page in (ROOT / "docs").glob("*.md")}
