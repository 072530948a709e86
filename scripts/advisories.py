#!/usr/bin/env python3
"""Make tests/advisories/advisories.json from a checkout of the RustSec advisory database.

    scripts/advisories.py CHECKOUT

Only what concerns packages in Cargo.lock is kept. An extension of the snapshot before it is dropped.
Needs Python 3.11.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def git(checkout, *arguments):
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def advisory(file):
    """The facts of one advisory, or None if it was withdrawn."""
    front = re.match(r"\s*```toml\n(.*?)\n```", file.read_text(), re.DOTALL)
    document = tomllib.loads(front.group(1))
    about, versions = document["advisory"], document.get("versions", {})
    if "withdrawn" in about:
        return None
    return {
        "id": about["id"],
        "package": about["package"],
        "date": str(about["date"]),
        "kind": about.get("informational", "vulnerability"),
        "patched": versions.get("patched", []),
        "unaffected": versions.get("unaffected", []),
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    checkout = Path(sys.argv[1])
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    packages = sorted({package["name"] for package in lock["package"]})
    files = [file for package in packages for file in sorted((checkout / "crates" / package).glob("RUSTSEC-*.md"))]
    snapshot = {
        "source": "RustSec advisory database",
        "commit": git(checkout, "rev-parse", "HEAD"),
        "date": git(checkout, "log", "-1", "--format=%cs"),
        "packages": packages,
        "advisories": [found for found in map(advisory, files) if found],
    }
    target = ROOT / "tests/advisories/advisories.json"
    target.write_text(json.dumps(snapshot, indent=1) + "\n")
    print(f"{len(snapshot['advisories'])} advisories for {len(packages)} packages, of {snapshot['date']}")


main()
