"""System packages, installed where that is permitted: by root, or by sudo without a password."""

import os
import shutil
import subprocess

# Debian starts a daemon as soon as its package is installed. Tests start their own, so the policy
# forbids it for the time of the installation; a policy that was there before stays.
_INSTALL = r"""
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod +x $policy
fi
apt-get update -qq || true
apt-get install -y -qq --no-install-recommends "$@"
"""


def install(*packages: str) -> bool:
    """Install system packages and return whether that worked; False where it is not permitted."""
    if shutil.which("apt-get") is None:
        return False
    elevate: list[str] = []
    if os.geteuid() != 0:
        elevate = ["sudo", "-n"]
        if shutil.which("sudo") is None or _run(*elevate, "true").returncode != 0:
            return False
    print(f"Installing system packages: {' '.join(packages)} …", flush=True)
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    done = _run(*elevate, *environment, "sh", "-c", _INSTALL, "sh", *packages)
    if done.returncode != 0:
        print(f"apt-get could not install them:\n{done.stdout[-1000:]}", flush=True)
    return done.returncode == 0


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
