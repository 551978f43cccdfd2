"""`make fuzz`: every target of targets.py for its share of the seconds, each in a process of its own.

Needs atheris, which is no dependency of this project: pip install atheris. What breaks a target is said with its
trace, and its input kept in tests/fuzz/corpus, which the tests replay.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
NAMES = (
    "archive_of_a_stranger", "tar_of_a_stranger", "json_of_a_stranger", "records", "lock", "trials", "npz",
)  # fmt: skip


def main() -> int:
    """0 where nothing was found, 1 where something was, 2 where atheris is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"default: {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together; default: 600")
    options = parser.parse_args()
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("fuzzing needs atheris: .venv/bin/python -m pip install atheris", file=sys.stderr)
        return 2
    names = options.targets or NAMES
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory() as found:
            command = [sys.executable, __file__, "--one", name, found, str(HERE / "corpus" / name)]
            (HERE / "corpus" / name).mkdir(parents=True, exist_ok=True)
            limits = [
                f"-max_total_time={options.seconds // len(names)}", "-rss_limit_mb=4096", "-timeout=20",
                "-max_len=8192", f"-artifact_prefix={HERE / 'corpus' / name}/", "-print_final_stats=1",
            ]  # fmt: skip
            if subprocess.run([*command, *limits], check=False).returncode:
                failed.append(name)
    print(f"findings in: {', '.join(failed)}" if failed else "no findings")
    return 1 if failed else 0


def fuzz(name: str, found: Path) -> None:
    """Try inputs until the time is over; what is new and sound is kept in the folder `found`."""
    import atheris

    with atheris.instrument_imports(include=["bench", "suites", "json", "csv", "zipfile", "tarfile"]):
        import targets
    for number, (target, content) in enumerate(targets.seeds()):
        if target == name:
            (found / f"seed-{number}").write_bytes(content)
    atheris.Setup([sys.argv[0], *sys.argv[3:]], targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        fuzz(sys.argv[2], Path(sys.argv[3]))
    sys.exit(main())
