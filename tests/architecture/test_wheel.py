"""The wheel, installed alone in an environment of its own, does the main job."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import airflow
import pytest

ROOT = Path(__file__).parent.parent.parent
PINS = ROOT / "constraints" / f"airflow-{'.'.join(airflow.__version__.split('.')[:2])}.txt"
CREATE = """
from importlib.util import find_spec
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator
assert find_spec("pytest") is None, "this is the environment of the tests"
print(YandexAIStudioHook().create_conversation(metadata={"from": "wheel"}).id)
"""


def run(*command, **environment):
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment}
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=120,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_its_types_and_its_licence(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "airflow_provider_yandex_conv/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    source = ROOT / "airflow_provider_yandex_conv"
    files = {
        str(file.relative_to(ROOT)) for file in source.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    }
    assert files <= set(names)
    assert {Path(file).suffix for file in files} >= {".py", ".html", ".css", ".js"}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"airflow_provider_yandex_conv"}


def test_the_wheel_alone_creates_a_conversation(wheel, tmp_path, yandex_ai_studio):
    python = str(tmp_path / "venv" / "bin" / "python")
    uv = str(Path(sys.executable).parent / "uv")
    run(uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    run(
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--constraint",
        str(PINS),
        str(wheel),
        UV_COMPILE_BYTECODE="0",
    )
    said = run(
        python, "-P" if sys.version_info >= (3, 11) else "-I", "-c", CREATE, PYTHONPATH="", AIRFLOW_HOME=str(tmp_path)
    )
    (stored,) = yandex_ai_studio.conversations
    assert said.splitlines()[-1] == stored["id"]
    assert stored["metadata"] == {"from": "wheel"}
