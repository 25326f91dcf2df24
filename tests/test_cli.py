"""The command ``conc compare``: what it prints, what it refuses and its exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conc.cli import main

pytestmark = pytest.mark.newest  # Python on top of the C module

FAST = ["--workers", "2", "--repeats", "1"]

WORK = """
import threading

def square(n):
    return n * n

def wrong_on_a_thread(n):
    return n if threading.current_thread() is threading.main_thread() else -n

def fails(n):
    raise ValueError(f"no {n}")

class Nested:
    twice = staticmethod(lambda n: 2 * n)

constant = 7
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conc_cli_work.py").write_text(WORK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "conc_cli_work", raising=False)
    return tmp_path


def test_own_function_by_range(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "conc_cli_work:square", "--range", "50", *FAST]) == 0
    out = capsys.readouterr().out
    assert out.startswith("conc_cli_work:square: 50 items, 2 workers, 1 round in")
    for lane in ("sequential", "threads", "native-threads", "native", "processes", "asyncio"):
        assert f" {lane} " in out
    assert "Verdict:" in out


def test_own_function_by_items_and_twins(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "items.json").write_text("[10, 20, 30]", encoding="utf-8")
    command = ["compare", "conc.workloads.calc:prime_factors", "--items", "items.json", *FAST]
    command += ["--native", "conc.kernels:prime_factors", "--lanes", "sequential,native", "--json", "report.json"]
    assert main(command) == 0
    assert "native" in capsys.readouterr().out
    data = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert list(data["lanes"]) == ["sequential", "native"]
    assert data["lanes"]["native"]["median_s"] > 0


def test_dotted_names_and_a_page(folder: Path) -> None:
    command = ["compare", "conc_cli_work:Nested.twice", "--range", "3", "--lanes", "sequential", *FAST]
    assert main([*command, "--html", "report.html"]) == 0
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_calc(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "calc", "--count", "50", "--seed", "3", *FAST]) == 0
    out = capsys.readouterr().out
    assert "prime factors of 50 numbers" in out
    assert "no coroutine twin" in out


def test_download(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "download", "--files", "3", "--size", "1000", "--latency-ms", "1", "--repeats", "1"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "3 files of 1,000 bytes, 1 ms latency" in out
    assert "10 workers" in " ".join(out.split())


def test_urls_that_fail_are_named_with_their_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "urls.txt").write_text("# mine\n\nhttp://127.0.0.1:1/nothing\n", encoding="utf-8")
    assert main(["compare", "download", "--urls", "urls.txt", *FAST]) == 1
    words = " ".join(capsys.readouterr().out.split())
    assert "http://127.0.0.1:1/nothing" in words
    assert "refused" in words.lower()
    assert "failed at item 0" in words


def test_a_wrong_result_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "conc_cli_work:wrong_on_a_thread", "--range", "5", "--lanes", "sequential,threads", *FAST]
    assert main(command) == 1
    assert "wrong result, item 1: -1 where sequential gives 1" in " ".join(capsys.readouterr().out.split())


def test_a_function_that_always_fails_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "conc_cli_work:fails", "--range", "5", *FAST]) == 1
    assert "failed at item 0 (0): ValueError: no 0" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "there is no work 'nothing': calc, download or MODULE:FUNCTION"),
        (["no_such_module:f", "--range", "3"], "cannot import 'no_such_module'"),
        (["conc_cli_work:nothing", "--range", "3"], "module 'conc_cli_work' has no 'nothing'"),
        (["conc_cli_work:", "--range", "3"], "must be MODULE:NAME"),
        (["conc_cli_work:constant", "--range", "3"], "fn must be callable, not 7"),
        (["conc_cli_work:square"], "either --range N or --items FILE.json"),
        (["conc_cli_work:square", "--range", "3", "--items", "x.json"], "either --range N or --items FILE.json"),
        (["conc_cli_work:square", "--range", "0"], "--range must be at least 1, not 0"),
        (["conc_cli_work:square", "--range", "x"], "argument --range: invalid int value: 'x'"),
        (["conc_cli_work:square", "--items", "absent.json"], "absent.json: No such file or directory"),
        (["conc_cli_work:square", "--items", "broken.json"], "broken.json: line 2, column 5: "),
        (["conc_cli_work:square", "--items", "object.json"], "a JSON list of items is needed, not dict"),
        (["conc_cli_work:square", "--items", "empty.json"], "there are no items"),
        (["conc_cli_work:square", "--items", "latin.json"], "not UTF-8 text, at byte 2"),
        (
            ["conc_cli_work:square", "--range", "3", "--native", "conc_cli_work:square"],
            "native must be a native kernel",
        ),
        (
            ["conc_cli_work:square", "--range", "3", "--coroutine", "conc_cli_work:constant"],
            "coroutine must be callable",
        ),
        (["conc_cli_work:square", "--range", "3", "--files", "3"], "--files is an option of download"),
        (["calc", "--range", "3"], "--range is an option of MODULE:FUNCTION, not of calc"),
        (["calc", "--latency-ms", "3"], "--latency-ms is an option of download"),
        (["calc", "--count", "0"], "there are no items"),
        (["calc", "--count", "-1"], "count must be >= 0, not -1"),
        (["calc", "--lanes", "threads,fibres"], "no lane 'fibres'; the lanes are sequential, threads"),
        (["calc", "--lanes", ","], "lanes is empty"),
        (["calc", "--workers", "0"], "workers must be at least 1, not 0"),
        (["calc", "--repeats", "0"], "repeats must be at least 1, not 0"),
        (["calc", "--budget", "0"], "budget_s must be"),
        (["calc", "--budget", "nan"], "budget_s must be"),
        (["download", "--files", "0"], "files must be >= 1, not 0"),
        (["download", "--size", "-1"], "size_bytes must be >= 0"),
        (["download", "--latency-ms", "-1"], "latency_s must be in 0..3600"),
        (["download", "--urls", "absent.txt"], "absent.txt: No such file or directory"),
        (["download", "--urls", "empty.json", "--files", "3"], "--urls takes the place of the server"),
        (["download", "--urls", "empty.txt"], "there are no items"),
        ([], "the following arguments are required: WORK"),
        (["calc", "--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_wrong_usage_is_one_clear_line(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.json").write_text("[1,\n  2 3]", encoding="utf-8")
    (folder / "object.json").write_text("{}", encoding="utf-8")
    (folder / "empty.json").write_text("[]", encoding="utf-8")
    (folder / "empty.txt").write_text("", encoding="utf-8")
    (folder / "latin.json").write_bytes(b'["\xe9"]')
    try:
        status = main(["compare", *arguments])
    except SystemExit as left:
        status = int(str(left.code))
    out, err = capsys.readouterr()
    assert status == 2
    assert words in err
    assert err.count("\n") == 1
    assert err.startswith("conc")
    assert out == ""


def test_a_report_that_cannot_be_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "calc", "--count", "5", "--lanes", "sequential", *FAST, "--json", "absent/report.json"]
    assert main(command) == 2
    out, err = capsys.readouterr()
    assert out == ""  # said before anything was measured
    assert err == "conc compare: absent/report.json: its folder is not there, or may not be written\n"


def test_json_on_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "calc", "--count", "5", "--lanes", "sequential", *FAST, "--json", "-"]) == 0
    assert set(json.loads(capsys.readouterr().out)["lanes"]) == {"sequential"}


def test_a_reader_that_goes_away() -> None:
    command = f"{sys.executable} -m conc compare calc --count 5 --lanes sequential --repeats 1; echo $? >&2"
    done = subprocess.run(["bash", "-c", f"({command}) | true"], capture_output=True, text=True, check=False)
    assert done.stderr.split()[-1] in ("0", "141")  # 0 when all was written before the reader went
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["conc"], [sys.executable, "-m", "conc"]])
def test_both_ways_to_call_it(command: list[str]) -> None:
    if command == ["conc"]:
        command = [str(Path(sys.executable).with_name("conc"))]
    done = subprocess.run(
        [*command, "compare", "conc_cli_work:square", "--range", "5", "--lanes", "sequential,processes", *FAST],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "processes" in done.stdout
    helped = subprocess.run([*command, "compare", "--help"], capture_output=True, text=True, check=True)
    for option in ("--workers", "--lanes", "--repeats", "--json", "--quick", "--urls", "--range", "--items"):
        assert option in helped.stdout


def test_quick_is_less_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "calc", "--quick", "--lanes", "sequential,native", "--repeats", "1"]) == 0
    assert "1,000 items" in capsys.readouterr().out
