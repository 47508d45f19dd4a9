"""Draw random lines of code for the map test: can a reader find them from the tree's paths alone?

python tests/project/draw_lines.py --seed=1 --count=40

One person describes each drawn line in words, without names of files or functions; another, who has
not seen the code, is shown `git ls-files ferjax launch` and names the file of each. BUILD.md holds
the score.
"""

import argparse
import ast
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def code_lines(path: Path) -> list[int]:
    """Returns the numbers of the first lines of statements in functions, imports left out."""
    found = set()
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for node in ast.walk(function):
            trivial = isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass, ast.FunctionDef))
            text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if isinstance(node, ast.stmt) and not trivial and not text:
                found.add(node.lineno)
    return sorted(found)


def draw(seed: int, count: int) -> list[tuple[Path, int]]:
    """Returns (file, line number) of `count` lines, each line of the code base equally likely."""
    files = sorted([*(ROOT / "ferjax").rglob("*.py"), *(ROOT / "launch").rglob("*.py")])
    lines = [(path, number) for path in files for number in code_lines(path)]
    return random.Random(seed).sample(lines, count)


def main() -> None:
    """Prints the drawn lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=40)
    given = parser.parse_args()
    for number, (path, line) in enumerate(draw(given.seed, given.count), start=1):
        text = path.read_text("utf-8").splitlines()[line - 1].strip()
        print(f"{number}\t{path.relative_to(ROOT)}:{line}\t{text}")


if __name__ == "__main__":
    main()
